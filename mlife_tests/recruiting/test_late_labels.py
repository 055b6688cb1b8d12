"""Which labels late rows move. That it is what the SQL makes is tested in `dbt`."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from mlife_assets.core.windows import day_start
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.late_labels import LateRows, exposures_of, label_windows, late_rows
from mlife_assets.recruiting.policies import LabelPolicy

DAY = date(2026, 6, 1)
NAMES = ("event_id", "exposure_id", "occurred_at", "observed_at")


def at(days: float) -> datetime:
    return day_start(DAY) + timedelta(days=days)


def clicks(*rows: tuple[str, str, float, float]) -> pa.Table:
    """Return clicks: id, exposure, and the days after `DAY` on which they happened and were known."""
    columns = {name: EVENT_TYPES["click"].schema.field(name).type for name in NAMES}
    found = [dict(zip(NAMES, (*row[:2], at(row[2]), at(row[3])), strict=True)) for row in rows]
    return pa.Table.from_pylist(found, schema=pa.schema(list(columns.items())))


def changed(known: pa.Table, late: pa.Table, policy: LabelPolicy, shown_at: float = 0.5) -> LateRows:
    """Return what late clicks on one exposure changed."""
    exposures = clicks(("", "x", shown_at, shown_at)).select(["exposure_id", "occurred_at", "observed_at"])
    return late_rows("click", late, pa.concat_tables([known, late]), exposures, label_windows(policy))


@pytest.mark.parametrize(("known_at", "moved", "too_late"), [(4.9, 1, 0), (5, 0, 1)])
def test_labels_are_final_when_the_longest_window_of_the_policies_has_closed(known_at, moved, too_late) -> None:
    late = clicks(("a", "x", 2.5, known_at))
    for policy in (LabelPolicy(click_window_days=2, apply_window_days=4), LabelPolicy(4, 2)):
        found = changed(late.slice(0, 0), late, policy)
        assert (found.rows, found.moved, found.too_late) == (1, moved, too_late)


@pytest.mark.parametrize(("occurred_at", "moved"), [(3.5, 1), (3.6, 0)])
def test_an_outcome_counts_within_the_window_of_the_policies(occurred_at: float, moved: int) -> None:
    late = clicks(("a", "x", occurred_at, 4.75))
    found = changed(late.slice(0, 0), late, LabelPolicy(click_window_days=3))
    assert (found.moved, found.too_late, found.first_exposure_day) == (moved, 0, DAY if moved else None)


def test_clocks_may_differ_so_an_outcome_may_come_before_its_exposure() -> None:
    late = clicks(("a", "x", 0.9, 4.75))
    assert changed(late.slice(0, 0), late, LabelPolicy(), shown_at=1.1).moved == 1


def test_only_an_outcome_that_counts_and_was_known_before_leaves_nothing_to_move() -> None:
    late = clicks(("late", "x", 1, 3.75))
    for known, moved in (
        (("before", "x", 2, 2.9), 0),
        (("outside its window", "x", 2.6, 2.9), 1),
        (("after", "x", 1, 3.9), 1),
        (("of another", "y", 1, 1.9), 1),
    ):
        assert changed(clicks(known), late, LabelPolicy()).moved == moved, known
    twice = pa.concat_tables([late, clicks(("late too", "x", 1, 3.75))])
    assert changed(late.slice(0, 0), twice, LabelPolicy()).moved == 1


def test_a_text_is_shown_when_it_was_first_delivered_and_known_when_plan_and_delivery_were() -> None:
    times = {"occurred_at": at(0), "observed_at": at(0)}

    def table(*rows: dict[str, Any]) -> pa.Table:
        return pa.Table.from_pylist([{**times, **row} for row in rows])

    impressions = table({"event_id": "i"})
    planned = table(
        {"message_id": "text", "channel": "sms", "observed_at": at(3)},
        {"message_id": "mail", "channel": "email"},
        {"message_id": "text", "channel": "sms", "observed_at": at(9)},
    )
    statuses = table(
        {"message_id": "text", "status": "accepted"},
        {"message_id": "text", "status": "delivered", "occurred_at": at(1), "observed_at": at(2)},
        {"message_id": "text", "status": "delivered", "occurred_at": at(4), "observed_at": at(5)},
        {"message_id": "mail", "status": "delivered"},
        {"message_id": "of nobody", "status": "delivered"},
    )
    assert exposures_of(impressions, planned, statuses).to_pylist() == [
        {"exposure_id": "i", "occurred_at": at(0), "observed_at": at(0)},
        {"exposure_id": "text", "occurred_at": at(1), "observed_at": at(3)},
    ]
