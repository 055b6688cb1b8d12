from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlife_assets.adapters.dispatcher.hearing import READ_AGAIN, Hearing
from mlife_assets.core.errors import GateClosedError
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.ports import Inbound

NOW = datetime(2026, 6, 1, 20, tzinfo=UTC)
PHONE = "+12125550199"


class Provider:
    """Has replies, and remembers how often and since when it was asked."""

    channel = "sms"

    def __init__(self, *replies: Inbound) -> None:
        self.replies, self.asked, self.error = list(replies), list[datetime | None](), None

    def inbound(self, *, until: datetime, since: datetime | None = None) -> list[Inbound]:
        self.asked.append(since)
        if self.error is not None:
            raise self.error
        return [r for r in self.replies if r.received_at <= until and (since is None or r.received_at >= since)]


class StandingClock:
    time = NOW

    def now(self) -> datetime:
        return self.time


def reply(inbound_id: str, body: str, minutes: float = 0) -> Inbound:
    return Inbound(inbound_id, f"user_{inbound_id}", body, NOW + timedelta(minutes=minutes))


def hearing(ledger: Any, provider: Provider, clock: StandingClock | None = None) -> Hearing:
    return Hearing(ledger, provider, MessagingPolicy(), clock or StandingClock())


def test_replies_are_classified_recorded_and_take_effect(ledger):
    provider = Provider(reply("a", "never text me again"), reply("b", "who is this"), reply("c", "HELP"))
    report = hearing(ledger, provider).read(NOW)
    assert (report.new, report.stops, dict(report.keywords)) == (3, 1, {"HELP": 1, "OTHER": 1, "STOP": 1})
    assert [ledger.is_suppressed(f"user_{one}", at=NOW) for one in "abc"] == [True, True, False]
    assert hearing(ledger, provider).read(NOW).new == 0


def test_within_a_dispatch_only_the_last_hour_is_read_again(ledger):
    provider, clock = Provider(reply("a", "STOP", minutes=-300)), StandingClock()
    ear = hearing(ledger, provider, clock)
    ear.keep_up(after_seconds=0)
    ear.keep_up(after_seconds=2)
    assert provider.asked == [None]
    clock.time = NOW + timedelta(seconds=2)
    provider.replies.append(reply("b", "stop", minutes=-59))
    ear.keep_up(after_seconds=2)
    assert provider.asked == [None, NOW - READ_AGAIN]
    assert ledger.known_inbound() == {"a", "b"}


def test_a_clock_that_went_back_reads_again(ledger):
    provider, clock = Provider(), StandingClock()
    ear = hearing(ledger, provider, clock)
    ear.keep_up(after_seconds=0)
    clock.time = NOW - timedelta(hours=5)
    ear.keep_up(after_seconds=60)
    assert provider.asked == [None, clock.time - READ_AGAIN]


def test_replies_that_cannot_be_read_forbid_sending_and_name_nobody(ledger):
    provider = Provider()
    provider.error = ConnectionResetError(PHONE)
    with pytest.raises(GateClosedError, match="ConnectionResetError") as caught:
        hearing(ledger, provider).keep_up(after_seconds=0)
    assert PHONE not in str(caught.value)
    assert caught.value.__context__ is None
