"""Staging day by day, and keeping the mart of messages, give the rows that building all at once gives."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.event_log.catalogue import to_stage
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.warehouse import DuckDBWarehouse
from mlife_assets.components.features.dbt import build
from mlife_assets.recruiting.events import EVENT_TYPES

FACTS = ("message_planned", "message_submitted", "message_status", "message_suppressed")
STAGING = ["path:models/staging"]
MESSAGES = [f"stg_events__{name}" for name in (*FACTS, "click", "apply", "hire", "job_posted")]
MESSAGES += ["fct_conversions", "fct_messages"]
Rows = list[tuple[Any, ...]]


class Warehouse:
    """A warehouse that is built from a log, in steps or at once."""

    def __init__(self, project: Path, folder: Path, log: ParquetEventLog) -> None:
        self._project, self._folder, self._log = project, folder, log
        self._path = folder / "warehouse.duckdb"
        folder.mkdir()

    def stage(
        self, definition: str = "sql", again_from: date | None = None, selection: Any = STAGING, **variables: Any
    ) -> dict[str, Any]:
        """Build a selection after what is new was staged, and return what that was."""
        asked = to_stage(self._log, DuckDBWarehouse(self._path).staged(), definition, again_from=again_from)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLIFE_WAREHOUSE_PATH", str(self._path))
            list(build(self._project, selection, {**asked, **variables}, self._folder / "dbt"))
        return asked["staged"]

    def build(self, again_from: date | None = None, definition: str | None = "sql", **given: Any) -> Rows:
        """Build the messages and return them in one order."""
        self.stage("sql", again_from, MESSAGES, kept_definition=definition, **given)
        return self.query("from marts.fct_messages order by all")

    def query(self, sql: str) -> Rows:
        with closing(duckdb.connect(str(self._path))) as connection:
            return connection.execute(sql).fetchall()

    def staged(self) -> dict[str, Rows]:
        """Return the rows of each staged table in one order."""
        names = self.query("select table_name from duckdb_tables() where schema_name = 'staging'")
        return {name: self.query(f"from staging.{name} order by all") for (name,) in names}

    def mark(self) -> None:
        """Change all rows in a way that shows which of them are built again."""
        self.query("update marts.fct_messages set cohort = 'kept'")

    def kept(self) -> set[str]:
        """Return the messages whose rows were not built again since they were marked."""
        return {key for (key,) in self.query("select message_id from marts.fct_messages where cohort = 'kept'")}


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ParquetEventLog:
    monkeypatch.setenv("MLIFE_LAKE_ROOT", str(tmp_path / "lake"))
    return ParquetEventLog(ObstoreObjectStore.local(tmp_path / "lake"))


@pytest.fixture
def observe(log: ParquetEventLog, rows: dict[str, Any]) -> Callable[..., None]:
    """Return what appends the rows of the days [first, last] of some types, changed and that much earlier."""

    def append(
        first: date, last: date, types: tuple[str, ...] = tuple(EVENT_TYPES), by: float = 0, **change: Any
    ) -> None:
        for name in types:
            found = [row for row in rows.get(name, []) if first <= row["observed_at"].date() <= last]
            moved = [{**row, "observed_at": row["observed_at"] - timedelta(days=by), **change} for row in found]
            log.append(name, pa.Table.from_pylist(moved, schema=EVENT_TYPES[name].schema), writer="late" if by else "w")

    return append


@pytest.fixture
def at_once(project, tmp_path, log) -> Callable[[], Rows]:
    """Return what builds everything that the log holds in a warehouse of its own."""
    count = iter(range(100))
    return lambda: Warehouse(project, tmp_path / f"once_{next(count)}", log).build()


def test_messages_that_are_kept_equal_messages_that_are_built_at_once(project, tmp_path, log, observe, at_once, day_of):
    steps = Warehouse(project, tmp_path / "steps", log)
    observe(day_of(0), day_of(5))
    steps.build()
    observe(day_of(6), day_of(6))
    steps.build()
    observe(day_of(7), day_of(7), tuple(set(EVENT_TYPES) - {"click", "message_status"}))
    steps.build()
    observe(day_of(7), day_of(7), ("click", "message_status"))
    expected = at_once()
    assert steps.build() == expected, "what became of texts is known later than that they were sent"

    # What was known on days 3 to 5 was known on day 1 already, and day 2 had sent texts that nobody knew of.
    observe(day_of(3), day_of(5), (*FACTS, "click", "apply", "hire"), by=2)
    observe(day_of(9), day_of(9), FACTS, by=7)
    assert steps.build() == at_once(), "after late files"

    observe(day_of(2), day_of(2), ("job_posted",), event_id="x", by=-6, bid_usd_per_apply=1_000.0)
    rebid = at_once()
    assert steps.build() == rebid != expected, "a new bid changes what old applies earned"


@pytest.mark.proof
def test_a_day_that_is_built_again_without_one_of_its_files_leaves_nothing_of_it(
    project, tmp_path, log, observe, at_once, day_of
):
    steps = Warehouse(project, tmp_path / "steps", log)
    observe(day_of(0), day_of(6))
    steps.build()
    observe(day_of(7), day_of(7))
    before = steps.build()
    for event_type in ("message_status", "click", "message_planned"):  # without a plan the others are of nobody
        removed = log.files(event_type, start=day_of(5), end=day_of(5))
        assert removed
        for file in removed:
            (tmp_path / "lake" / file.key).unlink()
        expected = at_once()
        assert steps.build(again_from=day_of(5)) == expected, event_type
        assert expected != before, event_type
        before = expected


@pytest.mark.proof
def test_a_late_fact_that_is_taken_away_again_is_taken_away_from_an_old_message(
    project, tmp_path, log, observe, at_once, day_of
):
    """Nothing else of that message is on the day that is built again, so no fact that is there leads to it."""
    steps = Warehouse(project, tmp_path / "steps", log)
    observe(day_of(0), day_of(6))
    before = steps.build()
    late = {"event_id": "late", "message_id": "msg_02_01", "reason": "late"}
    observe(day_of(0), day_of(0) + timedelta(days=2), ("message_suppressed",), by=-4, **late)
    reasons = "select message_id from marts.fct_messages where suppression_reason = 'late'"
    assert steps.build() != before
    assert steps.query(reasons) == [("msg_02_01",)]
    for file in [one for one in log.files("message_suppressed") if one.writer == "late"]:
        (tmp_path / "lake" / file.key).unlink()
    assert steps.build(again_from=day_of(4)) == before == at_once()
    assert steps.query(reasons) == []


def test_only_messages_of_which_something_changed_are_built_again(project, tmp_path, log, observe, day_of):
    steps = Warehouse(project, tmp_path / "steps", log)
    observe(day_of(0), day_of(9))
    before = {row[0] for row in steps.build()}
    steps.mark()
    steps.build()
    assert steps.kept() == before, "nothing is new"
    steps.build(again_from=day_of(9))
    again = before - steps.kept()
    assert again == {key for key in before if key.startswith("msg_09_")}, "those of a day that is staged again"
    observe(day_of(10), day_of(10))
    after = {row[0] for row in steps.build()}
    assert after > before
    assert len(steps.kept()) > len(before) / 2
    changed = {
        key
        for name in ("click", "apply", "hire")
        for (key,) in steps.query(
            f"select exposure_id from staging.stg_events__{name} where available_date > '{day_of(10)}'"
        )
    }
    assert steps.kept().isdisjoint(changed)
    assert (before - again) - steps.kept() <= changed, "no other row was built again"


@pytest.mark.proof
def test_what_does_not_fit_builds_all_messages(project, tmp_path, log, observe, day_of):
    steps = Warehouse(project, tmp_path / "steps", log)
    observe(day_of(0), day_of(4))
    expected = steps.build()

    def is_built_as_a_whole(**given: Any) -> bool:
        steps.mark()
        return steps.build(**given) == expected

    assert not is_built_as_a_whole()
    assert is_built_as_a_whole(definition="other sql")
    assert not is_built_as_a_whole(definition="other sql")
    assert is_built_as_a_whole(definition=None), "dbt by hand"
    assert is_built_as_a_whole()
    assert is_built_as_a_whole(staged={}), "staged as a whole"
    assert not is_built_as_a_whole()
    steps.query("delete from main.changes_of_message_status where number > 1")
    assert is_built_as_a_whole(), "a release that leaves no notes staged it"
    assert not is_built_as_a_whole()
    steps.query("drop table main.changes_of_message_planned")
    assert is_built_as_a_whole()
    steps.query("comment on table marts.fct_messages is null")
    assert is_built_as_a_whole(), "a release that keeps nothing built it"


def test_staging_in_steps_equals_staging_at_once(project, tmp_path, log, observe, day_of) -> None:
    steps = Warehouse(project, tmp_path / "steps", log)
    observe(day_of(0), day_of(3))
    assert steps.stage() == {}
    observe(day_of(4), day_of(4))
    assert {one["since"] for one in steps.stage().values()} >= {day_of(4).isoformat()}

    # What is staged of day 3 becomes known on day 2 already, and what is new on day 5 repeats none of it.
    observe(day_of(3), day_of(3), ("click", "user_snapshot"), by=25 / 24)
    observe(day_of(5), day_of(6))
    added = steps.stage()
    assert added["click"]["since"] == added["user_snapshot"]["since"] == day_of(2).isoformat()
    assert added["impression"]["since"] == day_of(5).isoformat()
    at_once = staged_at_once(project, tmp_path / "after_late_files", log)
    assert steps.staged() == at_once
    assert all(at_once[f"stg_events__{name}"] for name in ("click", "impression", "message_status", "user_snapshot"))
    identities = [row[0] for row in at_once["stg_events__click"]]
    assert len(identities) == len(set(identities)) < log_rows(log, "click"), "no event was repeated"

    assert all(one == {"since": None, "files": []} for one in steps.stage().values())
    assert steps.staged() == at_once


def test_tables_of_other_sql_or_built_by_hand_are_made_again_and_what_is_no_table_is_replaced(
    project, tmp_path, log, observe, day_of
):
    warehouse = Warehouse(project, tmp_path / "warehouse", log)
    observe(day_of(0), day_of(1))
    warehouse.stage()
    expected = warehouse.staged()
    warehouse.query("alter table staging.stg_events__click rename column source to origin")
    warehouse.query("drop table staging.stg_events__hire")
    warehouse.query("create view staging.stg_events__hire as select 1 as released_with_0_1_0")
    assert warehouse.stage("other sql") == {}
    assert warehouse.staged() == expected
    warehouse.stage(staged={}, staged_mark=None)
    assert warehouse.staged() == expected, "by hand: all is read, and the mark taken away"
    assert warehouse.stage() == {}, "nobody knows up to where the tables of a call by hand are staged"
    assert {one["since"] for one in warehouse.stage().values()} == {None}


def staged_at_once(project: Path, folder: Path, log: ParquetEventLog) -> dict[str, list[tuple[Any, ...]]]:
    warehouse = Warehouse(project, folder, log)
    assert warehouse.stage() == {}
    return warehouse.staged()


def log_rows(log: ParquetEventLog, event_type: str) -> int:
    return sum(log.read_file(file, ("event_id",)).num_rows for file in log.files(event_type))
