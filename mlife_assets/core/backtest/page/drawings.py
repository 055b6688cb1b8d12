"""Charts of a replay: what is drawn together, and why.

Belongs here: series and words of each chart, lanes of decisions, differences with intervals. Does not belong here:
the charts themselves (`core.pages.charts`), tables.

Concept: everything shares one time axis that begins with the replay. Quality is drawn by period, what was done by day.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlife_assets.core.backtest.recommendation import WORDS
from mlife_assets.core.backtest.result import BacktestResult, Period, PolicyResult
from mlife_assets.core.pages import Markup, join
from mlife_assets.core.pages.charts.days import render_chart
from mlife_assets.core.pages.charts.intervals import Difference, forest
from mlife_assets.core.pages.charts.lanes import Lane, Run, Sign, render_lanes
from mlife_assets.core.pages.charts.scales import format_day
from mlife_assets.core.pages.charts.signs import GLYPHS
from mlife_assets.core.pages.charts.values import Chart, DailyValue, Form, Marker, MarkerKind, Role, Series

LOOKS: dict[str, tuple[Role, Form]] = {
    "governed": ("main", "line"),
    "frozen": ("muted", "line"),
    "naive": ("rival", "dashed"),
    "every_alarm": ("accent", "dashed"),
    "constant": ("muted", "dashed"),
}
SIGNS: dict[str, tuple[str, str]] = {
    "installed": (GLYPHS["retrain"], "installed without a gate"),
    "promoted": (GLYPHS["promoted"], "promoted by the gate"),
    "refused": (GLYPHS["refused"], "refused by the gate"),
    "block": (GLYPHS["block"], "blocked by data quality"),
    "failed": ("M-4 -4L4 4M4 -4L-4 4", "could not be trained or judged"),
}
WIDTH, HEIGHT = 560.0, 220.0
_MARKERS: dict[str, MarkerKind] = {"promoted": "promoted", "refused": "refused", "block": "block"}


def quality_charts(result: BacktestResult) -> Markup:
    """Return average precision, its cumulated shortfall from the best policy, log loss and the base rate by period."""
    span = (result.start_day, result.last_day)
    days = (result.periods[0].last_day - result.periods[0].first_day).days + 1
    markers = tuple(
        Marker(one.day, _MARKERS[one.action], one.model_version)
        for one in result.policy("governed").decisions
        if one.action in _MARKERS
    )
    charts = (
        Chart(
            "Average precision",
            _lines(result, lambda period, name: period.average_precision[name]),
            "score",
            span,
            width=WIDTH,
            height=HEIGHT,
            subtitle=f"of the rows of {days} days each, by the model that served; markers are those of governed",
            markers=markers,
            from_zero=False,
        ),
        Chart(
            "Regret, cumulated",
            _regret(result),
            "score",
            span,
            width=WIDTH,
            height=HEIGHT,
            subtitle=f"average precision lost against {WORDS[_best(result)]}, the best within periods; each period "
            "counts by its positives",
            markers=markers,
            from_zero=True,
        ),
        Chart(
            "Log loss",
            _lines(result, lambda period, name: period.log_loss[name]),
            "score",
            span,
            width=WIDTH,
            height=HEIGHT,
            subtitle="of the probabilities that were served; lower is better",
            markers=markers,
            from_zero=False,
        ),
        Chart(
            "How often it happens",
            (Series("share of positive rows", _points(result, lambda p: p.positives / p.rows if p.rows else None)),),
            "share",
            span,
            width=WIDTH,
            height=HEIGHT,
            subtitle="a level that moves changes average precision for every policy alike",
        ),
    )
    return join(*(render_chart(chart) for chart in charts))


def work_charts(result: BacktestResult) -> Markup:
    """Return trainings cumulated by policy, and how labels matured."""
    span = (result.start_day, result.last_day)
    trainings = Chart(
        "Trainings, cumulated",
        tuple(Series(name, _points(result, _trained_by(result.policy(name))), *LOOKS[name]) for name in LOOKS),
        "count",
        span,
        width=WIDTH,
        height=HEIGHT,
        subtitle="decisions to train, the first champion included",
    )
    labels = Chart(
        "Labels",
        (
            Series("rows served", _points(result, lambda p: float(p.rows)), "muted", "bar"),
            Series("labels that matured", _points(result, lambda p: float(p.matured)), "main"),
            Series("served, label not yet mature", _points(result, lambda p: float(p.pending)), "rival", "dashed"),
        ),
        "count",
        span,
        width=WIDTH,
        height=HEIGHT,
        subtitle="only what has matured may train, judge or alarm",
    )
    return join(render_chart(trainings), render_chart(labels))


def lanes(result: BacktestResult) -> Markup:
    """Return one lane per policy with a sign for everything that it did, and ticks where its windows alarmed."""
    return render_lanes([_lane(one) for one in result.policies], (result.start_day, result.last_day))


def _lane(one: PolicyResult) -> Lane:
    return Lane(
        one.name,
        _done(one),
        runs=tuple(
            Run(d.day, d.day, "tick", f"{format_day(d.day, year=True)}: drift alarmed")
            for d in one.decisions
            if is_alarmed(d.codes)
        ),
        signs=tuple(
            Sign(
                d.day,
                d.action,
                SIGNS[d.action][0],
                f"{format_day(d.day, year=True)}: {d.action}\n{d.sentences[0]}",
            )
            for d in one.decisions
            if d.action in SIGNS
        ),
    )


def signs_used(result: BacktestResult) -> list[tuple[str, str, str]]:
    """Return kind, shape and words of the signs on the lanes."""
    used = {decision.action for one in result.policies for decision in one.decisions}
    return [(action, sign, words) for action, (sign, words) in SIGNS.items() if action in used]


def differences(result: BacktestResult) -> Markup:
    """Return average precision of governed minus that of each other, with intervals and the margin."""
    rows = [
        Difference(name, found.estimate, found.lower, found.upper, -result.margin)
        for name, found in result.differences.items()
    ]
    spoken = "; ".join(f"{name} {found.estimate:+.4f}" for name, found in result.differences.items())
    return forest(rows, f"Governed minus: {spoken}")


def is_alarmed(codes: Sequence[str]) -> bool:
    """Return whether a governor's codes hold an alarm of drift."""
    return any(code.endswith(("_alarm", "_alarm_unimportant")) for code in codes)


def _done(one: PolicyResult) -> str:
    parts = [f"{one.trainings} trained"]
    if one.refusals:
        parts.append(f"{one.refusals} refused")
    parts.append(f"{one.installations} installed")
    return ", ".join(parts)


def _lines(result: BacktestResult, value: Callable[[Period, str], float | None]) -> tuple[Series, ...]:
    def of(name: str) -> Callable[[Period], float | None]:
        return lambda period: value(period, name)

    return tuple(Series(name, _points(result, of(name)), *LOOKS[name]) for name in LOOKS)


def _points(result: BacktestResult, value: Callable[[Period], float | None]) -> tuple[DailyValue, ...]:
    return tuple(DailyValue(period.first_day, value(period)) for period in result.periods)


def _trained_by(one: PolicyResult) -> Callable[[Period], float]:
    days = sorted(d.day for d in one.decisions if d.challenger_version is not None)
    return lambda period: float(sum(day <= period.last_day for day in days))


def _best(result: BacktestResult) -> str:
    return max(result.policies, key=lambda one: one.score.within_periods.estimate).name


def _regret(result: BacktestResult) -> tuple[Series, ...]:
    best, lost = _best(result), {one.name: [0.0] for one in result.policies}
    for period in result.periods:
        ours = period.average_precision[best]
        for name, sums in lost.items():
            other = period.average_precision[name]
            weight = period.positives / max(1, result.positives)
            gap = 0.0 if ours is None or other is None else (ours - other) * weight
            sums.append(sums[-1] + gap)
    return tuple(
        Series(
            name,
            tuple(DailyValue(p.first_day, value) for p, value in zip(result.periods, lost[name][1:], strict=True)),
            *LOOKS[name],
        )
        for name in LOOKS
    )
