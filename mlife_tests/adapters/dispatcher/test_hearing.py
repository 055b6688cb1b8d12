"""What people reply is heard, and calls to a provider never outrun its rate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlife_assets.adapters.dispatcher.reports import TokenBucket
from mlife_assets.adapters.dispatcher.sending import READ_AGAIN, Hearing
from mlife_assets.adapters.people_register import PeopleRegister
from mlife_assets.core.errors import GateClosedError
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.ports import Inbound
from mlife_tests.rows import Book

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


class SimulatedClock:
    def __init__(self, is_running: bool = True) -> None:
        self.time, self.slept, self.is_running = NOW, 0.0, is_running

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        if self.is_running:
            self.time += timedelta(seconds=seconds)


def reply(inbound_id: str, body: str, minutes: float = 0) -> Inbound:
    return Inbound(inbound_id, f"user_{inbound_id}", body, NOW + timedelta(minutes=minutes))


def people(ledger: Any, numbers: dict[str, str] | None) -> PeopleRegister:
    return PeopleRegister(ledger, Book(numbers), key=b"k" * 32)


def hearing(
    ledger: Any, provider: Provider, clock: SimulatedClock | None = None, numbers: dict[str, str] | None = None
) -> Hearing:
    return Hearing(ledger, provider, people(ledger, numbers), MessagingPolicy(), clock or SimulatedClock())


def text(inbound_id: str, body: str, phone_number: str) -> Inbound:
    return Inbound(inbound_id, None, body, NOW, phone_number)


def test_replies_are_classified_recorded_and_take_effect(ledger):
    provider = Provider(reply("a", "never text me again"), reply("b", "who is this"), reply("c", "HELP"))
    report = hearing(ledger, provider).read(NOW)
    assert (report.new, report.stops, dict(report.keywords)) == (3, 1, {"HELP": 1, "OTHER": 1, "STOP": 1})
    assert [ledger.people.is_suppressed(f"user_{one}", at=NOW) for one in "abc"] == [True, True, False]
    assert hearing(ledger, provider).read(NOW).new == 0


def test_within_a_dispatch_only_the_last_hour_is_read_again_and_that_before_a_clock_that_went_back(ledger):
    provider, clock = Provider(reply("a", "STOP", minutes=-300)), SimulatedClock()
    ear = hearing(ledger, provider, clock)
    ear.keep_up(after_seconds=0)
    ear.keep_up(after_seconds=2)
    assert provider.asked == [None]
    clock.time = NOW + timedelta(seconds=2)
    provider.replies.append(reply("b", "stop", minutes=-59))
    ear.keep_up(after_seconds=2)
    assert provider.asked == [None, NOW - READ_AGAIN]
    assert ledger.replies.known() == {"a", "b"}
    clock.time = NOW - timedelta(hours=5)
    ear.keep_up(after_seconds=60)
    assert provider.asked[2:] == [clock.time - READ_AGAIN]


def test_replies_that_cannot_be_read_forbid_sending_and_name_nobody(ledger):
    provider = Provider()
    provider.error = ConnectionResetError(PHONE)
    with pytest.raises(GateClosedError, match="ConnectionResetError") as caught:
        hearing(ledger, provider).keep_up(after_seconds=0)
    assert PHONE not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_number_finds_its_person(ledger):
    people(ledger, {"a": "+12125550100"}).register(["a"], now=NOW)
    provider = Provider(text("1", "STOP", "(212) 555-0100"), text("2", "stop", PHONE))
    assert hearing(ledger, provider, numbers={"b": PHONE}).read(NOW).stops == 2
    assert [ledger.people.is_suppressed(user, at=NOW) for user in "ab"] == [True, True]
    assert ledger.replies.rows()["user_id"].to_pylist() == ["a", "b"]


def test_a_stop_of_a_number_that_nobody_knows_holds_for_whoever_has_it_later(ledger):
    assert hearing(ledger, Provider(text("1", "STOP", PHONE)), numbers={}).read(NOW).stops == 1
    assert "555" not in str(ledger.replies.rows().to_pylist())
    people(ledger, {"late": PHONE}).register(["late"], now=NOW)
    assert ledger.people.is_suppressed("late", at=NOW)


def test_without_a_book_a_text_of_an_unknown_number_forbids_sending_and_hides_no_stop(ledger):
    people(ledger, {"a": "+12125550100"}).register(["a"], now=NOW)
    provider = Provider(text("1", "hello", PHONE), text("2", "STOP", "+12125550100"))
    ear = hearing(ledger, provider, numbers=None)
    with pytest.raises(GateClosedError, match=r"nobody knows whose a text is .*\(OSError\)") as caught:
        ear.keep_up(after_seconds=0)
    assert "555" not in str(caught.value)
    assert caught.value.__context__ is None
    assert (ledger.replies.known(), ledger.people.is_suppressed("a", at=NOW)) == ({"2"}, True)
    with pytest.raises(GateClosedError):
        ear.keep_up(after_seconds=60)


@pytest.mark.parametrize("is_running", [True, False])
def test_calls_never_outrun_the_rate(is_running):
    clock = SimulatedClock(is_running)
    bucket = TokenBucket(200, clock=clock, sleep=clock.sleep)
    for _ in range(1_001):
        bucket.take()
    assert clock.slept == pytest.approx(5.0, abs=0.01)


def test_idle_time_is_not_saved_up_beyond_the_burst_and_a_throttle_waits():
    clock = SimulatedClock()
    bucket = TokenBucket(10, clock=clock, sleep=clock.sleep, burst=2)
    clock.time += timedelta(hours=1)
    for _ in range(12):
        bucket.take()
    assert clock.slept == pytest.approx(1.0, abs=0.01)
    clock = SimulatedClock()
    bucket = TokenBucket(10, clock=clock, sleep=clock.sleep)
    bucket.back_off(4.0)
    assert clock.slept == 4.0
