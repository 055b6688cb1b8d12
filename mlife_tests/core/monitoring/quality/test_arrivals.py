"""Rules on counts: how much came, of what, what was refused, what came twice."""

from __future__ import annotations

from functools import partial

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring import quality
from mlife_assets.core.monitoring.quality import Refusal
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.core.validation import WHOLE_FILE, Reason

HISTORY = {
    "impression": [9_000, 10_000, 11_000], "click": [900, 1_000, 1_100], "hire": [0, 3, 2],
    "user_snapshot": [10_000] * 3, "consent": [5, 4, 6], "message_status": [2_000] * 3,
}  # fmt: skip
LANDED = {"impression": 6_000, "click": 600, "hire": 0, "user_snapshot": 10_050}
POLICY = MonitoringPolicy()
freshness = partial(quality.freshness, own_types=("message_status",), label_types=("click", "apply", "hire"))


def alarms(findings) -> set[tuple[str, str]]:
    return {(finding.column, finding.method) for finding in findings if finding.is_alarm}


def refused(rows: int, reason: Reason = Reason.OUT_OF_RANGE, **changes) -> Refusal:
    facts = {"event_type": "user_snapshot", "first_row": 3, "field": "latitude", "detail": "between -90 and 90"}
    return Refusal(reason=reason.value, rows=rows, **(facts | changes))


@pytest.mark.parametrize(("rows", "is_alarm"), [(20_000, True), (31_000, False), (61_000, False), (200_000, True)])
def test_half_or_twice_the_usual_pairs_are_a_fault(reference, rows: int, is_alarm: bool) -> None:
    (finding,) = quality.volume(reference, rows)
    assert finding.is_alarm == is_alarm
    assert f"{rows:,} candidate pairs" in finding.sentence


def test_a_type_that_stopped_landing_is_a_fault() -> None:
    assert alarms(freshness(LANDED, HISTORY)) == set()
    assert alarms(freshness(LANDED | {"impression": 0}, HISTORY)) == {("impression", "freshness")}
    assert alarms(freshness(LANDED | {"impression": 999}, HISTORY)) == {("impression", "freshness")}
    assert alarms(freshness({"impression": 9_000}, HISTORY)) == {("user_snapshot", "freshness")}


def test_rare_types_ours_and_those_that_do_not_land_daily_may_be_absent() -> None:
    told = {finding.column for finding in freshness(LANDED, HISTORY)}
    assert told == {"impression", "click", "user_snapshot"}
    weekly = {"consent": [0, 150, 0, 0]}
    assert list(freshness({}, weekly)) == []


@pytest.mark.parametrize("label", ["click", "apply", "hire"])
def test_labels_may_be_late(label: str) -> None:
    (finding,) = freshness({}, {label: [500] * 5})
    assert not finding.is_alarm
    assert "labels may be late" in finding.sentence


def test_one_repeated_pair_is_a_fault_and_few_repeated_events_are_not() -> None:
    assert not quality.repeated_pairs(0, 61_000).is_alarm
    assert quality.repeated_pairs(1, 61_000).is_alarm
    repeated = [refused(5, Reason.DUPLICATE_EVENT_ID), refused(400, Reason.OUT_OF_RANGE)]
    few = quality.duplicate_events(repeated, {"user_snapshot": 10_000}, POLICY)
    assert (few.is_alarm, few.sentence) == (False, "5 of 10,005 events repeat another.")
    many = [refused(60, Reason.DUPLICATE_EVENT_ID), refused(60, Reason.DUPLICATE_EVENT_ID, event_type="click")]
    assert quality.duplicate_events(many, {"user_snapshot": 10_000}, POLICY).is_alarm


@pytest.mark.parametrize(
    ("rows", "landed", "is_alarm"),
    [(0, 10_000, False), (100, 10_000, False), (102, 10_000, True), (4, 20, False), (5, 20, True), (3, 0, True)],
)
def test_refused_rows_are_a_fault_when_they_are_many(rows: int, landed: int, is_alarm: bool) -> None:
    (finding,) = quality.refusals([refused(rows)], {"user_snapshot": landed}, {}, POLICY)
    assert (finding.method, finding.is_alarm) == ("rejected_share", is_alarm)
    if rows:
        assert "most for out_of_range in latitude: between -90 and 90" in finding.sentence


def schema_of(refusal: Refusal, landed: dict[str, int], history=HISTORY):
    (finding,) = [one for one in quality.refusals([refusal], landed, history, POLICY) if one.method == "schema"]
    return finding


LOST = "user_snapshot needs the column shift; export it and land the file again"


def test_a_file_without_a_column_is_a_fault_that_names_it() -> None:
    lost = refused(10_000, Reason.MISSING_COLUMN, field="shift", detail=LOST, first_row=0)
    alone = schema_of(lost, {})
    assert (alone.column, alone.is_alarm) == ("user_snapshot", True)
    assert alone.sentence == f"user_snapshot: 10,000 rows were refused for missing_column: {LOST}."
    assert schema_of(lost, {"user_snapshot": 10_000}).is_alarm, "half of what came is much, whatever else landed"


@pytest.mark.parametrize(
    ("refusal", "landed", "is_alarm"),
    [
        (refused(1, Reason.UNREADABLE_FILE, field=None, detail="no Parquet", first_row=WHOLE_FILE), 0, True),
        (refused(1, Reason.UNREADABLE_FILE, field=None, detail="no Parquet", first_row=WHOLE_FILE), 9_000, False),
        (refused(3, Reason.MISSING_COLUMN, field="shift", detail=LOST, first_row=0), 9_000, False),
        (refused(1, Reason.EMPTY_FILE, event_type="click", field=None, first_row=WHOLE_FILE), 0, True),
        (refused(1, Reason.EMPTY_FILE, event_type="hire", field=None, first_row=WHOLE_FILE), 0, False),
    ],
)
def test_a_stray_file_beside_good_ones_is_reported_and_a_lost_type_is_a_fault(
    refusal, landed: int, is_alarm: bool
) -> None:
    """A refused file is not late, so labels are no exception; what lands rarely is."""
    finding = schema_of(refusal, {refusal.event_type: landed})
    assert finding.is_alarm == is_alarm
    assert refusal.reason in finding.sentence
    if not is_alarm:
        assert f"{landed:,} good rows landed" in finding.sentence


def test_duplicates_are_not_counted_as_refused() -> None:
    twice = refused(5_000, Reason.DUPLICATE_EVENT_ID)
    (finding,) = quality.refusals([twice], {"user_snapshot": 5_000}, HISTORY, POLICY)
    assert (finding.is_alarm, finding.statistic) == (False, 0.0)


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="user_snapshot refused -1 rows as out_of_range"):
        refused(-1)
