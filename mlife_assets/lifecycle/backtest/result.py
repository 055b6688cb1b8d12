"""Results of a replay: frozen records, their JSON form, and the recommended policy.

Concept: the same inputs give the same bytes, so measured times are not part of the result.

The recommendation is a weekly refit, or the constant where a weekly refit is not shown to beat it by more than the
margin: then no model is worth running. Policies with less work are reported and never recommended: those that lost
nothing on first halves of recorded histories lost more than weekly refits on the second (`benchmarks/replays.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from mlife_assets.core.statistics import Interval
from mlife_assets.core.training.label_times import LabelTimes
from mlife_assets.lifecycle.backtest.contestants import CONSTANT, GOVERNED, NAIVE, Decision
from mlife_assets.lifecycle.backtest.measure import Measured

WORDS = {
    "governed": "governed retraining",
    "frozen": "the frozen model",
    "naive": "naive retraining",
    "every_alarm": "retraining on every alarm",
    "constant": "one probability for everybody",
}


@dataclass(frozen=True)
class Work:
    """Work of a policy: trainings, and models installed after the first."""

    trainings: int
    installations: int


@dataclass(frozen=True)
class Recommendation:
    """The recommended policy.

    Attributes:
        policy: its name.
        sentences: the evidence, the verdict first.
    """

    policy: str
    sentences: tuple[str, ...]


def recommend(measured: Measured, work: Mapping[str, Work]) -> Recommendation:
    """Return the recommendation.

    Args:
        measured: every policy by every criterion, with the margins that were fixed before the replay.
        work: work of each policy, by name.
    """
    names = list(measured.average_precision.values)

    chosen = NAIVE if short_of_weekly(measured, CONSTANT) else CONSTANT
    score = measured.average_precision.interval(chosen)
    sentences = [f"Recommended: {WORDS[chosen]} (average precision {_value(score)}, {_done(work[chosen])})."]
    margins = ", ".join(f"{criterion.margin:g} of {what}" for what, criterion in measured.criteria.items())
    for name in names:
        if (work[name].installations, work[name].trainings) < (work[NAIVE].installations, work[NAIVE].trainings):
            short = " and ".join(short_of_weekly(measured, name))
            found = (
                f"may lose more than the margin by {short}" if short else f"lost at most the margin here ({margins})"
            )
            sentences.append(f"{WORDS[name].capitalize()} is less work than {WORDS[NAIVE]}, and {found}.")
    sentences += [_gains(measured, work, GOVERNED, name) for name in names if name != GOVERNED]
    return Recommendation(chosen, tuple(sentences + _of_constant(measured, names)))


def short_of_weekly(measured: Measured, name: str) -> list[str]:
    """Return the criteria by which a policy is not shown to lose at most the margin to weekly refits."""
    return [what for what, criterion in measured.criteria.items() if not criterion.is_as_good(name, NAIVE)]


def _gains(measured: Measured, work: Mapping[str, Work], one: str, other: str) -> str:
    gains = ", ".join(f"{what} {_range(criterion.gain(one, other))}" for what, criterion in measured.criteria.items())
    refits = f"{_counted(work[one].installations, 'refit')} against {work[other].installations}"
    return f"{WORDS[one].capitalize()} gains over {WORDS[other]}: {gains}; {refits}."


def _of_constant(measured: Measured, names: list[str]) -> list[str]:
    models = [name for name in names if name != CONSTANT]
    rankings = (measured.average_precision, measured.within_periods)
    ranks = [name for name in models if any(criterion.gain(name, CONSTANT).lower > 0 for criterion in rankings)]
    if not ranks:
        return [
            "Nothing is shown to beat one probability for everybody, the share that was positive at the start: on "
            "this history no model is shown to rank better than chance."
        ]
    worse = [name for name in models if measured.log_loss.gain(name, CONSTANT).upper < 0]
    said = []
    for is_ranking, advice in (
        (True, "rank by these models, and do not read their scores as probabilities"),
        (False, "these models are not shown to rank better either"),
    ):
        listed = [
            f"{WORDS[name]} ({_range(measured.log_loss.gain(name, CONSTANT))} nats)"
            for name in worse
            if (name in ranks) == is_ranking
        ]
        if listed:
            said.append(f"By log loss one probability for everybody is better than {', '.join(listed)}: {advice}.")
    return said


def _value(interval: Interval) -> str:
    return f"{interval.estimate:.3f} ({interval.lower:.3f} to {interval.upper:.3f})"


def _range(gain: Interval) -> str:
    return f"{gain.estimate + 0.0:+.4f} ({gain.lower + 0.0:+.4f} to {gain.upper + 0.0:+.4f})"  # avoids -0


def _done(work: Work) -> str:
    return f"{_counted(work.trainings, 'training')}, {_counted(work.installations, 'refit')}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


@dataclass(frozen=True)
class Period:
    """A run of days of the replay; values are None for rows of one class only.

    Attributes:
        first_day: first day.
        last_day: last day.
        rows: served.
        positives: among them.
        matured: labels of served rows that became complete on these days.
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
    """Results of a policy.

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
    """Actions and results of one policy.

    Attributes:
        name: of the policy.
        score: results by each criterion.
        trainings: executed decisions to train, including the first champion.
        fits: models fitted for them, each once.
        fitted_rows: training rows of all fits together.
        installations: models that served after the first champion.
        refusals: fits refused by a condition.
        decisions: one per morning with a decision.
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
    """Results of a replay.

    Attributes:
        title: the model's question, for people.
        source: origin of the data.
        content_hash: of rows, roles and policies.
        first_day: of the history.
        start_day: first served day.
        last_day: of the history.
        rows: served.
        positives: among them.
        windows: of monitoring during the replay.
        policies: in the order of the contestants.
        differences: average precision of `governed` minus that of each other.
        gains: criterion -> other policy -> gain of `governed`, the first one being `differences`.
        margin: allowed loss of `governed`.
        periods: in order.
        recommendation: the verdict.
        label_times: whether one outcome is known earlier than the other, which biases every policy.
        notes: warnings for the top of a report, the gravest first; mostly empty.
        settings: the policies used, by name.
        limits: limits of the replay.
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
    """Seconds of fitting, by policy, measured when computed."""

    fit_seconds: dict[str, float]
