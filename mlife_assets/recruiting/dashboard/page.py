"""The whole page: its headline, its charts and the values for the template.

Concept: one string in, one file out. The page loads nothing; without its script it still shows everything. The same
data gives the same bytes. The headline is one sentence of three clauses: how the model compares with recruiters, what
drifts and why it lasts, how texting compares with not texting. Each has a line below with its numbers, intervals and
days. A difference whose interval contains zero is never called a gain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.retrain_decisions import ALARM_SUFFIX, QUALITY_UNKNOWN, UNIMPORTANT_SUFFIX
from mlife_assets.core.pages import Markup, join, page, reading_script, render
from mlife_assets.core.pages.charts.days import render_chart
from mlife_assets.core.pages.charts.values import (
    GLYPHS,
    MARKER_NAMES,
    MISSING,
    Chart,
    DailyValue,
    Marker,
    Series,
    finite,
    format_day,
    format_span,
    format_value,
)
from mlife_assets.core.statistics import Interval
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.dashboard.data import (
    DashboardData,
    Decision,
    DriftSeries,
    DriftValue,
    Lift,
    ModelVersion,
    Ranking,
    ReportDigest,
    Suppression,
    Texting,
    lifecycle_markers,
    lift_words,
)
from mlife_assets.recruiting.dashboard.overview import KINDS, OUTCOMES, lanes, verdict_runs
from mlife_assets.recruiting.lift import ArmSums, PlannedShare

SHORT = 12
COLUMNS_SHOWN = 8
REASONS_NAMED = 3
CHANNELS = {"sms": "text", "email": "mail", "call": "call"}
STATUSES = {"ok": "ok", "alarm": "alarm", "not_enough_evidence": "not enough evidence"}

UNDECIDED = "not_enough_evidence"
"""Status of a monitoring report that neither alarms nor says that all is well."""
ALIKE_SHARE = 0.02
"""Share of the recruiters' MAP within which the model ranks about as well."""

LIFT_DRAWN = 2.0
"""Where the band of a lift is cut off, so that its first days leave room for the others."""
PANELS_MAXIMUM = 3
RECENT_DAYS = 7
_KIND_ORDER = tuple(KINDS)


@dataclass(frozen=True)
class ReasonRow:
    """One reason for not texting, its bar and its numbers."""

    name: str
    note: str
    share: float
    cells: tuple[str, ...]


def render_dashboard(data: DashboardData) -> str:
    """Return the dashboard as one self-contained HTML document.

    Raises:
        InvalidInputError: `first_date` lies after `as_of_date`.
    """
    if data.first_date > data.as_of_date:
        raise InvalidInputError(
            f"DashboardData.first_date {data.first_date} lies after as_of_date {data.as_of_date}; swap or correct them"
        )
    markers = lifecycle_markers(data)
    kinds = {marker.kind for marker in markers}
    body = render(
        "dashboard.html",
        package="mlife_assets.recruiting.dashboard",
        data=data,
        headline=headline(data),
        lanes=lanes(data, markers),
        signs=[(kind, GLYPHS[kind], MARKER_NAMES[kind]) for kind in GLYPHS if kind in kinds],
        model_charts=model_charts(data, markers),
        drift_panels=drift_panels(data, markers),
        detectors=detectors(data),
        production_charts=production_charts(data),
        reasons=_reasons(data.suppressions),
        held_back=_held_back(data),
        runs=verdict_runs(data.decisions),
        models=sorted(data.models, key=lambda m: (m.registered_on, m.model_version), reverse=True),
        outcomes=OUTCOMES,
        statuses=STATUSES,
        delta=_delta,
        lift_charts=lift_charts(data),
        plans=_plans(data),
        lift_words=lift_words,
        value=format_value,
        missing=MISSING,
        channels=CHANNELS,
        short=SHORT,
        columns_shown=COLUMNS_SHOWN,
    )
    title = f"mlife, {format_day(data.as_of_date, year=True)}"
    return page(title, body, nav=data.nav, script=reading_script(), is_wide=True)


def _held_back(data: DashboardData) -> str:
    """Return how many texts were held back on the days that are shown, and the reasons that did so most often."""
    suppressions = data.suppressions
    since = f" since {format_day(data.first_date)}" if data.is_cut else ""
    if not suppressions:
        return f"No text was held back{since}."
    total = sum(one.count for one in suppressions)
    named = ", ".join(f"{row.name} {row.cells[1]}" for row in _reasons(suppressions)[:REASONS_NAMED])
    return f"{total:,} texts were held back{since} by the rules that protect people ({named})."


def _reasons(suppressions: tuple[Suppression, ...]) -> list[ReasonRow]:
    rows = sorted(suppressions, key=lambda one: (-one.count, one.reason))
    total, largest = sum(one.count for one in rows), max((one.count for one in rows), default=0)
    return [
        ReasonRow(
            one.reason.replace("_", " "),
            "",
            one.count / largest if largest else 0.0,
            (format_value(one.count, "count"), format_value(one.count / total if total else None, "share")),
        )
        for one in rows
    ]


def _delta(delta: DailyValue | None) -> tuple[str, str]:
    """Return the difference that the gate measured, and its bounds."""
    if delta is None:
        return MISSING, ""
    value = format_value(delta.value, "score")
    signed = f"+{value}" if delta.value is not None and delta.value > 0 else value
    bounds = f"{format_value(delta.lower, 'score')} to {format_value(delta.upper, 'score')}"
    return signed, bounds if delta.lower is not None else ""


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
    """Return the summary for a reader who has ten seconds."""
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
    lift, now = found.lift, found.lift.newest
    if now.claim == "blanked":
        return _Clause("what texting is worth cannot be said, since its holdout is not as it should be", _blanked(lift))
    treated, holdout = lift.arms.treated, lift.arms.holdout
    evidence = (
        f"{format_span(lift.looks[0].day, now.day)}: {_per_hundred(treated)} applies per 100 of {treated.people:,} "
        f"people who may be texted, {_per_hundred(holdout)} of {holdout.people:,} who never are; {lift_words(lift)}."
    )
    cost = f" It took {found.texts:,} texts and {found.opt_outs:,} opt-outs."
    if now.claim == "not_known" or now.lift is None:
        return _Clause("it is not known yet whether texting gets more applies", evidence + cost)
    verb = "more" if now.claim == "shown" else "fewer"
    ends = sorted((abs(now.lift.lower), abs(now.lift.upper)))
    words = (
        f"texting gets {100 * abs(now.lift.estimate):.0f} % {verb} applies than not texting "
        f"({100 * ends[0]:.0f} to {100 * ends[1]:.0f} %)"
    )
    if now.earned is not None and found.texts:
        words += f", {_money(now.earned)}"
        if now.earned.lower > 0:
            each = [_usd(one / found.texts, cents=True) for one in (now.earned.lower, now.earned.upper)]
            cost += f" It pays while a text costs less than {each[0]} to {each[1]}."
    return _Clause(words, evidence + cost)


def _blanked(lift: Lift) -> str:
    words = lift_words(lift)
    remedy = "look for people whom the plan of one arm leaves out, or for a share that was changed"
    return f"{words[0].upper()}{words[1:]}. No figure of its arms can be used: {remedy}."


def _per_hundred(arm: ArmSums) -> str:
    return f"{100 * arm.total / max(1, arm.people):.1f}"


def _money(earned: Interval) -> str:
    low, middle, high = (_usd(one, cents=False) for one in (earned.lower, earned.estimate, earned.upper))
    if earned.lower > 0:
        return f"which brought {middle} more in bids ({low} to {high})"
    if earned.upper < 0:
        return f"which cost {_usd(-earned.estimate, cents=False)} in bids"
    return f"which is not shown to change bids ({low} to {high})"


def _usd(value: float, *, cents: bool) -> str:
    sign = "-" if value < 0 else ""
    return f"{sign}${abs(value):,.{2 if cents else 0}f}"


def lift_charts(data: DashboardData) -> Markup:
    """Return a chart of each application's lift to date, from the declared minimum on; open days are no numbers."""
    lifts = [(one.title, one.lift) for one in data.applications if one.lift is not None and one.lift.has_begun]
    return join(*(_lift_chart(data, title, lift) for title, lift in lifts))


def _lift_chart(data: DashboardData, title: str, lift: Lift) -> Markup:
    values = []
    if lift.newest.claim != "blanked":
        values = [
            DailyValue(one.day, one.lift.estimate, one.lift.lower, min(one.lift.upper, LIFT_DRAWN))
            for one in lift.looks
            if one.lift is not None and one.day >= data.first_date
        ]
        if lift.open_until is not None:
            values.append(DailyValue(data.as_of_date, None, pending_until=lift.open_until))
    return render_chart(Chart(title, (Series("lift to date", tuple(values)),), "share", data.span, lift_words(lift)))


def _plans(data: DashboardData) -> list[tuple[str, str, list[tuple[str, str, str]]]]:
    """Return by application its title, the recommended holdout in words, and a row per share."""
    found = []
    for title, lift in [(one.title, one.lift) for one in data.applications]:
        if lift is None or (best := lift.recommended) is None:
            continue
        rows = [(_percent(one.share), f"+{_percent(one.lift_in_six_weeks)}", _days(one)) for one in lift.plan]
        shows = (
            f"which shows +{_percent(lift.smallest)} after {_days(best)}" if best.days_to_smallest else "the largest"
        )
        found.append((title, f"{_percent(best.share)} is recommended, {shows}; it has {_percent(lift.share)}.", rows))
    return found


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _days(one: PlannedShare) -> str:
    return f"{one.days_to_smallest} days" if one.days_to_smallest else "over a year"


@dataclass(frozen=True)
class Detector:
    """A row of the table of detectors: its values in units of its limit, and when it alarmed."""

    name: str
    kind: str
    newest: str
    highest: str
    alarms: str


def model_charts(data: DashboardData, markers: Sequence[Marker]) -> Markup:
    """Return ranking quality and realised against estimated AUC of applies and clicks."""
    model, marks = data.model, tuple(markers)
    optional = (
        Series("model that it replaced", model.map_replaced, "main", "dashed"),
        Series("simple rule", model.map_simple, "accent", "dashed"),
    )
    ranking = Chart(
        "Ranking quality, MAP@10",
        (
            Series("model", model.map_realised),
            Series("recruiters' rule", model.map_human, "rival", "dashed"),
            *(one for one in optional if one.values),
            Series("random order", model.map_random, "muted"),
        ),
        "score",
        data.span,
        subtitle=model.map_cohort,
        markers=marks,
    )
    aucs = (
        ("applies", model.auc_estimated, model.auc_realised, "realised below the estimate: a sign of concept drift"),
        ("clicks", model.click_auc_estimated, model.click_auc_realised, "known days before applies are"),
    )
    charts = [
        Chart(
            f"AUC of {name}",
            (Series("estimated (CBPE)", estimated, "accent", "dashed"), Series("realised", realised)),
            "score",
            data.span,
            subtitle=words,
            markers=marks,
            from_zero=False,
        )
        for name, estimated, realised, words in aucs
    ]
    return join(*map(render_chart, (ranking, *charts)))


def drift_panels(data: DashboardData, markers: Sequence[Marker]) -> Markup:
    """Return three detectors that alarmed within a week: of each kind the farthest over its limit, then the next."""
    since = add_days(data.as_of_date, 1 - RECENT_DAYS)
    recent = [drift for drift in data.model.drift if any(v.is_alarm and v.day >= since for v in drift.values)]
    worst = sorted(recent, key=lambda drift: (-_highest(drift, since), drift.name))
    first_of_kind = {drift.kind: drift for drift in reversed(worst)}.values()
    shown = [*(d for d in worst if d in first_of_kind), *(d for d in worst if d not in first_of_kind)][:PANELS_MAXIMUM]
    marks = tuple(marker for marker in markers if marker.kind in ("retrain", "block"))
    return join(*(render_chart(_drift_chart(data, drift, marks)) for drift in shown))


def detectors(data: DashboardData) -> list[Detector]:
    """Return every detector with its newest and highest value, those that alarmed on most days first."""
    ordered = sorted(data.model.drift, key=lambda d: (-len(_alarms(d)), _KIND_ORDER.index(d.kind), d.name))
    return [_detector(drift) for drift in ordered]


def _detector(drift: DriftSeries) -> Detector:
    values = sorted(drift.values, key=lambda value: value.day)
    alarms = _alarms(drift)
    span = format_span(min(alarms), max(alarms)) if alarms else ""
    return Detector(
        drift.name,
        KINDS[drift.kind],
        _ratio_words(values[-1]) if values else MISSING,
        f"{_highest(drift, date.min):.2f}",
        f"{len(alarms)} of {len(values)} days, {span}" if alarms else "none",
    )


def _alarms(drift: DriftSeries) -> list[date]:
    return sorted(value.day for value in drift.values if value.is_alarm)


def _ratio(value: DriftValue) -> float | None:
    statistic, threshold = finite(value.statistic), finite(value.threshold)
    return None if statistic is None or not threshold else statistic / threshold


def _ratio_words(value: DriftValue) -> str:
    ratio = _ratio(value)
    return MISSING if ratio is None else f"{ratio:.2f}"


def _highest(drift: DriftSeries, since: date) -> float:
    return max((ratio for v in drift.values if v.day >= since and (ratio := _ratio(v)) is not None), default=0.0)


def _drift_chart(data: DashboardData, drift: DriftSeries, markers: tuple[Marker, ...]) -> Chart:
    inside = [v for v in drift.values if data.first_date <= v.day <= data.as_of_date]
    alarms = frozenset(v.day for v in inside if v.is_alarm)
    return Chart(
        drift.name,
        (
            Series("statistic", tuple(DailyValue(v.day, v.statistic) for v in inside), alarms=alarms),
            Series("limit", tuple(DailyValue(v.day, v.threshold) for v in inside), "threshold", "dashed"),
        ),
        "score",
        data.span,
        subtitle=f"{KINDS[drift.kind]}: the worst column in units of its limit",
        markers=markers,
        from_zero=False,
    )


def production_charts(data: DashboardData) -> Markup:
    """Return the charts of texting: volume, clicks, causal effect, money, vacancies, opt-outs."""
    p = data.production
    charts = (
        Chart(
            "Texts per day",
            (Series("sent", p.sent, "muted", "bar"), Series("delivered", p.delivered, "main", "bar")),
            "count",
            data.span,
        ),
        Chart(
            "Click-through rate",
            (Series("clicks per delivered text", p.click_through_rate),),
            "share",
            data.span,
            subtitle="by day of the text",
        ),
        Chart(
            "People with an apply, texted or not",
            (
                Series("may be texted", p.apply_rate_treated, "main", "whisker"),
                Series("holdout, never texted", p.apply_rate_holdout, "rival", "whisker"),
            ),
            "share",
            data.span,
            subtitle="by week, any cause, 95 % intervals",
        ),
        Chart(
            "Bids of applies after texts",
            (Series("by day of the text", p.revenue_usd, "main", "bar"),),
            "usd",
            data.span,
        ),
        Chart("Openings filled", (Series("of all posted so far", p.fill_rate),), "share", data.span),
        Chart(
            "Opt-outs per day",
            (Series("people who want no more texts", p.opt_outs, "rival", "bar"),),
            "count",
            data.span,
        ),
    )
    return join(*(render_chart(chart) for chart in charts))
