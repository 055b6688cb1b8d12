"""Where the ledger is: a file of the home, or the database of the settings."""

from __future__ import annotations

import sqlite3
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from mlife_assets.adapters.postgresql import holds_tables
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.platform.sealing import audit_log, seal
from mlife_assets.core.errors import IntegrityError, TransientError
from mlife_assets.core.windows import run_time
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings

DAY = date(2026, 6, 2)


def platform_of(home: Path, database: str, seed: int = 1) -> Platform:
    settings = Settings(home=home, seed=seed, database=SecretStr(database))
    return Platform(settings=settings, policies=Policies())


def pause(platform: Platform) -> None:
    """Append an event and sign it: the ledger holds the head, too."""
    at = run_time(DAY)
    row = {"event_id": "e1", "occurred_at": at, "observed_at": at, "actor": "a", "reason": "r", "campaign": None}
    schema = EVENT_TYPES["sending_paused"].schema
    table = pa.Table.from_pylist([{name: row.get(name) for name in schema.names}], schema=schema)
    platform.event_log.append("sending_paused", table, writer="test")
    seal(platform)


def test_the_ledger_of_a_home_with_a_database_is_there_for_the_next_process(tmp_path: Path, postgres_url: str) -> None:
    first = platform_of(tmp_path, postgres_url)
    first.ledger.suppress("u1", now=run_time(DAY), reason="asked by post")
    pause(first)
    first.ledger.close()
    again = platform_of(tmp_path, postgres_url)
    assert again.ledger.is_suppressed("u1", at=run_time(DAY))
    assert [store.name for store in again.pinned_heads()] == [again.head_store.name, "ledger"]
    assert again.ledger.heads.sequences() == again.head_store.sequences() == [0]
    assert audit_log(again).verification.is_intact
    assert not list(tmp_path.rglob("ledger.sqlite*"))
    again.ledger.close()


def test_asking_makes_no_ledger(tmp_path: Path, postgres_url: str) -> None:
    platform = platform_of(tmp_path, postgres_url)
    assert not platform.has_ledger
    assert platform.ledger_on_record()[0] is None
    assert list(platform.pinned_heads()) == [platform.head_store]
    assert not holds_tables(postgres_url, "mlife")
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_the_home_is_not_the_ledger_of_a_home_with_a_database(tmp_path: Path, postgres_url: str) -> None:
    in_files = Platform(settings=Settings(home=tmp_path), policies=Policies())
    assert not in_files.has_ledger
    in_files.ledger.close()
    assert in_files.has_ledger
    assert not platform_of(tmp_path, postgres_url).has_ledger


def test_a_database_that_cannot_be_reached_is_no_home_without_a_ledger(tmp_path: Path) -> None:
    platform = platform_of(tmp_path, "postgresql:///mlife?host=/nowhere")
    pause(Platform(settings=Settings(home=tmp_path, seed=1), policies=Policies()))
    asked = (platform.ledger_on_record, platform.pinned_heads, lambda: seal(platform), lambda: audit_log(platform))
    for ask in asked:
        with pytest.raises(TransientError, match="MLIFE_DATABASE"):
            ask()


@pytest.mark.parametrize("ran_before", [False, True], ids=["a new home", "a home that ran on files"])
def test_a_second_home_on_the_database_of_another_is_refused(
    tmp_path: Path, postgres_url: str, ran_before: bool
) -> None:
    first = platform_of(tmp_path / "first", postgres_url)
    pause(first)
    if ran_before:
        pause(Platform(settings=Settings(home=tmp_path / "second", seed=2), policies=Policies()))
    second = platform_of(tmp_path / "second", postgres_url, seed=2)
    says = "is another home's" if ran_before else "ledger/0 is not signed by a key that is pinned"
    for ask in (lambda: pause(second), lambda: seal(second)):
        with pytest.raises(IntegrityError, match=rf"{says}.*MLIFE_DATABASE"):
            ask()
    assert first.ledger.heads.sequences() == [0]
    assert audit_log(first).verification.is_intact
    first.ledger.close()
    if not ran_before:
        second.ledger.close()


def test_the_schema_holds_every_table_of_a_ledger_in_a_file(tmp_path: Path, postgres_url: str) -> None:
    in_files = Platform(settings=Settings(home=tmp_path), policies=Policies())
    in_files.ledger.close()
    with sqlite3.connect(tmp_path / "private" / "ledger.sqlite") as file:
        named = {row[0] for row in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    file.close()
    platform_of(tmp_path, postgres_url).ledger.close()
    inspector = sa.inspect(sa.create_engine(postgres_url, poolclass=sa.NullPool))
    assert set(inspector.get_table_names("mlife")) == named - {"sqlite_sequence"}
