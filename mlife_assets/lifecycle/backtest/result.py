"""What a replay found: frozen results and their JSON form, and which policy they speak for.

Concept: the same inputs give the same bytes, so nothing that was measured with a clock is part of the result.

By a criterion a policy is *as good* as the best when the lower bound of its gain over it does not lie below minus the
margin. Of those that are as good by every criterion, the one that installs fewest models is recommended, then the one
that trains least: a model that is exchanged is work and a risk. Where none is shown to be, the estimates take the place
of the bounds, and where none of them is within the margin either, the smallest shortfall is named, of equal ones that
with least work. One probability for everybody is among them: where nothing beats it, no model is worth running.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from mlife_assets.core.statistics import Interval
from mlife_assets.core.training.label_times import LabelTimes
from mlife_assets.lifecycle.backtest.contestants import CONSTANT, FROZEN, GOVERNED, Decision
from mlife_assets.lifecycle.backtest.measure import Criterion, Measured

WORDS = {
    "governed": "governed retraining",
    "frozen": "the frozen model",
    "naive": "naive retraining",
    "every_alarm": "retraining on every alarm",
    "constant": "one probability for everybody",
}


@dataclass(frozen=True)
class Work:
    """What a policy did: decisions to train, and models that it installed after the first."""

    trainings: int
    installations: int


@dataclass(frozen=True)
class Recommendation:
    """The policy that the history speaks for.

    Attributes:
        policy: its name.
        is_settled: whether every other policy is known not to be better by more than the margin, by any criterion.
        sentences: the evidence, the verdict first.
    """

    policy: str
    is_settled: bool
    sentences: tuple[str, ...]


def recommend(measured: Measured, work: Mapping[str, Work]) -> Recommendation:
    """Return the recommendation.

    Args:
        measured: every policy by every criterion, with the margins that were fixed before the replay.
        work: what each policy did, by name.
    """
    criteria, names = measured.criteria, list(measured.average_precision.values)
    good = [name for name in names if not short_of_best(measured, name)]

    def by_work(name: str) -> tuple[float, ...]:
        return (work[name].installations, work[name].trainings, -measured.average_precision.values[name])

    candidates = good or [name for name in names if _worst_shortfall(measured, name) <= 0]
    if candidates:
        chosen = min(candidates, key=by_work)
    else:
        chosen = min(names, key=lambda name: (_worst_shortfall(measured, name), *by_work(name)))
    undecided = [
        name
        for name in names
        if name != chosen and not all(criterion.is_as_good(chosen, name) for criterion in criteria.values())
    ]
    is_settled = bool(good) and not undecided
    score = measured.average_precision.interval(chosen)
    what = f"{WORDS[chosen]} (average precision {_value(score)}, {_done(work[chosen])})"
    if good:
        lead = f"Recommended: {what}."
    else:
        lead = (
            "The history does not settle it: no policy is shown to be as good as the best by every criterion. By the "
            f"estimates alone it would be {what}."
        )
    sentences = [lead, *(_beside_best(criterion, name, chosen) for name, criterion in criteria.items())]
    sentences += [_compared(name, measured.average_precision, work) for name in names if name != GOVERNED]
    sentences += _of_governed(measured, work, chosen)
    sentences += _of_constant(measured, names)
    if good and undecided:
        listed = ", ".join(WORDS[name] for name in undecided)
        sentences.append(
            f"The intervals are too wide to rule out that another policy is better by more than the margin: {listed}."
        )
    sentences += _of_cheaper(measured, [name for name in names if name not in good and by_work(name) < by_work(chosen)])
    return Recommendation(chosen, is_settled, tuple(sentences))


def short_of_best(measured: Measured, name: str) -> list[str]:
    """Return the criteria by which a policy is not shown to be as good as the best."""
    return [what for what, criterion in measured.criteria.items() if not criterion.is_as_good(name, criterion.best)]


def _worst_shortfall(measured: Measured, name: str) -> float:
    """Return how far behind the best a policy is beyond the margin, by the estimates and the criterion that says most.

    At most 0 where it is within the margin by every criterion.
    """
    return max(
        -criterion.gain(name, criterion.best).estimate - criterion.margin for criterion in measured.criteria.values()
    )


def _beside_best(criterion: Criterion, what: str, chosen: str) -> str:
    best = criterion.best
    if best == chosen:
        return f"By {what} ({criterion.values[chosen]:.4f}) it is the best."
    gain = criterion.gain(chosen, best)
    verdict = "as good as" if criterion.is_as_good(chosen, best) else "not shown to be as good as"
    return f"By {what} it is {verdict} {WORDS[best]}, the best: gain {_range(gain)}, margin {criterion.margin:g}."


def _of_governed(measured: Measured, work: Mapping[str, Work], chosen: str) -> list[str]:
    if chosen == GOVERNED:
        return []
    short = short_of_best(measured, GOVERNED)
    if not short:
        more = work[GOVERNED].installations - work[chosen].installations
        said = f"Governed retraining is as good and installed {_counted(more, 'more model')}."
        if chosen in (FROZEN, CONSTANT):
            said += (
                " On this history nothing had to be learned again; governed retraining is what notices when that ends."
            )
        return [said]
    worst = {
        what: criterion.gain(GOVERNED, criterion.best).upper < -criterion.margin
        for what, criterion in measured.criteria.items()
        if what in short
    }
    verb = "is" if any(worst.values()) else "may be"
    return [
        f"Governed retraining {verb} worse than the best by more than the margin by {' and '.join(short)}; its "
        "decisions say what it did and why."
    ]


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
        (True, "rank by these models, and do not read what they say as probabilities"),
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


def _of_cheaper(measured: Measured, cheaper: list[str]) -> list[str]:
    """Return what to say of policies that do less and may be as good all the same."""
    open_ones = [
        WORDS[name]
        for name in cheaper
        if all(
            criterion.gain(name, criterion.best).upper > -criterion.margin for criterion in measured.criteria.values()
        )
    ]
    if not open_ones:
        return []
    return [f"Less work may do as well, which a longer history would show: {', '.join(open_ones)}."]


def _compared(name: str, criterion: Criterion, work: Mapping[str, Work]) -> str:
    gain, margin = criterion.gain(GOVERNED, name), criterion.margin
    if gain.lower > 0:
        verdict = "is better than"
    elif gain.lower > -margin:
        verdict = f"is not worse by more than {margin:g} than"
    elif gain.upper < -margin:
        verdict = f"is worse by more than {margin:g} than"
    else:
        verdict = f"may be worse by more than {margin:g} than"
    return (
        f"Governed retraining {verdict} {WORDS[name]}: difference {_range(gain)}, "
        f"{_counted(work[GOVERNED].installations, 'refit')} against {work[name].installations}."
    )


def _value(interval: Interval) -> str:
    return f"{interval.estimate:.3f} ({interval.lower:.3f} to {interval.upper:.3f})"


def _range(gain: Interval) -> str:
    return f"{gain.estimate + 0.0:+.4f} ({gain.lower + 0.0:+.4f} to {gain.upper + 0.0:+.4f})"  # no minus before 0


def _done(work: Work) -> str:
    return f"{_counted(work.trainings, 'training')}, {_counted(work.installations, 'refit')}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


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
        fits: models fitted for them, each once.
        fitted_rows: rows that all fits together learned from.
        installations: models that served after the first champion.
        refusals: fits that something spoke against.
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
