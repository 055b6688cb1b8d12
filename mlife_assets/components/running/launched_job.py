"""Launching a job through the queue of a running Dagster, like the UI, and waiting for it.

Concept: this tests the path from the queue to execution: daemon, launcher, and the launcher's task, which leaves a tag
on the run.
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
"""A job that reads the log and changes nothing."""
TASK_TAG = "ecs/task_arn"
"""Tag set by the ECS launcher."""
WORKSPACE = Path("workspace.aws.yaml")
"""Workspace file in a task's working folder."""
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
    """Launch a job and return its run's id after success.

    Args:
        instance: the running Dagster, that of DAGSTER_HOME.
        workspace: file that names the code location.
        job: name of the job.
        must_have_tag: tag that the launcher must leave on the run; None for any launcher.
        seconds: maximum of waiting.
        sleep: waits.
        tags: of the run, such as its requested size.

    Raises:
        PermanentError: it could not be launched, or did not succeed.
        IntegrityError: it ran in the wrong place.
        TransientError: it is not finished in time.
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
