"""People: one text, one STOP, one arm, however a number is written; hashes at rest that nobody reverses by guessing.

The second ways, which the findings did not name: the same number in another spelling, one that changes hands between
the plan and the call, hashes that the old release left behind, and a key of one letter.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
from pydantic import ValidationError

from mlife_assets.adapters.console_gateway import ConsoleGateway, GatewayFaults
from mlife_assets.adapters.dispatcher.reports import Checks, DispatchReport, Recipient
from mlife_assets.adapters.dispatcher.sending import Dispatcher
from mlife_assets.adapters.keyring import Keyring
from mlife_assets.adapters.people_register import PeopleRegister
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.core.ids import keyed_hash
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.recruiting.instances import job_of_the_day
from mlife_assets.recruiting.messaging.eligibility import decide_eligibility, is_holdout
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY, ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.ports import OutboundMessage
from mlife_assets.settings import Settings
from mlife_tests.rows import Book, planned_row

DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
CALM = GatewayFaults(throttled_share=0.0, rejected_share=0.0, timeout_share=0.0)
POLICY = MessagingPolicy()
CONTACT = ContactPolicy(holdout_share=0.0)
SPELLINGS = ["+12125550100", "+1 (212) 555-0100", "12125550100", "212.555.0100", "tel:+1-212-555-0100"]
NUMBERS = [f"+1212555{last:04d}" for last in range(100, 500)]
BOOK = {f"u{place:03d}": number for place, number in enumerate(NUMBERS)}
GUESSES = [b"embedded-world-only", b"", b" ", b"0", b"key", b"secret", b"mlife", b"k" * 32]


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
            table, with_candidates=pa.array(users), recent_sends=self.ledger.sends.recent(DAY - timedelta(days=7)),
            suppressed_people=self.ledger.people.suppressed_people(at=self.time), application=self.application,
            contact=self.contact, as_of=DAY, now=self.time,
        )  # fmt: skip
        return [user for user, allowed in zip(users, verdicts.is_allowed, strict=True) if allowed]

    def queue(self, users: Sequence[str], campaign: str = JOB_OF_THE_DAY) -> int:
        """Put texts into the ledger as an attacker could: past the plan."""
        new = self.ledger.plan([planned_row(user, campaign, DAY, NOW) for user in users], now=NOW)
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
    world.ledger.replies.record("i1", "b", "STOP", received_at=NOW, now=NOW)
    assert [row.state for row in world.ledger.sends.rows()] == ["suppressed"]
    assert world.ledger.people.is_suppressed("a", at=NOW)
    assert world.planned() == []
    world.queue(["b"], "another")
    world.dispatch("another")
    assert world.texted == []
    world.ledger.replies.record("i2", "a", "START", received_at=NOW + timedelta(seconds=1), now=NOW)
    assert not world.ledger.people.is_suppressed("b", at=NOW)


def test_who_stopped_and_changes_the_number_stays_silent_and_so_does_a_new_account_with_the_old(world: World) -> None:
    world.book = {"a": "+12125550100"}
    world.planned()
    world.ledger.replies.record("i1", "a", "STOP", received_at=NOW, now=NOW)
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
    world.ledger.replies.record("i1", stopped, "STOP", received_at=NOW, now=NOW)
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


def reversed_by(keys: Sequence[bytes], hashes: set[str]) -> int:
    known = {keyed_hash(key, number) for key in keys for number in NUMBERS}
    return len(known & hashes)


def stored(path: Path) -> set[str]:
    with sqlite3.connect(path) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        values = {str(v) for (t,) in tables for row in connection.execute(f'SELECT * FROM "{t}"') for v in row}
    connection.close()
    return {value for value in values if len(value) == 32 and set(value) <= set("0123456789abcdef")}


@pytest.fixture(params=["dev", "prod"])
def platform(request: pytest.FixtureRequest, tmp_path: Path) -> BoardPorts:
    return board_ports(Settings(home=tmp_path, environment=request.param), policies=Policies())


@pytest.fixture
def home(tmp_path: Path) -> Callable[[], SimpleNamespace]:
    keyring, ledger = Keyring(tmp_path / "keys"), SqlLedger(f"sqlite:///{tmp_path}/ledger.sqlite")
    book = Book(dict(BOOK))

    def opened() -> SimpleNamespace:
        people = PeopleRegister(ledger, book, key=keyring.key("numbers"))
        return SimpleNamespace(keyring=keyring, ledger=ledger, book=book, people=people)

    return opened


def test_no_hash_is_reversed_by_guessing_the_key(platform: BoardPorts) -> None:
    PeopleRegister(platform.ledger, Book(BOOK), key=platform.home.private.number_key).register(BOOK, now=NOW)
    for user, number in BOOK.items():
        try:
            platform.home.messengers.texts.send(OutboundMessage(f"m{user}", user, number, "hi"), now=NOW)
        except Exception:  # noqa: BLE001  the console throttles, refuses and times out now and then
            continue
    platform.ledger.close()
    platform.home.messengers.texts.close()
    private = platform.settings.private_folder
    found = stored(private / "ledger.sqlite") | stored(private / "gateway.sqlite")
    assert reversed_by([platform.home.private.number_key], found) == len(found) == len(NUMBERS)
    assert reversed_by(GUESSES, found) == 0


@pytest.mark.parametrize(
    "key",
    [
        *("embedded-world-only", "", " ", "short", "a" * 31, "a" * 64, " " * 64, "ab" * 32, "\n" + "a1" * 15 + "\n"),
        *("change-me-change-me-change-me-change-me", "change-me-change-me-change-me-ch", "0123456789abcdef" * 2),
        *("please CHANGE_ME before it is used", "abcdefghijklmnopqrstuvwxyz-changeMe"),
    ],
)
def test_a_key_that_can_be_guessed_is_refused_at_load(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    for environment in ("dev", "prod"):
        monkeypatch.setenv("MLIFE_ENVIRONMENT", environment)
        monkeypatch.setenv("MLIFE_HASH_KEY", key)
        with pytest.raises(ValidationError, match="the key is easy to guess") as caught:
            Settings()
        assert len(key) < 5 or key not in str(caught.value), "an error never shows a secret"


def test_without_the_setting_each_home_has_a_key_of_its_own(tmp_path: Path) -> None:
    def key(folder: str, environment: str, **changed: object) -> bytes:
        settings = Settings(home=tmp_path / folder, environment=environment, **changed)
        return board_ports(settings, policies=Policies()).home.private.number_key

    assert key("a", "prod") == key("a", "prod") != key("b", "prod")
    assert key("c", "dev") == key("d", "dev") != key("d", "dev", seed=7)
    given = "0123456789abcdeffedcba9876543210"
    assert key("a", "prod", hash_key=given) == given.encode()


def test_a_rotation_moves_nobody_to_another_arm_and_keeps_every_stop(home: Callable[[], SimpleNamespace]) -> None:
    world = home()
    before = {user: contact.person_id for user, contact in world.people.register(BOOK, now=NOW).items()}
    world.ledger.replies.record("i1", "u007", "STOP", received_at=NOW, now=NOW)
    old = world.keyring.key("numbers")
    world.keyring.rotate("numbers")
    assert world.keyring.key("numbers") != old
    assert home().people.rehash(now=NOW) == len(NUMBERS)
    after = {user: contact.person_id for user, contact in home().people.register(BOOK, now=NOW).items()}
    assert after == before
    arms = [[is_holdout(one, salt="s", share=0.1) for one in people] for people in (after.values(), BOOK)]
    assert arms[0] == arms[1]
    assert world.ledger.people.suppressed_people(at=NOW) == ("u007",)
    with world.ledger.engine.connect() as connection:
        found = set(connection.exec_driver_sql("SELECT number_hash FROM numbers").scalars())
    assert reversed_by([old], found) == 0, "whoever had the old key has nothing"
    assert reversed_by([world.keyring.key("numbers")], found) == len(NUMBERS)


def test_numbers_are_compared_after_a_rotation_as_before(home: Callable[[], SimpleNamespace]) -> None:
    world = home()
    world.people.register(BOOK, now=NOW)
    world.ledger.replies.record("i1", "u007", "STOP", received_at=NOW, now=NOW)
    world.keyring.rotate("numbers")
    home().people.rehash(now=NOW)
    world.book.numbers["u007"] = "+13105550100"
    world.book.numbers["new"] = "(310) 555-0100"
    found = home().people.register(world.book.numbers, now=NOW)
    assert found["u007"].person_id == found["new"].person_id == "u007"
    world.book.numbers["u008"] = NUMBERS[9]
    found = home().people.register(world.book.numbers, now=NOW)
    assert found["u008"].person_id == found["u009"].person_id == "u008"
    assert world.ledger.people.is_suppressed("new", at=NOW)


def test_a_crash_between_the_new_key_and_the_new_hashes_harms_nobody(home: Callable[[], SimpleNamespace]) -> None:
    world = home()
    before = {user: contact.person_id for user, contact in world.people.register(BOOK, now=NOW).items()}
    world.keyring.rotate("numbers")
    assert {user: contact.person_id for user, contact in home().people.register(BOOK, now=NOW).items()} == before
    world.keyring.rotate("numbers")
    assert home().people.rehash(now=NOW) == len(NUMBERS)


def test_hashes_that_an_older_release_left_are_erased(tmp_path: Path) -> None:
    path = tmp_path / "gateway.sqlite"
    gateway = ConsoleGateway(path, seed=1, hash_key=GUESSES[0], faults=CALM)
    for place, number in enumerate(NUMBERS):
        gateway.send(OutboundMessage(f"m{place}", f"u{place}", number, "hi"), now=NOW)
    gateway._connection.execute("PRAGMA user_version = 0")
    gateway.close()
    assert reversed_by(GUESSES, stored(path)) == len(NUMBERS)
    again = ConsoleGateway(path, seed=1, hash_key=b"another key of thirty-two bytes.", faults=CALM)
    assert again.request_counts().num_rows == len(NUMBERS)
    again.close()
    assert stored(path) == set()
