"""The sensor daemon in processes of its own that kill themselves, for `test_sensor_crashes.py`.

Run as a script it takes a folder and prints, for every step at which it killed a daemon, the runs that exist after two
restarts. The sensor is the real one; the job it launches is replaced by one that takes a moment. Processes are forked,
so that the libraries are imported once.
"""

import json
import logging
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import dagster as dg
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon import sensor as daemon

from mlife_assets.components.graph import keys
from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.graph.partitions import DAILY
from mlife_assets.components.graph.retrain_sensor import SENSOR, build_retrain_sensor
from mlife_assets.components.graph.run_requests import DECISION_TAG
from mlife_assets.components.running.instance import open_instance
from mlife_assets.core.policies import RetrainPolicy
from mlife_assets.deployments.board_ports import board_ports
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings

DAY = "2026-06-02"
DECISION = "dec_of_the_day"
HOME_VARIABLE = "MLIFE_HOME"
STEPS = ("TICK_CREATED", "TICK_HELD", "EVALUATED", "RUN_IDS_RESERVED", "RUN_CREATED", "RUN_LAUNCHED")
RESTARTS = 2


@dg.asset(partitions_def=DAILY)
def retrained(context: dg.AssetExecutionContext) -> None:
    context.log.info("retrained for %s", context.partition_key)


def definitions() -> dg.Definitions:
    """Return the real sensor over a small job."""
    home, policies = Path(os.environ[HOME_VARIABLE]), Policies(retrain=RetrainPolicy(retry_wait_minutes=(0, 0)))
    job = dg.define_asset_job("retraining_job", [retrained], executor_def=dg.in_process_executor)
    return dg.Definitions(
        assets=[retrained],
        jobs=[job],
        sensors=[build_retrain_sensor(ModelGraph(job_applications(policies)), job)],
        resources={"platform": board_ports(Settings(home=home), policies=policies)},
    )


def decide(instance: dg.DagsterInstance) -> None:
    """Record the governor's decision to retrain."""
    metadata = {"verdict": "retrain", "decision_id": DECISION}
    event = dg.AssetMaterialization(keys.RETRAIN_DECISION, partition=DAY, metadata=metadata)
    instance.report_runless_asset_event(event)


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def live(home: Path, step: str | None) -> None:
    """Run one round of the daemon, killed at `step` when there is one."""
    daemon.is_under_min_interval = lambda *_: False
    if step == "EVALUATED":
        daemon.SensorLaunchContext.set_run_requests = die
    flags = {} if step in (None, "EVALUATED") else {SENSOR: {step: signal.SIGKILL}}
    origin = LoadableTargetOrigin(python_file=__file__, attribute="definitions")
    target = InProcessWorkspaceLoadTarget(InProcessCodeLocationOrigin(origin, location_name="mlife"))
    with open_instance(home) as instance, create_test_daemon_workspace_context(target, instance) as workspace:
        list(daemon.execute_sensor_iteration(workspace, logging.getLogger(), None, None, debug_crash_flags=flags))


def forked(work: Callable[[], object]) -> int:
    """Do some work in a forked process; return how it ended: 0, 1 after an error, or minus its signal."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001  a fork must not go on with what its parent does
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def prepare(home: Path) -> None:
    """Make the stores of a home and record the decision."""
    with open_instance(home) as instance:
        decide(instance)


def write_runs(home: Path, answer: Path) -> None:
    """Write id and status of the runs that were launched for the decision."""
    with open_instance(home) as instance:
        found = instance.get_runs(filters=dg.RunsFilter(tags={DECISION_TAG: DECISION}))
    answer.write_text(json.dumps([[run.run_id, run.status.value] for run in found]))


def outcome(prepared: Path, home: Path, step: str) -> dict[str, object]:
    """Return how the killed process and the restarts ended in a copy of a home, and the runs after each."""
    shutil.copytree(prepared, home)
    os.environ[HOME_VARIABLE] = str(home)
    ends, runs = [], []
    for killed_at in (step, *[None] * RESTARTS):
        ends.append(forked(lambda step=killed_at: live(home, step)))
        forked(lambda: write_runs(home, home / "runs.json"))
        runs.append(json.loads((home / "runs.json").read_text()))
    return {"step": step, "ends": ends, "runs": runs}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    if forked(lambda: prepare(folder / "prepared")) != 0:
        raise SystemExit("the home could not be prepared")
    for name in STEPS:
        print(json.dumps(outcome(folder / "prepared", folder / name.lower(), name)), flush=True)
