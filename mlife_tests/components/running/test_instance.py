from __future__ import annotations

import dagster as dg
import yaml

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


def test_the_settings_are_those_that_were_measured() -> None:
    settings = yaml.safe_load(SETTINGS_FILE.read_text(encoding="utf-8"))
    assert settings["concurrency"]["runs"]["max_concurrent_runs"] == 2
    assert settings["run_coordinator"]["config"]["dequeue_interval_seconds"] == 1
    assert settings["run_monitoring"] == {"enabled": True, "free_slots_after_run_end_seconds": 60}
    assert all(settings[name]["use_threads"] for name in ("sensors", "schedules", "backfills"))
