"""Which day runs and what its exit code says. The run itself is real only in `e2e`; here the run is a stub."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from mlife_assets.cli.day import _application_line, _model_lines, day_to_run
from mlife_assets.cli.day import run as run_day
from mlife_assets.cli.options import settings_of
from mlife_assets.components.running.demo import DayResult
from mlife_assets.core.errors import InvalidInputError, NotFoundError, PermanentError
from mlife_assets.core.windows import add_days
from mlife_assets.settings import Settings

SERVES = {
    "champion_version": "mdl_7d09", "scored": 9_978, "outcome": "promoted", "objective": "average precision",
    "rule": "least_recently_seen_v1", "delta": 0.108, "interval": [0.095, 0.12],
}  # fmt: skip
NOTHING = dict.fromkeys(SERVES) | {"scored": 0}
RESULT = DayResult(
    number=10, day=date(2026, 6, 11), event="", verdict="retrain",
    reasons=("Data drift alarmed on 2 of the last 3 days.",), promotion="Refused: a tie.", is_promoted=False,
    planned=12, submitted=11, delivered=10, earned_usd=25.5, retrained_by="retrain_on_drift_sensor",
)  # fmt: skip


@pytest.fixture
def next_day(monkeypatch: pytest.MonkeyPatch) -> Callable[[DayResult], list[Any]]:
    """Return what sets the result of the next day; the calls are collected."""

    def prepare(result: DayResult) -> list[Any]:
        calls: list[Any] = []

        def stub(settings: Any, day: date, rebuilds_metrics: bool) -> DayResult:
            calls.append((day, settings.approve_console_sends, rebuilds_metrics))
            return result

        monkeypatch.setattr("mlife_assets.cli.day.run", stub)
        return calls

    return prepare


def test_days_run_in_order(lived_home):
    platform, newest = lived_home.platform, lived_home.newest_day
    assert day_to_run(platform, None) == day_to_run(platform, add_days(newest, 1)) == add_days(newest, 1)
    assert day_to_run(platform, newest) == newest
    for wrong in (add_days(newest, 2), add_days(newest, -1)):
        with pytest.raises(InvalidInputError, match=f"{wrong} cannot run"):
            day_to_run(platform, wrong)


def test_without_a_champion_no_day_runs(home):
    shutil.rmtree(home.path / "lake" / "events" / "event_type=model_promoted")
    with pytest.raises(NotFoundError, match="mlife demo"):
        day_to_run(home.platform, None)


@pytest.mark.parametrize(
    ("says", "on"), [(True, "it is on"), (None, "it is off: set MLIFE_DAYS_RUN_BY_THEMSELVES to true")]
)
def test_without_a_champion_it_is_said_who_trains_one_of_what_others_deliver(tmp_path, says, on):
    settings = Settings(
        home=tmp_path / "home", deployment="standalone", first_day=date(2026, 1, 1), days_run_by_themselves=says
    )
    empty = SimpleNamespace(settings=settings, registry=SimpleNamespace(champion=lambda: None))
    with pytest.raises(NotFoundError) as said:
        day_to_run(empty, None)
    assert str(said.value).endswith(
        "so no day can run; due_days_sensor trains the first once files of 60 days from 2026-01-01 on were delivered "
        f"to {tmp_path}/home/landing, while Dagster's daemon runs; {on}"
    )


def test_a_day_shows_verdict_texts_and_promotion(run, next_day, lived_home):
    calls = next_day(RESULT)
    result = run("day", "--home", lived_home.path)
    assert result.exit_code == 0
    assert "2026-06-11 (day 10): retrain" in result.stdout
    assert "Data drift alarmed" in result.stdout
    assert "retrain_on_drift_sensor launched a retraining" in result.stdout
    assert "gate: not promoted. Refused: a tie." in result.stdout
    assert "12 planned, 11 submitted, 10 delivered; $25.50" in result.stdout
    assert calls == [(date(2026, 6, 11), False, True)]


def test_options_reach_the_run(run_json, next_day, lived_home):
    calls = next_day(RESULT)
    document = run_json("day", "--date", "2026-06-10", "--approve", "--no-metrics", "--home", lived_home.path)
    assert calls == [(date(2026, 6, 10), True, False)]
    assert (document["verdict"], document["submitted"], document["day"]) == ("retrain", 11, "2026-06-11")


def test_a_blocked_day_has_its_own_exit_code(run, run_json, next_day, lived_home):
    next_day(replace(RESULT, verdict="block", planned=0, submitted=0, delivered=0))
    assert run("day", "--home", lived_home.path).exit_code == 3
    assert run_json("day", "--home", lived_home.path, code=3)["verdict"] == "block"


def test_a_failed_run_is_exit_code_1(run, monkeypatch, lived_home):
    def fail(*_: object) -> None:
        raise PermanentError("daily_lifecycle_job failed (run 1) at user_job_scores: no such model")

    monkeypatch.setattr("mlife_assets.cli.day.run", fail)
    result = run("day", "--home", lived_home.path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "mlife: daily_lifecycle_job failed (run 1) at user_job_scores: no such model\n"


def test_a_plan_that_was_not_sent_says_how(run, next_day, lived_home):
    next_day(replace(RESULT, submitted=0, delivered=0))
    text = run("day", "--home", lived_home.path).stdout
    assert "If it waits for approval: `mlife plan show`" in text


def test_a_day_beyond_the_clock_of_the_machine_is_refused(lived_home):
    with pytest.raises(InvalidInputError, match="has no partition"):
        run_day(settings_of(lived_home.path), date(9999, 1, 1), False)


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_the_demo_prints_its_summary_as_json_only_when_asked(run, monkeypatch, tmp_path, flags):
    def run_demo(settings: Any, console: Any) -> dict[str, Any]:
        assert settings.approve_console_sends
        console.print("a day ran")
        return {"days": 21, "a": 1}

    monkeypatch.setattr("mlife_assets.cli.day.run_demo", run_demo)
    result = run("demo", "--home", tmp_path, *flags)
    assert result.exit_code == 0
    shown, other = (result.stderr, result.stdout) if flags else (result.stdout, result.stderr)
    assert shown == "a day ran\n"
    assert other == ('{\n  "a": 1,\n  "days": 21\n}\n' if flags else "")


def test_who_serves_and_what_the_gate_measured_are_two_lines() -> None:
    assert _model_lines("churn_risk", SERVES) == [
        "churn_risk: mdl_7d09 serves, 9,978 rows scored on the last day",
        "churn_risk, gate: promoted, average precision minus least_recently_seen_v1 +0.108 (+0.095 to +0.120)",
    ]


def test_a_model_that_was_refused_or_never_judged_says_so() -> None:
    serves_not = "churn_risk: no model serves yet, 0 rows scored on the last day"
    refused = NOTHING | {"outcome": "not_enough_evidence"}
    assert _model_lines("churn_risk", refused) == [serves_not, "churn_risk, gate: not enough evidence"]
    assert _model_lines("churn_risk", NOTHING) == [serves_not]


def test_an_application_says_what_is_known_of_it() -> None:
    mail = {"title": "Jobs of the week", "channel": "email", "reached": 1_339, "clicked": 0.0811, "applied": None,
            "earned_usd": None, "lift": 0.026, "interval": [-0.008, 0.048]}  # fmt: skip
    assert _application_line(mail) == (
        "Jobs of the week: 1,339 mails delivered, 8.1% clicked, people with an apply minus its holdout +2.6 "
        "points (-0.8 to +4.8)"
    )
    calls = {"title": "Calls", "channel": "call", "reached": 75, "clicked": None, "applied": None, "earned_usd": None,
             "lift": None, "interval": None}  # fmt: skip
    assert _application_line(calls) == "Calls: 75 people on call lists"
