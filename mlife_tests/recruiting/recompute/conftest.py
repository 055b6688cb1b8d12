"""A few hand-made events, complete enough to derive rows from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.recompute.compare import SOURCE_COLUMNS, SourceEvents

DAY = date(2026, 6, 10)
ZERO = [float(k) / 10 for k in range(8)]
DEFAULTS: dict[str, dict[str, Any]] = {
    "user_snapshot": {
        "user_id": "u1", "occupation_group": "11", "seniority": 1, "shift": "day", "metro_code": "12060",
        "state_code": "GA", "time_zone": None, "latitude": 33.5, "longitude": -84.25,
        "reservation_pay_usd_per_hour": 17.25, "taste_embedding": ZERO,
        "signed_up_at": datetime(2026, 5, 1, 23, 59, tzinfo=UTC),
    },
    "consent": {"user_id": "u1", "channel": "sms", "is_granted": True},
    "job_posted": {
        "job_id": "j1", "employer_id": "e1", "employer_name": "E", "title": "T", "occupation_code": "11-1011",
        "occupation_group": "11", "seniority": 2, "shift": "night", "metro_code": "12060", "latitude": 33.75,
        "longitude": -84.5, "pay_usd_per_hour": 21.5, "openings": 3, "expires_at": datetime(2026, 7, 1, tzinfo=UTC),
        "bid_usd_per_apply": 2.5, "text_embedding": ZERO,
    },
    "job_closed": {"job_id": "j1"},
    "impression": {"user_id": "u1", "job_id": "j1"},
    "click": {"user_id": "u1", "job_id": "j1"},
    "apply": {"user_id": "u1", "job_id": "j1"},
    "hire": {"job_id": "j1"},
    "message_planned": {"message_id": "m1", "user_id": "u1", "job_id": "j1", "channel": "sms"},
    "message_status": {"message_id": "m1", "status": "delivered"},
}  # fmt: skip


def at(days_before: float, hour: float = 23.5) -> datetime:
    """Return an instant `days_before` days before the day, 1 being the eve."""
    return datetime(2026, 6, 10, tzinfo=UTC) - timedelta(days=days_before) + timedelta(hours=hour)


class Log:
    """Events one by one; `observed` and `occurred` default to the evening of the eve."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name in SOURCE_COLUMNS}
        self.day, self.at = DAY, at

    def add(self, event_type: str, days_before: float = 1, **values: Any) -> Log:
        observed = values.pop("observed_at", at(days_before))
        number = sum(len(rows) for rows in self.rows.values())
        envelope = {"event_id": f"e{number:04d}", "occurred_at": observed, "observed_at": observed}
        self.rows[event_type].append(envelope | DEFAULTS[event_type] | values)
        return self

    def source(self) -> SourceEvents:
        tables = {}
        for name, columns in SOURCE_COLUMNS.items():
            schema = EVENT_TYPES[name].schema
            chosen = pa.schema([schema.field(column) for column in columns])
            rows = [{column: row[column] for column in columns} for row in self.rows[name]]
            tables[name] = pa.Table.from_pylist(rows, schema=chosen)
        return SourceEvents(tables)


@pytest.fixture
def log() -> Callable[[], Log]:
    """Return a new log that holds one user and one job since a week ago."""
    return lambda: Log().add("user_snapshot", 7).add("job_posted", 7)
