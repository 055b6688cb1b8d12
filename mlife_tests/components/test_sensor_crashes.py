"""The daemon dies at every step between a decision and its run: one retraining run exactly, never none."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import dagster as dg
import pytest

from mlife_assets.components.graph.run_requests import DECISION_TAG
from mlife_assets.components.running.instance import open_instance

SCRIPT = Path(__file__).with_name("killed_daemon.py")
SECONDS_MAXIMUM = 420


@pytest.fixture(scope="module")
def killed_daemon(loaded_module) -> ModuleType:
    return loaded_module("killed_daemon", "components/killed_daemon.py")


@pytest.mark.proof
def test_a_daemon_killed_at_any_step_gives_one_run_and_never_none(killed_daemon, repository, tmp_path) -> None:
    """The daemon's own code, killed by SIGKILL; two daemons later there is one queued run, the same after both."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, check=False, cwd=repository
    )
    assert done.returncode == 0, done.stderr
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["step"] for one in outcomes] == list(killed_daemon.STEPS)
    for one in outcomes:
        assert one["ends"] == [-signal.SIGKILL, 0, 0], (one, done.stderr)
        first, second = one["runs"][1:]
        assert [status for _, status in first] == ["QUEUED"], one
        assert second == first, "another daemon asks for nothing more"
    before = {one["step"]: [status for _, status in one["runs"][0]] for one in outcomes}
    made = {"RUN_CREATED": ["NOT_STARTED"], "RUN_LAUNCHED": ["QUEUED"]}
    assert before == {step: made.get(step, []) for step in killed_daemon.STEPS}, "each was killed where it says"


@pytest.mark.proof
def test_a_real_daemon_killed_again_and_again_retrains_once(killed_daemon, repository, tmp_path) -> None:
    """All daemons of an instance, killed by SIGKILL ever later until a run has ended well; each attempt runs once.

    What a daemon had launched is left alone, as it would be: a run without a worker fails by its start timeout.
    """
    home = tmp_path / "home"
    with open_instance(home) as instance:
        killed_daemon.decide(instance)
    command = [sys.executable, "-m", "dagster._daemon", "run", "-f", str(SCRIPT), "-a", "definitions"]
    environment = os.environ | {"DAGSTER_HOME": str(home / "dagster"), "MLIFE_HOME": str(home)}
    started, groups = time.monotonic(), []
    lifetimes = iter((1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0, 25.0))
    try:
        with (tmp_path / "daemon.log").open("w") as log:
            while not ended(home) and time.monotonic() - started < SECONDS_MAXIMUM:
                daemon = subprocess.Popen(
                    command, cwd=repository, env=environment, stdout=log, stderr=log, start_new_session=True
                )
                groups.append(daemon.pid)
                deadline = time.monotonic() + next(lifetimes, SECONDS_MAXIMUM)
                while time.monotonic() < deadline and not ended(home):
                    time.sleep(1.0)
                daemon.kill()
                daemon.wait()
    finally:
        for group in groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
    with open_instance(home) as instance:
        runs = instance.get_runs(filters=dg.RunsFilter(tags={DECISION_TAG: killed_daemon.DECISION}))
        attempts = sorted(run.tags["mlife/attempt"] for run in runs)
        succeeded = [run.run_id for run in runs if run.status == dg.DagsterRunStatus.SUCCESS]
        lively = [run for run in runs if not run.is_finished]
    assert len(groups) > 1, "the daemon was never killed before the run had ended"
    assert (len(succeeded), lively) == (1, []), (tmp_path / "daemon.log").read_text()[-5_000:]
    assert attempts == [str(number + 1) for number in range(len(attempts))], "no attempt ran twice"


def ended(home: Path) -> bool:
    """Return whether a run of the retraining job has succeeded."""
    succeeded = dg.RunsFilter(job_name="retraining_job", statuses=[dg.DagsterRunStatus.SUCCESS])
    with open_instance(home) as instance:
        return bool(instance.get_runs(filters=succeeded, limit=1))
