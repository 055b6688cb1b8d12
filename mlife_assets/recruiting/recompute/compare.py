"""Logged feature rows against rows derived again: the differences, to the bit.

Concept: every column of the mart that a model, a check or a text relies on has its definition here a second time, in
other words. The meaning is that of the mart's documentation; where the two disagree, one of them is wrong. The second
derivation shares nothing with the first: no SQL, no mart, no window function, only rows of the log and the rule that a
day knows the rows observed before it began.

Equal means the same bits; NaN equals NaN, and a row that cannot be derived at all differs. There is no tolerance,
because both sides name the same numbers of the log. A difference is a fault of the transformation: a wrong join, a
window that is off by a day, a mart that was changed by hand, or events that came too late. Faults of the exporter
itself are the same on both sides; `quality.overnight` looks for those.
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
from mlife_assets.core.monitoring.quality import KIND
from mlife_assets.core.monitoring.reports import Finding
from mlife_assets.core.windows import day_start
from mlife_assets.recruiting.events import EMBEDDING_SIZE, EVENT_TYPES
from mlife_assets.recruiting.features import pair_features

METHOD = "recompute_mismatch_share"
ROW = "(row)"
"""Stands for the column of a row that could not be derived."""
KEYS = ("user_id", "job_id")

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


@dataclass(frozen=True)
class Mismatch:
    """A column that differs.

    Attributes:
        column: its name, `ROW` where the row could not be derived.
        rows: how many rows differ.
        compared: of how many.
        user_id, job_id: the first row that differs.
        logged, recomputed: its two values in words.
    """

    column: str
    rows: int
    compared: int
    user_id: str
    job_id: str
    logged: str
    recomputed: str


def pair_rows(pairs: pa.Table, users: pa.Table, jobs: pa.Table) -> pa.Table:
    """Return one row per (user_id, job_id) of `pairs` that both derive, in order, with user, job and pair features."""
    user_places = pc.index_in(pairs["user_id"], value_set=users["user_id"].combine_chunks())
    job_places = pc.index_in(pairs["job_id"], value_set=jobs["job_id"].combine_chunks())
    there = pc.and_(user_places.is_valid(), job_places.is_valid())
    rows = users.take(user_places.filter(there))
    for field in jobs.schema:
        rows = rows.append_column(field, jobs[field.name].take(job_places.filter(there)))
    return pair_features(rows)


def compare_rows(logged: pa.Table, recomputed: pa.Table, columns: Sequence[str]) -> tuple[Mismatch, ...]:
    """Return the differences, in the order of `columns`.

    Args:
        logged: n rows with `user_id`, `job_id` and `columns`; a pair occurs once.
        recomputed: rows of the same pairs, in any order; a pair that is not among them differs as a whole.
        columns: what to compare.

    Raises:
        InvalidInputError: a table lacks a column.
    """
    for name, table in (("logged", logged), ("recomputed", recomputed)):
        lacking = [column for column in (*KEYS, *columns) if column not in table.column_names]
        if lacking:
            raise InvalidInputError(f"the {name} rows lack column {lacking[0]}; derive the columns that were logged")
    places = pc.index_in(_keys(logged), value_set=_keys(recomputed))
    there = places.is_valid()
    found: list[Mismatch] = []
    lost = np.flatnonzero(~there.to_numpy(zero_copy_only=False))
    if len(lost):
        found.append(_mismatch(ROW, logged, lost, logged.num_rows, "a feature row", "no such user or open job"))
    left, right = logged.filter(there), recomputed.take(places.filter(there))
    for column in columns:
        differs = np.flatnonzero(~_is_same(left[column], right[column]))
        if len(differs):
            values = [_words(table[column][int(differs[0])].as_py()) for table in (left, right)]
            found.append(_mismatch(column, left, differs, logged.num_rows, *values))
    return tuple(found)


def recompute_findings(what: str, compared: int, mismatches: Sequence[Mismatch]) -> list[Finding]:
    """Return the findings on `compared` rows; `what` names them, as in "of today". No row compared says just that."""
    if not mismatches:
        text = f"{compared:,} feature rows {what} were derived again from raw events and are the same to the bit."
        return [Finding(KIND, "", METHOD, 0.0, 0.0, False, text if compared else f"No feature row {what} to derive.")]
    return [
        Finding(
            KIND, one.column, METHOD, one.rows / max(one.compared, 1), 0.0, True,
            f"{one.column}: {one.rows:,} of {one.compared:,} feature rows {what} are not what raw events give; first "
            f"{one.user_id} and {one.job_id}: {one.logged} was used, {one.recomputed} was derived.",
        )
        for one in mismatches
    ]  # fmt: skip


def _mismatch(
    column: str, rows: pa.Table, places: npt.NDArray[np.intp], compared: int, logged: str, recomputed: str
) -> Mismatch:
    user, job = (rows[key][int(places[0])].as_py() for key in KEYS)
    return Mismatch(column, len(places), compared, user, job, logged, recomputed)


def _keys(rows: pa.Table) -> pa.Array:
    return pc.binary_join_element_wise(rows["user_id"], rows["job_id"], "\x1f").combine_chunks()


def _is_same(left: pa.ChunkedArray, right: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Return which values are the same: numbers by their bits as float64, everything else by equality.

    Values of types that cannot be compared differ: a column of another type is a fault like any other.
    """
    if _is_number(left.type) and _is_number(right.type):
        return np.equal(_bits(left), _bits(right))
    try:
        alike = left.cast(right.type)
    except pa.ArrowException:
        return np.zeros(len(left), dtype=np.bool_)
    equal = pc.fill_null(pc.equal(alike, right), False)
    return np.asarray(pc.or_(equal, pc.and_(left.is_null(), right.is_null())), dtype=np.bool_)


def _is_number(data_type: pa.DataType) -> bool:
    return bool(pa.types.is_integer(data_type) or pa.types.is_floating(data_type))


def _bits(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Return the bits of float64 values, shape (n,), one pattern for every NaN and for null."""
    values = np.array(pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy())
    values[np.isnan(values)] = np.nan
    return values.view(np.int64)


def _words(value: object) -> str:
    return "nothing" if value is None else repr(value) if isinstance(value, float) else str(value)


def user_features(user_ids: Sequence[str], events: SourceEvents, as_of: date) -> pa.Table:
    """Return one row per user of `user_ids` who has a snapshot as of the day, with the columns of `user_features`."""
    users, places = last_of_each(events.known("user_snapshot", as_of), "user_id", user_ids)
    ids = [user_ids[place] for place in places.tolist()]
    clicks, applies = events.known("click", as_of), events.known("apply", as_of)
    impressions, deliveries = events.known("impression", as_of), events.deliveries(as_of)
    columns = {
        "user_id": pa.array(ids, pa.string()),
        "metro_code": users["metro_code"],
        "state_code": users["state_code"],
        "time_zone": users["time_zone"],
        "user_occupation_group": users["occupation_group"],
        "user_shift": users["shift"],
        "latitude": users["latitude"],
        "longitude": users["longitude"],
        "user_seniority": users["seniority"],
        "reservation_pay_usd_per_hour": users["reservation_pay_usd_per_hour"],
        **_components(users["taste_embedding"], "taste"),
        "user_impressions_7d": counted(impressions, "user_id", ids, as_of, 7),
        "user_clicks_7d": counted(clicks, "user_id", ids, as_of, 7),
        "user_clicks_28d": counted(clicks, "user_id", ids, as_of, 28),
        "user_applies_28d": counted(applies, "user_id", ids, as_of, 28),
        "user_messages_28d": counted(deliveries, "user_id", ids, as_of, 28),
        "days_since_last_click": _days_since_last(clicks, ids, as_of),
        "tenure_days": epoch_day(as_of) - _days(users["signed_up_at"]),
        "is_consented": _consents(events.known("consent", as_of), ids),
    }
    return pa.table(columns)


def job_features(job_ids: Sequence[str], events: SourceEvents, as_of: date) -> pa.Table:
    """Return one row per job of `job_ids` that is open as of the day, with the columns of `job_features`."""
    jobs, places = last_of_each(events.known("job_posted", as_of), "job_id", job_ids)
    ids = np.asarray([job_ids[place] for place in places.tolist()], dtype=object)
    closed = events.known("job_closed", as_of)
    last_closing: dict[str, int] = {}
    for job, day in zip(closed["job_id"].to_pylist(), observed_days(closed).tolist(), strict=True):
        last_closing[job] = max(day, last_closing.get(job, day))
    # A job that is posted again on a later day than it was closed is open again.
    was_closed = np.array([last_closing.get(job, -1) for job in ids], dtype=np.int64) >= observed_days(jobs)
    expires = jobs["expires_at"]
    is_open = pc.greater(expires, pa.scalar(day_start(as_of), expires.type)).to_numpy() & ~was_closed
    jobs, ids = jobs.filter(pa.array(is_open)), ids[is_open].tolist()
    hires = events.known("hire", as_of)
    hired = counted(hires, "job_id", ids, as_of, epoch_day(as_of))
    clicks, applies = events.known("click", as_of), events.known("apply", as_of)
    columns = {
        "job_id": pa.array(ids, pa.string()),
        "employer_id": jobs["employer_id"],
        "employer_name": jobs["employer_name"],
        "title": jobs["title"],
        "job_metro_code": jobs["metro_code"],
        "job_occupation_group": jobs["occupation_group"],
        "job_shift": jobs["shift"],
        "job_latitude": jobs["latitude"],
        "job_longitude": jobs["longitude"],
        "job_seniority": jobs["seniority"],
        "pay_usd_per_hour": jobs["pay_usd_per_hour"],
        "bid_usd_per_apply": jobs["bid_usd_per_apply"],
        "openings": np.maximum(jobs["openings"].to_numpy() - hired, 1),
        **_components(jobs["text_embedding"], "text"),
        "job_impressions_7d": counted(events.known("impression", as_of), "job_id", ids, as_of, 7),
        "job_clicks_7d": counted(clicks, "job_id", ids, as_of, 7),
        "job_applies_7d": counted(applies, "job_id", ids, as_of, 7),
        "job_messages_7d": counted(events.deliveries(as_of), "job_id", ids, as_of, 7),
        "job_age_days": epoch_day(as_of) - _days(jobs["occurred_at"]),
        "posted_at": jobs["occurred_at"],
        "expires_at": expires.filter(pa.array(is_open)),
    }
    return pa.table(columns)


def _components(column: pa.ChunkedArray, name: str) -> dict[str, pa.Array]:
    return {
        f"{name}_{place + 1}": pa.array([values[place] for values in column.to_pylist()], pa.float64())
        for place in range(EMBEDDING_SIZE)
    }


def _days(column: pa.ChunkedArray) -> Days:
    days: Days = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy() // 86_400_000_000
    return days


def _days_since_last(clicks: pa.Table, ids: Sequence[str], as_of: date) -> pa.Array:
    last: dict[str, int] = {}
    for user, day in zip(clicks["user_id"].to_pylist(), observed_days(clicks).tolist(), strict=True):
        last[user] = max(day, last.get(user, day))
    today = epoch_day(as_of)
    return pa.array([today - last[one] if one in last else None for one in ids], pa.int64())


def _consents(consents: pa.Table, ids: Sequence[str]) -> pa.Array:
    """Return whether the change of SMS consent that decides granted it; False where there is none."""
    rows = deciding_consents(consents)
    granted = dict(zip(rows["user_id"].to_pylist(), rows["is_granted"].to_pylist(), strict=True))
    return pa.array([granted.get(one, False) for one in ids], pa.bool_())


@dataclass(frozen=True, eq=False)
class SourceEvents:
    """Rows of the log, one per event (the first observed), by event type, with at least `SOURCE_COLUMNS`.

    They hold all that decides about the users and jobs that are derived: their latest snapshot and posting, the change
    of consent that decides, the last click of each user, every hire and closing, and all impressions, texts, clicks and
    applications of the 28 days before. Rows about others, older rows, and rows observed later than the day that is
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
