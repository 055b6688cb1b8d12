"""Charts of a replay: what is drawn together, and why.

Belongs here: series and words of each chart, lanes of decisions, differences with intervals. Does not belong here:
charts over days themselves (`core.dashboard.charts`), tables.

Concept: everything shares one time axis that begins with the replay. Quality is drawn by period, what was done by day.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlife_assets.core.backtest.recommendation import WORDS
from mlife_assets.core.backtest.result import BacktestResult, Period, PolicyResult
from mlife_assets.core.dashboard.charts import GLYPHS, Chart, Form, Role, Series, render_chart
from mlife_assets.core.dashboard.data import DailyValue, Marker, MarkerKind
from mlife_assets.core.dashboard.markup import Markup, element, number
from mlife_assets.core.dashboard.scales import day_ticks, fit_axis, format_day, format_tick

LOOKS: dict[str, tuple[Role, Form]] = {
    "governed": ("main", "line"),
    "frozen": ("muted", "line"),
    "naive": ("rival", "dashed"),
    "every_alarm": ("accent", "dashed"),
}
SIGNS: dict[str, tuple[str, str]] = {
    "installed": (GLYPHS["retrain"], "installed without a gate"),
    "promoted": (GLYPHS["promoted"], "promoted by the gate"),
    "refused": (GLYPHS["refused"], "refused by the gate"),
    "block": (GLYPHS["block"], "blocked by data quality"),
    "failed": ("M-4 -4L4 4M4 -4L-4 4", "could not be trained or judged"),
}
YEAR_TOLD_FROM_DAYS = 300
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
            subtitle=f"of the rows of {days} days each, by the model that served; markers are those of governed",
            markers=markers,
            from_zero=False,
        ),
        Chart(
            "Regret, cumulated",
            _regret(result),
            "score",
            span,
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
            subtitle="of the probabilities that were served; lower is better",
            markers=markers,
            from_zero=False,
        ),
        Chart(
            "How often it happens",
            (Series("share of positive rows", _points(result, lambda p: p.positives / p.rows if p.rows else None)),),
            "share",
            span,
            subtitle="a level that moves changes average precision for every policy alike",
        ),
    )
    return element("div", *(render_chart(chart) for chart in charts), class_="grid two")


def work_charts(result: BacktestResult) -> Markup:
    """Return trainings cumulated by policy, and how labels matured."""
    span = (result.start_day, result.last_day)
    trainings = Chart(
        "Trainings, cumulated",
        tuple(Series(name, _points(result, _trained_by(result.policy(name))), *LOOKS[name]) for name in LOOKS),
        "count",
        span,
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
        subtitle="only what has matured may train, judge or alarm",
    )
    return element("div", render_chart(trainings), render_chart(labels), class_="grid two")


def lanes(result: BacktestResult) -> Markup:
    """Return one lane per policy with a sign for everything that it did, and ticks where its windows alarmed."""
    width, left, right, top, tall = 1080.0, 206.0, 14.0, 10.0, 40.0
    height = top + tall * len(result.policies) + 26.0
    days = (result.last_day - result.start_day).days + 1
    step = (width - left - right) / days
    parts = []
    is_long = days > YEAR_TOLD_FROM_DAYS
    for day in day_ticks(result.start_day, result.last_day, 7 if is_long else 10):
        x = left + ((day - result.start_day).days + 0.5) * step
        parts.append(element("line", x1=x, x2=x, y1=top, y2=height - 22, class_="lane"))
        parts.append(element("text", format_day(day, year=is_long), x=x, y=height - 6, class_="tick mid"))
    for place, one in enumerate(result.policies):
        y = top + tall * (place + 0.5)
        parts.append(element("text", one.name, x=0, y=y - 2, class_="lane-name"))
        parts.append(element("text", _done(one), x=0, y=y + 13, class_="lane-count"))
        parts.append(element("line", x1=left, x2=width - right, y1=y, y2=y, class_="lane"))
        for decision in one.decisions:
            x = left + ((decision.day - result.start_day).days + 0.5) * step
            if is_alarmed(decision.codes):
                parts.append(element("line", x1=x, x2=x, y1=y + 9, y2=y + 15, class_="tick-alarm"))
            if decision.action in SIGNS:
                told = f"{format_day(decision.day, year=True)}: {decision.action}\n{decision.sentences[0]}"
                parts.append(
                    element(
                        "path",
                        d=SIGNS[decision.action][0],
                        transform=f"translate({number(x)} {number(y)})",
                        class_=f"mark m-{decision.action}",
                        data_tip=told,
                    )
                )
    used = {decision.action for one in result.policies for decision in one.decisions}
    keys = [
        element(
            "li",
            element(
                "svg",
                element("path", d=sign, class_=f"m-{action}"),
                viewBox="-7 -7 14 14",
                class_="glyph",
                aria_hidden="true",
            ),
            words,
        )
        for action, (sign, words) in SIGNS.items()
        if action in used
    ]
    keys.append(element("li", element("i", class_="key bar c-threshold"), "tick: governed was told of drift"))
    drawing = element(
        "svg",
        *parts,
        viewBox=f"0 0 {number(width)} {number(height)}",
        role="img",
        aria_label="What each policy did and when: " + "; ".join(f"{o.name} {_done(o)}" for o in result.policies),
    )
    caption = element("figcaption", element("h3", "What each policy did"), element("ul", *keys, class_="legend"))
    return element("figure", caption, element("div", drawing, class_="drawing lanes"), class_="card chart")


def differences(result: BacktestResult) -> Markup:
    """Return average precision of governed minus that of each other, with intervals and the margin."""
    width, left, right, row, top, bottom = 560.0, 96.0, 16.0, 38.0, 8.0, 28.0
    height = top + row * len(result.differences) + bottom
    bounds = [b for d in result.differences.values() for b in (d.lower, d.upper)]
    axis = fit_axis([*bounds, -result.margin, 0.0], from_zero=False)

    def across(value: float) -> float:
        return left + (value - axis.low) / (axis.high - axis.low) * (width - left - right)

    foot = height - bottom + 4
    parts = []
    for tick in axis.ticks:
        parts.append(element("line", x1=across(tick), x2=across(tick), y1=top, y2=foot, class_="lane"))
        label = format_tick(tick, "score", axis.step)
        parts.append(element("text", label, x=across(tick), y=height - 8, class_="tick mid"))
    for value, kind in ((0.0, "zero-line"), (-result.margin, "margin-line")):
        parts.append(element("line", x1=across(value), x2=across(value), y1=top, y2=foot, class_=kind))
    for place, (name, found) in enumerate(result.differences.items()):
        y = top + row * (place + 0.5)
        parts.append(element("text", name, x=0, y=y + 4, class_="lane-name"))
        parts.append(element("line", x1=across(found.lower), x2=across(found.upper), y1=y, y2=y, class_="interval"))
        for end in (found.lower, found.upper):
            parts.append(element("line", x1=across(end), x2=across(end), y1=y - 4, y2=y + 4, class_="interval"))
        parts.append(element("circle", cx=across(found.estimate), cy=y, r=4.5, class_="interval-dot"))
    told = "; ".join(f"{name} {d.estimate:+.4f}" for name, d in result.differences.items())
    drawing = element(
        "svg",
        *parts,
        viewBox=f"0 0 {number(width)} {number(height)}",
        role="img",
        aria_label=f"Governed minus: {told}",
    )
    caption = element(
        "figcaption",
        element("h3", "Governed minus each other, average precision over the replay"),
        element(
            "p",
            f"right of 0 governed is better; the dashed line is the margin of {result.margin:g} that was fixed before: "
            "an interval that lies right of it is not worse",
            class_="subtitle",
        ),
    )
    return element("figure", caption, element("div", drawing, class_="drawing small"), class_="card chart")


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
    return max(result.policies, key=lambda one: one.within_periods).name


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
