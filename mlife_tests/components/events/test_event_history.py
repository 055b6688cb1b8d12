"""How dbt becomes assets, and what late rows changed: the report says which labels moved."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from mlife_assets.adapters.cage import DecodingCage
from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.parquet_bytes import encode_table
from mlife_assets.components.events import landing
from mlife_assets.components.features import dbt
from mlife_assets.components.features.dbt import ensure_manifest, staging_digest
from mlife_assets.components.graph import keys
from mlife_assets.components.running.driver import range_tags
from mlife_assets.core.errors import PermanentError
from mlife_assets.core.policies import LandingPolicy
from mlife_assets.core.windows import FIRST_EVENT_DAY, add_days, day_start, run_time
from mlife_assets.definitions import build_definitions
from mlife_assets.deployments.board_ports import board_ports
from mlife_assets.deployments.landed_days import INGEST_REPORT
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.landed_examples import example_rows
from mlife_assets.recruiting.policies import LabelPolicy, Policies
from mlife_assets.settings import Settings

CAGE = DecodingCage(LandingPolicy())
PAIR = {"user_id": "u1", "job_id": "j1"}
SHOWN = {"surface": "feed", "position": 1, **PAIR}
PROFILE = """mlife:
  target: duckdb
  outputs: {duckdb: {type: duckdb, path: x.duckdb}}
"""


def day(number: int) -> date:
    """Return a day of events, the first being 0."""
    return add_days(FIRST_EVENT_DAY, number)


def at(number: int, hour: float = 12) -> datetime:
    return day_start(day(number)) + timedelta(hours=hour)


def row(event_id: str, occurred_at: datetime, **values: Any) -> dict[str, Any]:
    """Return an event that is observed when its day ends."""
    observed = day_start(add_days(occurred_at.date(), 1)) - timedelta(minutes=30)
    return {"event_id": event_id, "occurred_at": occurred_at, "observed_at": observed, **values}


def shown(event_id: str, occurred_at: datetime) -> dict[str, Any]:
    return row(event_id, occurred_at, **SHOWN)


def outcome(event_id: str, exposure_id: str, occurred_at: datetime, **values: Any) -> dict[str, Any]:
    return row(event_id, occurred_at, source="organic", exposure_id=exposure_id, **PAIR, **values)


class World:
    """A home without a market, in which the assets of events run."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        self.platform = board_ports(Settings(home=home), policies=Policies())
        vars(self.platform.home.intake).update(cage=CAGE, source=None)
        self.instance = instance

    def land(self, event_type: str, number: int, *rows: dict[str, Any], name: str = "a.parquet") -> None:
        """Deliver a file for a day."""
        table = pa.Table.from_pylist(list(rows), schema=EVENT_TYPES[event_type].schema)
        self.platform.home.intake.folder.put_if_absent(f"{event_type}/dt={day(number)}/{name}", encode_table(table))

    def run(self, number: int, asset: dg.AssetsDefinition = landing.market_events) -> dict[str, Any]:
        """Run the partition that takes in the files of a day; return its metadata."""
        partition = add_days(day(number), 1).isoformat()
        with dg.build_asset_context(partition_key=partition, instance=self.instance) as context:
            return dict(asset(context, platform=self.platform).metadata)

    def run_until(self, number: int) -> None:
        """Run every partition until that of a day, in order, each for the first time."""
        for one in range(len(self.platform.days.landed()), number + 1):
            self.run(one)

    def report(self, number: int) -> list[dict[str, Any]]:
        """Return what the ingest report of a day says of late rows."""
        return self.platform.tables.read_report(INGEST_REPORT, add_days(day(number), 1))["late"]


@pytest.fixture
def world(tmp_path: Path, instance: dg.DagsterInstance) -> Iterator[World]:
    world = World(tmp_path / "home", instance)
    yield world
    world.platform.ledger.close()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, date]]:
    """Return which days of which types are read for more than their ids, from now on."""
    found: list[tuple[str, date]] = []
    read_file = ParquetEventLog.read_file

    def noted(log: ParquetEventLog, file: Any, columns: Any = None) -> pa.Table:
        if "occurred_at" in (columns or ()):
            found.append((file.event_type, file.day))
        return read_file(log, file, columns)

    monkeypatch.setattr(ParquetEventLog, "read_file", noted)
    return found


def late(
    event_type: str, rows: int, days: tuple[int, int], moved: int, shown: tuple[int, int] | None, too_late: int = 0
) -> dict[str, Any]:
    """Return what a report says."""
    first, last = (None, None) if shown is None else (str(day(shown[0])), str(day(shown[1])))
    return {
        "event_type": event_type, "rows": rows, "first_day": str(day(days[0])), "last_day": str(day(days[1])),
        "moved": moved, "first_exposure_day": first, "last_exposure_day": last, "too_late": too_late,
    }  # fmt: skip


def test_where_nothing_is_late_nothing_is_said_and_nothing_read(world: World, read: list[Any]) -> None:
    for number in range(3):
        world.land("impression", number, shown(f"i{number}", at(number)))
        world.land("apply", number, outcome(f"a{number}", f"i{number}", at(number, 13)))
    metadata = [world.run(number) for number in (0, 1, 2, 1, 0)]
    assert [world.report(number) for number in range(3)] == [[], [], []]
    assert not any("late_rows" in one for one in metadata)
    assert read == []


def test_a_late_apply_moves_one_label_and_a_second_one_of_the_pair_none(world: World) -> None:
    world.land("impression", 0, shown("i0", at(0)), shown("i1", at(0)))
    world.land("apply", 1, outcome("in_time", "i0", at(1)))
    world.run_until(3)
    world.land("apply", 1, outcome("late", "i1", at(1)), outcome("of_i0", "i0", at(1, 13)), name="b.parquet")
    (record,) = world.run(1)["late_rows"].value.records
    assert world.report(1) == [late("apply", 2, (1, 1), 1, (0, 0))]
    assert record.data == {"landing_day": str(day(1)), **late("apply", 2, (1, 1), 1, (0, 0))}

    world.land("apply", 1, outcome("again", "i1", at(1, 11)), name="c.parquet")
    world.land("apply", 2, outcome("and_again", "i1", at(2)))
    for number in (1, 2):
        world.run(number)
    assert world.report(1) == [late("apply", 3, (1, 1), 1, (0, 0))]
    assert world.report(2) == [late("apply", 1, (2, 2), 0, None)]


def test_a_day_that_runs_again_says_the_same_whatever_came_since(world: World) -> None:
    world.land("impression", 0, shown("i0", at(0)))
    world.run_until(2)
    world.land("click", 1, outcome("late", "i0", at(1)), name="b.parquet")
    world.run(1)
    folder = world.platform.settings.places.lake / "reports" / INGEST_REPORT / f"as_of_date={day(2)}"
    (stored,) = folder.iterdir()
    before = stored.read_bytes()
    sooner = outcome("sooner", "i0", at(1, 11)) | {"observed_at": at(3, 23)}
    world.land("click", 3, outcome("later", "i0", at(3)), sooner)
    world.run_until(14)
    world.run(1)
    assert stored.read_bytes() == before
    assert world.report(1) == [late("click", 1, (1, 1), 1, (0, 0))]


@pytest.mark.parametrize(
    ("newest", "moved", "too_late"), [(6, 1, 0), (7, 0, 1)], ids=["known on the last day", "a day later"]
)
def test_a_label_that_was_final_is_not_moved(world: World, newest: int, moved: int, too_late: int) -> None:
    """An exposure of day 0 is mature as of day 8, by what was known before: partition 7 is the last to add to it."""
    world.land("impression", 0, shown("i0", at(0)))
    world.run_until(newest)
    for event_type in ("click", "apply"):
        world.land(event_type, 0, outcome(f"{event_type}_late", "i0", at(0, 13)))
    world.run(0)
    exposures = (0, 0) if moved else None
    assert world.report(0) == [late(name, 1, (0, 0), moved, exposures, too_late) for name in ("click", "apply")]


def test_an_outcome_outside_its_window_or_of_nothing_that_was_shown_moves_none(world: World) -> None:
    world.land("impression", 0, shown("i0", at(0)), shown("i1", at(0)))
    world.run_until(3)
    closes = at(2)
    unprompted = outcome("unprompted", "nothing", at(2))
    outside = outcome("outside", "i0", closes + timedelta(microseconds=1))
    world.land("click", 2, outside, unprompted, outcome("inside", "i1", closes))
    world.run(2)
    assert world.report(2) == [late("click", 3, (2, 2), 1, (0, 0))]


def test_exposures_that_come_late_are_added_with_what_came_of_them(world: World) -> None:
    """Days 0 and 4 come late together, an exporter was down: clicks are taken in before what was clicked."""
    world.run_until(8)
    for number in (0, 4):
        world.land("impression", number, shown(f"i{number}", at(number)), shown(f"j{number}", at(number)))
        world.land("click", number, outcome(f"c{number}", f"i{number}", at(number, 13)))
    for number in (0, 4):
        world.run(number)
    added = [late("impression", 2, (4, 4), 2, (4, 4)), late("click", 1, (4, 4), 1, (4, 4))]
    assert world.report(4) == added
    assert world.report(0) == [late("impression", 2, (0, 0), 0, None, 2), late("click", 1, (0, 0), 0, None, 1)]


def test_an_exposure_that_comes_after_what_came_of_it_is_none_that_this_moved(world: World) -> None:
    world.run_until(2)
    world.land("click", 1, outcome("c1", "i1", at(1, 13)))
    world.run(1)
    world.run_until(3)
    world.land("impression", 1, shown("i1", at(1)))
    world.run(1)
    assert world.report(1) == [late("impression", 1, (1, 1), 1, (1, 1)), late("click", 1, (1, 1), 0, None)]


def test_a_file_for_an_old_day_counts_each_event_once(world: World) -> None:
    """The second file repeats an event that came on time, one of itself, and one that came late with the first."""
    known, first, second = shown("i0", at(0)), shown("i1", at(0)), shown("i2", at(0))
    world.land("impression", 0, known)
    world.land("click", 0, outcome("c0", "i0", at(0, 13)))
    world.run_until(2)
    world.land("impression", 0, first, name="b.parquet")
    world.run(0)
    world.run_until(3)
    world.land("impression", 0, known, first, second, second, name="c.parquet")
    clicks = [outcome("c1", "i1", at(0, 13)), outcome("c0", "i0", at(0, 13)), outcome("c1", "i1", at(0, 13))]
    world.land("click", 0, *clicks, name="c.parquet")
    world.run(0)
    assert world.report(0) == [late("impression", 2, (0, 0), 2, (0, 0)), late("click", 1, (0, 0), 1, (0, 0))]
    world.land("impression", 1, first, shown("i3", at(1)))
    world.run(1)
    assert world.report(1) == [late("impression", 2, (0, 1), 1, (1, 1))], "another day took the first one in"


def test_texts_are_exposures_and_mails_are_none(world: World) -> None:
    messages = {"text": ("sms", "delivered"), "mail": ("email", "delivered"), "lost_text": ("sms", "undelivered")}
    template = example_rows(EVENT_TYPES["message_planned"], day(0)).to_pylist()[0]
    for name, (channel, status) in messages.items():
        planned = {**template, **row(f"plan_of_{name}", at(-20, 18)), "message_id": name, "channel": channel}
        schema = EVENT_TYPES["message_planned"].schema
        world.platform.event_log.append("message_planned", pa.Table.from_pylist([planned], schema), writer="outbox")
        receipt = row(f"receipt_of_{name}", at(1), message_id=name, user_id="u1", status=status)
        world.land("message_status", 1, receipt, name=name)
    world.run_until(4)
    world.land("apply", 2, *(outcome(f"of_{name}", name, at(2)) for name in messages))
    world.run(2)
    assert world.report(2) == [late("apply", 3, (2, 2), 1, (1, 1))]


def test_hires_are_counted_and_nothing_is_read_for_them(world: World, read: list[Any]) -> None:
    world.land("impression", 0, shown("i0", at(0)))
    world.run_until(2)
    world.land("hire", 1, outcome("h", "i0", at(1), apply_event_id="a"))
    world.run(1)
    assert world.report(1) == [late("hire", 1, (1, 1), 0, None)]
    assert read == [("hire", day(3))]


def test_of_a_long_log_the_days_around_late_rows_are_read(world: World, read: list[Any]) -> None:
    log = world.platform.event_log
    for number in range(60):
        rows = [shown(f"i{number}", at(number))]
        log.append("impression", pa.Table.from_pylist(rows, schema=EVENT_TYPES["impression"].schema), writer="landing")
    world.platform.tables.write_report(INGEST_REPORT, add_days(day(19), 1), {"types": []})
    world.platform.tables.write_report(INGEST_REPORT, day(59), {"types": []})
    world.land("click", 20, outcome("c", "i20", at(20, 13)))
    world.run(20)
    assert world.report(20) == [late("click", 1, (20, 20), 0, None, 1)]
    impressions = {one for event_type, one in read if event_type == "impression"}
    assert impressions == {day(number) for number in (*range(18, 28), *range(52, 60))}
    assert log.read("click")["observed_at"].to_pylist() == [run_time(day(59))]


def test_a_report_of_before_late_rows_were_reported_is_still_read(world: World) -> None:
    world.land("apply", 0, {**outcome("a", "i0", at(0)), "user_id": ""})
    world.run(0)
    stored = world.platform.tables.read_report(INGEST_REPORT, day(1))
    del stored["late"], stored["ignored"]
    world.platform.tables.write_report(INGEST_REPORT, day(1), stored)
    assert world.run(0, landing.rejected_events)["dagster/row_count"] == 1
    world.land("apply", 1, outcome("b", "i0", at(1)))
    world.run(1)
    assert world.report(1) == []


def test_a_damaged_file_of_before_keeps_no_late_row_out(world: World) -> None:
    world.land("impression", 0, shown("s1", at(0)))
    world.land("impression", 1, shown("s2", at(1)))
    world.run_until(2)
    (file,) = world.platform.event_log.files("impression", start=day(1))
    (world.platform.lake.root / file.key).write_bytes(b"PAR1 was")
    world.land("click", 0, outcome("c1", "s1", at(0, 13)))
    metadata = world.run(0)
    assert metadata["dagster/row_count"] == 2
    assert "late_rows" not in metadata
    assert world.report(0) is None, "nobody knows"
    assert world.platform.event_log.read("click")["event_id"].to_pylist() == ["c1"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "models").mkdir(parents=True)
    (folder / "dbt_project.yml").write_text("name: mlife\nversion: '1.0.0'\nprofile: mlife\nconfig-version: 2\n")
    (folder / "profiles.yml").write_text(PROFILE)
    (folder / "models" / "one.sql").write_text("select 1 as x\n")
    return folder


class Calls:
    """Counts how often dbt is started, in place of dbt where `manifest` is given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        monkeypatch.setattr(dbt.subprocess, "run", self)

    def __call__(self, command: list[str], **settings: object) -> object:
        self.count += 1
        target = Path(command[command.index("--target-path") + 1])
        (target / "manifest.json").write_text("{}")
        return type("Done", (), {"returncode": 0, "stdout": "", "stderr": ""})()


def test_the_project_is_parsed_when_its_sources_change_and_only_then(project, monkeypatch) -> None:
    calls = Calls(monkeypatch)
    first = ensure_manifest(project)
    assert ensure_manifest(project) == first
    assert calls.count == 1
    os.utime(project / "models" / "one.sql", (1, 1))
    (project / "logs").mkdir()
    (project / "logs" / "dbt.log").write_text("a line")
    ensure_manifest(project)
    assert calls.count == 1, "times and logs are no sources"
    for change, path in (("select 2 as x\n", "models/one.sql"), ("select 1 as y\n", "models/two.sql"), ("{}", "a.yml")):
        (project / path).write_text(change)
        ensure_manifest(project)
        ensure_manifest(project)
    assert calls.count == 4
    first.unlink()
    ensure_manifest(project)
    assert calls.count == 5


def test_processes_that_start_at_once_parse_once(project, monkeypatch) -> None:
    calls = Calls(monkeypatch)
    threads = [threading.Thread(target=ensure_manifest, args=(project,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls.count == 1


def test_a_project_that_does_not_parse_says_why_and_is_not_remembered(project) -> None:
    (project / "models" / "one.sql").write_text("select {{ broken\n")
    with pytest.raises(PermanentError, match=r"(?s)dbt could not parse .*Compilation Error in model one") as info:
        ensure_manifest(project)
    assert "models/one.sql" in str(info.value)
    assert not list(project.glob("target/graph/*.digest"))


def execute(home: Path, selection: dg.AssetSelection, newest: date, **arguments: Any) -> dg.ExecuteInProcessResult:
    """Run assets of dbt in a home of which the days until `newest` were ingested."""
    definitions = build_definitions(Settings(home=home))
    definitions.resources["platform"].tables.write_report(INGEST_REPORT, newest, {"types": []})
    job = dg.define_asset_job("chosen", selection)
    chosen = dg.Definitions(assets=definitions.assets, jobs=[job], resources=definitions.resources)
    with dg.DagsterInstance.ephemeral() as instance:
        return chosen.resolve_job_def("chosen").execute_in_process(instance=instance, raise_on_error=False, **arguments)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, Any]]]:
    """Return what dbt is asked for, which builds nothing."""
    found: list[tuple[list[str], dict[str, Any]]] = []
    monkeypatch.setattr(dbt, "build", lambda _, selection, given, __: found.append((sorted(selection), given)) or [])
    return found


def test_dbt_is_not_asked_for_more_than_was_selected(tmp_path, monkeypatch, asked) -> None:
    """A person who materializes one model in the UI builds that model, from events that are all staged."""
    staged_from = []
    monkeypatch.setattr(dbt, "to_stage", lambda *_, again_from: staged_from.append(again_from) or {})
    chosen = dg.AssetSelection.assets(keys.USER_FEATURES, keys.APPLIES)
    execute(tmp_path, chosen, date(2026, 5, 1), partition_key="2026-05-01")
    ((selection, variables),) = asked
    assert [name for name in selection if not name.startswith("stg_")] == ["applies", "user_features"]
    assert {"stg_events__apply", "stg_events__message_status", "stg_events__user_snapshot"} <= set(selection)
    assert not {"stg_events__hire", "stg_events__prediction"} & set(selection), "nothing reads them here"
    assert (variables["start_date"], variables["end_date"]) == ("2026-05-01", "2026-05-01")
    assert staged_from == [date(2026, 4, 30)], "what the day is the first to see"
    windows = {name: variables[name] for name in ("click_window_days", "apply_window_days", "hire_window_days")}
    assert windows == asdict(LabelPolicy()), "labels close when the policies say so"


@pytest.mark.parametrize("faulty", [0, 1, 2, None])
def test_many_days_are_built_in_parts_with_staging_once(tmp_path, monkeypatch, faulty: int | None) -> None:
    """A model is recorded when its last part is built: not where a part fails before or without a word of it."""
    asked, shown = [], []

    def build(project: Path, selection: list[str], variables: dict, work_folder: Path) -> Iterator[dict]:
        part = (variables["start_date"], variables["end_date"])
        asked.append((*part, sum(name.startswith("stg_") for name in selection)))
        for name in selection if len(asked) != faulty else []:
            yield {"data": {"node_info": {"node_name": name}}, "part": part}
        if len(asked) == faulty:
            raise PermanentError("a test failed")

    def recorded(events: Iterable[dict], *_: object) -> list:
        shown.extend((event["data"]["node_info"]["node_name"], *event["part"]) for event in events)
        return []

    monkeypatch.setattr(dbt, "build", build)
    monkeypatch.setattr(dbt, "recorded", recorded)
    models = () if faulty is None else (keys.USER_FEATURES,)
    chosen = dg.AssetSelection.assets(["features", "stg_events__apply"], *models)
    result = execute(tmp_path, chosen, date(2026, 6, 30), tags=range_tags(date(2026, 5, 1), date(2026, 6, 15)))
    first, second = ("2026-05-01", "2026-05-23"), ("2026-05-24", "2026-06-15")
    whole = (first[0], second[1])  # staging alone: in a second part nothing is named, and dbt would build everything
    assert [one[:2] for one in asked] == {None: [whole], 1: [first]}.get(faulty, [first, second])
    assert [one[2] > 0 for one in asked] == [True, False][: len(asked)]
    staged, built = ("stg_events__apply", *first), ("user_features", *second)
    assert sorted(shown) == {None: [("stg_events__apply", *whole)], 0: [staged, built], 1: [], 2: [staged]}[faulty]
    said = str([event.event_specific_data for event in result.all_events])
    assert ("a test failed" in said) == bool(faulty)


def test_metrics_stage_what_features_read_too_and_show_metrics_alone(tmp_path, monkeypatch) -> None:
    """Texts are planned after features were built: what metrics read of them is staged by metrics."""
    asked, shown = [], []

    def build(project: Path, selection: list[str], variables: dict, work_folder: Path) -> list:
        asked.append(selection)
        nodes = [{"data": {"node_info": {"node_name": name}}} for name in selection]
        return [{"data": {}}, *nodes]

    def recorded(events: Iterable[dict], *_: object) -> list:
        shown.extend(event["data"].get("node_info", {}).get("node_name") for event in events)
        return []

    monkeypatch.setattr(dbt, "build", build)
    monkeypatch.setattr(dbt, "recorded", recorded)
    execute(tmp_path, dg.AssetSelection.assets(["metrics", "fct_messages"]), date(2026, 5, 1))
    ((first, *staging),) = asked
    assert first == "fct_messages"
    assert {"stg_events__message_planned", "stg_events__message_submitted"} <= set(staging)
    assert shown == [None, "fct_messages"]


def test_a_change_of_what_is_staged_and_no_other_stages_everything(project) -> None:
    for folder in ("models/staging", "models/marts", "macros"):
        (project / folder).mkdir(parents=True, exist_ok=True)
    before = staging_digest(project)
    (project / "models" / "marts" / "users.sql").write_text("select 1")
    (project / "dbt_project.yml").write_text("name: mlife\n")
    assert staging_digest(project) == before
    for path in ("models/staging/stg.sql", "models/staging/_sources.yml", "macros/staged.sql"):
        (project / path).write_text("select 1")
        assert staging_digest(project) != before
        before = staging_digest(project)


def test_tests_that_are_selected_alone_are_all_that_dbt_is_asked_for(tmp_path, asked) -> None:
    """A person who executes one check in the UI: the newest partition, and no model is built."""
    definitions = build_definitions(Settings(home=tmp_path))
    (check,) = [
        key
        for key in definitions.get_repository_def().asset_graph.asset_check_keys
        if key.asset_key == keys.USER_FEATURES and key.name.startswith("unique_grain")
    ]
    job = dg.define_asset_job("one_check", dg.AssetSelection.checks(check))
    chosen = dg.Definitions(assets=definitions.assets, jobs=[job], resources=definitions.resources)
    with dg.DagsterInstance.ephemeral() as instance:
        for day in ("2026-05-01", "2026-05-03", "2026-05-02"):
            instance.report_runless_asset_event(dg.AssetMaterialization(keys.USER_FEATURES, partition=day))
        chosen.resolve_job_def("one_check").execute_in_process(instance=instance, raise_on_error=False)
    assert [(selection, given["start_date"], given["end_date"]) for selection, given in asked] == [
        ([check.name], "2026-05-03", "2026-05-03")
    ]
