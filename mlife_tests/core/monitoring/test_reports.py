from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport, conclude

DAY = date(2026, 6, 11)


def finding(is_alarm: bool, statistic: float = 0.5, column: str = "pay") -> Finding:
    return Finding("data", column, "ks", statistic, 0.1, is_alarm, f"{column} moved — “über” 15 %.")


@given(
    statistics=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=5),
    flags=st.lists(st.booleans(), min_size=5, max_size=5),
    text=st.text(max_size=30),
)
def test_json_gives_back_the_same_report_to_the_bit(statistics: list[float], flags: list[bool], text: str) -> None:
    findings = [
        replace(finding(flag, value, text), importance_share=1 / 3 if flag else None, moved_columns=(text, "pay"))
        for value, flag in zip(statistics, flags, strict=False)
    ]
    report = conclude("r", as_of=DAY, model_version=None, sample_rows=7, findings=findings, ok=text, alarm="bad")
    again = MonitoringReport.from_json(report.to_json())
    assert again == report
    assert again.to_json() == report.to_json()


def test_conclusion_follows_from_findings_and_puts_the_largest_excess_first() -> None:
    findings = [finding(False, 0.05, "a"), finding(True, 0.2, "b"), finding(True, 0.9, "c")]
    report = conclude("r", as_of=DAY, model_version="m", sample_rows=7, findings=findings, ok="fine", alarm="bad")
    assert (report.status, report.sentence) == ("alarm", "bad")
    assert [f.column for f in report.findings] == ["c", "b", "a"]
    assert [f.column for f in report.alarms] == ["c", "b"]


@pytest.mark.parametrize("status", ["ok", "not_enough_evidence", "green"])
def test_a_report_cannot_hide_an_alarm(status: str) -> None:
    with pytest.raises(InvalidInputError, match="status"):
        MonitoringReport("r", DAY, None, 1, status, (finding(True),), "fine")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_finding_is_a_finite_number(value: float) -> None:
    with pytest.raises(InvalidInputError, match=r"Finding\.statistic of ks on pay"):
        finding(False, value)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"findings":[],"as_of_date":"x"}', '{"findings":[{"a":1}]}'])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="not a monitoring report"):
        MonitoringReport.from_json(text)


def test_a_report_of_before_importance_was_known_is_readable() -> None:
    report = conclude(
        "r", as_of=DAY, model_version="m", sample_rows=7, findings=[finding(True)], ok="fine", alarm="bad"
    )
    record = json.loads(report.to_json())
    for entry in record["findings"]:
        del entry["importance_share"], entry["moved_columns"]
    assert MonitoringReport.from_json(json.dumps(record)) == report


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_importance_is_a_share(share: float) -> None:
    with pytest.raises(InvalidInputError, match=r"Finding\.importance_share of ks on pay"):
        replace(finding(True), importance_share=share)


def test_what_moved_is_named_once_and_a_row_by_its_method() -> None:
    findings = [
        replace(finding(True, 0.9, "features"), moved_columns=("distance_km", "pay")),
        finding(True, 0.5, "pay"),
        finding(True, 0.4, ""),
        finding(False, 0.05, "quiet"),
    ]
    report = conclude("r", as_of=DAY, model_version="m", sample_rows=7, findings=findings, ok="fine", alarm="bad")
    assert report.moved_columns == ("distance_km", "pay", "ks")


@pytest.mark.parametrize(
    ("statistic", "threshold", "is_alarm", "ratio"),
    [
        (0.5, 0.25, True, 2.0),
        (0.1, 0.2, False, 0.5),
        (-0.3, 0.2, False, 0.0),  # better than expected
        (0.5, 0.25, False, None),  # beyond the limit, but it moves with the calendar
        (3.0, 0.0, True, None),  # nothing is allowed, so there is no unit
    ],
)
def test_a_ratio_is_the_statistic_in_units_of_its_limit(
    statistic: float, threshold: float, is_alarm: bool, ratio: float | None
) -> None:
    assert Finding("data", "pay", "ks", statistic, threshold, is_alarm, "x").ratio == ratio


def test_findings_are_ordered_by_their_ratio_and_those_without_one_left_out() -> None:
    findings = [
        Finding("data", "near", "ks", 0.18, 0.2, False, "x"),
        Finding("data", "calendar", "ks", 0.9, 0.2, False, "x"),
        Finding("data", "far", "ks", 0.6, 0.2, True, "x"),
    ]
    report = conclude("r", as_of=date(2026, 6, 2), model_version="m", sample_rows=1, findings=findings, ok="", alarm="")
    assert [(finding.column, round(ratio, 6)) for finding, ratio in report.by_ratio] == [("far", 3.0), ("near", 0.9)]
