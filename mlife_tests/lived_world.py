"""A small world that is lived once: history, the first champion, four days with a drift and a fault.

The same jobs, checks and sensors as the demo, with policies that fit thirteen hundred people and a story that needs no
three weeks: on day 1 a city opens and tastes are published that have turned, which day 2 sees and retrains on; the
export that day 3 lands has pay in cents, which blocks; day 4 waits. Tests read it; who changes something takes a copy.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from mlife_assets.components.running.demo_summary import DayResult, Demo, prepare_home
from mlife_assets.components.running.driver import QUIET, LifecycleDriver
from mlife_assets.components.running.instance import open_instance
from mlife_assets.core.policies import MonitoringPolicy, PromotionPolicy, RetrainPolicy, TrainingPolicy
from mlife_assets.core.windows import add_days
from mlife_assets.definitions import build_definitions
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.deployments.embedded_world import Story
from mlife_assets.market.world import Calibration, Injection
from mlife_assets.recruiting.instances import job_of_the_day
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.policies import PanelPolicy, Policies
from mlife_assets.settings import Settings

HASH_KEY = "the-secret-of-the-lived-world-0123456789"
HISTORY_DAYS = 60
DRIFT_DAY, RETRAIN_DAY, FAULT_DAY, DAYS = 1, 2, 3, 4
VERDICTS = ("wait", "retrain", "block", "wait")

POLICIES = Policies(
    promotion=PromotionPolicy(
        gate_weeks=2, bootstrap_resamples=500, win_alpha_per_year=0.2,
        gates_per_year=2, calibration_slope_minimum=0.2, calibration_slope_maximum=5.0, calibration_level_minimum=0.2,
        calibration_level_maximum=5.0,
    ),
    panel=PanelPolicy(minimum_users=30),
    monitoring=MonitoringPolicy(
        sample_rows_per_day=500, reference_days=8, reference_examples=5_000, domain_classifier_sample_rows=500,
        explained_rows_per_day=400, minimum_mature_positives=30,
    ),
    retrain=RetrainPolicy(
        alarm_days_needed=1, alarm_days_window=1, days_between_fits=366, days_between_fits_in_drift=1
    ),
    training=TrainingPolicy(
        recipes=("recent_linear",), trees_maximum=60, learning_rate=0.1, minimum_child_examples=20,
        minimum_examples=500, minimum_positives=20,
    ),
    messaging=MessagingPolicy(auto_approve_within_limits=True, maximum_messages_per_day=150),
)  # fmt: skip
UNAPPROVED = replace(POLICIES, messaging=replace(POLICIES.messaging, auto_approve_within_limits=False))


def _injections(first_lived_date: date) -> tuple[Injection, ...]:
    return (
        Injection("new_city", first_lived_date),
        Injection("new_taste_cluster", add_days(first_lived_date, -Calibration().people.taste_delay_days), size=1.0),
        Injection("pay_in_cents", add_days(first_lived_date, FAULT_DAY - 2), duration_days=1),
    )


STORY = Story(_injections, {DRIFT_DAY: "turned tastes are published", FAULT_DAY: "pay in cents"})


@dataclass(frozen=True)
class Home:
    """A deployment in a folder, with everything to look into it."""

    settings: Settings
    definitions: dg.Definitions
    platform: BoardPorts

    @property
    def folder(self) -> Path:
        return self.settings.home

    def day(self, number: int) -> date:
        """Return a lived day, 1 being the first."""
        return add_days(self.settings.days.first_lived_date, number - 1)

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        with open_instance(self.folder, is_in_database=self.settings.owner.database is not None) as instance:
            yield instance

    @contextmanager
    def driver(self) -> Iterator[LifecycleDriver]:
        """Return a driver of this home."""
        with self.instance() as instance:
            yield LifecycleDriver(self.definitions, instance)

    def run_assets(self, day: date, *keys: dg.AssetKey, raise_on_error: bool = True) -> dg.ExecuteInProcessResult:
        """Materialize some assets of a partition with their checks, as the UI does."""
        job = dg.define_asset_job("chosen_assets", dg.AssetSelection.assets(*keys))
        chosen = dg.Definitions(
            assets=self.definitions.assets,
            asset_checks=self.definitions.asset_checks,
            jobs=[job],
            resources=self.definitions.resources,
        )
        with self.instance() as instance:
            try:
                return chosen.resolve_job_def("chosen_assets").execute_in_process(
                    instance=instance, partition_key=day.isoformat(), raise_on_error=raise_on_error, run_config=QUIET
                )
            except dg.Failure as failure:  # what the UI shows; tests ask for the error behind it
                raise failure.__context__ or failure from None

    def copy_to(self, folder: Path, policies: Policies = POLICIES) -> Home:
        """Return a copy that may be changed, opened with its own connections."""
        shutil.copytree(self.folder, folder)
        return open_home(folder, policies)


@dataclass(frozen=True)
class Lived:
    """The lived world: its home (read only), the verdict on the first champion, what each day brought."""

    home: Home
    first_verdict: dict[str, Any]
    days: tuple[DayResult, ...]
    seconds: dict[str, float]


def open_home(
    folder: Path, policies: Policies = POLICIES, *, users: int = 1_300, jobs: int = 250, **places: Any
) -> Home:
    """Return the world in `folder`; `places` are settings that put parts of it elsewhere."""
    settings = Settings(
        home=folder, market_users=users, market_jobs=jobs, history_days=HISTORY_DAYS, demo_days=DAYS,
        hash_key=HASH_KEY, **places,
    )  # fmt: skip
    platform = board_ports(
        settings=settings, policies=policies, declared=(job_applications,), declared_applications=(job_of_the_day,),
        story=STORY,
    )  # fmt: skip
    return Home(settings, build_definitions(settings, platform=platform), platform)


def live(folder: Path, **places: Any) -> tuple[dict[str, Any], tuple[DayResult, ...], dict[str, float]]:
    """Live the whole story in `folder`; return what happened, as `Lived` takes it."""
    prepare_home(folder)
    home = open_home(folder, **places)
    with home.instance() as instance:
        story = Demo(home.definitions, instance, home.platform)
        story.run_history()
        verdict = story.train_first_champion()
        days = tuple(story.run_days())
    home.platform.ledger.close()
    home.platform.home.messengers.texts.close()
    return verdict, days, story.stopwatch.seconds


def lived_in(folder: Path, story: tuple[dict[str, Any], tuple[DayResult, ...], dict[str, float]]) -> Lived:
    """Return the world that was lived in `folder`, opened anew."""
    return Lived(open_home(folder), *story)
