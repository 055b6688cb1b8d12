"""Accounts, people and suppressions on both databases; what joins people is tested in core."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.send_ledger.schema import numbers, sends
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.ports import LedgerRow

CONTACT = ContactPolicy()
DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)


def test_a_pause_ends_by_itself_and_is_never_shortened(ledger: SqlLedger) -> None:
    day = timedelta(days=1)
    ledger.suppress("a", now=NOW, reason="pause", until=NOW + 2 * day)
    ledger.suppress("a", now=NOW, reason="pause", until=NOW + day)
    assert [ledger.is_suppressed("a", at=NOW + n * day) for n in (0, 1, 2)] == [True, True, False]
    assert ledger.suppressed_people(at=NOW + day) == ("a",)
    assert ledger.suppressed_people(at=NOW + 2 * day) == ()
    ledger.suppress("a", now=NOW, reason="pause")
    ledger.suppress("a", now=NOW, reason="pause", until=NOW + day)
    assert ledger.is_suppressed("a", at=NOW + 9_999 * day)


def test_each_reason_is_lifted_by_itself(ledger: SqlLedger) -> None:
    ledger.suppress("a", now=NOW, reason="inbound_stop")
    ledger.suppress("a", now=NOW, reason="pause", until=NOW + timedelta(days=9))
    assert ledger.lift("a", reason="pause") == 1
    assert ledger.is_suppressed("a", at=NOW)
    assert ledger.lift("a", reason="inbound_stop") == 1
    assert ledger.lift("a", reason="inbound_stop") == 0
    assert not ledger.is_suppressed("a", at=NOW)


def row(user: str, campaign: str = "c") -> LedgerRow:
    return LedgerRow(message_id(user, campaign, DAY), user, "j", campaign, DAY, "hi", "planned", 0, None, NOW)


def test_accounts_are_registered_joined_and_found_again(open_ledger: Callable[[], SqlLedger]) -> None:
    ledger = open_ledger()
    assert ledger.register({"b": "1", "a": "2", "c": None}, now=NOW) == {"a": "a", "b": "b", "c": "c"}
    assert ledger.register({"a": "1", "d": "1"}, now=NOW) == {"a": "a", "d": "a"}
    again = open_ledger()
    assert again.people_of(["a", "b", "c", "d", "?"]) == {"?": "?", "a": "a", "b": "a", "c": "c", "d": "a"}
    assert again.accounts_of(["b", "c", "?"]) == {"b": ("a", "b", "d"), "c": ("c",)}
    assert again.user_ids() == ("a", "b", "c", "d")
    assert again.register({"d": "2", "b": "1"}, now=NOW) == {"b": "a", "d": "a"}


def test_many_accounts_are_registered_at_once(ledger: SqlLedger) -> None:
    seen = {f"u{place:04d}": f"{place // 2}" for place in range(1_200)}
    people = ledger.register(seen, now=NOW)
    assert people["u0000"] == people["u0001"] == "u0000"
    assert len(set(people.values())) == 600
    assert ledger.register(seen, now=NOW) == people
    assert {user: people[user] for user in list(seen)[:9]} == ledger.register(dict(list(seen.items())[:9]), now=NOW)


def test_the_person_who_registered_first_gives_the_id(ledger: SqlLedger) -> None:
    ledger.register({"z": "1"}, now=NOW)
    ledger.register({"a": "2"}, now=NOW + timedelta(days=1))
    assert ledger.register({"a": "1"}, now=NOW + timedelta(days=2)) == {"a": "z"}


def test_rehashing_forgets_what_no_account_has_and_keeps_people(ledger: SqlLedger) -> None:
    ledger.register({"a": "1", "b": "1"}, now=NOW)
    ledger.register({"a": "2"}, now=NOW)
    assert ledger.rehash({"a": "x", "b": "y", "new": "x"}, now=NOW) == 2
    assert ledger.people_of(["a", "b", "new"]) == {"a": "a", "b": "a", "new": "a"}
    with ledger.engine.connect() as connection:
        assert sorted(connection.execute(sa.select(numbers.c.number_hash)).scalars()) == ["x", "y"]


def test_the_database_itself_refuses_a_second_row_of_a_person_and_day(ledger: SqlLedger) -> None:
    ledger.register({"a": "1", "b": "1"}, now=NOW)
    assert ledger.plan([row("b")], now=NOW) == 1
    assert ledger.plan([row("a")], now=NOW) == 0
    others = [column for column in sends.c if column.name != "message_id"]
    copy = sa.insert(sends).from_select(
        ["message_id", *(column.name for column in others)], sa.select(sa.literal("other"), *others)
    )
    with ledger.engine.connect() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.execute(copy)


def test_recent_sends_name_the_person_as_known_now(ledger: SqlLedger) -> None:
    ledger.plan([row("a"), row("b", "d")], now=NOW)
    ledger.register({"a": "1", "b": "1"}, now=NOW)
    assert ledger.recent_sends(DAY)["person_id"].to_pylist() == ["a", "a"]


@pytest.mark.parametrize("reason", [None, "opted_out"])
def test_a_pause_is_over_at_submission_too(ledger: SqlLedger, reason: str | None) -> None:
    end = NOW + timedelta(hours=1)
    ledger.register({"a": "1", "b": "1"}, now=NOW)
    ledger.plan([row("a")], now=NOW)
    ledger.approve("c", DAY, now=NOW)
    at = end if reason is None else NOW
    ledger.lease("c", DAY, worker="w", limit=9, now=at, until=at + timedelta(minutes=5))
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO suppressions VALUES ('b', 'pause', 'sms', 0, {int(end.timestamp() * 1_000_000)})"
        )
    policy = MessagingPolicy()
    assert (
        ledger.begin_submit(row("a").message_id, worker="w", now=at, policy=policy, contact=CONTACT, day=DAY) == reason
    )


def test_registering_in_parallel_joins_once(open_ledger: Callable[[], SqlLedger]) -> None:
    ledgers = [open_ledger() for _ in range(4)]
    found: list[dict[str, str]] = []
    threads = [
        threading.Thread(target=lambda one=one: found.append(one.register({"a": "1", "b": "1", "c": "2"}, now=NOW)))
        for one in ledgers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [{"a": "a", "b": "a", "c": "c"}] * 4


def test_submitting_reads_the_texts_of_the_person_alone(tmp_path: Path) -> None:
    """Caps are asked for before every text: reading a day's or a state's texts instead costs seconds a day."""
    ledger = SqlLedger(f"sqlite:///{tmp_path}/ledger.sqlite", survives_power_cut=False)
    asked: list[tuple[str, object]] = []
    sa.event.listen(
        ledger.engine, "before_cursor_execute", lambda c, cursor, text, values, *_: asked.append((text, values))
    )
    ledger.plan([row("a")], now=NOW)
    ledger.begin_submit(row("a").message_id, worker="w", now=NOW, policy=MessagingPolicy(), contact=CONTACT, day=DAY)
    text, values = next(one for one in asked if one[0].startswith("UPDATE sends"))
    with ledger.engine.connect() as connection:
        steps = [step.detail for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)]
    assert [step for step in steps if " other " in step] == [
        "SEARCH other USING INDEX sends_by_user_day (user_id=?)"
    ] * 3
    ledger.close()
