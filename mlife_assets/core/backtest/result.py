"""What a replay found: frozen results and their JSON form.

Belongs here: the records and how they are written. Does not belong here: how they come about (`replay`), the page
(`page`).

Concept: the same inputs give the same bytes, so nothing that was measured with a clock is part of the result.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from mlife_assets.core.backtest.contestants import Decision
from mlife_assets.core.backtest.recommendation import Recommendation
from mlife_assets.core.statistics import Interval
from mlife_assets.core.training.label_times import LabelTimes


@dataclass(frozen=True)
class Period:
    """A run of days of the replay; values are None where the rows have one class only.

    Attributes:
        first_day: first day.
        last_day: last day.
        rows: served.
        positives: among them.
        matured: labels that became complete on these days, of rows served since the replay began.
        pending: labels of served rows that were not complete on the last day.
        average_precision: by policy, of these rows alone.
        log_loss: by policy.
    """

    first_day: date
    last_day: date
    rows: int
    positives: int
    matured: int
    pending: int
    average_precision: dict[str, float | None]
    log_loss: dict[str, float | None]


@dataclass(frozen=True)
class Score:
    """How well a policy did.

    Attributes:
        average_precision: of all rows in one ranking, with its interval.
        within_periods: average precision of each period alone, averaged over periods by their positives.
        log_loss: mean log loss, in nats.
    """

    average_precision: Interval
    within_periods: Interval
    log_loss: float


@dataclass(frozen=True)
class PolicyResult:
    """What one policy did and how well.

    Attributes:
        name: of the policy.
        score: how well it did by each criterion.
        trainings: decisions to train that were carried out, the first champion included.
        fits: models fitted for them, each once: those that the gate judged count as those that served.
        fitted_rows: rows that all fits together learned from.
        installations: models that served after the first champion.
        refusals: challengers that the gate refused.
        decisions: one per morning on which something was decided.
    """

    name: str
    score: Score
    trainings: int
    fits: int
    fitted_rows: int
    installations: int
    refusals: int
    decisions: tuple[Decision, ...]


@dataclass(frozen=True)
class BacktestResult:
    """What a replay found.

    Attributes:
        title: what the model answers.
        source: where the data comes from.
        content_hash: of rows, roles and policies.
        first_day: of the history.
        start_day: first day that was served.
        last_day: of the history.
        rows: served.
        positives: among them.
        windows: of monitoring during the replay.
        policies: in the order of the contestants.
        differences: average precision of `governed` minus that of each other.
        gains: criterion -> other policy -> by how much `governed` is better, the first one being `differences`.
        margin: how much worse `governed` may be.
        periods: in order.
        recommendation: the verdict.
        label_times: whether one outcome is known earlier than the other, in which case every policy learns a lie.
        notes: what a reader has to know before anything else, the gravest first; mostly empty.
        settings: the policies as they were, by name.
        limits: what the replay cannot show.
    """

    title: str
    source: str
    content_hash: str
    first_day: date
    start_day: date
    last_day: date
    rows: int
    positives: int
    windows: int
    policies: tuple[PolicyResult, ...]
    differences: dict[str, Interval]
    gains: dict[str, dict[str, Interval]]
    margin: float
    periods: tuple[Period, ...]
    recommendation: Recommendation
    label_times: LabelTimes
    notes: tuple[str, ...]
    settings: dict[str, dict[str, Any]]
    limits: tuple[str, ...]

    def policy(self, name: str) -> PolicyResult:
        """Return the result of a policy by name."""
        return next(one for one in self.policies if one.name == name)

    def to_record(self) -> dict[str, Any]:
        """Return the JSON-able form; dates are left as dates."""
        return asdict(self)


@dataclass(frozen=True)
class Cost:
    """Seconds that the fits of each policy took where they were computed, by policy."""

    fit_seconds: dict[str, float]
