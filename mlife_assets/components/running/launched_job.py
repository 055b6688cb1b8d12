"""A job that is handed to the queue of a running Dagster, as the UI does it, and waited for.

Concept: what is proved is the way from the queue to the place where runs run: daemon, launcher, and whatever the
launcher starts. It leaves its mark among the run's tags.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import dagster as dg
from dagster._core.utils import make_new_run_id

from mlife_assets.core.errors import IntegrityError, PermanentError, TransientError

HARMLESS_JOB = "catalog_job"
"""It reads the log and changes nothing."""
TASK_TAG = "ecs/task_arn"
"""What the launcher of ECS writes."""
WORKSPACE = Path("workspace.aws.yaml")
"""Where a task starts, beside the code."""
PAUSE_SECONDS = 2.0


def launched_as_a_task(*, seconds: float, sleep: Callable[[float], None], tags: Mapping[str, str]) -> str:
    """Launch the harmless job in the Dagster of DAGSTER_HOME and return its run's id. Raises as `launch_and_wait`."""
    with dg.DagsterInstance.get() as instance:
        return launch_and_wait(
            instance, WORKSPACE, HARMLESS_JOB, must_have_tag=TASK_TAG, seconds=seconds, sleep=sleep, tags=tags
        )


def launch_and_wait(
    instance: dg.DagsterInstance,
    workspace: Path,
    job: str,
    *,
    must_have_tag: str | None,
    seconds: float,
    sleep: Callable[[float], None],
    tags: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Launch a job and return its run's id once it has succeeded.

    Args:
        instance: the running Dagster, that of DAGSTER_HOME.
        workspace: file that names the code location.
        job: what to run.
        must_have_tag: tag that the launcher leaves on a run; None where any will do.
        seconds: how long it may take.
        sleep: waits.
        tags: of the run, such as the size that it asks for.

    Raises:
        PermanentError: it could not be launched, or did not succeed.
        IntegrityError: it ran somewhere else than it should.
        TransientError: it is still not over.
    """
    run_id = make_new_run_id()
    command = [sys.executable, "-m", "dagster", "job", "launch", "-w", str(workspace), "-j", job, "--run-id", run_id]
    command += ["--tags", json.dumps(dict(tags))] if tags else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PermanentError(f"Dagster could not launch {job}: {done.stderr.strip()[-500:]}")
    for _ in range(max(1, int(seconds / PAUSE_SECONDS))):
        run = instance.get_run_by_id(run_id)
        if run is not None and run.is_finished:
            if not run.is_success:
                raise PermanentError(f"run {run_id} of {job} ended with {run.status.value}; its log says why")
            if must_have_tag is not None and must_have_tag not in run.tags:
                raise IntegrityError(f"run {run_id} has no tag {must_have_tag}, so no launcher of ECS started it")
            return run_id
        sleep(PAUSE_SECONDS)
    raise TransientError(f"run {run_id} of {job} was not over after {seconds:.0f} seconds; is the daemon running?")
