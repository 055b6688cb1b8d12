"""The Dagster instance of a deployment.

Concept: the driver, the CLI and `dagster dev` share one instance, so the UI shows the demo's runs. A run writes
hundreds of events. For each, Dagster makes an engine, which recompiles every statement, and closes the file, so that
SQLite checkpoints its log, which waits for the disk four times. Here a file stays open while in use: an event costs one
statement and one wait, the events of an asset's partitions share one wait. Files and rows are the same, and other
processes can use them meanwhile.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import sqlalchemy as sa
import yaml
from dagster._core.instance import InstanceRef
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS

from mlife_assets.adapters import json_logs

if TYPE_CHECKING:
    from mlife_assets.settings import Settings

SETTINGS_FILE = Path(__file__).parent / "dagster.yaml"
JSON_LOGS = {
    "python_logs": {
        "managed_python_loggers": ["mlife_assets"],
        "dagster_handler_config": {"handlers": {"json": {"class": f"{json_logs.__name__}.JsonHandler"}}},
    }
}
OPEN_FILES = 4
"""Open event files: the index of all runs, the current run and a few others; the least recently used is closed."""
BATCH_SIZE = "DAGSTER_EVENT_BATCH_SIZE"
"""Variable by which Dagster stores the events of an asset's partitions together; 0 stores each alone."""


def open_instance(home: Path, *, is_in_database: bool = False, logs_json: bool = False) -> dg.DagsterInstance:
    """Return the instance in `home`/dagster, created with the project's settings if new.

    Args:
        home: folder of the deployment.
        is_in_database: whether its records are in the database of the variable MLIFE_DATABASE, not in files.
        logs_json: whether runs also log to stderr, as lines of JSON.

    Raises:
        PermanentError, TransientError: the database cannot be used; names the remedy.
    """
    os.environ.setdefault(BATCH_SIZE, "500")
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    settings, overrides = SETTINGS_FILE.read_text(encoding="utf-8"), history_settings(folder)
    if is_in_database:
        from mlife_assets.components.running import run_database

        settings, overrides = f"{settings}\n{yaml.safe_dump(run_database.SETTINGS)}", {}
    if logs_json:
        settings = f"{settings}\n{yaml.safe_dump(JSON_LOGS)}"
    (folder / "dagster.yaml").write_text(settings, encoding="utf-8")
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=overrides))


def instance_of(settings: Settings) -> dg.DagsterInstance:
    """Return the instance of a deployment. Raises the errors of `open_instance`."""
    is_in_database, logs_json = settings.owner.database is not None, settings.log_format == "json"
    return open_instance(settings.home, is_in_database=is_in_database, logs_json=logs_json)


def run_dagster_dev(settings: Settings, workspace: Path, host: str, port: int) -> None:
    """Run `dagster dev` in this process, on the instance of a deployment, until interrupted; ends in SystemExit."""
    with instance_of(settings):
        pass  # two processes starting on a fresh instance would both create its tables
    form = ["--log-format", "json"] if settings.log_format == "json" else []
    warnings.filterwarnings("ignore", message=r"Function `dev_command` is superseded")  # `mlife dev` uses it on purpose
    sys.argv = ["dagster", "dev", "-w", str(workspace), "-h", host, "-p", str(port), *form]
    runpy.run_module("dagster", run_name="__main__", alter_sys=True)


def history_settings(folder: Path) -> Mapping[str, Any]:
    """Return further settings of the instance in `folder`; files are in Dagster's default places."""
    kept = {"run_storage": (Runs, "history"), "event_log_storage": (Events, "history/runs")}
    return {
        name: {"module": one.__module__, "class": one.__name__, "config": {"base_dir": str(folder / place)}}
        for name, (one, place) in kept.items()
    }


class Runs(SqliteRunStorage):
    """`SqliteRunStorage` that keeps its file open."""

    def __init__(self, conn_string: str, inst_data: Any = None) -> None:
        self._engine = _engine(conn_string)
        super().__init__(conn_string, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Runs:
        return cls.from_local(inst_data=inst_data, **config_value)

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Give a connection inside a transaction."""
        with self._engine.begin() as connection:
            yield connection

    def dispose(self) -> None:
        super().dispose()
        self._engine.dispose()


class Events(SqliteEventLogStorage):
    """`SqliteEventLogStorage` that keeps the files it uses open."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._engines: OrderedDict[str, sa.Engine] = OrderedDict()
        self._of_batch: dict[str, sa.Connection] = {}
        self._newest: dict[dg.AssetKey | None, tuple[dg.EventLogEntry, int]] = {}
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)
        self._db_lock = threading.RLock()  # type: ignore[assignment]  # a batch connects again for each of its events

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Events:
        return cls(inst_data=inst_data, **config_value)

    def has_table(self, table_name: str) -> bool:
        """Return whether a table exists: no migration drops one, so a known one is not looked up again."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store events of one run, all or none of them, in one transaction of each file."""
        (run_id,) = {event.run_id for event in events}
        with self._db_lock, self._connect(INDEX_SHARD_NAME) as index, self._connect(run_id) as run:
            self._of_batch = {run_id: run, INDEX_SHARD_NAME: index}
            try:
                super().store_event_batch(events)
            finally:
                self._of_batch, newest, self._newest = {}, self._newest, {}
            for event, event_id in newest.values():
                super()._store_asset_event(index, event, event_id)

    def _store_asset_event(self, conn: sa.Connection, event: dg.EventLogEntry, event_id: int) -> None:
        if not self._of_batch:
            super()._store_asset_event(conn, event, event_id)
        else:  # an asset's row keeps only its newest event
            self._newest[event.get_dagster_event().asset_key] = event, event_id

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        with self._db_lock:
            if shard in self._of_batch:
                yield self._of_batch[shard]
                return
            if shard not in self._engines:
                while len(self._engines) >= OPEN_FILES:
                    self._engines.popitem(last=False)[1].dispose()
                self._engines[shard] = _engine(self.conn_string_for_shard(shard))
                self._initdb(self._engines[shard])
            self._engines.move_to_end(shard)
            with self._engines[shard].begin() as connection:
                yield connection

    def dispose(self) -> None:
        """Close all files."""
        super().dispose()
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()


def _engine(url: str) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})
    with engine.connect() as connection:
        connection.exec_driver_sql("pragma journal_mode = wal")  # Dagster's mode, also for creating tables
    return engine
