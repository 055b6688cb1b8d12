"""Rows of the ledger and events of the log of which a test says something, the rest being filled in; a contact book."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.messaging.people import accounts_by_number
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.ports import LedgerRow

START = datetime(2026, 6, 1, tzinfo=UTC)


class Book:
    """A contact book; None is one that cannot be read."""

    def __init__(self, numbers: Mapping[str, str | None] | None) -> None:
        self.numbers = numbers

    def phone_numbers(self, user_ids: Iterable[str]) -> dict[str, str | None]:
        if self.numbers is None:
            raise OSError("+12125550100 is in a damaged row")
        return {user: self.numbers[user] for user in user_ids if user in self.numbers}

    def accounts_with(self, phone_number: str) -> list[str]:
        if self.numbers is None:
            raise OSError(phone_number)
        return list(accounts_by_number(self.numbers).get(phone_number, ()))


def events(event_type: str, *rows: Mapping[str, Any], at: datetime, **everywhere: Any) -> pa.Table:
    """Return events known since `at`; columns that nobody gives are null where they may be."""

    def plain(column: pa.Field) -> Any:
        if column.nullable or pa.types.is_timestamp(column.type):
            return None if column.nullable else at
        if pa.types.is_date(column.type):
            return at.date()
        return "x" if pa.types.is_string(column.type) else [] if pa.types.is_list(column.type) else 1

    schema = EVENT_TYPES[event_type].schema
    filled = {column.name: plain(column) for column in schema} | everywhere
    return pa.Table.from_pylist([filled | {"event_id": f"e{n}"} | row for n, row in enumerate(rows)], schema=schema)


def clicks(rows: Iterable[tuple[str, float]]) -> pa.Table:
    """Return clicks of (event id, hours after START at which they were observed)."""
    known = ({"event_id": name, "observed_at": START + timedelta(hours=hours)} for name, hours in rows)
    named = (row | {"user_id": f"u-{row['event_id']}", "job_id": "j1"} for row in known)
    return events("click", *named, at=START)


def planned_row(user: str, campaign: str, day: date, now: datetime, **changed: Any) -> LedgerRow:
    row = LedgerRow(message_id(user, campaign, day), user, "j", campaign, day, "hi", "planned", 0, None, now)
    return replace(row, **changed)


def plan(ledger: Any, users: Iterable[str], campaign: str, day: date, now: datetime, **changed: Any) -> list[str]:
    """Plan and approve a send for each user; return the ids of their messages."""
    rows = [planned_row(user, campaign, day, now, **changed) for user in users]
    ledger.plan(rows, now=now)
    ledger.approve(campaign, day, now=now)
    return [row.message_id for row in rows]


def submit(ledger: Any, users: Iterable[str], campaign: str, day: date, now: datetime) -> list[str]:
    """Take sends from their plan into the call of the provider."""
    keys = plan(ledger, users, campaign, day, now)
    ledger.lease(campaign, day, worker="w", limit=len(keys), now=now, until=now + timedelta(minutes=5))
    rules: dict[str, Any] = {"policy": MessagingPolicy(), "contact": ContactPolicy()}
    assert {ledger.begin_submit(key, worker="w", now=now, day=day, **rules) for key in keys} == {None}
    return keys


def planned_event(message: str, user: str, day: date, **changed: Any) -> dict[str, Any]:
    """Return a row of `message_planned` without id and times: one job, no prediction."""
    row = {
        "message_id": message, "user_id": user, "job_id": "j1", "campaign": "job_of_the_day", "as_of_date": day,
        "prediction_id": None, "slice": "exploit", "propensity": 0.9, "plan_id": "pln_1", "cohort": "active",
        "body": "hi", "segments": 1, "policy_version": "pol", "channel": "sms",
    } | changed  # fmt: skip
    item = {"position": 1, "job_id": row["job_id"], "prediction_id": row["prediction_id"]}
    return {"items": [item]} | row
