"""Users and jobs of a day, derived from raw events.

Belongs here: the columns of the marts `user_features` and `job_features` for a few ids. Does not belong here: features
of a pair (`recruiting.features`), what differs (`compare`).

Concept: every column of the mart that a model, a check or a text relies on has its definition here a second time, in
other words. The meaning is that of the mart's documentation; where the two disagree, one of them is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.windows import day_start
from mlife_assets.recruiting.events import EMBEDDING_SIZE
from mlife_assets.recruiting.recompute.source import (
    Days,
    SourceEvents,
    counted,
    deciding_consents,
    epoch_day,
    last_of_each,
    observed_days,
)


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
    """Return the UTC days of instants, as days since 1970."""
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
