"""The raw events that a few users and jobs are derived from.

Belongs here: which events and columns are needed, what was known as of a day, the latest row and the counts per id.
Does not belong here: features (`compare`), reading (`components`).

Concept: this is the second derivation of the same facts, so it shares nothing with the first: no SQL, no mart, no
window function, only rows of the log and the rule that a day knows what was observed before its midnight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.windows import day_start
from mlife_assets.recruiting.events import EVENT_TYPES

_TIMES = ("event_id", "occurred_at", "observed_at")
SOURCE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "user_snapshot": tuple(EVENT_TYPES["user_snapshot"].schema.names),
    "consent": (*_TIMES, "user_id", "channel", "is_granted"),
    "job_posted": tuple(EVENT_TYPES["job_posted"].schema.names),
    "job_closed": (*_TIMES, "job_id"),
    "impression": (*_TIMES, "user_id", "job_id"),
    "click": (*_TIMES, "user_id", "job_id"),
    "apply": (*_TIMES, "user_id", "job_id"),
    "hire": (*_TIMES, "job_id"),
    "message_planned": (*_TIMES, "message_id", "user_id", "job_id", "channel"),
    "message_status": (*_TIMES, "message_id", "status"),
}
"""Event type -> the columns that are needed of it."""

Days = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SourceEvents:
    """Rows of the log, one per event (the first observed), by event type, with at least `SOURCE_COLUMNS`.

    They hold all that decides about the users and jobs that are derived: their latest snapshot and posting, the change
    of consent that decides, the last click of each user, every hire and closing, and what was shown, sent, clicked and
    applied to in the 28 days before. Rows about others, older rows, and rows observed later than the day that is
    derived, may be among them and change nothing.
    """

    tables: Mapping[str, pa.Table]

    def __post_init__(self) -> None:
        """Refuse a missing type or column."""
        for name, columns in SOURCE_COLUMNS.items():
            if name not in self.tables:
                raise InvalidInputError(f"the source lacks events of type {name}; read it from the event log")
            lacking = [column for column in columns if column not in self.tables[name].column_names]
            if lacking:
                raise InvalidInputError(f"the source's {name} lacks column {lacking[0]}; read it from the event log")

    def known(self, event_type: str, as_of: date) -> pa.Table:
        """Return the events of a type that were observed before `as_of` 00:00 UTC, by (observed_at, event_id)."""
        table = self.tables[event_type]
        before = table.filter(pc.less(table["observed_at"], pa.scalar(day_start(as_of), table["observed_at"].type)))
        return before.sort_by([("observed_at", "ascending"), ("event_id", "ascending")])

    def deliveries(self, as_of: date) -> pa.Table:
        """Return the texts that reached somebody: `user_id`, `job_id` and `observed_at`, when both the plan and the
        delivery were known; of a message that was planned or delivered twice the first counts.
        """
        plans = first_of_each(self.known("message_planned", as_of), "message_id")
        plans = plans.filter(pc.equal(plans["channel"], "sms"))
        statuses = self.known("message_status", as_of)
        delivered = first_of_each(statuses.filter(pc.equal(statuses["status"], "delivered")), "message_id")
        places = pc.index_in(delivered["message_id"], value_set=plans["message_id"].combine_chunks())
        there = places.is_valid()
        plan, delivery = plans.take(places.filter(there)), delivered.filter(there)
        is_planned_last = pc.greater(plan["observed_at"], delivery["observed_at"])
        later = pc.if_else(is_planned_last, plan["observed_at"], delivery["observed_at"])
        return plan.select(["user_id", "job_id"]).append_column("observed_at", later)


def first_of_each(rows: pa.Table, key: str) -> pa.Table:
    """Return the first row of each id, in order."""
    _, places = np.unique(_text(rows[key]), return_index=True)
    return rows.take(pa.array(np.sort(places)))


def last_of_each(rows: pa.Table, key: str, ids: Sequence[str]) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """Return the last row of each of `ids` that has one, in their order, and the places of these ids."""
    last = {one: place for place, one in enumerate(rows[key].to_pylist())}
    places = [place for place, one in enumerate(ids) if one in last]
    return rows.take(pa.array([last[ids[place]] for place in places], pa.int64())), np.array(places, dtype=np.int64)


def deciding_consents(consents: pa.Table) -> pa.Table:
    """Return the row of each user that says whether texts are allowed, one row per user with a change by SMS.

    What happened last counts, however late it became known; of two changes at the same instant the withdrawal. The row
    that decides among some rows is the one that decides among those that decided in parts of them.
    """
    rows = consents.filter(pc.equal(consents["channel"], "sms"))
    rows = rows.sort_by([("occurred_at", "descending"), ("is_granted", "ascending"), ("event_id", "ascending")])
    return first_of_each(rows, "user_id")


def observed_days(rows: pa.Table) -> Days:
    """Return days since 1970 on which rows were observed, shape (n,)."""
    days: Days = rows["observed_at"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy() // 86_400_000_000
    return days


def epoch_day(day: date) -> int:
    """Return days since 1970."""
    return (day - date(1970, 1, 1)).days


def counted(rows: pa.Table, key: str, ids: Sequence[str], as_of: date, days: int) -> npt.NDArray[np.int64]:
    """Return how many rows of each of `ids` were observed in the `days` days before `as_of`, shape (n,)."""
    observed = observed_days(rows)
    today = epoch_day(as_of)
    is_within = (observed < today) & (observed >= today - days)
    found, counts = np.unique(_text(rows[key])[is_within], return_counts=True)
    by_id = dict(zip(found.tolist(), counts.tolist(), strict=True))
    return np.array([by_id.get(one, 0) for one in ids], dtype=np.int64)


def _text(column: pa.ChunkedArray) -> npt.NDArray[np.str_]:
    return np.asarray(column.to_pylist(), dtype=str)
