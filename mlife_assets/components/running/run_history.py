"""The history of runs in SQLite files, as Dagster keeps it, at a fraction of the cost.

Belongs here: how its files are opened. Does not belong here: what is written into them (Dagster), other storages of the
instance.

Concept: a run writes hundreds of events. For each, Dagster makes an engine, which compiles every statement anew, and
closes the file, so that SQLite moves its log into it, which waits for the disk four times. Here a file stays open while
it is used: an event costs one statement and one wait. Files and rows are the same, and other processes read and write
them meanwhile.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS

OPEN_FILES = 4
"""Of events: the index of all runs, the run at hand and few others; a file is closed when others were used since."""


def settings(folder: Path) -> Mapping[str, Any]:
    """Return what the instance in `folder` is made with beside its settings file; files lie where Dagster puts them."""
    kept = {"run_storage": (Runs, "history"), "event_log_storage": (Events, "history/runs")}
    return {
        name: {"module": one.__module__, "class": one.__name__, "config": {"base_dir": str(folder / place)}}
        for name, (one, place) in kept.items()
    }


class Runs(SqliteRunStorage):
    """`SqliteRunStorage` that keeps its file open."""

    def __init__(self, conn_string: str, inst_data: Any = None) -> None:
        """Open the file of `conn_string`."""
        self._engine = _engine(conn_string)
        super().__init__(conn_string, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "Runs":
        """Return the storage that settings describe."""
        return cls.from_local(inst_data=inst_data, **config_value)

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Give a connection inside a transaction."""
        with self._engine.begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close the file."""
        super().dispose()
        self._engine.dispose()


class Events(SqliteEventLogStorage):
    """`SqliteEventLogStorage` that keeps the files it uses open."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        """Keep files below `base_dir`; the index is made when it is missing."""
        self._engines: OrderedDict[str, sa.Engine] = OrderedDict()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "Events":
        """Return the storage that settings describe."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        with self._db_lock:
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
        connection.exec_driver_sql("pragma journal_mode = wal")  # Dagster's mode; tables are made in it, too
    return engine
