"""What a home keeps beside the event log, with a past: ledger, provider's log, marts.

Concept: rows of a day of the young home are read once and written for each older day that repeats it, under moved ids
and times, with numbers that rise from the oldest day on, as if they had been written then.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from aged.rows import Move

DAY_MICROS = 86_400_000_000
Row = dict[str, Any]
UNSETTLED = ("accepted", "ambiguous")
COPIED = ("accounts", "numbers", "suppressions", "switches", "rejections")


def rows_of(path: Path, table: str) -> list[Row]:
    """Return all rows of a table of a SQLite file, in the order of their row ids."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY rowid")]


def insert(connection: sqlite3.Connection, table: str, rows: Sequence[Row]) -> None:
    """Insert rows that have the same columns."""
    if rows:
        names = ", ".join(f'"{name}"' for name in rows[0])
        marks = ", ".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", [tuple(row.values()) for row in rows])


def _day_of(micros: int) -> date:
    return datetime.fromtimestamp(micros // 1_000_000, tz=UTC).date()


def _by_day(rows: Iterable[Row], name: str) -> Mapping[date, list[Row]]:
    found: defaultdict[date, list[Row]] = defaultdict(list)
    for row in rows:
        value = row[name]
        found[date.fromisoformat(value) if isinstance(value, str) else _day_of(value)].append(row)
    return found


def _back(row: Row, move: Move, *names: str) -> None:
    for name in names:
        if row[name] is not None:
            row[name] -= move.days * DAY_MICROS


def _day_back(row: Row, move: Move) -> None:
    row["as_of_date"] = move.moved_day(date.fromisoformat(row["as_of_date"])).isoformat()


def _marked(row: Row, move: Move, *names: str) -> None:
    for name in names:
        if row[name] is not None:
            row[name] = move.moved_id(row[name])


class PastLedger:
    """The ledger of an aged home, filled with days of the young one's."""

    def __init__(self, young: Path, path: Path) -> None:
        """Open the ledger at `path`, whose tables exist; accounts and suppressions are those of the young home."""
        self._connection = sqlite3.connect(path, timeout=60)
        self._connection.execute("PRAGMA synchronous=OFF")
        self._sends = _by_day(rows_of(young, "sends"), "as_of_date")
        self._moves = _by_day(rows_of(young, "send_transitions"), "at")
        self._inbound = _by_day(rows_of(young, "inbound_texts"), "at")
        self._plans = _by_day(rows_of(young, "plans"), "as_of_date")
        self._approvals = _by_day(rows_of(young, "approvals"), "as_of_date")
        for table in COPIED:
            insert(self._connection, table, rows_of(young, table))
        self._connection.commit()

    def add_past(self, source: date, move: Move, inbound_ids: Mapping[str, str]) -> None:
        """Add what the ledger recorded on a day of the young home, moved; every send of it was answered for good."""
        sends = [dict(row) for row in self._sends.get(source, ())]
        for row in sends:
            _marked(row, move, "message_id", "provider_message_id")
            row["job_id"] += move.job_mark
            _day_back(row, move)
            _back(row, move, "updated_at", "lease_until", "submitted_at")
            if row["state"] in UNSETTLED:
                row["state"] = "delivered"
        moves = [dict(row) for row in self._moves.get(source, ())]
        for row in moves:
            del row["sequence"]
            _marked(row, move, "message_id", "provider_message_id")
            _day_back(row, move)
            _back(row, move, "occurred_at", "at")
        texts = [dict(row) for row in self._inbound.get(source, ())]
        for row in texts:
            del row["sequence"]
            row["inbound_id"] = inbound_ids[row["inbound_id"]]
            _back(row, move, "received_at", "at", "reviewed_at")
        days = [dict(row) for row in (*self._plans.get(source, ()), *self._approvals.get(source, ()))]
        for row in days:
            _marked(row, move, "plan_id", "plan_digest")
            _day_back(row, move)
            _back(row, move, "at")
        insert(self._connection, "sends", sends)
        insert(self._connection, "send_transitions", moves)
        insert(self._connection, "inbound_texts", texts)
        insert(self._connection, "plans", [row for row in days if "planned_count" not in row])
        insert(self._connection, "approvals", [row for row in days if "planned_count" in row])
        self._connection.commit()

    def add_own(self) -> None:
        """Add the young home's own rows after those of the past, and close."""
        for table, by_day in (
            ("sends", self._sends),
            ("send_transitions", self._moves),
            ("inbound_texts", self._inbound),
            ("plans", self._plans),
            ("approvals", self._approvals),
        ):
            rows = [row for day in sorted(by_day) for row in by_day[day]]
            insert(
                self._connection,
                table,
                [{name: value for name, value in row.items() if name != "sequence"} for row in rows],
            )
        self._connection.commit()
        self._connection.close()


class PastGateway:
    """The provider's log of an aged home."""

    def __init__(self, young: Path, path: Path) -> None:
        """Open the log at `path`, whose tables exist."""
        self._connection = sqlite3.connect(path, timeout=60)
        self._connection.execute("PRAGMA synchronous=OFF")
        self._requests = _by_day(rows_of(young, "requests"), "sent_at")

    def add_past(self, source: date, move: Move) -> dict[str, str]:
        """Add the requests of a day, moved; returns the new ids of replies by those of the young home."""
        rows, replies = [dict(row) for row in self._requests.get(source, ())], {}
        for row in rows:
            del row["request"]
            before = row["provider_message_id"]
            _marked(row, move, "message_id", "provider_message_id")
            _back(row, move, "sent_at", "receipt_at", "inbound_at")
            if before is not None and row["inbound_at"] is not None:
                replies[inbound_id(before)] = inbound_id(row["provider_message_id"])
        insert(self._connection, "requests", rows)
        self._connection.commit()
        return replies

    def add_own(self) -> None:
        """Add the young home's own requests, and close."""
        rows = [row for day in sorted(self._requests) for row in self._requests[day]]
        insert(self._connection, "requests", [{k: v for k, v in row.items() if k != "request"} for row in rows])
        self._connection.commit()
        self._connection.close()


def inbound_id(provider_message_id: str) -> str:
    """Return the id of the reply to a text, as the provider makes it."""
    from mlife_assets.core.ids import digest

    return "in_" + digest(("inbound", provider_message_id))


def age_marts(path: Path, blocks: int, block_days: int, first: date) -> dict[str, int]:
    """Put the past before the rows of every dated mart of a warehouse; returns rows by mart.

    The rows of the first `block_days` days of the young home are repeated, in the order of days. Ids are moved as in
    the event log, but for marts of days that no repetition has a place for.
    """
    import duckdb

    from mlife_assets.adapters.warehouse import MARTS

    with closing(duckdb.connect(str(path))) as connection:
        connection.execute("SET threads = 1")
        tables = {
            name
            for (name,) in connection.execute(
                "SELECT table_name FROM information_schema.tables "
                "WHERE table_schema = 'marts' AND table_type = 'BASE TABLE'"
            ).fetchall()
        }
        counts = {}
        for name in sorted(tables & set(MARTS)):
            by = MARTS[name].date_column
            columns = connection.execute(
                "SELECT column_name, data_type FROM information_schema.columns "
                "WHERE table_schema = 'marts' AND table_name = ? ORDER BY ordinal_position",
                [name],
            ).fetchall()
            moved = ", ".join(_moved_column(column, kind, block_days) for column, kind in columns)
            last, back = f"DATE '{first}' + {block_days}", f"CAST(block AS INTEGER) * {block_days}"
            connection.execute(f"CREATE TEMP TABLE own AS SELECT * FROM marts.{name}")
            connection.execute(f"DELETE FROM marts.{name}")
            connection.execute(
                f"INSERT INTO marts.{name} SELECT {moved} FROM own, range(1, {blocks + 1}) AS past(block) "
                f"WHERE own.{by} > DATE '{first}' AND own.{by} <= {last} ORDER BY own.{by} - {back}"
            )
            connection.execute(f"INSERT INTO marts.{name} SELECT * FROM own ORDER BY {by}")
            connection.execute("DROP TABLE own")
            (counts[name],) = connection.execute(f"SELECT count(*) FROM marts.{name}").fetchone() or (0,)
        connection.execute("CHECKPOINT")
    return counts


def _moved_column(name: str, kind: str, block_days: int) -> str:
    from aged.rows import JOB_IDS, OWN_IDS

    if kind == "DATE":
        return f"CAST(own.{name} - CAST(block AS INTEGER) * {block_days} AS DATE)"
    if kind.startswith("TIMESTAMP"):
        return f"own.{name} - to_days(CAST(block AS INTEGER) * {block_days})"
    if kind == "VARCHAR" and (name in JOB_IDS | OWN_IDS or name.endswith("_event_id")):
        return f"own.{name} || '_p' || block"
    return f"own.{name}"
