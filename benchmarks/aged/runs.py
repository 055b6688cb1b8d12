"""What Dagster keeps of a home, with a past: runs, their tags, materializations, checks.

Concept: each older day gets the records of the runs of the day that it repeats, under run ids of its own and with
times and partitions moved. Numbers of records rise with time, so the young home's own are moved up and the past comes
before them. The file that holds all events of one run is a hard link to that of the run that is repeated: nothing here
reads the events of an old run.
"""

from __future__ import annotations

import os
import re
import sqlite3
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from aged.records import Row, insert
from aged.rows import Move

PARTITION_TAG = "dagster/partition"
LAST_JOB = "metrics_job"
"""Runs of the whole home, of which the newest is repeated on every old day."""
_NAMESPACE = uuid.UUID("5a3f5d2e-7c0e-4f0e-9a55-0d6f5a1c9e11")
_STORAGE_ID = re.compile(r'("storage_id": )(\d+)')
Steps = Sequence[tuple[date, Move]]
"""The day that is repeated, and where to; the oldest first."""


def age_runs(young: Path, home: Path, steps: Steps) -> dict[str, int]:
    """Put the past before the runs and events in `home`, a copy of the `dagster` folder of `young`; returns counts."""
    history = Path("history")
    days, links = _runs_by_day(young / history / "runs.db"), list[tuple[str, str]]()
    with (
        closing(_opened(home / history / "runs.db")) as runs,
        closing(_opened(home / history / "runs/index.db")) as all_,
    ):
        plan = [
            (old, _new_id(old, source, move), move)
            for source, move in steps
            for old in days.get(source.isoformat(), ())
        ]
        _age_table(runs, "runs", plan, ("create_timestamp", "update_timestamp", "start_time", "end_time"))
        _age_table(runs, "run_tags", plan, ())
        runs.commit()
        offsets = _age_events(all_, plan)
        all_.commit()
        links = [(old, new) for old, new, _ in plan]
    for old, new in links:
        source = young / history / "runs" / f"{old}.db"
        if source.is_file():
            os.link(source, home / history / "runs" / f"{new}.db")
    return {"runs": len(plan), **offsets}


def _runs_by_day(path: Path) -> Mapping[str, list[str]]:
    """Return the runs of each day, in order; a day's also has the newest run that is of no day."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        tagged = connection.execute(
            "SELECT value, run_id FROM run_tags JOIN runs USING (run_id) WHERE key = ? ORDER BY runs.id",
            (PARTITION_TAG,),
        ).fetchall()
        last = connection.execute(
            "SELECT run_id FROM runs WHERE pipeline_name = ? ORDER BY id DESC LIMIT 1", (LAST_JOB,)
        ).fetchall()
    found: defaultdict[str, list[str]] = defaultdict(list)
    for day, run in tagged:
        found[day].append(run)
    for runs in found.values():
        runs += [run for (run,) in last]
    return found


def _new_id(run_id: str, source: date, move: Move) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{run_id} {source} {move.mark} {move.days}"))


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=60)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA foreign_keys=OFF")
    return connection


Plan = Sequence[tuple[str, str, Move]]


def _by_run(connection: sqlite3.Connection, table: str) -> Mapping[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in connection.execute(f"SELECT * FROM {table} ORDER BY id"):
        found[row["run_id"]].append(dict(row))
    return found


def _age_table(connection: sqlite3.Connection, table: str, plan: Plan, times: Sequence[str]) -> None:
    by_run = _by_run(connection, table)
    offset = sum(len(by_run.get(old, ())) for old, _, _ in plan)
    _move_up(connection, table, offset)
    number = 0
    for old, new, move in plan:
        rows = []
        for row in by_run.get(old, ()):
            number += 1
            rows.append(_moved(row, old, new, move, times) | {"id": number})
        insert(connection, table, rows)


def _age_events(connection: sqlite3.Connection, plan: Plan) -> dict[str, int]:
    events, checks = _by_run(connection, "event_logs"), _by_run(connection, "asset_check_executions")
    tags: defaultdict[int, list[Row]] = defaultdict(list)
    for row in connection.execute("SELECT * FROM asset_event_tags ORDER BY id"):
        tags[row["event_id"]].append(dict(row))
    offset = sum(len(events.get(old, ())) for old, _, _ in plan)
    check_offset = sum(len(checks.get(old, ())) for old, _, _ in plan)
    tag_offset = sum(len(tags.get(row["id"], ())) for old, _, _ in plan for row in events.get(old, ()))
    _move_up(connection, "event_logs", offset)
    _move_up(connection, "asset_check_executions", check_offset)
    _move_up(connection, "asset_event_tags", tag_offset)
    connection.execute("UPDATE asset_event_tags SET event_id = event_id + ?", (offset,))
    for name in ("evaluation_event_storage_id", "materialization_event_storage_id"):
        connection.execute(f"UPDATE asset_check_executions SET {name} = {name} + ?", (offset,))
    for row in connection.execute("SELECT id, last_materialization FROM asset_keys").fetchall():
        if row["last_materialization"]:
            text = _STORAGE_ID.sub(lambda m: f"{m[1]}{int(m[2]) + offset}", row["last_materialization"])
            connection.execute("UPDATE asset_keys SET last_materialization = ? WHERE id = ?", (text, row["id"]))
    connection.execute("UPDATE asset_keys SET cached_status_data = NULL")
    number = check_number = tag_number = 0
    for old, new, move in plan:
        numbers: dict[int, int] = {}
        new_events, new_tags, new_checks = [], [], []
        for row in events.get(old, ()):
            number += 1
            numbers[row["id"]] = number
            new_events.append(_moved(row, old, new, move, ("timestamp",)) | {"id": number})
            for tag in tags.get(row["id"], ()):
                tag_number += 1
                moved = _moved(tag, old, new, move, ("event_timestamp",))
                new_tags.append(moved | {"id": tag_number, "event_id": number})
        for row in checks.get(old, ()):
            check_number += 1
            moved = _moved(row, old, new, move, ("evaluation_event_timestamp", "create_timestamp"))
            for name in ("evaluation_event_storage_id", "materialization_event_storage_id"):
                moved[name] = numbers.get(row[name], row[name])
            new_checks.append(moved | {"id": check_number})
        insert(connection, "event_logs", new_events)
        insert(connection, "asset_event_tags", new_tags)
        insert(connection, "asset_check_executions", new_checks)
    return {"events": number, "checks": check_number}


def _move_up(connection: sqlite3.Connection, table: str, offset: int) -> None:
    """Add to all numbers of a table; by way of negative ones, since each has to be its own meanwhile."""
    connection.execute(f"UPDATE {table} SET id = -id - ?", (offset,))
    connection.execute(f"UPDATE {table} SET id = -id")


def _moved(row: Row, old: str, new: str, move: Move, times: Sequence[str]) -> dict[str, Any]:
    found = {}
    for name, value in row.items():
        if name in times:
            found[name] = _moved_time(value, move)
        elif isinstance(value, str):
            found[name] = move.moved_text(value.replace(old, new))
        else:
            found[name] = value
    return found


def _moved_time(value: Any, move: Move) -> Any:
    """Return a time of one of SQLite's kinds, moved: seconds, or text."""
    if isinstance(value, (int, float)):
        return value - move.days * 86_400
    if isinstance(value, str):
        at = datetime.fromisoformat(value) - timedelta(days=move.days)
        return at.isoformat(sep=value[10]) if len(value) > 10 else at.date().isoformat()
    return value
