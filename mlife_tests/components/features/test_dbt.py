"""How dbt becomes assets. What the models compute is tested in `mlife_tests/dbt`."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict
from datetime import date
from pathlib import Path

import dagster as dg
import duckdb
import pyarrow as pa
import pytest

from mlife_assets.components.features import dbt, dbt_runner
from mlife_assets.components.features.dbt_runner import ensure_manifest, staging_digest
from mlife_assets.components.graph import keys
from mlife_assets.components.platform.model_platform import INGEST_REPORT
from mlife_assets.components.running.driver import range_tags
from mlife_assets.core.errors import PermanentError
from mlife_assets.definitions import build_definitions
from mlife_assets.recruiting.policies import LabelPolicy
from mlife_assets.settings import Settings

PROFILE = """mlife:
  target: duckdb
  outputs: {duckdb: {type: duckdb, path: x.duckdb}}
"""


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
        monkeypatch.setattr(dbt_runner.subprocess, "run", self)

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


def test_dbt_is_not_asked_for_more_than_was_selected(tmp_path, monkeypatch) -> None:
    """A person who materializes one model in the UI builds that model, from events that are all staged."""
    asked = []

    def build(project: Path, selection: list[str], variables: dict, work_folder: Path) -> list:
        asked.append((sorted(selection), variables))
        return []

    staged_from = []
    monkeypatch.setattr(dbt, "to_stage", lambda *_, again_from: staged_from.append(again_from) or {})
    monkeypatch.setattr(dbt, "build", build)
    definitions = build_definitions(Settings(home=tmp_path))
    definitions.resources["platform"].tables.write_report(INGEST_REPORT, date(2026, 5, 1), {"types": []})
    job = dg.define_asset_job("one_model", dg.AssetSelection.assets(keys.USER_FEATURES, keys.APPLIES))
    chosen = dg.Definitions(assets=definitions.assets, jobs=[job], resources=definitions.resources)
    with dg.DagsterInstance.ephemeral() as instance:
        chosen.resolve_job_def("one_model").execute_in_process(
            instance=instance, partition_key="2026-05-01", raise_on_error=False
        )
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
    definitions = build_definitions(Settings(home=tmp_path))
    definitions.resources["platform"].tables.write_report(INGEST_REPORT, date(2026, 6, 30), {"types": []})
    models = () if faulty is None else (keys.USER_FEATURES,)
    job = dg.define_asset_job("models", dg.AssetSelection.assets(["features", "stg_events__apply"], *models))
    chosen = dg.Definitions(assets=definitions.assets, jobs=[job], resources=definitions.resources)
    tags = range_tags(date(2026, 5, 1), date(2026, 6, 15))
    with dg.DagsterInstance.ephemeral() as instance:
        result = chosen.resolve_job_def("models").execute_in_process(instance=instance, tags=tags, raise_on_error=False)
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
    definitions = build_definitions(Settings(home=tmp_path))
    definitions.resources["platform"].tables.write_report(INGEST_REPORT, date(2026, 5, 1), {"types": []})
    job = dg.define_asset_job("one_model", dg.AssetSelection.assets(["metrics", "fct_messages"]))
    chosen = dg.Definitions(assets=definitions.assets, jobs=[job], resources=definitions.resources)
    with dg.DagsterInstance.ephemeral() as instance:
        chosen.resolve_job_def("one_model").execute_in_process(instance=instance, raise_on_error=False)
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


def test_tests_that_are_selected_alone_are_all_that_dbt_is_asked_for(tmp_path, monkeypatch) -> None:
    """A person who executes one check in the UI: the newest partition, and no model is built."""
    asked = []

    def build(project: Path, selection: list[str], variables: dict, work_folder: Path) -> list:
        asked.append((sorted(selection), variables.get("start_date"), variables.get("end_date")))
        return []

    monkeypatch.setattr(dbt, "build", build)
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
    assert asked == [([check.name], "2026-05-03", "2026-05-03")]


def test_the_plots_of_the_experiment_are_of_the_first_application_alone(open_home, sending_home) -> None:
    start = date(2026, 6, 1)
    rows = [
        {"experiment": experiment, "arm": arm, "period_kind": "week", "period_start_date": start, "is_closed": True,
         "eligible_users": 1_000, "users_with_apply": applied, "apply_rate": applied / 1_000}
        for experiment, applies in (("job_of_the_day", (100, 50)), ("weekly", (20, 50)))
        for arm, applied in zip(("treated", "holdout"), applies, strict=True)
    ]  # fmt: skip
    home = open_home()
    home.prepare(sending_home.DAY)
    with closing(duckdb.connect(str(home.folder / "warehouse.duckdb"))) as connection:
        connection.register("given", pa.Table.from_pylist(rows))
        connection.execute("CREATE TABLE marts.experiment_readout AS SELECT * FROM given")
    assert dbt._figures(home.platform, keys.EXPERIMENT_READOUT)["apply_rate_treated"].value == 0.1
