"""The UI's offers work: each check and asset alone, a first day. Its next day: `test_a_day_in_the_browser.py`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mlife_assets.components.graph.run_requests import DRIVER_TAG
from mlife_assets.components.shown.present import operator_time
from mlife_assets.core.windows import add_days
from mlife_assets.deployments.board_ports import board_ports
from mlife_assets.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Dagster, about its own schedules

DBT_GROUPS = {"features", "metrics"}
DASHBOARD = ("metrics", "dashboard")
CLICKED = {("features", "user_features"), ("metrics", "kpi_daily")}
"""What is clicked of the models of dbt: one function runs them all. The proof clicks the other marts, too."""
PARTITION = "dagster/partition"
FIRST, LAST = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
RUNS = """
{ runsOrError { ... on Runs { results {
  runId pipelineName status tags { key value } repositoryOrigin { repositoryName repositoryLocationName }
} } } }
"""
HISTORY = """
query($job: String!) { pipelineOrError(params: {
  pipelineName: $job, repositoryName: "__repository__", repositoryLocationName: "mlife"
}) { ... on Pipeline { runs(limit: 50) { runId } } } }
"""


@pytest.fixture(scope="module")
def environment() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLIFE_")]:
            patch.delenv(name)
        yield patch


@pytest.fixture(scope="module")
def home(lived: Any, lived_world: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a copy of the lived home whose plans wait for a person."""
    return lived.home.copy_to(tmp_path_factory.mktemp("offers") / "home", lived_world.UNAPPROVED)


@pytest.fixture(scope="module")
def newest(home: Any, lived_world: ModuleType) -> date:
    return home.day(lived_world.DAYS)


@pytest.fixture(scope="module")
def ui(home: Any, lived_world: ModuleType, ui_client: ModuleType, environment: pytest.MonkeyPatch) -> Iterator[Any]:
    settings = home.settings
    environment.setenv("UI_WORLD", "lived_world.py")
    environment.setenv("MLIFE_HOME", str(home.folder))
    environment.setenv("MLIFE_HASH_KEY", lived_world.HASH_KEY)
    for name in ("market_users", "market_jobs", "history_days", "demo_days"):
        environment.setenv(f"MLIFE_{name.upper()}", str((dict(settings.market) | dict(settings.days))[name]))
    with ui_client.opened(home.folder) as opened:
        yield opened


def day_tags(offer: Any, day: object) -> dict[str, str]:
    return {PARTITION: str(day)} if offer.partitions else {}


def test_the_runs_of_the_command_line_are_in_the_timeline_and_under_their_jobs(ui) -> None:
    runs = [run for run in ui.ask(RUNS)["runsOrError"]["results"] if DRIVER_TAG in {t["key"] for t in run["tags"]}]
    assert len(runs) > 4
    origin = {"repositoryName": "__repository__", "repositoryLocationName": "mlife"}
    assert all(run["repositoryOrigin"] == origin for run in runs)
    shown = {run["runId"] for run in ui.ask(HISTORY, job="daily_lifecycle_job")["pipelineOrError"]["runs"]}
    driven = {run["runId"] for run in runs if run["pipelineName"] == "daily_lifecycle_job"}
    assert driven
    assert driven <= shown


def is_of_dbt(offer: Any) -> bool:
    return offer.key[0] in DBT_GROUPS and offer.key != DASHBOARD


def run_alone(ui: Any, checks: list[tuple[Any, dict[str, Any]]]) -> None:
    for offer, check in checks:
        clicked = ui.launch(check["jobNames"][0], assets=[], checks=[(offer.key, check["name"])])
        assert [name for name, _ in clicked.checks] == [check["name"]], clicked
        assert clicked.is_success, clicked


@pytest.fixture(scope="module")
def second_model(ui: Any, newest: date) -> set[tuple[str, ...]]:
    """Make what did not run in that world once, the second model and what uses it: a check looks at it; return it."""
    made, plans = set(), {("email_digest", "message_plan"), ("recruiter_call_list", "call_list")}
    for offer in ui.offers():
        if offer.key in plans or (offer.key[0] == "churn_risk" and offer.key[1] != "hyperparameters"):
            clicked = ui.launch(assets=[offer.key], tags=day_tags(offer, newest))
            assert clicked.is_success, (offer.key, clicked)
            made.add(offer.key)
    return made


@pytest.mark.proof
@pytest.mark.usefixtures("second_model")
def test_every_check_runs_alone_on_the_newest_partition(ui) -> None:
    offers = ui.offers()
    assert {check["canExecuteIndividually"] for offer in offers for check in offer.checks} == {"CAN_EXECUTE"}
    own = [(offer, check) for offer in offers if not is_of_dbt(offer) for check in offer.checks]
    assert {"holdout_is_not_planned", "event_log_is_intact", "challenger_may_be_promoted"} <= {
        check["name"] for _, check in own
    }
    of_dbt = [(offer, offer.checks[0]) for offer in offers if offer.key in CLICKED]
    assert len(of_dbt) == len(CLICKED)
    run_alone(ui, own + of_dbt)


@pytest.mark.proof
def test_every_mart_is_made_alone_and_every_test_of_dbt_runs_alone(ui, newest) -> None:
    of_dbt = [offer for offer in ui.offers() if is_of_dbt(offer)]
    marts = [offer for offer in of_dbt if not offer.key[1].startswith("stg_")]
    assert len(marts) > 10
    for offer in marts:
        if offer.key not in CLICKED:
            clicked = ui.launch(assets=[offer.key], tags=day_tags(offer, newest))
            assert clicked.is_success, (offer.key, clicked)
    tests = [(offer, check) for offer in of_dbt for check in offer.checks]
    assert len(tests) > 20
    run_alone(ui, tests)


def test_a_check_runs_alone_on_a_chosen_partition_and_says_why_it_stops_a_day(ui, home, lived_world) -> None:
    key, name = ("predictions", "candidate_pairs"), "candidate_pairs_come_from_a_sound_day"
    clicked = ui.launch(assets=[], checks=[(key, name)], tags={PARTITION: str(home.day(lived_world.FAULT_DAY))})
    assert clicked.checks == ((name, False),)
    assert "quality checks failed" in clicked.failure.splitlines()[0]
    assert "reservation_pay_usd_per_hour" in clicked.failure.splitlines()[0]


@pytest.mark.proof
def test_every_asset_is_made_alone_by_a_click(ui, newest, second_model) -> None:
    """Those of the second model were, when it was made."""
    offers = ui.offers()
    assert {offer.latest for offer in offers if offer.partitions} == {str(add_days(newest, 1))}
    few = {"ops": {"model__hyperparameters": {"config": {"trials": 1}}}}
    assert len(second_model) > 10
    for offer in (one for one in offers if one.key not in second_model):
        if is_of_dbt(offer) and offer.key not in CLICKED:
            continue
        config = few if offer.key == ("model", "hyperparameters") else None
        clicked = ui.launch(assets=[offer.key], tags=day_tags(offer, newest), config=config)
        if offer.key == ("model", "lifecycle_backtest"):
            assert "days" in clicked.failure.splitlines()[0], clicked
        else:
            assert clicked.is_success, (offer.key, clicked)


@pytest.mark.proof
def test_a_first_day_on_an_empty_home(ui_client, environment, monkeypatch, tmp_path: Path, small_home) -> None:
    """The clicks of somebody who has a new home, with one that comes too early before each."""
    settings = {"users": 200, "jobs": 40}
    monkeypatch.setenv("UI_WORLD", "golden/small_home.py")
    monkeypatch.setenv("MLIFE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLIFE_HASH_KEY", raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(f"MLIFE_MARKET_{name.upper()}", str(value))
    monkeypatch.setenv("MLIFE_HISTORY_DAYS", "39")
    monkeypatch.setenv("MLIFE_DEMO_FAULTS", "false")
    platform = board_ports(Settings(), policies=small_home.UNAPPROVED)
    with ui_client.opened(tmp_path / "home") as ui:
        offers = {offer.key: offer for offer in ui.offers()}
        landing = offers["events", "market_events"]
        last_of_history = str(add_days(platform.settings.days.first_lived_date, -1))
        assert landing.latest == last_of_history
        for key in (landing.key, ("features", "user_features"), ("metrics", "kpi_daily"), ("messages", "message_plan")):
            early = ui.launch(assets=[key], tags=day_tags(offers[key], landing.latest))
            assert "run history_job over all its partitions" in early.failure.splitlines()[0], (key, early)
        assert ui.launch("history_job", tags={FIRST: landing.partitions[0], LAST: last_of_history}).is_success

        early = ui.launch("daily_lifecycle_job", tags={PARTITION: last_of_history})
        assert "no model serves" in early.failure.splitlines()[0]
        assert "retraining_job" in early.failure.splitlines()[0]
        assert ui.launch("retraining_job", tags={PARTITION: last_of_history}).is_success
        if platform.of_model().registry.champion() is None:  # a market this small rarely convinces the gate
            version = platform.of_model().registry.versions()[-1]["model_version"]
            platform.of_model().registry.promote(
                version, actor="ann", reason="against the gate", now=operator_time(platform.of_model())
            )
            assert ui.launch(assets=[("model", "monitoring_reference")], tags={PARTITION: last_of_history}).is_success

        ui.reload()
        first = str(platform.settings.days.first_lived_date)
        assert {offer.latest for offer in ui.offers() if offer.partitions} == {first}
        early = ui.launch(assets=[("predictions", "user_job_scores")], tags={PARTITION: first})
        assert f"the next day that can run is {first}" in early.failure.splitlines()[0]
        assert ui.launch("daily_lifecycle_job", tags={PARTITION: first}).is_success
        assert ui.launch("metrics_job").is_success
        assert (platform.settings.places.lake / "dashboard" / "index.html").exists()
