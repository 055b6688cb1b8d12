"""A job goes through Dagster's own queue and launcher, and how it ended is known."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mlife_assets.adapters.delivery.smoke import SmokePlaces
from mlife_assets.cli import infra
from mlife_assets.components.graph.model_jobs import LARGE_TASK
from mlife_assets.components.running import launched_job
from mlife_assets.components.running.launched_job import HARMLESS_JOB, launch_and_wait
from mlife_assets.core.errors import IntegrityError, PermanentError
from mlife_assets.definitions import build_definitions
from mlife_assets.settings import Settings

CODE = """
import dagster as dg

@dg.op
def works(): ...

@dg.op
def fails():
    raise ValueError("on purpose")

@dg.job
def good_job():
    works()

@dg.job
def bad_job():
    fails()

defs = dg.Definitions(jobs=[good_job, bad_job])
"""
SETTINGS = """
telemetry: {enabled: false}
run_coordinator: {module: dagster._core.run_coordinator, class: QueuedRunCoordinator}
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the file of a workspace whose queue a daemon works off."""
    (tmp_path / "jobs_of_a_test.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    file = tmp_path / "workspace.yaml"
    file.write_text(f"load_from: [{{python_file: {tmp_path / 'jobs_of_a_test.py'}}}]\n", encoding="utf-8")
    (tmp_path / "home" / "dagster.yaml").write_text(SETTINGS, encoding="utf-8")
    with dg.DagsterInstance.get():
        pass  # makes the databases: two processes that make them at once mark them twice, and neither opens them again
    daemon = subprocess.Popen(
        [sys.executable, "-m", "dagster._daemon", "run", "-w", str(file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
    )
    try:
        yield file
    finally:
        daemon.terminate()
        daemon.wait(60)


@pytest.mark.proof
def test_a_run_is_launched_waited_for_and_judged(workspace: Path) -> None:
    def launch(job: str, tag: str | None = None) -> str:
        with dg.DagsterInstance.get() as instance:
            return launch_and_wait(
                instance, workspace, job, must_have_tag=tag, seconds=120, sleep=time.sleep, tags=LARGE_TASK
            )

    run_id = launch("good_job")
    with dg.DagsterInstance.get() as instance:
        run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.job_name == "good_job"
    assert run.tags.items() >= LARGE_TASK.items()
    with pytest.raises(IntegrityError, match="no launcher of ECS"):
        launch("good_job", "ecs/task_arn")
    with pytest.raises(PermanentError, match="FAILURE"):
        launch("bad_job")
    with pytest.raises(PermanentError, match="could not launch no_job"):
        launch("no_job")


def test_a_larger_task_is_asked_for_as_training_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(launched_job, "launched_as_a_task", lambda **words: asked.append(words) or "0123")
    monkeypatch.setattr("mlife_assets.adapters.delivery.aws.clients", lambda region: region)
    places = {field.name: "eu-west-1" for field in fields(SmokePlaces)}
    for check in ("dagster_launches_a_run_as_a_task", "training_gets_a_larger_task"):
        assert infra._checked(check, places) == "run 0123"
    assert [words["tags"] for words in asked] == [{}, LARGE_TASK]


def test_the_harmless_job_is_there_and_changes_nothing(tmp_path: Path) -> None:
    job = build_definitions(Settings(home=tmp_path)).resolve_job_def(HARMLESS_JOB)
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == {"events/event_catalog"}
