from __future__ import annotations

from uuid import uuid4

import dagster as dg
import yaml

from mlife_assets.defs.instance import SETTINGS_FILE, hold_run, open_instance


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


def _job() -> dg.JobDefinition:
    @dg.asset
    def a() -> None: ...

    return dg.Definitions(assets=[a], jobs=[dg.define_asset_job("job", ["a"])]).resolve_job_def("job")


def test_the_files_of_a_run_are_held_while_it_runs_and_whole_afterwards(tmp_path) -> None:
    def waiting() -> set[str]:
        """Return the databases whose newest rows lie beside them: closed for the last time, they take the rows in."""
        return {path.name.removesuffix("-wal") for path in tmp_path.rglob("*.db-wal")}

    run_ids = [str(uuid4()) for _ in range(2)]
    with open_instance(tmp_path) as instance:
        for run_id in run_ids:
            with hold_run(instance, run_id):
                assert _job().execute_in_process(instance=instance, run_id=run_id).success
                assert waiting() == {"runs.db", "index.db", f"{run_id}.db"}
    assert waiting() == set()
    with open_instance(tmp_path) as again:
        assert {record.dagster_run.run_id for record in again.get_run_records()} == set(run_ids)
        assert again.get_latest_materialization_event(dg.AssetKey("a")) is not None


def test_an_instance_without_files_holds_none(instance) -> None:
    with hold_run(instance, "some"):
        assert instance.get_runs() == []


def test_the_settings_are_those_that_were_measured() -> None:
    settings = yaml.safe_load(SETTINGS_FILE.read_text(encoding="utf-8"))
    assert settings["concurrency"]["runs"]["max_concurrent_runs"] == 2
    assert settings["run_coordinator"]["config"]["dequeue_interval_seconds"] == 1
    assert settings["run_monitoring"] == {"enabled": True, "free_slots_after_run_end_seconds": 60}
    assert all(settings[name]["use_threads"] for name in ("sensors", "schedules", "backfills"))
