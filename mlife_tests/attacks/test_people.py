"""Two accounts of one person: one text, one STOP, one arm, however the number is written and whenever it changes.

The second way, which the finding did not name: the same number in another spelling, and a number that changes hands
between the plan and the call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from mlife_assets.adapters.console_gateway import ConsoleGateway, GatewayFaults
from mlife_assets.adapters.dispatcher import Checks, Dispatcher, DispatchReport, Recipient
from mlife_assets.adapters.people_register import PeopleRegister
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.recruiting.applications import job_of_the_day
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.messaging.cohorts import is_holdout
from mlife_assets.recruiting.messaging.eligibility import decide_eligibility
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY, ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.ports import LedgerRow, OutboundMessage

DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
CALM = GatewayFaults(throttled_share=0.0, rejected_share=0.0, timeout_share=0.0)
POLICY = MessagingPolicy()
CONTACT = ContactPolicy(holdout_share=0.0)
SPELLINGS = ["+12125550100", "+1 (212) 555-0100", "12125550100", "212.555.0100", "tel:+1-212-555-0100"]


class World:
    """A contact book that anybody may edit, a ledger and a gateway."""

    def __init__(self, folder: Path, policy: MessagingPolicy = POLICY, contact: ContactPolicy = CONTACT) -> None:
        self.book: dict[str, str | None] = {}
        self.time, self.contact = NOW, contact
        self.application = job_of_the_day(Policies(messaging=policy))
        self.no_consent: set[str] = set()
        self.ledger = SqlLedger(f"sqlite:///{folder}/ledger.sqlite", survives_power_cut=False)
        self.gateway = ConsoleGateway(folder / "gateway.sqlite", seed=3, hash_key=b"k" * 32, faults=CALM)
        self.people = PeopleRegister(self.ledger, self, key=b"k" * 32)
        self.texted: list[str] = []

    def phone_numbers(self, user_ids: Sequence[str]) -> Mapping[str, str | None]:
        return {user_id: self.book.get(user_id) for user_id in user_ids}

    def now(self) -> datetime:
        return self.time

    def planned(self) -> list[str]:
        """Return who would be planned today."""
        users = sorted(self.book)
        contacts = self.people.register(users, now=self.time)
        table = pa.table(
            {
                "user_id": users,
                "person_id": [contacts[user].person_id for user in users],
                "is_consented": [user not in self.no_consent for user in users],
                "state_code": ["TX"] * len(users),
                "time_zone": ["America/Chicago"] * len(users),
            }
        )
        verdicts = decide_eligibility(
            table, with_candidates=pa.array(users), recent_sends=self.ledger.recent_sends(DAY - timedelta(days=7)),
            suppressed_people=self.ledger.suppressed_people(at=self.time), application=self.application,
            contact=self.contact, as_of=DAY, now=self.time,
        )  # fmt: skip
        return [user for user, allowed in zip(users, verdicts.is_allowed, strict=True) if allowed]

    def queue(self, users: Sequence[str], campaign: str = JOB_OF_THE_DAY) -> int:
        """Put texts into the ledger as an attacker could: past the plan."""
        rows = [
            LedgerRow(message_id(u, campaign, DAY), u, "j", campaign, DAY, "hi", "planned", 0, None, NOW) for u in users
        ]
        new = self.ledger.plan(rows, now=NOW)
        self.ledger.approve(campaign, DAY, now=NOW)
        return new

    def dispatch(self, campaign: str = JOB_OF_THE_DAY) -> DispatchReport:
        texan = {True: Recipient(True, "TX", "America/Chicago"), False: Recipient(False, "TX", "America/Chicago")}
        send = self.gateway.send

        def watched(message: OutboundMessage, *, now: datetime) -> object:
            self.texted.append(message.address)
            return send(message, now=now)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(self.gateway, "send", watched)
            return Dispatcher(
                self.ledger, self.gateway, self.people, replace(self.application, name=campaign), self.contact,
                Checks(lambda users: {u: texan[u not in self.no_consent] for u in users}, lambda rows: None),
                clock=self, sleep=lambda seconds: None,
            ).dispatch(DAY, worker="w")  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.ledger.close()
    found.gateway.close()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_two_accounts_with_one_number_get_one_text(world: World, spelling: str) -> None:
    world.book = {"a": "+12125550100", "b": spelling, "c": "+12125550101"}
    assert world.planned() == ["a", "c"]
    assert world.queue(["b", "a", "c"]) == 2, "the ledger takes one row per person, whoever asks"
    assert world.dispatch().accepted == 2
    assert sorted(world.texted) == ["+12125550100", "+12125550101"]
    assert world.gateway.numbers_texted_twice() == 0


def test_campaigns_do_not_share_a_person_out_among_themselves(world: World) -> None:
    world.book = {"a": "+12125550100", "b": "1 212 555 0100"}
    world.planned()
    world.queue(["a"])
    world.queue(["b"], "another")
    world.dispatch()
    assert world.dispatch("another").suppressed == (("frequency_gap", 1),)
    assert world.texted == ["+12125550100"]


@pytest.mark.parametrize("gap", [0, 3])
def test_a_number_that_changes_hands_after_the_plan_is_texted_once(tmp_path: Path, gap: int) -> None:
    """Even when the policy caps nothing, a person gets one text of a campaign day."""
    contact = replace(CONTACT, minimum_days_between_messages=0)
    world = World(tmp_path, MessagingPolicy(minimum_days_between_messages=gap), contact)
    world.book = {"a": "+12125550100", "b": "+12125550101"}
    assert world.planned() == ["a", "b"]
    world.queue(["a", "b"])
    world.book["b"] = "(212) 555-0100"
    report = world.dispatch()
    assert (report.accepted, report.suppressed) == (1, (("frequency_gap" if gap else "same_person", 1),))
    assert world.texted == ["+12125550100"]
    world.ledger.close()
    world.gateway.close()


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_stop_from_one_account_silences_the_other_and_start_lifts_it(world: World, spelling: str) -> None:
    world.book = {"a": "+12125550100", "b": spelling}
    world.planned()
    world.queue(["a"])
    world.ledger.record_inbound("i1", "b", "STOP", received_at=NOW, now=NOW)
    assert [row.state for row in world.ledger.rows()] == ["suppressed"]
    assert world.ledger.is_suppressed("a", at=NOW)
    assert world.planned() == []
    world.queue(["b"], "another")
    world.dispatch("another")
    assert world.texted == []
    world.ledger.record_inbound("i2", "a", "START", received_at=NOW + timedelta(seconds=1), now=NOW)
    assert not world.ledger.is_suppressed("b", at=NOW)


def test_who_stopped_and_changes_the_number_stays_silent_and_so_does_a_new_account_with_the_old(world: World) -> None:
    world.book = {"a": "+12125550100"}
    world.planned()
    world.ledger.record_inbound("i1", "a", "STOP", received_at=NOW, now=NOW)
    world.book["a"] = "+12125550199"
    assert world.planned() == []
    world.book["new"] = "212 555 0100"
    assert world.planned() == [], "err to silence: it may be the same person, or whoever was given the number"
    world.book["newer"] = "+12125550199"
    assert world.planned() == []


@pytest.mark.parametrize("stopped", ["a", "b"])
def test_when_two_become_one_the_stop_of_either_holds_for_both(world: World, stopped: str) -> None:
    world.book = {"a": "+12125550100", "b": "+12125550101"}
    assert world.planned() == ["a", "b"]
    world.queue(["a", "b"])
    world.ledger.record_inbound("i1", stopped, "STOP", received_at=NOW, now=NOW)
    world.book["b"] = world.book["a"]
    assert world.dispatch().suppressed == (("opted_out", 1),)
    assert world.planned() == world.texted == []


def test_caps_follow_the_union(world: World) -> None:
    world.book = {"a": "+12125550100", "b": "+12125550101"}
    world.planned()
    world.queue(["b"])
    world.dispatch()
    world.book["a"] = "+12125550101"
    world.queue(["a"], "another")
    assert world.planned() == []
    assert world.dispatch("another").suppressed == (("frequency_gap", 1),)


def test_a_missing_consent_of_one_account_is_one_of_the_person(world: World) -> None:
    world.book = {"a": "+12125550100", "b": "+1-212-555-0100"}
    world.no_consent = {"b"}
    assert world.planned() == []
    world.queue(["a"])
    assert world.dispatch().suppressed == (("no_consent", 1),)


def test_the_arm_is_the_persons(tmp_path: Path) -> None:
    contact = ContactPolicy(holdout_share=0.5)
    held = {u: is_holdout(u, salt=contact.assignment_salt, share=0.5) for u in (f"u{i}" for i in range(20))}
    first = next(user for user in sorted(held) if held[user])
    other = next(user for user in sorted(held) if not held[user] and user > first)
    world = World(tmp_path, contact=contact)
    world.book = {first: "+12125550100", other: "+12125550101"}
    assert world.planned() == [other]
    world.queue([other])
    world.book[other] = "+12125550100"
    assert world.planned() == []
    assert world.dispatch().suppressed == (("holdout", 1),)
    assert world.texted == []
    world.ledger.close()
    world.gateway.close()
