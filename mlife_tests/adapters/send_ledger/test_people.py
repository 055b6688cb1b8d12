"""Suppressions of `mlife_assets.adapters.send_ledger.people`, one by one and in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mlife_assets.adapters.send_ledger import SqlLedger

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
