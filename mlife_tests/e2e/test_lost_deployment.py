"""A deployment that was backed up, destroyed and restored goes on as if nothing had happened, to the byte.

The market is the outside world and stays: landing, its state and truth, what the providers of texts and mails know. The
contact book is another system's and comes back from there.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa

from mlife_assets.adapters.backups import Backup
from mlife_assets.adapters.home_files import end_restore
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.send_ledger.records import STREAMS
from mlife_assets.adapters.send_ledger.restoring import last_number
from mlife_assets.adapters.send_ledger.schema import metadata
from mlife_assets.components.running.demo_summary import DayResult, Demo
from mlife_assets.components.running.driver import rebuild_features
from mlife_assets.components.shown.present import operator_time
from mlife_assets.deployments.backup import back_up, bring_forward, put_back, require_intact_log
from mlife_assets.deployments.sealing import audit_log
from mlife_assets.settings import WORLD_FILE

PROVIDERS = {"gateway.sqlite", "gateway.sqlite-wal", "gateway.sqlite-shm", "mail"}


@dataclass(frozen=True)
class Left:
    """What is left of a home after a day: what the day brought, hashes of lake and heads, what its ledger holds."""

    result: DayResult
    lake: dict[str, str]
    heads: dict[str, bytes]
    ledger: dict[str, list[str]]


def next_day(home: Any, number: int) -> Left:
    """Run the day after the lived ones, with sensors and metrics."""
    with home.instance() as instance:
        story = Demo(home.definitions, instance, home.platform)
        result = story.run_day(number, home.day(number))
        story.driver.run_unpartitioned("metrics_job").require_success()
    assert audit_log(home.platform.home).verification.findings == ()
    lake, heads = home.platform.lake, home.settings.private_folder / "heads"
    left = Left(
        result,
        {key: sha256(lake.get(key)).hexdigest() for key in lake.list("")},
        {path.name: path.read_bytes() for path in heads.iterdir()},
        held(home.platform.ledger),
    )
    home.platform.ledger.close()
    return left


def held(ledger: SqlLedger) -> dict[str, list[str]]:
    """Return the rows of each table of a ledger, and where its numbering stands."""
    with ledger.engine.connect() as connection:
        rows = {
            table.name: sorted(repr(tuple(row)) for row in connection.execute(sa.select(table)))
            for table in metadata.sorted_tables
        }
        return rows | {"numbers": [f"{name} {last_number(connection, table)}" for name, table in STREAMS.items()]}


def destroy(home: Any) -> None:
    """Remove all that a deployment keeps, as when its disks burn; the outside world stays."""
    home.platform.ledger.close()
    folder, private = home.settings.home, home.settings.private_folder
    gone = [folder / name for name in ("lake", "warehouse.duckdb", "dagster", "dbt", WORLD_FILE)]
    gone += [path for path in private.iterdir() if path.name not in PROVIDERS]
    for path in gone:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    assert {path.name for path in private.iterdir()} <= PROVIDERS
    assert {path.name for path in folder.iterdir()} <= {"landing", "market", "truth", "private", ".mlife-demo"}


def restore(backup: Backup, home: Any, lived_world: ModuleType, **places: Any) -> Any:
    """Do as `mlife backup restore` does; return the home, opened anew."""
    put_back(lived_world.open_home(home.folder, **places).platform.home, backup)
    restored = lived_world.open_home(home.folder, **places)
    require_intact_log(restored.platform.home)
    assert not any(
        vars(bring_forward(restored.platform.home, now=operator_time(restored.platform.of_model()))).values()
    )
    with restored.driver() as driver:
        assert rebuild_features(driver, restored.platform) == home.day(lived_world.DAYS)
    end_restore(restored.settings.private_folder)
    return restored


@pytest.fixture(scope="module")
def twin(lived: Any, lived_world: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Left:
    """Return what the next day leaves of a home that nothing happened to."""
    return next_day(lived.home.copy_to(tmp_path_factory.mktemp("twin") / "home"), lived_world.DAYS + 1)


@pytest.mark.proof
@pytest.mark.parametrize("on_servers", [False, True], ids=["folder", "bucket and database"])
def test_the_day_after_a_restore_is_that_of_a_home_that_was_never_lost(
    lived: Any,
    lived_world: ModuleType,
    twin: Left,
    s3_settings: dict[str, Any],
    postgres_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    on_servers: bool,
) -> None:
    """Wherever it is put back: a backup of files may go to servers."""
    home = lived.home.copy_to(tmp_path / "home")
    home.settings.memory.keep_world()
    world = (home.folder / WORLD_FILE).read_bytes()
    backup = back_up(home.platform.home, tmp_path / "backup", now=operator_time(home.platform.of_model()))
    destroy(home)
    places = {**s3_settings, "database": postgres_url} if on_servers else {}
    if on_servers:
        monkeypatch.setenv("MLIFE_DATABASE", postgres_url)  # read by Dagster's storage
    restored = restore(backup, home, lived_world, **places)
    assert (home.folder / "lake").exists() != on_servers
    assert (home.settings.private_folder / "ledger.sqlite").exists() != on_servers
    assert (home.folder / WORLD_FILE).read_bytes() == world
    left = next_day(restored, lived_world.DAYS + 1)
    assert left.result == twin.result
    assert twin.result.submitted > 100
    assert {name for name in twin.lake | left.lake if twin.lake.get(name) != left.lake.get(name)} == set()
    assert {name.partition("/")[0] for name in left.lake} >= {"events", "manifests", "models", "tables", "reports"}
    assert left.heads == twin.heads
    assert left.ledger == twin.ledger
