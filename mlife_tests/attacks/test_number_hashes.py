"""Number hashes at rest: nobody reverses them by guessing the key, and the key can be changed.

The second way, which the finding did not name: hashes that the old release left behind, and a key of one letter.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from mlife_assets.adapters.console_gateway import ConsoleGateway, GatewayFaults
from mlife_assets.adapters.keyring import Keyring
from mlife_assets.adapters.people_register import PeopleRegister
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.ids import keyed_hash
from mlife_assets.recruiting.messaging.cohorts import is_holdout
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.ports import OutboundMessage
from mlife_assets.settings import Settings

NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
NUMBERS = [f"+1212555{last:04d}" for last in range(100, 500)]
BOOK = {f"u{place:03d}": number for place, number in enumerate(NUMBERS)}
GUESSES = [b"embedded-world-only", b"", b" ", b"0", b"key", b"secret", b"mlife", b"k" * 32]
CALM = GatewayFaults(throttled_share=0.0, rejected_share=0.0, timeout_share=0.0)


class Book(dict[str, str]):
    def phone_numbers(self, user_ids: Sequence[str]) -> Mapping[str, str | None]:
        return {user_id: self.get(user_id) for user_id in user_ids}


def reversed_by(keys: Sequence[bytes], hashes: set[str]) -> int:
    """Return how many hashes an attacker with these keys and all numbers of an area code reverses."""
    known = {keyed_hash(key, number) for key in keys for number in NUMBERS}
    return len(known & hashes)


def stored(path: Path) -> set[str]:
    """Return every text of a SQLite file that looks like a hash."""
    with sqlite3.connect(path) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        values = {str(v) for (t,) in tables for row in connection.execute(f'SELECT * FROM "{t}"') for v in row}
    connection.close()
    return {value for value in values if len(value) == 32 and set(value) <= set("0123456789abcdef")}


@pytest.fixture(params=["dev", "prod"])
def platform(request: pytest.FixtureRequest, tmp_path: Path) -> Platform:
    return Platform(settings=Settings(home=tmp_path, environment=request.param), policies=Policies())


@pytest.fixture
def home(tmp_path: Path) -> Callable[[], SimpleNamespace]:
    """Return a function that opens a home outside the embedded world, as often as it is restarted."""
    keyring, ledger = Keyring(tmp_path / "keys"), SqlLedger(f"sqlite:///{tmp_path}/ledger.sqlite")
    book = Book(BOOK)

    def opened() -> SimpleNamespace:
        people = PeopleRegister(ledger, book, key=keyring.key("numbers"))
        return SimpleNamespace(keyring=keyring, ledger=ledger, book=book, people=people)

    return opened


def test_no_hash_is_reversed_by_guessing_the_key(platform: Platform) -> None:
    PeopleRegister(platform.ledger, Book(BOOK), key=platform.number_key).register(BOOK, now=NOW)
    for user, number in BOOK.items():
        try:
            platform.gateway.send(OutboundMessage(f"m{user}", user, number, "hi"), now=NOW)
        except Exception:  # noqa: BLE001  the console throttles, refuses and times out now and then
            continue
    platform.ledger.close()
    platform.gateway.close()
    private = platform.settings.private_folder
    found = stored(private / "ledger.sqlite") | stored(private / "gateway.sqlite")
    assert reversed_by([platform.number_key], found) == len(found) == len(NUMBERS)
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
        return Platform(settings=settings, policies=Policies()).number_key

    assert key("a", "prod") == key("a", "prod") != key("b", "prod")
    assert key("c", "dev") == key("d", "dev") != key("d", "dev", seed=7)
    given = "0123456789abcdeffedcba9876543210"
    assert key("a", "prod", hash_key=given) == given.encode()


def test_a_rotation_moves_nobody_to_another_arm_and_keeps_every_stop(home: Callable[[], SimpleNamespace]) -> None:
    world = home()
    before = {user: contact.person_id for user, contact in world.people.register(BOOK, now=NOW).items()}
    world.ledger.record_inbound("i1", "u007", "STOP", received_at=NOW, now=NOW)
    old = world.keyring.key("numbers")
    world.keyring.rotate("numbers")
    assert world.keyring.key("numbers") != old
    assert home().people.rehash(now=NOW) == len(NUMBERS)
    after = {user: contact.person_id for user, contact in home().people.register(BOOK, now=NOW).items()}
    assert after == before
    arms = [[is_holdout(one, salt="s", share=0.1) for one in people] for people in (after.values(), BOOK)]
    assert arms[0] == arms[1]
    assert world.ledger.suppressed_people(at=NOW) == ("u007",)
    with world.ledger.engine.connect() as connection:
        found = set(connection.exec_driver_sql("SELECT number_hash FROM numbers").scalars())
    assert reversed_by([old], found) == 0, "whoever had the old key has nothing"
    assert reversed_by([world.keyring.key("numbers")], found) == len(NUMBERS)


def test_numbers_are_compared_after_a_rotation_as_before(home: Callable[[], SimpleNamespace]) -> None:
    world = home()
    world.people.register(BOOK, now=NOW)
    world.ledger.record_inbound("i1", "u007", "STOP", received_at=NOW, now=NOW)
    world.keyring.rotate("numbers")
    home().people.rehash(now=NOW)
    world.book["u007"] = "+13105550100"
    world.book["new"] = "(310) 555-0100"
    found = home().people.register(world.book, now=NOW)
    assert found["u007"].person_id == found["new"].person_id == "u007"
    world.book["u008"] = NUMBERS[9]
    found = home().people.register(world.book, now=NOW)
    assert found["u008"].person_id == found["u009"].person_id == "u008"
    assert world.ledger.is_suppressed("new", at=NOW)


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
