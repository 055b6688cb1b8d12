"""The section of reports says what moved, in the report's own words."""

from __future__ import annotations

from dataclasses import replace

from mlife_assets.core.dashboard.data import DashboardData, ReportDigest
from mlife_assets.core.dashboard.page import render_dashboard
from mlife_assets.core.dashboard.reports import COLUMNS_TOLD, reports_section


def digest(example: DashboardData, **changes) -> ReportDigest:
    report = ReportDigest(
        name="data_drift_report",
        day=example.as_of_date,
        status="alarm",
        sentence="2 of 25 columns moved <so far>.",
        sample_rows=2_000,
        findings=25,
        alarms=2,
        moved=("metro_code", "distance_km"),
        importance=0.172,
    )
    return replace(report, **changes)


def test_an_alarm_names_its_columns_and_what_they_carry(example_data) -> None:
    section = reports_section(replace(example_data, reports=(digest(example_data),)))
    for word in ("data drift", "22 Jun 2026", ">alarm<", ">metro_code<", ">distance_km<", "17.2", "2 of 25", "2,000"):
        assert word in section, word
    assert "&lt;so far&gt;" in section
    assert "more" not in section
    assert section in render_dashboard(replace(example_data, reports=(digest(example_data),)))


def test_what_is_not_known_is_a_gap_and_a_long_list_is_cut(example_data) -> None:
    quiet = digest(example_data, status="ok", moved=(), importance=None, alarms=0, sentence="Fine.")
    waiting = digest(example_data, status="not_enough_evidence", moved=(), importance=None, sentence="Wait.")
    long = digest(example_data, moved=tuple(f"column_{k}" for k in range(COLUMNS_TOLD + 3)))
    section = reports_section(replace(example_data, reports=(quiet, waiting, long)))
    assert "not enough evidence" in section
    assert " and 3 more" in section
    assert f"column_{COLUMNS_TOLD}<" not in section
    assert section.count("0 of 25") == 1


def test_no_report_says_so(example_data) -> None:
    assert "No report yet." in reports_section(replace(example_data, reports=()))
