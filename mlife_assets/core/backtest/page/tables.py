"""Words and numbers of the page of a replay.

Belongs here: figures, policies side by side, decisions, settings, in words. Does not belong here: layout (the
template), drawings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlife_assets.core.backtest.contestants import Decision
from mlife_assets.core.backtest.result import BacktestResult, Cost, PolicyResult
from mlife_assets.core.pages.charts.scales import MISSING, format_day, format_value
from mlife_assets.core.statistics import Interval

DECISIONS_SHOWN = 60
_FITS = {
    True: "Governed fits one model for each fold that its gate judges, and one to serve; every_alarm one without the "
    "newest rows, to know what is normal, and one to serve.",
    False: "Governed and every_alarm serve models that were fitted without the newest rows, so that these say what is "
    "normal.",
}
DESCRIPTIONS = {
    "governed": "the governor decides, the gate judges",
    "frozen": "the first champion for ever",
    "naive": "a new model by the calendar, no gate",
    "every_alarm": "a new model whenever drift alarms, no gate",
    "constant": "one probability for everybody, no model",
}


@dataclass(frozen=True)
class PolicyRow:
    """One policy of the table: each cell a value and, below it, its interval."""

    name: str
    description: str
    cells: tuple[tuple[str, str], ...]
    is_chosen: bool


@dataclass(frozen=True)
class DecisionRow:
    """One decision of governed: the sentences that say most, and the rest."""

    decision: Decision
    reason: str
    more: tuple[str, ...]


POLICY_COLUMNS = (
    "Policy",
    ">Average precision",
    ">Governed minus it",
    ">Within periods",
    ">Log loss",
    ">Trainings",
    ">Fits",
    ">Refused",
    ">Installed",
    ">Rows fitted",
    ">Seconds fitting",
)


def tiles(result: BacktestResult) -> tuple[tuple[str, str, str], ...]:
    """Return label, value and detail of the figures that a reader looks for first."""
    governed, naive = result.policy("governed"), result.policy("naive")
    versus = result.differences
    return (
        (
            "Governed, average precision",
            f"{governed.score.average_precision.estimate:.3f}",
            _bounds(governed.score.average_precision),
        ),
        ("Governed minus frozen", f"{versus['frozen'].estimate:+.3f}", _range(versus["frozen"])),
        ("Governed minus naive", f"{versus['naive'].estimate:+.3f}", _range(versus["naive"])),
        (
            "Promotions of governed",
            f"{governed.installations:,}",
            f"of {governed.trainings:,} trainings; naive {naive.installations:,} of {naive.trainings:,}",
        ),
        ("Rows served", format_value(result.rows, "count"), f"{result.positives / result.rows:.1%} positive"),
    )


def span_words(result: BacktestResult) -> str:
    """Return which days were replayed."""
    span = f"{format_day(result.start_day, year=True)} to {format_day(result.last_day, year=True)}"
    warm = (result.start_day - result.first_day).days
    return (
        f"Replay of {span}, after {warm} days ({format_day(result.first_day, year=True)} on) for the first champion, "
        "which was installed ungated."
    )


def policy_rows(result: BacktestResult, cost: Cost) -> list[PolicyRow]:
    """Return the policies side by side."""
    return [_policy_row(result, cost, one) for one in result.policies]


def _policy_row(result: BacktestResult, cost: Cost, one: PolicyResult) -> PolicyRow:
    found, versus = one.score.average_precision, result.differences.get(one.name)
    cells = (
        (f"{found.estimate:.4f}", _bounds(found)),
        (MISSING, "") if versus is None else (f"{versus.estimate:+.4f}", _range(versus)),
        (f"{one.score.within_periods.estimate:.4f}", _bounds(one.score.within_periods)),
        (f"{one.score.log_loss:.4f}", ""),
        *((f"{count:,}", "") for count in (one.trainings, one.fits, one.refusals, one.installations, one.fitted_rows)),
        (f"{cost.fit_seconds[one.name]:,.1f}", ""),
    )
    return PolicyRow(one.name, DESCRIPTIONS[one.name], cells, one.name == result.recommendation.policy)


def policies_note(result: BacktestResult) -> str:
    """Return what the columns of the policies mean."""
    backtest = result.settings["backtest"]
    return (
        f"Intervals of {100 * result.policies[0].score.average_precision.level:.0f} % from blocks of "
        f"{backtest['bootstrap_block_days']} days. Within periods: of each period's rows alone, averaged by positives. "
        "Trainings are decisions to train; fits are the models that they took, each charged once to every policy that "
        f"asked for it. {_FITS[bool(backtest['gate_is_prequential'])]}"
    )


def decision_rows(result: BacktestResult) -> tuple[str, list[DecisionRow]]:
    """Return a summary of what governed decided, and what it did and why, the newest first.

    Decisions to wait are counted by their first reason.
    """
    one = result.policy("governed")
    acted = [decision for decision in one.decisions if decision.action != "wait"]
    waited = len(one.decisions) - len(acted)
    counts: dict[str, int] = {}
    for decision in one.decisions:
        if decision.action == "wait":
            counts[decision.codes[0]] = counts.get(decision.codes[0], 0) + 1
    why = ", ".join(f"{code.replace('_', ' ')} {count}" for code, count in sorted(counts.items()))
    summary = f"{waited:,} of {len(one.decisions):,} decisions were to wait" + (f" ({why})." if why else ".")
    shown = acted[-DECISIONS_SHOWN:][::-1]
    if len(shown) < len(acted):
        summary += f" The newest {len(shown)} of {len(acted)} others are shown; result.json has them all."
    return summary, [DecisionRow(one, _reason(one, one.sentences[0]), one.sentences[1:]) for one in shown]


def setting_rows(result: BacktestResult) -> list[tuple[str, str]]:
    """Return every setting as it was fixed before the replay."""
    return [
        (f"{policy}.{name}", _plain(value))
        for policy, fields in result.settings.items()
        for name, value in fields.items()
    ]


def _reason(decision: Decision, first: str) -> str:
    """Return the sentences that say most: the governor's reason, then the gate's verdict where there was one.

    That a promotion met all conditions says little, so its comparison with the champion is given too.
    """
    prefixes = ("Promoted", "Refused", "Not enough evidence")
    verdict = next((s for s in decision.sentences if s.startswith(prefixes)), None)
    cause = decision.sentences[1] if decision.sentences[0].startswith("Retraining is due") else first
    if verdict is None:
        return cause
    versus = ("The challenger is not inferior to the champion", "The challenger beats the champion")
    compared = [s for s in decision.sentences if decision.action == "promoted" and s.startswith(versus)]
    return " ".join((cause, verdict, *compared[:1]))


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or MISSING
    return str(value)


def _bounds(found: Interval) -> str:
    return f"{found.lower:.3f} to {found.upper:.3f}"


def _range(found: Interval) -> str:
    return f"{found.lower:+.4f} to {found.upper:+.4f}"
