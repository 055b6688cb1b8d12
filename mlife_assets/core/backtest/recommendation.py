"""Which policy the history speaks for, with the evidence in sentences.

Belongs here: the rule and its words. Does not belong here: estimates (`measure`), the replay (`replay`).

Concept: a policy is *as good* as the best when the lower bound of its difference from it lies above minus the margin.
Of those that are as good, `governed` is recommended, because it is the only one that asks before it changes anything;
where it is not among them, the one that trains least. What the replay cannot show is said too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlife_assets.core.backtest.measure import Measured
from mlife_assets.core.backtest_policy import BacktestPolicy
from mlife_assets.core.statistics import Interval

GOVERNED, FROZEN, NAIVE = "governed", "frozen", "naive"
WORDS = {
    "governed": "governed retraining",
    "frozen": "the frozen model",
    "naive": "naive retraining",
    "every_alarm": "retraining on every alarm",
}


@dataclass(frozen=True)
class Recommendation:
    """The policy that the history speaks for.

    Attributes:
        policy: its name.
        is_settled: whether every other policy is known not to be better by more than the margin.
        sentences: the evidence, the verdict first.
    """

    policy: str
    is_settled: bool
    sentences: tuple[str, ...]


def recommend(
    measured: Measured, trainings: Mapping[str, int], policy: BacktestPolicy, within_periods: Mapping[str, float]
) -> Recommendation:
    """Return the recommendation.

    Args:
        measured: average precision and differences over the replay.
        trainings: how often each policy trained.
        policy: the margin, fixed before the replay.
        within_periods: average precision of each period alone, averaged; mentioned where it contradicts.
    """
    margin = policy.margin_average_precision
    good = [n for n in measured.scores if n == measured.best or measured.against_best[n].lower > -margin]
    if GOVERNED in good:
        chosen = GOVERNED
    else:
        chosen = min(good, key=lambda name: (trainings[name], -measured.scores[name].average_precision.estimate))
    lead = (
        f"Recommended: {WORDS[chosen]} (average precision {_value(measured.scores[chosen].average_precision)}, "
        f"{_times(trainings[chosen])})."
    )
    sentences = [lead]
    for name, difference in measured.differences.items():
        sentences.append(_compared(name, difference, margin, trainings))
    if chosen != GOVERNED:
        sentences.append(
            f"Governed retraining {'is' if _is_worse(measured, margin) else 'may be'} worse than "
            f"{WORDS[measured.best]} by more than the margin on this history, so it is not recommended; its decisions "
            "say what it did and why."
        )
    elif FROZEN in good and trainings[GOVERNED] > trainings[FROZEN]:
        sentences.append(
            f"The frozen model did as well: on this history nothing had to be learned again. Governed retraining cost "
            f"{trainings[GOVERNED] - trainings[FROZEN]} more trainings and is what notices when that ends."
        )
    sentences += _contradiction(within_periods, chosen, margin)
    is_settled = all(name == chosen or _between(measured, chosen, name).lower > -margin for name in measured.scores)
    if not is_settled:
        sentences.append("The interval is too wide to rule out that another policy is better by more than the margin.")
    return Recommendation(chosen, is_settled, tuple(sentences))


def _contradiction(within_periods: Mapping[str, float], chosen: str, margin: float) -> list[str]:
    """Return what to say when another policy orders the rows of single periods better by more than the margin."""
    best = max(within_periods, key=lambda name: (within_periods[name], name == chosen))
    gap = within_periods[best] - within_periods[chosen]
    if gap <= margin:
        return []
    return [
        f"Within single periods {WORDS[best]} orders rows better: average precision {within_periods[best]:.3f} "
        f"against {within_periods[chosen]:.3f} of {WORDS[chosen]}. The ranking of all rows also rewards knowing when "
        "it happens often; where only rows of like days compete, weigh this more."
    ]


def _is_worse(measured: Measured, margin: float) -> bool:
    return measured.against_best[GOVERNED].upper < -margin


def _between(measured: Measured, one: str, other: str) -> Interval:
    """Return the difference that was measured between the chosen policy and another, or with the best."""
    if one == GOVERNED:
        return measured.differences[other]
    if other == measured.best:
        return measured.against_best[one]
    flipped = measured.against_best[other] if one == measured.best else None
    if flipped is not None:
        return Interval(-flipped.estimate, -flipped.upper, -flipped.lower, flipped.level, flipped.n)
    return measured.against_best[one]


def _compared(name: str, difference: Interval, margin: float, trainings: Mapping[str, int]) -> str:
    if difference.lower > 0:
        verdict = "is better than"
    elif difference.lower > -margin:
        verdict = f"is not worse by more than {margin:g} than"
    elif difference.upper < -margin:
        verdict = f"is worse by more than {margin:g} than"
    else:
        verdict = f"may be worse by more than {margin:g} than"
    return (
        f"Governed retraining {verdict} {WORDS[name]}: difference {difference.estimate:+.4f} ({difference.lower:+.4f} "
        f"to {difference.upper:+.4f}), {_times(trainings[GOVERNED])} against {trainings[name]}."
    )


def _value(interval: Interval) -> str:
    return f"{interval.estimate:.3f} ({interval.lower:.3f} to {interval.upper:.3f})"


def _times(count: int) -> str:
    return f"{count:,} training{'' if count == 1 else 's'}"
