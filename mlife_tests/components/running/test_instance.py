import json
import logging
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest
import yaml

from mlife_assets.adapters.json_logs import log_as_json
from mlife_assets.components.running.instance import OPEN_FILES, SETTINGS_FILE, Events, open_instance

RUNS = OPEN_FILES + 1


def test_an_instance_keeps_what_ran_and_has_the_settings_of_the_project(tmp_path) -> None:
    event = dg.AssetMaterialization("a")
    with open_instance(tmp_path) as instance:
        assert instance.telemetry_enabled is False
        assert instance.nux_enabled is False
        assert instance.global_op_concurrency_default_limit == 1, "a pool without a limit is unlimited"
        assert type(instance.run_coordinator).__name__ == "QueuedRunCoordinator"
        instance.report_runless_asset_event(event)
    with open_instance(tmp_path) as again:
        assert again.get_latest_materialization_event(dg.AssetKey("a")) is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dagster"]


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["2026-06-01"]))
def logging_asset(context: dg.AssetExecutionContext) -> None:
    context.log.info("in the asset")
    logging.getLogger("mlife_assets.some").warning("in what it calls")


@pytest.mark.parametrize("logs_json", [True, False])
def test_a_run_logs_lines_of_json_where_they_are_wanted(tmp_path, capfd, monkeypatch, logs_json) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    if logs_json:
        log_as_json()
    with open_instance(tmp_path, logs_json=logs_json) as instance:
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        done = dg.materialize([logging_asset], instance=instance, partition_key="2026-06-01", run_config=quiet)
        ui = [entry.user_message for entry in instance.all_logs(done.run_id) if entry.dagster_event is None]
    lines = capfd.readouterr().err.splitlines()
    if not logs_json:
        assert (lines, ui) == (["in what it calls"], ["in the asset"])
        return
    said = [json.loads(line) for line in lines]
    assert ui == ["in the asset", "in what it calls"]
    assert {line["run_id"] for line in said} == {done.run_id}
    assert {line["partition"] for line in said} == {"2026-06-01"}
    assert [line["step"] for line in said if line["event"] in ui] == ["logging_asset"] * 2, "each once"
    assert said[-1]["dagster_event"] == "PIPELINE_SUCCESS"


def test_the_settings_are_those_that_were_measured() -> None:
    settings = yaml.safe_load(SETTINGS_FILE.read_text(encoding="utf-8"))
    assert settings["concurrency"]["runs"]["max_concurrent_runs"] == 2
    assert settings["run_coordinator"]["config"]["dequeue_interval_seconds"] == 1
    assert settings["run_monitoring"] == {"enabled": True, "free_slots_after_run_end_seconds": 60}
    assert all(settings[name]["use_threads"] for name in ("sensors", "schedules", "backfills"))


def run_once(instance: dg.DagsterInstance) -> str:
    @dg.asset
    def a() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"rows": 1})

    @dg.asset_check(asset=a)
    def is_whole() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    definitions = dg.Definitions(assets=[a], asset_checks=[is_whole], jobs=[dg.define_asset_job("job", "*")])
    run_id = str(uuid4())
    assert definitions.resolve_job_def("job").execute_in_process(instance=instance, run_id=run_id).success
    return run_id


def still_open(home: Path) -> set[str]:
    """Return the databases whose newest rows lie beside them: whoever closes one last moves them in."""
    return {path.name.removesuffix("-wal") for path in home.rglob("*.db-wal")}


def test_the_files_of_a_run_stay_open_while_they_are_used_and_are_whole_afterwards(tmp_path: Path) -> None:
    with open_instance(tmp_path) as instance:
        run_ids = [run_once(instance) for _ in range(RUNS)]
        held = {f"{run_id}.db" for run_id in run_ids[-(OPEN_FILES - 1) :]}
        assert still_open(tmp_path) == {"runs.db", "index.db", *held}
    assert still_open(tmp_path) == set()


def test_another_process_reads_what_was_written_and_this_one_what_it_writes(tmp_path: Path) -> None:
    with open_instance(tmp_path) as ours, dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as plain:
        assert not isinstance(plain.event_log_storage, Events)
        ids = [run_once(instance) for instance in (ours, plain, ours)]
        for instance in (ours, plain):
            assert {run.run_id for run in instance.get_runs()} == set(ids)
            events = [len(instance.all_logs(run_id)) for run_id in ids]
            assert events[0] == events[1] == events[2] > 10
            found = instance.get_latest_materialization_event(dg.AssetKey("a"))
            assert found is not None
            assert found.run_id == ids[-1]
            check = dg.AssetCheckKey(dg.AssetKey("a"), "is_whole")
            assert len(instance.event_log_storage.get_asset_check_execution_history(check, limit=9)) == 3
