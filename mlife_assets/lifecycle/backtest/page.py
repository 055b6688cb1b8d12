"""The page of a replay: one self-contained HTML document, and its small picture as PNG bytes for metadata.

Concept: one string in, one file out. The page loads nothing; without its script it still shows everything. All charts
share one time axis that begins with the replay. Quality is drawn by period, actions by day.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mlife_assets.core.pages import Link, Markup, join, page, reading_script, render
from mlife_assets.core.pages.charts.days import Lane, Run, Sign, render_chart, render_lanes
from mlife_assets.core.pages.charts.intervals import Difference, forest
from mlife_assets.core.pages.charts.values import (
    GLYPHS,
    MISSING,
    Chart,
    DailyValue,
    Form,
    Marker,
    MarkerKind,
    Role,
    Series,
    format_day,
    format_value,
)
from mlife_assets.core.pictures import palette_png
from mlife_assets.core.statistics import Interval
from mlife_assets.lifecycle.backtest.contestants import Decision
from mlife_assets.lifecycle.backtest.result import WORDS, BacktestResult, Cost, Period, PolicyResult

COLOURS = {
    "governed": "#2563c9",
    "frozen": "#8a9099",
    "naive": "#c2560c",
    "every_alarm": "#0f8577",
    "constant": "#8a9099",
}
STYLES = {"governed": "-", "frozen": "-", "naive": "--", "every_alarm": ":", "constant": ":"}
TICKS_MAXIMUM = 9
MARKS = {"installed": ("^", "#7446c9"), "refused": ("D", "#a86a00"), "block": ("s", "#b3261e")}
DECISIONS_SHOWN = 60
DESCRIPTIONS = {
    "governed": "a refit by the calendar, at once in drift, never on faulty data",
    "frozen": "the first champion for ever",
    "naive": "a refit by the calendar, whatever the data",
    "every_alarm": "a refit whenever drift alarms",
    "constant": "one probability for everybody, no model",
}
LOOKS: dict[str, tuple[Role, Form]] = {
    "governed": ("main", "line"),
    "frozen": ("muted", "line"),
    "naive": ("rival", "dashed"),
    "every_alarm": ("accent", "dashed"),
    "constant": ("muted", "dashed"),
}
SIGNS: dict[str, tuple[str, str]] = {
    "installed": (GLYPHS["promoted"], "installed"),
    "refused": (GLYPHS["refused"], "refused: something spoke against it"),
    "block": (GLYPHS["block"], "blocked by data quality"),
    "failed": ("M-4 -4L4 4M4 -4L-4 4", "could not be trained or judged"),
}
WIDTH, HEIGHT = 560.0, 220.0
_MARKERS: dict[str, MarkerKind] = {"installed": "promoted", "refused": "refused", "block": "block"}


def render_backtest(result: BacktestResult, cost: Cost, nav: Sequence[Link] = ()) -> str:
    """Return the page of a replay as one self-contained HTML document; `nav` links to other pages."""
    summary, decisions = decision_rows(result)
    body = render(
        "backtest.html",
        result=result,
        span=span_words(result),
        tiles=tiles(result),
        columns=POLICY_COLUMNS,
        policies=policy_rows(result, cost),
        note=policies_note(result),
        differences=differences(result),
        lanes=lanes(result),
        signs=signs_used(result),
        quality=quality_charts(result),
        work=work_charts(result),
        summary=summary,
        decisions=decisions,
        settings=setting_rows(result),
    )
    title = f"{result.title}: replay of {result.start_day} to {result.last_day}"
    return page(title, body, nav=nav, script=reading_script(), is_wide=True)


@dataclass(frozen=True)
class PolicyRow:
    """One policy of the table: each cell a value and, below it, its interval."""

    name: str
    description: str
    cells: tuple[tuple[str, str], ...]
    is_chosen: bool


@dataclass(frozen=True)
class DecisionRow:
    """One decision of governed: the most informative sentences, and the rest."""

    decision: Decision
    reason: str
    more: tuple[str, ...]


POLICY_COLUMNS = (
    "Policy",
    ">Average precision",
    ">Governed minus it",
    ">Within periods",
    ">Governed minus it",
    ">Log loss",
    ">Governed is better by",
    ">Trainings",
    ">Fits",
    ">Refused",
    ">Installed",
    ">Rows fitted",
    ">Seconds fitting",
)


def tiles(result: BacktestResult) -> tuple[tuple[str, str, str], ...]:
    """Return label, value and detail of the key figures."""
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
            "Refits of governed",
            f"{governed.installations:,}",
            f"of {governed.trainings:,} trainings; naive {naive.installations:,} of {naive.trainings:,}",
        ),
        ("Rows served", format_value(result.rows, "count"), f"{result.positives / result.rows:.1%} positive"),
    )


def span_words(result: BacktestResult) -> str:
    """Return the replayed days in words."""
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
    pooled, within = one.score.average_precision, one.score.within_periods
    versus = [by_other.get(one.name) for by_other in result.gains.values()]
    pooled_gain, within_gain, loss_gain = (
        (MISSING, "") if gain is None else (f"{gain.estimate:+.4f}", _range(gain)) for gain in versus
    )
    cells = (
        (f"{pooled.estimate:.4f}", _bounds(pooled)),
        pooled_gain,
        (f"{within.estimate:.4f}", _bounds(within)),
        within_gain,
        (f"{one.score.log_loss:.4f}", ""),
        loss_gain,
        *((f"{count:,}", "") for count in (one.trainings, one.fits, one.refusals, one.installations, one.fitted_rows)),
        (f"{cost.fit_seconds[one.name]:,.1f}", ""),
    )
    return PolicyRow(one.name, DESCRIPTIONS[one.name], cells, one.name == result.recommendation.policy)


def policies_note(result: BacktestResult) -> str:
    """Return the explanation of the policies' columns."""
    backtest = result.settings["backtest"]
    return (
        f"Intervals of {100 * result.policies[0].score.average_precision.level:.0f} % from blocks of "
        f"{backtest['bootstrap_block_days']} days. Within periods: of each period's rows alone, averaged by positives. "
        "Trainings are decisions to train; fits are the models that they took, each charged once to every policy that "
        "asked for it. A twin of the first champion, fitted without the newest rows, shows its normal variation."
    )


def decision_rows(result: BacktestResult) -> tuple[str, list[DecisionRow]]:
    """Return a summary of governed's decisions, and its actions with reasons, the newest first.

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
    """Return the most informative sentence: the governor's reason, then why a fit does not serve."""
    cause = decision.sentences[1] if decision.sentences[0].startswith("Retraining is due") else first
    return f"{cause} {decision.sentences[-1]}" if decision.action == "refused" else cause


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or MISSING
    return str(value)


def _bounds(found: Interval) -> str:
    return f"{found.lower:.3f} to {found.upper:.3f}"


def _range(found: Interval) -> str:
    return f"{found.lower:+.4f} to {found.upper:+.4f}"


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
        subtitle="only mature labels may train, judge or alarm",
    )
    return join(render_chart(trainings), render_chart(labels))


def lanes(result: BacktestResult) -> Markup:
    """Return one lane per policy with a sign per action, and ticks for alarmed windows."""
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


def differences(result: BacktestResult) -> list[tuple[str, Markup]]:
    """Return each criterion and the gain of governed over each other policy, with intervals and the margin."""
    backtest, drawn = result.settings["backtest"], []
    for what, gains in result.gains.items():
        margin = backtest["margin_log_loss" if what == "log loss" else "margin_average_precision"]
        rows = [Difference(name, one.estimate, one.lower, one.upper, -margin) for name, one in gains.items()]
        spoken = "; ".join(f"{name} {one.estimate:+.4f}" for name, one in gains.items())
        drawn.append((what, forest(rows, f"Governed is better, by {what}, than: {spoken}")))
    return drawn


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


def plot_replay(result: BacktestResult) -> bytes:
    """Return a PNG: average precision of each policy by period, governed's actions, and cumulated trainings."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 4.6), dpi=90, layout="constrained")
    quality, work = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    days = [period.first_day for period in result.periods]
    for one in result.policies:
        look = {"color": COLOURS[one.name], "linestyle": STYLES[one.name], "linewidth": 1.4}
        values = [period.average_precision[one.name] for period in result.periods]
        known = [(day, value) for day, value in zip(days, values, strict=True) if value is not None]
        if known:
            quality.plot(*zip(*known, strict=True), label=one.name, **look)
        trained = sorted(d.day for d in one.decisions if d.challenger_version is not None)
        counts = [sum(day <= period.last_day for day in trained) for period in result.periods]
        work.plot(days, counts, drawstyle="steps-post", **look)
    foot = quality.get_ylim()[0]
    for action, (mark, colour) in MARKS.items():
        at = [decision.day for decision in result.policy("governed").decisions if decision.action == action]
        if at:
            label = f"governed: {action}"
            quality.plot(at, [foot] * len(at), mark, color=colour, markersize=5, clip_on=False, label=label)
    quality.set_ylabel("average precision", fontsize=8)
    work.set_ylabel("trainings", fontsize=8)
    quality.legend(fontsize=7, frameon=False, ncols=3)
    ticks = days[:: max(1, len(days) // TICKS_MAXIMUM)]
    work.set_xticks(ticks, [f"{day:%Y-%m-%d}" for day in ticks], rotation=30, ha="right")
    for axes in (quality, work):
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    return palette_png(figure)
