"""Row 8: a STOP that arrives during a dispatch was not read: texted within 3 s."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.adapters.console_gateway import ConsoleGateway, GatewayFaults
from mlife_assets.adapters.dispatcher import Checks, Dispatcher, Recipient
from mlife_assets.adapters.people_register import PeopleRegister
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.recruiting.applications import job_of_the_day
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY, ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.ports import Accepted, LedgerRow, OutboundMessage

NOW, DAY = datetime(2026, 6, 3, 18, tzinfo=UTC), date(2026, 6, 3)
POLICY = replace(MessagingPolicy(), provider_messages_per_second=50)
APPLICATION, CONTACT = job_of_the_day(Policies(messaging=POLICY)), ContactPolicy(holdout_share=0.0)
CALM = GatewayFaults(throttled_share=0, rejected_share=0, timeout_share=0, stop_share=0, stop_share_maximum=0,
                     help_share=0, other_share=0)  # fmt: skip


class WaitedClock(SimulatedClock):
    """Stands still but for what is waited for."""

    def sleep(self, seconds: float) -> None:
        self.set(self.now() + timedelta(seconds=seconds))


class Contacts:
    def phone_numbers(self, user_ids: Sequence[str]) -> dict[str, str | None]:
        return {user_id: f"+1312667{int(user_id[1:]):04d}" for user_id in user_ids}


class StoppedMidway:
    """The provider, to whom somebody replies while others are being texted."""

    def __init__(self, inner: ConsoleGateway, path: Path, replies: dict[int, tuple[str, str]]) -> None:
        self.inner, self.path, self.replies = inner, path, replies
        self.sent: list[tuple[str, datetime]] = []
        self.replied: dict[str, datetime] = {}

    def send(self, message: OutboundMessage, *, now: datetime) -> Accepted:
        accepted = self.inner.send(message, now=now)
        self.sent.append((message.user_id, now))
        if len(self.sent) in self.replies:
            user_id, body = self.replies[len(self.sent)]
            with sqlite3.connect(self.path) as log:
                log.execute(
                    "INSERT INTO requests (message_id, user_id, phone_hash, outcome, is_accepted, provider_message_id,"
                    " sent_at, inbound_body, inbound_at) VALUES (?, ?, '', 'reply', 0, ?, 0, ?, ?)",
                    (f"reply_{user_id}", user_id, f"reply_{user_id}", body, int(now.timestamp() * 1e6)),
                )
            log.close()
            self.replied[user_id] = now
        return accepted

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def dispatched(tmp_path: Path, users: Sequence[str], replies: dict[int, tuple[str, str]]) -> StoppedMidway:
    ledger, clock = SqlLedger(f"sqlite:///{tmp_path / 'ledger.sqlite'}", survives_power_cut=False), WaitedClock(NOW)
    provider = ConsoleGateway(tmp_path / "gateway.sqlite", seed=1, hash_key=b"k" * 32, faults=CALM)
    gateway = StoppedMidway(provider, tmp_path / "gateway.sqlite", replies)
    ledger.plan(
        [
            LedgerRow(message_id(u, JOB_OF_THE_DAY, DAY), u, "j", JOB_OF_THE_DAY, DAY, "text", "planned", 0, None, NOW)
            for u in users
        ],
        now=NOW,
    )
    ledger.approve(JOB_OF_THE_DAY, DAY, now=NOW)
    Dispatcher(
        ledger, gateway, PeopleRegister(ledger, Contacts(), key=b"k" * 32), APPLICATION, CONTACT,
        Checks(lambda ids: {one: Recipient(True, "IL", "America/Chicago") for one in ids}, lambda rows: None),
        clock=clock, sleep=clock.sleep,
    ).dispatch(DAY, worker="w")  # fmt: skip
    ledger.close()
    provider.close()
    return gateway


def in_sending_order(count: int) -> list[str]:
    users = [f"u{i:04d}" for i in range(count)]
    return sorted(users, key=lambda user: message_id(user, JOB_OF_THE_DAY, DAY))


@pytest.mark.parametrize(
    ("later", "body"), [(120, "never text me again"), (210, "STOP")], ids=["same chunk", "next chunk"]
)
def test_who_stops_while_others_are_texted_is_not_texted(tmp_path: Path, later: int, body: str) -> None:
    order = in_sending_order(220)
    victim = order[later]
    gateway = dispatched(tmp_path, order, {10: (victim, body)})
    assert victim in gateway.replied
    assert victim not in {user for user, _ in gateway.sent}
    assert len(gateway.sent) == 219, "everybody else is texted"


def test_nobody_is_texted_three_seconds_after_their_stop(tmp_path: Path) -> None:
    order = in_sending_order(300)
    replies = {
        n: (order[n + ahead], "stop texting me")
        for n, ahead in zip(range(1, 140, 7), [3, 60, 99, 155] * 5, strict=False)
    }
    gateway = dispatched(tmp_path, order, replies)
    late = [at - gateway.replied[user] for user, at in gateway.sent if at > gateway.replied.get(user, at)]
    assert len(gateway.replied) > 10
    assert max(late, default=timedelta()) < timedelta(seconds=3)
