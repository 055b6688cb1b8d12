"""Files of a released home under types that changed since: a nullable column, an enum value, a rename, a new meaning.

The same rows by the log and by dbt staging; no byte of an old file changes; exporters of the old version are taken.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import yaml

from mlife_assets.adapters.cage import DecodingCage
from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.ingest_report import RejectedFolder
from mlife_assets.adapters.landing import Ingest
from mlife_assets.adapters.landing_areas import LandingFolder
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.parquet_bytes import encode_table
from mlife_assets.core.errors import NewerVersionError
from mlife_assets.core.event_columns import EventType
from mlife_assets.core.policies import LandingPolicy
from mlife_assets.recruiting.events import EVENT_TYPES

CAGE = DecodingCage(LandingPolicy())
PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
DAY = date(2026, 6, 2)
AT = datetime(2026, 6, 2, 10, tzinfo=UTC)
CHANGED = ("click", "job_closed", "impression")
PAIR = {"occurred_at": AT, "observed_at": AT, "user_id": "u", "job_id": "j"}
NEW_ROWS: dict[str, dict[str, Any]] = {
    "click": {**PAIR, "event_id": "new-1", "source": "organic", "exposure_id": "x", "device": "phone"},
    "job_closed": {"event_id": "new-2", "occurred_at": AT, "observed_at": AT, "job_id": "j", "reason": "moved"},
    "impression": {**PAIR, "event_id": "new-3", "place": "feed", "device": "phone", "page": 4},
}
STAGED = {
    "click": "event_id, user_id, job_id, exposure_id, source, device, occurred_at, observed_at",
    "job_closed": "event_id, job_id, reason, occurred_at, observed_at",
    "impression": "event_id, user_id, job_id, place, device, page, occurred_at, observed_at",
    "prediction": "event_id, prediction_id, application, slice, propensity, reasons, observed_at",
}


@pytest.fixture
def lake(unpacked_0_1_0: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(unpacked_0_1_0 / "lake", tmp_path / "lake"))


@pytest.fixture
def log(lake: Path) -> ParquetEventLog:
    return ParquetEventLog(ObstoreObjectStore.local(lake))


@pytest.fixture(scope="module")
def before(unpacked_0_1_0: Path) -> dict[str, pa.Table]:
    """Return the rows as they are read before anything changes, which `evolved` does for single tests."""
    log = ParquetEventLog(ObstoreObjectStore.local(unpacked_0_1_0 / "lake"))
    return {name: log.read(name) for name in CHANGED}


def append_new_rows(log: ParquetEventLog, types: dict[str, EventType]) -> None:
    for name, row in NEW_ROWS.items():
        log.append(name, pa.Table.from_pylist([row], schema=types[name].schema), writer="test")


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.parquet")}


def test_the_log_gives_old_and_new_rows_and_no_old_byte_changes(before, evolved, log, lake) -> None:
    stored = bytes_of(lake / "events")
    append_new_rows(log, evolved)
    after = {name: log.read(name) for name in CHANGED}
    for name in CHANGED:
        assert after[name].schema.equals(evolved[name].schema)
        assert after[name].num_rows == before[name].num_rows + 1 > 100
        assert after[name].slice(before[name].num_rows).to_pylist() == [NEW_ROWS[name]]
    clicks, closed, shown = (after[name].slice(0, before[name].num_rows) for name in CHANGED)
    assert clicks.drop_columns(["device"]).equals(before["click"])
    assert clicks["device"].null_count == clicks.num_rows
    assert closed.equals(before["job_closed"])
    assert shown["place"].equals(before["impression"]["surface"])
    assert shown["page"].to_pylist() == [(one - 1) // 10 + 1 for one in before["impression"]["position"].to_pylist()]
    assert shown["device"].null_count == shown.num_rows
    same = ["event_id", "occurred_at", "observed_at", "user_id", "job_id"]
    assert shown.select(same).equals(before["impression"].select(same))
    assert {key: data for key, data in bytes_of(lake / "events").items() if key in stored} == stored


def test_one_day_and_one_column_are_read_by_either_name(before, evolved, log) -> None:
    first = before["impression"]["observed_at"][0].as_py().date()
    part = log.read("impression", start=first, end=first, columns=["place"])
    assert part.column_names == ["place"]
    assert part["place"].to_pylist() == before["impression"]["surface"].slice(0, part.num_rows).to_pylist()
    assert part.num_rows


@dataclass(frozen=True)
class Staging:
    """A dbt project of staging models alone, with the contract of `types`."""

    folder: Path
    call: Callable[..., tuple[bool, str]]

    def run(self, lake: Path, *, succeeds: bool = True) -> str:
        succeeded, said = self.call(self.folder, self.folder, lake, "run")
        assert succeeded == succeeds, said
        return said

    def rows(self, event_type: str) -> list[tuple[Any, ...]]:
        sql = f"select {STAGED[event_type]} from staging.stg_events__{event_type} order by observed_at, event_id"
        with closing(duckdb.connect(str(self.folder / "warehouse.duckdb"), read_only=True)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            return connection.execute(sql).fetchall()


@pytest.fixture
def staging(
    tmp_path: Path,
    source_table: Callable[[EventType, str], dict[str, Any]],
    loaded_module: Callable[[str, str], ModuleType],
) -> Callable[..., Staging]:
    """Return what writes the project for given types and models: real macros, profile and models."""
    call = loaded_module("mlife_dbt_calls", "dbt_calls.py").call_dbt

    def write(types: dict[str, EventType], models: dict[str, Callable[[str], str]]) -> Staging:
        folder = tmp_path / "project"
        shutil.copytree(PROJECT / "macros", folder / "macros")
        for name in ("dbt_project.yml", "profiles.yml"):
            shutil.copy(PROJECT / name, folder)
        (folder / "models" / "staging").mkdir(parents=True)
        for name, change in models.items():
            sql = (PROJECT / "models" / "staging" / f"stg_events__{name}.sql").read_text(encoding="utf-8")
            (folder / "models" / "staging" / f"stg_events__{name}.sql").write_text(change(sql), encoding="utf-8")
        sources = {"name": "events", "tables": [source_table(kind, "One row.") for kind in types.values()]}
        text = yaml.safe_dump({"version": 2, "sources": [sources]}, sort_keys=False)
        (folder / "models" / "staging" / "_sources.yml").write_text(text, encoding="utf-8")
        return Staging(folder, call)

    return write


EVOLVED_MODELS: dict[str, Callable[[str], str]] = {
    "click": lambda sql: re.sub(r"(\n\s+)source,\n", r"\1source,\1device,\n", sql),
    "job_closed": lambda sql: sql,
    "impression": lambda sql: sql.replace("surface,", "place, device,").replace("position,", "page,"),
}


def test_staging_gives_the_rows_that_the_log_gives(before, evolved, log, lake, staging) -> None:
    append_new_rows(log, evolved)
    again = ParquetEventLog(ObstoreObjectStore.local(lake))
    again.append("click", log.read("click").slice(5, 3), writer="redelivery")
    project = staging(evolved, EVOLVED_MODELS)
    project.run(lake)
    for name in CHANGED:
        names = STAGED[name].split(", ")
        expected = [tuple(row[one] for one in names) for row in log.read(name).to_pylist()]
        assert project.rows(name) == expected, name


def test_staging_gives_predictions_of_0_1_0_to_the_application_that_there_was(log, lake, staging) -> None:
    """An upcaster that adds a constant is one pass over the files: it gives what the log gives, of old rows and new."""
    before = log.read("prediction")
    row = {**before.slice(0, 1).to_pylist()[0], "event_id": "new-4", "application": "email_digest", "slice": "explore"}
    log.append("prediction", pa.Table.from_pylist([row], schema=before.schema), writer="test")
    assert set(before["application"].to_pylist()) == {"job_of_the_day"}
    assert before["slice"].null_count == before.num_rows > 100
    project = staging({"prediction": EVENT_TYPES["prediction"]}, {"prediction": lambda sql: sql})
    project.run(lake)
    names = STAGED["prediction"].split(", ")
    expected = [tuple(row[one] for one in names) for row in log.read("prediction").to_pylist()]
    assert len(expected) == before.num_rows + 1
    assert project.rows("prediction") == expected


def test_staging_refuses_files_of_a_newer_version(evolved, log, lake, staging, monkeypatch) -> None:
    today = {name: kind for name, kind in EVENT_TYPES.items() if name in CHANGED}
    append_new_rows(log, evolved)
    monkeypatch.undo()
    with pytest.raises(NewerVersionError, match="upgrade mlife"):
        log.read("click")
    older = {name: EVENT_TYPES[name] for name in today}
    output = staging(older, dict.fromkeys(CHANGED, lambda sql: sql)).run(lake, succeeds=False)
    for name in CHANGED:
        told = f"{name} has files of version {evolved[name].version}, which a newer mlife wrote; upgrade mlife"
        assert told in " ".join(output.split()), output


def landed(tmp_path: Path, tables: dict[str, pa.Table]) -> tuple[Any, ParquetEventLog]:
    landing, lake = (ObstoreObjectStore.local(tmp_path / name) for name in ("landing", "taken"))
    for name, table in tables.items():
        landing.put_if_absent(f"{name}/dt={DAY}/export.parquet", encode_table(table))
    ingest = Ingest(LandingFolder(tmp_path / "landing"), lake, SimulatedClock(AT + timedelta(days=1)), cage=CAGE)
    report = ingest.ingest(DAY)
    assert ingest.ingest(DAY) == report
    return report, ParquetEventLog(lake)


def test_exports_of_the_old_version_are_taken_and_upcast(before, evolved, tmp_path) -> None:
    report, log = landed(tmp_path, {name: before[name].slice(0, 50) for name in CHANGED})
    assert (report.accepted, report.rejected) == (150, 0)
    shown = log.read("impression")
    assert shown.schema.equals(evolved["impression"].schema)
    assert shown["place"].to_pylist() == before["impression"]["surface"].slice(0, 50).to_pylist()
    assert log.read("click")["device"].null_count == 50


def test_old_exports_are_judged_by_the_rules_of_their_version(before, evolved, tmp_path) -> None:
    table = before["impression"].slice(0, 4)
    place = table.schema.get_field_index("surface")
    bad = table.set_column(place, "surface", pa.array(["search", "billboard", None, "feed"]))
    report, log = landed(tmp_path, {"impression": bad})
    (told,) = report.types
    assert (told.accepted, dict(told.rejected)) == (2, {"unknown_enum": 1, "null_value": 1})
    assert log.read("impression")["place"].to_pylist() == ["search", "feed"]


def test_an_export_of_today_may_not_lack_what_version_1_required(before, evolved, tmp_path) -> None:
    tables = {
        "click": before["click"].slice(0, 3).drop_columns(["source"]),
        "impression": before["impression"].slice(0, 3),
    }
    tables["impression"] = tables["impression"].drop_columns(["surface"])
    report, _ = landed(tmp_path, tables)
    assert [(one.event_type, dict(one.rejected)) for one in report.types] == [
        ("click", {"missing_column": 3}),
        ("impression", {"missing_column": 3}),
    ]
    assert "place" in report.types[1].examples[0].detail


def test_what_an_old_export_was_refused_for_can_be_replayed(before, evolved, tmp_path, monkeypatch) -> None:
    table = before["impression"].slice(0, 3)
    future = pa.array([AT + timedelta(days=9)] * 3, table.schema.field("observed_at").type)
    late = table.set_column(table.schema.get_field_index("observed_at"), "observed_at", future)
    report, log = landed(tmp_path, {"impression": late})
    assert report.types[0].rejected == {"from_future": 3}
    folder, lake = LandingFolder(tmp_path / "landing"), ObstoreObjectStore.local(tmp_path / "taken")
    later = Ingest(folder, lake, SimulatedClock(AT + timedelta(days=10)), cage=CAGE)
    done = later.replay(RejectedFolder(DAY, "impression"), applies=True)
    assert done.report.accepted == done.appended == 3
    assert log.read("impression")["place"].to_pylist() == table["surface"].to_pylist()


def test_the_sources_of_the_project_are_the_contract(source_table) -> None:
    files = [
        yaml.safe_load(path.read_text(encoding="utf-8")) for path in (PROJECT / "models" / "staging").glob("*.yml")
    ]
    tables = [table for one in files for source in one.get("sources", ()) for table in source["tables"]]
    assert len(tables) > 10
    for table in tables:
        assert table == source_table(EVENT_TYPES[table["name"]], table["description"]), json.dumps(table, indent=1)
