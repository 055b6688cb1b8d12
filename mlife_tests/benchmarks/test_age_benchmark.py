"""The benchmark of age: what a past repeats and under which names, its sums and its claims; small homes as a proof."""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from importlib import import_module
from pathlib import Path
from threading import Barrier
from types import ModuleType, SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from mlife_assets.recruiting.events import EVENT_TYPES

AT = datetime(2026, 4, 24, 18, 5, tzinfo=UTC)
FIRST = date(2026, 4, 3)


@pytest.fixture(scope="module")
def aged(age_bench: ModuleType) -> Any:
    assert age_bench
    return SimpleNamespace(**{name: import_module(f"aged.{name}") for name in ("rows", "records", "runs", "acts")})


def planned(**more: Any) -> pa.Table:
    row = {
        "event_id": "e1", "occurred_at": AT, "observed_at": AT, "message_id": "m1", "user_id": "u1", "job_id": "j1",
        "campaign": "job_of_the_day", "as_of_date": AT.date(), "prediction_id": None, "slice": "exploit",
        "propensity": 0.5, "plan_id": "p1", "cohort": "c", "body": "a job", "segments": 1, "policy_version": "v",
        "person_id": "u1", "channel": "sms", "items": [{"position": 1, "job_id": "j1", "prediction_id": None}],
    }  # fmt: skip
    return pa.Table.from_pylist([row | more], schema=EVENT_TYPES["message_planned"].schema)


def test_an_event_of_the_past_has_names_of_its_own_and_people_stay_who_they_are(aged: Any) -> None:
    moved = aged.rows.moved_rows(planned(prediction_id="x1"), aged.rows.Move(3, 84))
    (row,) = moved.to_pylist()
    assert moved.schema == EVENT_TYPES["message_planned"].schema
    assert (row["event_id"], row["message_id"], row["plan_id"]) == ("e1_p3", "m1_p3", "p1_p3")
    assert row["items"] == [{"position": 1, "job_id": row["job_id"], "prediction_id": None}]
    assert (row["job_id"], row["prediction_id"]) == ("j1_p3", "x1_p3")
    assert (row["user_id"], row["person_id"], row["policy_version"]) == ("u1", "u1", "v")
    assert row["observed_at"] == datetime(2026, 1, 30, 18, 5, tzinfo=UTC)
    assert row["as_of_date"] == date(2026, 1, 30)
    assert row["as_of_date"].weekday() == AT.weekday()


def test_a_day_that_is_repeated_elsewhere_in_its_block_has_names_of_its_own_but_the_blocks_jobs(aged) -> None:
    (row,) = aged.rows.moved_rows(planned(), aged.rows.Move(1, 49, 21)).to_pylist()
    assert (row["message_id"], row["job_id"]) == ("m1_p1d21", "j1_p1")


def test_what_recruiters_texted_is_no_text_of_ours(aged: Any) -> None:
    said = aged.rows.with_value(planned(), "campaign", "others")
    assert said["campaign"].to_pylist() == ["others"]
    assert said.schema == EVENT_TYPES["message_planned"].schema


def test_dates_in_texts_move_and_other_numbers_do_not(aged: Any) -> None:
    text = '{"day": "2026-04-24", "at": "2026-04-24T18:05:00", "id": "12026-04-24", "no": "2026-13-41"}'
    moved = aged.rows.Move(1, 28).moved_text(text)
    assert moved == text.replace('"2026-04-24', '"2026-03-27')


@pytest.mark.parametrize(("age", "blocks", "is_old"), [(1, 0, 30), (30, 0, 30), (365, 12, 366), (1_095, 38, 1_094)])
def test_ages_are_those_that_whole_blocks_give(age_bench: ModuleType, age: int, blocks: int, is_old: int) -> None:
    assert age_bench.blocks_of(age, age_bench.FULL) == blocks
    assert age_bench.age_of(blocks, age_bench.FULL) == is_old


def test_weekdays_fit_and_every_place_of_a_block_repeats_a_day_that_ran(age_bench: ModuleType) -> None:
    size = age_bench.sized(1_000)
    assert size == age_bench.FULL
    assert size.block_days % 7 == 0
    past = import_module("aged.past").Past(Path("young"), Path("home"), size, 2)
    ran = range(size.history_days, size.days)
    for position in range(size.block_days):
        day = past._run_day_of(position)
        assert day in ran
        assert day % 7 == position % 7
    days = [move.moved_day(FIRST) for position, move in past._days() if position == 0]
    assert days == [date(2026, 2, 6), date(2026, 3, 6)], "the oldest first"


def test_marts_get_their_past_before_their_own_rows(aged: Any, tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.job_features (as_of_date date, job_id varchar, clicks integer)")
        connection.execute(
            "insert into marts.job_features values ('2026-04-04', 'a', 1), ('2026-04-05', 'a', 2),"
            " ('2026-05-02', 'b', 3)"
        )
    assert aged.records.age_marts(path, 2, 28, FIRST) == {"job_features": 7}
    with closing(duckdb.connect(str(path))) as connection:
        found = connection.execute("select as_of_date, job_id from marts.job_features order by rowid").fetchall()
    assert found[:2] == [(date(2026, 2, 7), "a_p2"), (date(2026, 2, 8), "a_p2")]
    assert found[2:4] == [(date(2026, 3, 7), "a_p1"), (date(2026, 3, 8), "a_p1")]
    assert found[4:] == [(date(2026, 4, 4), "a"), (date(2026, 4, 5), "a"), (date(2026, 5, 2), "b")]


def dagster_folder(folder: Path) -> Path:
    (folder / "history" / "runs").mkdir(parents=True)
    with closing(sqlite3.connect(folder / "history/runs.db")) as made:
        made.executescript(
            "create table runs (id integer primary key, run_id text unique, pipeline_name text, create_timestamp text,"
            " update_timestamp text, start_time real, end_time real);"
            "create table run_tags (id integer primary key, run_id text, key text, value text);"
            "insert into runs values (1, 'r-day', 'daily', '2026-11-28 13:00:00.5', '2026-11-28 13:00:01', 10e6, 10e6),"
            " (2, 'r-metrics', 'metrics_job', '2026-11-28 13:01:00', '2026-11-28 13:01:01', 10e6, 10e6);"
            "insert into run_tags values (1, 'r-day', 'dagster/partition', '2026-04-24');"
        )
    with closing(sqlite3.connect(folder / "history/runs/index.db")) as made:
        made.executescript(
            "create table event_logs (id integer primary key, run_id text, event text, timestamp text, partition text);"
            "create table asset_event_tags (id integer primary key, event_id integer, asset_key text,"
            " event_timestamp text);"
            "create table asset_check_executions (id integer primary key, run_id text, evaluation_event text,"
            " evaluation_event_timestamp text, create_timestamp text, evaluation_event_storage_id integer,"
            " materialization_event_storage_id integer);"
            "create table asset_keys (id integer primary key, last_materialization text, cached_status_data text);"
            "insert into event_logs values"
            " (7, 'r-day', '{\"run_id\": \"r-day\"}', '2026-11-28 13:00:00', '2026-04-24');"
            "insert into asset_event_tags values (1, 7, 'a', '2026-11-28 13:00:00');"
            "insert into asset_check_executions values (1, 'r-day', '', '2026-11-28 13:00:00', '2026-11-28 13:00:00',"
            " 7, 7);"
            "insert into asset_keys values (1, '{\"storage_id\": 7}', 'cached');"
        )
    (folder / "history/runs/r-day.db").write_bytes(b"all events of the run")
    return folder


def test_records_of_dagster_get_a_past_whose_numbers_come_before_their_own(aged: Any, tmp_path: Path) -> None:
    young, home = dagster_folder(tmp_path / "young"), dagster_folder(tmp_path / "home")
    steps = [(AT.date(), aged.rows.Move(2, 56)), (AT.date(), aged.rows.Move(1, 28))]
    assert aged.runs.age_runs(young, home, steps) == {"runs": 4, "events": 2, "checks": 2}
    tags = records_of(home / "history/runs.db", "run_tags")
    assert [row["value"] for row in tags] == ["2026-02-27", "2026-03-27", "2026-04-24"]
    made = records_of(home / "history/runs.db", "runs")
    assert [row["id"] for row in made] == [1, 2, 3, 4, 5, 6], "metrics run on every day"
    assert [row["create_timestamp"] for row in made][:1] == ["2026-10-03 13:00:00.500000"]
    events = records_of(home / "history/runs/index.db", "event_logs")
    assert [row["partition"] for row in events] == ["2026-02-27", "2026-03-27", "2026-04-24"]
    assert [json.loads(row["event"])["run_id"] for row in events] == [row["run_id"] for row in events]
    checks = records_of(home / "history/runs/index.db", "asset_check_executions")
    assert [row["evaluation_event_storage_id"] for row in checks] == [row["id"] for row in events] == [1, 2, 9]
    tagged = records_of(home / "history/runs/index.db", "asset_event_tags")
    assert [row["event_id"] for row in tagged] == [1, 2, 9]
    (key,) = records_of(home / "history/runs/index.db", "asset_keys")
    assert (key["last_materialization"], key["cached_status_data"]) == ('{"storage_id": 9}', None)
    linked = [home / "history/runs" / f"{row['run_id']}.db" for row in events[:2]]
    assert [path.read_bytes() for path in linked] == [b"all events of the run"] * 2


def records_of(path: Path, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = import_module("aged.records").rows_of(path, table)
    return found


def numbers(**seconds: float) -> dict[str, Any]:
    each = {name: [value] for name, value in seconds.items()}
    return {"seconds": seconds, "each": each, "peak_mb": 100.0}


def test_what_grew_too_much_is_named_in_seconds_and_in_memory(age_bench: ModuleType) -> None:
    young = {"tick": numbers(tick=1.0), "verify": numbers(**{"verify, wall": 1.0})}
    old = {"tick": numbers(tick=1.6) | {"peak_mb": 151.0}, "verify": numbers(**{"verify, wall": 61.0})}
    broken = age_bench.broken_claims(age_bench.lines_of({30: young, 1_094: old}))
    assert broken == [
        "tick grew 1.60 times, at most 1.5 claimed",
        "memory of tick grew 1.51 times, at most 1.5 claimed",
        "verifying took 61 s, at most 60 claimed",
    ]
    assert age_bench.broken_claims(age_bench.lines_of({30: young, 366: old})) == [], "a year is no claim"
    assert age_bench.broken_claims(age_bench.lines_of({30: young, 1_094: young})) == []


def test_the_record_says_where_it_was_made_and_counts_each_second_once(age_bench: ModuleType) -> None:
    seconds = {"tick": 1.0, "tick of a_sensor": 1.0, "day: metrics": 2.0, "verify, wall": 3.0, "verify, reads": 9.0}
    by_age = {30: {"tick": numbers(**seconds)}, 1_094: {"tick": numbers(**seconds)}}
    record = age_bench.record_of("c0", age_bench.FULL, by_age, age_bench.lines_of(by_age))
    assert record["cpu_seconds"] == 2.0
    assert record["measures"]["tick"] == {"by_age": {"30": 1.0, "1094": 1.0}, "growth": 1.0}
    assert record["commit"] == "c0"
    assert json.loads(json.dumps(record)) == record


def test_numbers_of_another_commit_are_kept_and_not_used(age_bench: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "numbers.json"
    age_bench.keep_numbers(path, "c0", {"tick": 1})
    age_bench.keep_numbers(path, "c1", {"tick": 2})
    age_bench.keep_numbers(path, "c1", {"day": 3})
    assert age_bench.kept_numbers(path, "c0") == {"tick": 1}
    assert age_bench.kept_numbers(path, "c1") == {"tick": 2, "day": 3}
    assert age_bench.kept_numbers(path, "c2") == {}


def test_requests_of_a_far_store_that_wait_together_count_as_one(aged: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        now = 0.0

        def sleep(self, seconds: float) -> None:
            self.now += seconds

        def perf_counter(self) -> float:
            return self.now

    clock = Clock()
    monkeypatch.setattr(aged.acts, "time", clock)
    far = aged.acts.FarStore(SimpleNamespace(root=None, get=str))
    all_wait = Barrier(8, lambda: Clock.sleep(clock, far.SECONDS), timeout=60)
    with monkeypatch.context() as patch, ThreadPoolExecutor(8) as pool:
        patch.setattr(clock, "sleep", lambda _: all_wait.wait())
        assert list(pool.map(far.get, "abcdefgh")) == list("abcdefgh")
    assert (far.sequential, far.root) == (1, None)
    for key in "abcdefgh":
        far.get(key)
    assert far.sequential == 9


def test_a_measure_that_does_not_exist_at_one_age_is_shown_without_growth(age_bench, capsys) -> None:
    age_bench.print_table(age_bench.lines_of({30: {"tick": numbers(tick=1.0)}}), with_parts=False)
    printed = capsys.readouterr().out
    assert "1.000 s" in printed
    assert "30 days" in printed


@pytest.mark.proof
def test_small_homes_are_made_intact_and_every_lesser_act_is_done(age_bench, tmp_path, capsys) -> None:
    """The older home passes verification, or the act would stop; a STOP suppresses, or that would."""
    result = tmp_path / "age.json"
    assert age_bench.main(["--quick", "--folder", str(tmp_path / "homes"), "--json", str(result)]) == 0
    measures = json.loads(result.read_text())["measures"]
    for name in ("tick", "champion look-up", "look of the endpoint", "request", "STOP", "verify"):
        assert set(measures[name]["by_age"]) == {"22", "43"}
        assert min(measures[name]["by_age"].values()) > 0
    assert measures["verify, reads"]["growth"] > 1.5
    for age, sequential in measures["verify, sequential reads"]["by_age"].items():
        assert 0 < sequential < measures["verify, reads"]["by_age"][age] / 4
    assert "growth" in capsys.readouterr().out
