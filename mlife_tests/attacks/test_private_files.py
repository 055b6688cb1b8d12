"""Personal data at rest: everything below `private/` is its owner's alone, whatever the umask and whoever made it.

The tests read modes: whoever runs them as root would be refused nothing.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from stat import S_IMODE, S_ISDIR

import pytest

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.private_files import made_private
from mlife_assets.cli.serve import endpoint_token
from mlife_assets.components.platform.resources import Platform
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.ports import LedgerRow, OutboundMessage
from mlife_assets.settings import Settings

DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
KEY = message_id("usr_0000001", "job_of_the_day", DAY)


@pytest.fixture(params=[0o000, 0o022], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def platform_of(home: Path) -> Platform:
    settings = Settings(home=home, market_users=60, market_jobs=30)
    return Platform(settings=settings, policies=settings.policies())


def fill(platform: Platform) -> None:
    """Write everything that a home keeps to itself, and leave the databases open, so that their logs are there."""
    platform.ledger.plan(
        [LedgerRow(KEY, "usr_0000001", "j", "job_of_the_day", DAY, "hi", "planned", 0, None, NOW)], now=NOW
    )
    number = platform.contacts.phone_numbers(["usr_0000001"])["usr_0000001"]
    platform.gateway.send(OutboundMessage(KEY, "usr_0000001", str(number), "hi"), now=NOW)
    platform.audit_attributes.groups_of(["usr_0000001"])
    endpoint_token(platform.settings, makes_token=True)
    with made_private():
        ObstoreObjectStore.local(platform.private_folder / "backtest").replace("a/b.json", b"{}")


def too_wide(private: Path) -> dict[str, str]:
    """Return the mode of everything at or below `private` that others may look at."""
    found = {}
    for path in [private, *private.rglob("*")]:
        mode = path.lstat().st_mode
        if S_IMODE(mode) != (0o700 if S_ISDIR(mode) else 0o600):
            found[str(path.relative_to(private))] = oct(S_IMODE(mode))
    return found


@pytest.mark.usefixtures("umask")
def test_whatever_a_home_keeps_to_itself_is_its_owners_alone(tmp_path: Path) -> None:
    platform = platform_of(tmp_path / "home")
    fill(platform)
    private = platform.settings.private_folder
    names = {path.name for path in private.rglob("*")}
    assert {"ledger.sqlite", "ledger.sqlite-wal", "gateway.sqlite", "gateway.sqlite-wal", "gateway.sqlite-shm"} <= names
    assert {"contacts.parquet", "audit_attributes.parquet", "endpoint.key", "b.json"} <= names
    assert too_wide(private) == {}
    platform.ledger.close()
    platform.gateway.close()


@pytest.mark.usefixtures("umask")
def test_a_home_that_an_earlier_release_left_open_is_narrowed(tmp_path: Path) -> None:
    before = platform_of(tmp_path / "home")
    fill(before)
    private = before.settings.private_folder
    for path in [private, *private.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert len(too_wide(private)) > 8
    after = platform_of(tmp_path / "home")
    assert [row.message_id for row in after.ledger.rows()] == [KEY]
    assert too_wide(private) == {}
    for platform in (before, after):
        platform.ledger.close()
    before.gateway.close()


@pytest.mark.parametrize("opened", ["gateway", "contacts", "audit_attributes", "keyring"])
def test_whichever_part_is_opened_first_narrows_all(tmp_path: Path, opened: str) -> None:
    private = tmp_path / "home" / "private"
    private.mkdir(parents=True)
    sqlite3.connect(private / "ledger.sqlite").close()
    (private / "leftover.parquet").write_bytes(b"numbers")
    private.chmod(0o755)
    (private / "leftover.parquet").chmod(0o664)
    platform = platform_of(tmp_path / "home")
    part = getattr(platform, opened)
    assert too_wide(private) == {}
    if opened == "gateway":
        part.close()


def test_looking_at_a_home_makes_no_private_folder(tmp_path: Path) -> None:
    platform = platform_of(tmp_path / "home")
    assert platform.tables.days("message_plan") == []
    assert not platform.settings.private_folder.exists()
