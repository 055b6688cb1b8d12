"""The Dagster instance of a deployment.

Belongs here: the instance's folder, its settings file, how its databases are held, starting `dagster dev` on it. Does
not belong here: what runs on it.

Concept: the driver, the CLI and `dagster dev` share one instance, so what the demo ran is what the UI shows. Dagster
opens its SQLite files anew for each event, and whoever closes such a file last moves its whole log into it, which waits
for the disk four times. As long as somebody else holds it open, an event waits once.
"""

import runpy
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage

SETTINGS_FILE = Path(__file__).parent / "dagster.yaml"


@contextmanager
def open_instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """Give the instance in `home`/dagster, made with the project's settings when it is new."""
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(SETTINGS_FILE, folder / "dagster.yaml")
    history = folder / "history"
    with (
        dg.DagsterInstance.from_config(str(folder)) as instance,
        _held_open(history / "runs.db", history / "runs" / "index.db"),
    ):
        yield instance


@contextmanager
def hold_run(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Hold the file of a run that is about to start, where runs have files of their own."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage):
        yield
        return
    with _held_open(Path(storage.path_for_shard(run_id))):
        yield


@contextmanager
def _held_open(*files: Path) -> Iterator[None]:
    with ExitStack() as stack:
        for file in files:
            connection = stack.enter_context(closing(sqlite3.connect(file)))
            connection.execute("pragma journal_mode = wal")  # Dagster's mode; a new file is then filled in it, too
            connection.execute("select count(*) from sqlite_master").fetchone()  # a file is held once it was read
        yield


def run_dagster_dev(home: Path, workspace: Path, host: str, port: int) -> None:
    """Run `dagster dev` in this process, on the instance of `home`, until it is interrupted; ends in SystemExit."""
    with open_instance(home):
        pass  # two processes that start on a fresh instance would both make its tables
    sys.argv = ["dagster", "dev", "-w", str(workspace), "-h", host, "-p", str(port)]
    runpy.run_module("dagster", run_name="__main__", alter_sys=True)
