import json
import logging

import dagster as dg
import pytest
import yaml

from mlife_assets.adapters.json_logs import log_as_json
from mlife_assets.components.running.instance import SETTINGS_FILE, open_instance


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
