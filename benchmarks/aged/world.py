"""The world of the homes: its size, its policies, and how one is opened that began earlier than the product's own.

Concept: the product's first day is a constant. A home with a past began before it, so `begin` moves that constant in a
process that has imported nothing of the product yet. The simulated market is left where it was: all homes have the same
last days, and the market goes on from there.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dagster as dg

    from mlife_assets.deployments.board_ports import BoardPorts
    from mlife_assets.recruiting.policies import Policies
    from mlife_assets.settings import Settings

FIRST_DAY = date(2026, 4, 3)
"""First day of raw events of the young home: the product's own."""

HASH_KEY = "the-secret-of-the-aged-world-0123456789"


@dataclass(frozen=True)
class Size:
    """How large a young home is.

    Attributes:
        people: in the market.
        jobs: open at any time, about.
        history_days: days that land before the first that is run by the daily job.
        run_days: days that the daily job runs.
        block_days: days from the first on that a past repeats; whole weeks, so that weekdays fit.
    """

    people: int
    jobs: int
    history_days: int
    run_days: int
    block_days: int

    @property
    def days(self) -> int:
        """Days of the young home."""
        return self.history_days + self.run_days


FULL = Size(people=1_000, jobs=125, history_days=21, run_days=9, block_days=28)
QUICK = Size(people=150, jobs=30, history_days=21, run_days=1, block_days=21)


def sized(people: int) -> Size:
    """Return the full size with another number of people."""
    return Size(people, max(20, people // 8), FULL.history_days, FULL.run_days, FULL.block_days)


def begin(days_earlier: int) -> None:
    """Let the product begin so many days before its own first day; call it before anything of it is imported."""
    loaded = [name for name in sys.modules if name.startswith("mlife_assets.settings")]
    if loaded and days_earlier:
        raise SystemExit("the product is imported already; begin earlier in a process of its own")
    if loaded:
        return
    from mlife_assets.core import windows

    windows.FIRST_EVENT_DAY = FIRST_DAY - timedelta(days=days_earlier)
    windows.FIRST_PARTITION = windows.FIRST_EVENT_DAY + timedelta(days=1)


def policies() -> Policies:
    """Return policies by which so small a home trains, promotes and texts, and never retrains by itself."""
    from dataclasses import replace

    from mlife_assets.core.policies import MonitoringPolicy, PromotionPolicy, RetrainPolicy, TrainingPolicy
    from mlife_assets.recruiting.messaging_policy import MessagingPolicy
    from mlife_assets.recruiting.policies import LabelPolicy, Policies

    return Policies(
        label=LabelPolicy(click_window_days=2, apply_window_days=3, hire_window_days=7),
        promotion=replace(
            PromotionPolicy(),
            minimum_users_with_positives=30,
            gate_weeks=1,
            bootstrap_resamples=200,
        ),
        monitoring=replace(
            MonitoringPolicy(),
            sample_rows_per_day=500,
            reference_days=8,
            reference_examples=5_000,
            domain_classifier_sample_rows=500,
            explained_rows_per_day=400,
            minimum_mature_positives=30,
        ),
        retrain=RetrainPolicy(alarm_days_needed=30, alarm_days_window=30, days_between_fits=366),
        training=TrainingPolicy(
            recipes=("recent_linear",),
            trees_maximum=60,
            learning_rate=0.1,
            validation_days=2,
            validation_minimum_per_class=10,
            minimum_child_examples=20,
            minimum_examples=200,
            minimum_positives=5,
        ),
        messaging=MessagingPolicy(auto_approve_within_limits=True),
    )


def settings_of(home: Path, size: Size) -> Settings:
    """Return the settings of a home."""
    from pydantic import SecretStr

    from mlife_assets.settings import Settings

    return Settings(
        home=home,
        market_users=size.people,
        market_jobs=size.jobs,
        history_days=size.history_days,
        demo_days=size.run_days,
        demo_faults=False,
        hash_key=SecretStr(HASH_KEY),
        cores=1,
    )


def open_platform(home: Path, size: Size) -> BoardPorts:
    """Return the platform of a home with one model and one application; its market began on `FIRST_DAY`."""
    from dataclasses import replace

    from mlife_assets.deployments.board_ports import board_ports
    from mlife_assets.deployments.embedded_world import Story
    from mlife_assets.recruiting.instances import job_of_the_day
    from mlife_assets.recruiting.job_applications import job_applications

    platform = board_ports(
        settings=settings_of(home, size),
        policies=policies(),
        declared=(job_applications,),
        declared_applications=(job_of_the_day,),
        story=Story(lambda _: (), {}),
    )
    vars(platform.home.intake)["world"] = replace(platform.home.intake.world, start_date=FIRST_DAY)
    return platform


def open_definitions(platform: BoardPorts) -> dg.Definitions:
    """Return the whole graph of a platform."""
    from mlife_assets.definitions import build_definitions

    return build_definitions(platform.settings, platform=platform)
