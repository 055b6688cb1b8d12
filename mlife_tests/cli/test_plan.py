"""`mlife plan`: what is shown before somebody decides, and that both acts are what the UI does.

The acts themselves are tested in `components/acts/test_acts.py`, the job in
`components/acts/test_jobs.py`; running it is real in `e2e`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mlife_assets.cli.plan import NAMED_CHARACTERS
from mlife_assets.components.acts.acts import approve_plan
from mlife_assets.components.messages import planning
from mlife_assets.recruiting.messaging.approve import DIGEST_CHARACTERS_MINIMUM

WHO = ("--actor", "ann", "--reason", "read all of it")


@pytest.fixture
def waiting(sending_home: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a home whose plan waits for a person; no model serves in it, so no prediction is logged."""
    monkeypatch.setattr(planning, "log_predictions", lambda *_, **__: 0)
    policy = replace(sending_home.POLICY, auto_approve_within_limits=False)
    home = sending_home.SendingHome(tmp_path / "waiting", policy=policy)
    home.prepare(sending_home.DAY)
    home.plan()
    home.platform.outbox.publish()
    yield home
    home.platform.ledger.close()


def test_a_plan_that_waits_is_shown_with_its_digest_and_what_to_do(run, run_json, waiting) -> None:
    shown = run_json("plan", "show", "--home", waiting.folder)
    assert (shown["state"], shown["actor"], shown["sends"]) == ("waits", None, {})
    assert (
        shown["texts"] == waiting.platform.tables.read("message_plan", date.fromisoformat(shown["as_of_date"])).num_rows
    )
    assert len(shown["plan_digest"]) == 64
    assert len(shown["sample"]) == 3
    text = run("plan", "show", "--home", waiting.folder).output
    assert f"mlife plan approve --digest {shown['plan_digest'][:12]}" in text
    assert shown["sample"][0]["body"] in text


def test_a_plan_is_rejected_by_command(run, run_json, waiting) -> None:
    digest = run_json("plan", "show", "--home", waiting.folder)["plan_digest"]
    rejected = run_json("plan", "reject", "--digest", digest[:12], *WHO, "--home", waiting.folder)
    assert (rejected["state"], rejected["actor"], rejected["reason"]) == ("rejected", "ann", "read all of it")
    refused = run("plan", "approve", "--digest", digest, *WHO, "--home", waiting.folder)
    assert refused.exit_code == 1
    assert "was rejected by ann: read all of it. It is never sent" in refused.stderr
    assert not waiting.requests()
    assert "rejected by ann: read all of it" in run("plan", "show", "--home", waiting.folder).output


def test_approving_runs_the_job_of_the_ui(run_json, waiting, monkeypatch) -> None:
    asked: list[Any] = []

    def job(settings: Any, name: str, op: str, config: Any) -> None:
        asked.append((settings.home, name, op))
        approve_plan(waiting.platform, config["plan_digest"], actor=config["actor"], reason=config["reason"])
        waiting.send()

    monkeypatch.setattr("mlife_assets.cli.plan._run", job)
    digest = run_json("plan", "show", "--home", waiting.folder)["plan_digest"]
    approved = run_json("plan", "approve", "--digest", digest[:12], *WHO, "--home", waiting.folder)
    assert asked == [(waiting.folder, "approve_plan_job", "approve_plan_and_send")]
    assert (approved["state"], approved["actor"]) == ("approved", "ann")
    assert sum(approved["sends"].values()) == approved["texts"] == len(waiting.requests())


def test_another_digest_is_refused_before_anything_runs(run, waiting, monkeypatch) -> None:
    monkeypatch.setattr("mlife_assets.cli.plan._run", None)
    for act in ("approve", "reject"):
        refused = run("plan", act, "--digest", "0" * 64, *WHO, "--home", waiting.folder)
        assert refused.exit_code == 1
        assert "look at it again" in refused.stderr


def test_what_is_copied_from_show_is_enough_to_decide():
    assert NAMED_CHARACTERS == DIGEST_CHARACTERS_MINIMUM


def test_a_home_without_a_plan_says_what_to_do(run, home) -> None:
    for file in (home.path / "lake/reports/message_plan").rglob("report.json"):
        file.unlink()
    result = run("plan", "show", "--home", home.path)
    assert result.exit_code == 1
    assert "no plan was made yet; run daily_lifecycle_job (or `mlife day`) first" in result.stderr
