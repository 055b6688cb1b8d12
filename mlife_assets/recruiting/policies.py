"""The choices of a job board: when an outcome counts, which jobs are considered, who is texted and called, costs."""

from __future__ import annotations

from dataclasses import dataclass, field

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import (
    BacktestPolicy,
    LandingPolicy,
    MonitoringPolicy,
    PromotionPolicy,
    RetrainPolicy,
    TrainingPolicy,
)
from mlife_assets.core.policies import require_bounded as _bounded
from mlife_assets.recruiting.mail.letterhead import Letterhead
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.retention_policy import RetentionPolicy


@dataclass(frozen=True)
class LabelPolicy:
    """When an outcome belongs to an exposure."""

    click_window_days: int = 2
    apply_window_days: int = 7
    hire_window_days: int = 30

    def __post_init__(self) -> None:
        _bounded(self, click_window_days=(1, 30), apply_window_days=(1, 60), hire_window_days=(1, 180))


@dataclass(frozen=True)
class CandidatePolicy:
    """Which jobs are considered for a user."""

    maximum_distance_km: float = 60.0
    candidates_per_user: int = 30
    maximum_seniority_gap: int = 2

    def __post_init__(self) -> None:
        _bounded(self, maximum_distance_km=(1, 500), candidates_per_user=(2, 1000), maximum_seniority_gap=(0, 3))


@dataclass(frozen=True)
class LiftPolicy:
    """How the lift of an application is measured, day after day.

    Attributes:
        error: of all claims of all days and all applications together.
        ratio_error: of ever blanking a sound experiment, of all applications together.
        minimum_days: nothing is claimed before so many days.
        minimum_outcomes: nor before the holdout may have had so many outcomes.
        smallest_lift: the least that matters, relative; plans say when it is shown.
        within_days: how long somebody would wait for it; the recommended holdout shows it by then.
    """

    error: float = 0.05
    ratio_error: float = 0.001
    minimum_days: int = 14
    minimum_outcomes: int = 20
    smallest_lift: float = 0.2
    within_days: int = 84

    def __post_init__(self) -> None:
        _bounded(self, error=(0.001, 0.2), ratio_error=(1e-6, 0.05), minimum_days=(7, 366))
        _bounded(self, minimum_outcomes=(10, 1e6), smallest_lift=(0.01, 2), within_days=(14, 366))


@dataclass(frozen=True)
class PricePolicy:
    """Prices of texting, for the record of a day's spend; no decision uses them.

    `text_segment_usd` is about the list price of a US provider for a segment, with the carriers' surcharge. A
    deployment sets the price of its own contract.
    """

    text_segment_usd: float = 0.012

    def __post_init__(self) -> None:
        _bounded(self, text_segment_usd=(0, 10))


def job_training_policy() -> TrainingPolicy:
    """Return the training policy of job applications: monotone in distance, since nobody prefers a farther job.

    Recent rows on a base come first: preferences move, and slopes can be learned from few rows (ADR 29).
    """
    return TrainingPolicy(
        recipes=("recent_linear", "plain"),
        rising=(
            "same_occupation_group",
            "same_shift",
            "log_pay_ratio",
            "taste_match",
            "job_click_rate",
            "job_apply_rate",
        ),
        falling=("seniority_gap", "distance_km"),
    )


@dataclass(frozen=True)
class PanelPolicy:
    """When recruiters who ranked stand for people at the gate.

    All sides are then compared on the panel's rows alone, so it has to have ranked for so many users whose outcomes can
    be put in order that the difference of two unlike rankings is known to within .025 MAP (ADR 41).
    """

    minimum_users: int = 840

    def __post_init__(self) -> None:
        _bounded(self, minimum_users=(30, 1e9))


@dataclass(frozen=True)
class Policies:
    """All policies of one deployment; `messaging` is that of the first application.

    `decided` names fields that the environment set (`messaging.auto_approve_within_limits`): they override the
    instances' files.
    """

    label: LabelPolicy = field(default_factory=LabelPolicy)
    candidates: CandidatePolicy = field(default_factory=CandidatePolicy)
    training: TrainingPolicy = field(default_factory=job_training_policy)
    promotion: PromotionPolicy = field(default_factory=PromotionPolicy)
    panel: PanelPolicy = field(default_factory=PanelPolicy)
    monitoring: MonitoringPolicy = field(default_factory=MonitoringPolicy)
    retrain: RetrainPolicy = field(default_factory=RetrainPolicy)
    messaging: MessagingPolicy = field(default_factory=MessagingPolicy)
    contact: ContactPolicy = field(default_factory=ContactPolicy)
    backtest: BacktestPolicy = field(default_factory=BacktestPolicy)
    landing: LandingPolicy = field(default_factory=LandingPolicy)
    retention: RetentionPolicy = field(default_factory=RetentionPolicy)
    price: PricePolicy = field(default_factory=PricePolicy)
    lift: LiftPolicy = field(default_factory=LiftPolicy)
    letterhead: Letterhead = field(default_factory=Letterhead)
    decided: tuple[str, ...] = ()


@dataclass(frozen=True)
class CallPolicy:
    """How many calls a day has.

    Attributes:
        recruiters: who calls, each once.
        calls_per_recruiter: on one day.
        calls_per_opening: people who are called about one opening.
        minimum_probability: of the outcome; nobody is called below it.
        minimum_days_between_calls: nobody is on the list again before; 1 means every day.
    """

    recruiters: tuple[str, ...] = ("Recruiter 1", "Recruiter 2", "Recruiter 3")
    calls_per_recruiter: int = 25
    calls_per_opening: int = 4
    minimum_probability: float = 0.0
    minimum_days_between_calls: int = 7

    def __post_init__(self) -> None:
        _bounded(self, calls_per_recruiter=(1, 200), calls_per_opening=(1, 1000), minimum_probability=(0, 1))
        _bounded(self, minimum_days_between_calls=(1, 365))
        if not self.recruiters or len(set(self.recruiters)) < len(self.recruiters) or not all(self.recruiters):
            raise InvalidInputError(f"CallPolicy.recruiters is {self.recruiters}; name each who calls once")
