"""Runs are written into Dagster's own files, which stay open while they are used."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import dagster as dg

from mlife_assets.components.running.instance import open_instance
from mlife_assets.components.running.run_history import OPEN_FILES, Events

RUNS = OPEN_FILES + 1


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
