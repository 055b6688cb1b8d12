"""The sentence that a manager reads first, and what stands behind it.

Belongs here: wording the state of model, drift and texting. Does not belong here: the figures (`figures`), charts.

Concept: one sentence of three clauses: how the model compares with recruiters, what drifts and why it lasts, what
texting earned over not texting. Each has a line below with its numbers, intervals and days. What is not shown is said
to be not shown; a difference whose interval holds zero is never called a gain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from mlife_assets.core.monitoring.retrain_decisions import ALARM_SUFFIX, QUALITY_UNKNOWN, UNIMPORTANT_SUFFIX
from mlife_assets.core.pages.charts.scales import format_day, format_span, format_value
from mlife_assets.core.statistics import Interval
from mlife_assets.recruiting.dashboard.data import DashboardData, Decision, ModelVersion, Ranking, ReportDigest, Texting

UNDECIDED = "not_enough_evidence"
"""Status of a monitoring report that neither alarms nor says that all is well."""
ALIKE_SHARE = 0.02
"""Share of the recruiters' MAP within which the model ranks about as well."""


@dataclass(frozen=True)
class Headline:
    """The sentence, and per clause a title with its evidence."""

    sentence: str
    evidence: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Clause:
    words: str
    evidence: str


def headline(data: DashboardData) -> Headline:
    """Return what a reader of ten seconds should know."""
    clauses = {"Ranking": _ranking(data.ranking), "Drift": _drift(data), "Texting": _texting(data.texting)}
    sentence = "; ".join(clause.words for clause in clauses.values()) + "."
    evidence = tuple((title, clause.evidence) for title, clause in clauses.items() if clause.evidence)
    return Headline(sentence[0].upper() + sentence[1:], evidence)


def alarmed_since(decisions: Sequence[Decision]) -> date | None:
    """Return the first day of the alarms that last until the newest decision; None when that day has none.

    A blocked day neither begins nor ends them: its data says nothing.
    """
    since = None
    for decision in sorted(decisions, key=lambda one: one.day, reverse=True):
        if any(code.endswith(ALARM_SUFFIX) for code in decision.codes):
            since = decision.day
        elif decision.verdict != "block":
            break
    return since


def _ranking(ranking: Ranking | None) -> _Clause:
    if ranking is None:
        return _Clause("no day is mature enough yet to say how well the model ranks", "")
    simple = "" if ranking.simple is None else f" and {ranking.simple:.3f} of the simple rule"
    evidence = (
        f"MAP@10 {ranking.model:.3f} against {ranking.human:.3f} of the recruiters' rule{simple}, mean of "
        f"{ranking.days} mature days from {format_day(ranking.first_day)} to {format_day(ranking.last_day)}."
    )
    if ranking.gain is not None:
        evidence += f" The mean difference of a day is {ranking.gain.lower:+.3f} to {ranking.gain.upper:+.3f}."
    return _Clause(f"the model {_ranks(ranking)} the recruiters' rule", evidence)


def _ranks(ranking: Ranking) -> str:
    difference, alike = ranking.model - ranking.human, ALIKE_SHARE * ranking.human
    if abs(difference) <= alike:
        return "ranks jobs about as well as"
    if difference < 0:
        return "ranks jobs worse than"
    if ranking.gain is None or ranking.gain.lower <= 0:
        return "is not shown to rank jobs better than"
    size = f"{100 * difference / ranking.human:.0f} % " if ranking.human else ""
    return f"ranks jobs {size}better than"


def _drift(data: DashboardData) -> _Clause:
    if not data.decisions:
        return _Clause("nothing was decided yet", "")
    newest = max(data.decisions, key=lambda decision: decision.day)
    if newest.verdict == "block":
        is_unknown = QUALITY_UNKNOWN in newest.codes
        words = (
            "the day is blocked because its data could not be judged" if is_unknown else "faulty data blocks the day"
        )
        return _Clause(words, f"{format_day(newest.day)}: {newest.sentences[0]}")
    since = alarmed_since(data.decisions)
    if since is None:
        return _Clause(_quiet(data.reports, newest), f"{format_day(newest.day)}: {newest.sentences[0]}")
    drift = f"drift since {format_day(since)}"
    today = f"{format_day(newest.day)}: {' '.join(newest.sentences[:2])}"
    tried = [one for one in data.models if one.registered_on >= since and one.outcome != "pending"]
    if not tried:
        return _Clause(f"{drift} is not answered yet", today)
    last = max(tried, key=lambda one: (one.registered_on, one.model_version))
    if last.outcome == "promoted":
        return _Clause(f"{drift} outlasts the new model of {format_day(last.registered_on)}", today)
    refused = [one for one in tried if one.outcome != "promoted"]
    return _Clause(f"{drift} lasts because {_refusal(refused)}", f"{_why(last)} {today}")


def _quiet(reports: Sequence[ReportDigest], newest: Decision) -> str:
    kinds = [one.name.removesuffix("_report").replace("_", " ") for one in reports if one.status == UNDECIDED]
    if not kinds:
        return "nothing that matters drifts"
    drift = "drift that matters" if any(code.endswith(UNIMPORTANT_SUFFIX) for code in newest.codes) else "drift"
    listed = ", ".join(kinds[:-1]) + " and " * (len(kinds) > 1) + kinds[-1]
    return f"no {drift} is shown; {listed} could not be judged"


def _refusal(refused: Sequence[ModelVersion]) -> str:
    days = " and ".join(format_day(day) for day in sorted({one.registered_on for one in refused}))
    models = "the model" if len(refused) == 1 else "the models"
    if any(one.outcome == "refused" for one in refused):
        return f"the gate refused {models} trained on {days}"
    return f"there was not enough evidence for {models} trained on {days}"


def _why(version: ModelVersion) -> str:
    reason = version.sentences[0] if version.sentences else "No reason was recorded."
    return (
        f"The gate on {format_day(version.registered_on)}: {reason} The champion stays, and the alarms last, because "
        "they compare today with what it was trained on."
    )


def _texting(found: Texting | None) -> _Clause:
    if found is None:
        return _Clause("it is not known yet what texting is worth", "")
    low, high = found.lift.lower, found.lift.upper
    bounds = f"{_signed(low)} to {_signed(high)}"
    span = format_span(found.first_day, found.last_day)
    evidence = (
        f"{span}: {format_value(found.treated_rate, 'share')} of {found.treated_users:,} people who may be "
        f"texted applied to a job, {format_value(found.holdout_rate, 'share')} of {found.holdout_users:,} who never "
        f"are: a difference of {_signed(found.lift.estimate)} points ({bounds})."
    )
    cost = f" It took {found.texts:,} texts and {found.opt_outs:,} opt-outs."
    if low > 0 or high < 0:
        verb = "more" if low > 0 else "fewer"
        size, ends = abs(found.lift.estimate), sorted((abs(low), abs(high)))
        words = (
            f"texting gets {100 * size:.1f} points {verb} people to apply than not texting "
            f"({100 * ends[0]:.1f} to {100 * ends[1]:.1f})"
        )
    else:
        words = f"texting is not shown to get more people to apply than not texting ({bounds} points)"
    if found.earned_usd is not None and found.texts:
        earned = found.earned_usd
        words += f", and {_money(earned, found.texts)}"
        evidence += f" Bids for all their applies, less those for as many of the others: {_range(earned)}."
        if earned.lower > 0:
            cost += f" It pays while a text costs less than {_range(_divided(earned, found.texts), cents=True)}."
    return _Clause(words, evidence + cost)


def _money(earned: Interval, texts: int) -> str:
    if earned.lower > 0:
        return f"its {texts:,} texts earned {_usd(earned.estimate, cents=False)} in bids {_bounds(earned)}"
    if earned.upper < 0:
        loss = Interval(-earned.estimate, -earned.upper, -earned.lower, earned.level, earned.n)
        return f"cost {_usd(loss.estimate, cents=False)} in bids {_bounds(loss)}"
    return f"is not shown to earn anything {_bounds(earned, ' in bids')}"


def _bounds(interval: Interval, unit: str = "") -> str:
    return f"({_usd(interval.lower, cents=False)} to {_usd(interval.upper, cents=False)}{unit})"


def _divided(interval: Interval, by: int) -> Interval:
    return Interval(interval.estimate / by, interval.lower / by, interval.upper / by, interval.level, interval.n)


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}"


def _range(interval: Interval, *, cents: bool = False) -> str:
    low, middle, high = (_usd(v, cents=cents) for v in (interval.lower, interval.estimate, interval.upper))
    return f"{middle} ({low} to {high})"


def _usd(value: float, *, cents: bool) -> str:
    sign = "-" if value < 0 else ""
    return f"{sign}${abs(value):,.{2 if cents else 0}f}"
