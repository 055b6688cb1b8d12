"""A small picture of a replay, as PNG bytes for metadata.

Belongs here: quality and trainings over time. Does not belong here: the page (`page`).

Concept: a picture is the same bytes for the same result.
"""

from __future__ import annotations

from mlife_assets.core.backtest.result import BacktestResult
from mlife_assets.core.pictures import palette_png

COLOURS = {
    "governed": "#2563c9",
    "frozen": "#8a9099",
    "naive": "#c2560c",
    "every_alarm": "#0f8577",
    "constant": "#8a9099",
}
STYLES = {"governed": "-", "frozen": "-", "naive": "--", "every_alarm": ":", "constant": ":"}
TICKS_MAXIMUM = 9
MARKS = {"promoted": ("^", "#7446c9"), "refused": ("D", "#a86a00"), "block": ("s", "#b3261e")}


def plot_replay(result: BacktestResult) -> bytes:
    """Return a PNG: average precision of each policy by period, with what governed did, and trainings cumulated."""
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
