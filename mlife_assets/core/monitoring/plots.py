"""Small pictures of monitoring, as PNG bytes for metadata and the dashboard.

Concept: a picture is at most 40 KB (palette PNG) and the same bytes for the same input. A distance shows that a column
moved, two histograms on one axis show how. Both are shares of their own rows, so a day is compared with a reference of
many days, and each column has a panel of its own.

Performance is estimated from the scores; the band below is how far outcomes may fall short by chance. A realised line
that leaves the band is concept drift; both lines moving together is a change of the mix. Ranking quality per entity,
which the gate judges, has no limit of its own: days of few entities vary too much.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlife_assets.core.monitoring.columns import LABEL, Wording
from mlife_assets.core.monitoring.outcomes import METRICS
from mlife_assets.core.monitoring.reference import MonitoringReference, numbers
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport
from mlife_assets.core.monitoring.retrain_decisions import KINDS, RetrainDecision
from mlife_assets.core.pictures import palette_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_INCHES = 1.45
ESTIMATE, BAND, CHANCE, REPLACED = "#1f77b4", "#dce9f5", "#c9b37e", "#8c6bb1"
ALARM, QUIET, LINE = "#c0392b", "#7f8c9b", "#2c3e50"
UNIMPORTANT = "#eab5ae"
"""An alarm that does not count, because the model hardly uses the moved columns."""
VERDICT_COLOURS = {"retrain": "#1f77b4", "wait": "#c9d1d9", "block": ALARM}
BARS_MAXIMUM = 26
TICKS_MAXIMUM = 12
DECISIONS_SHOWN = 120
"""More days would be narrower than a pixel each and slow to draw."""
PANELS_MAXIMUM, PANELS_ACROSS = 18, 3
BINS, FEW_VALUES, CATEGORIES_MAXIMUM = 24, 12, 8
TAIL_PERCENT = 0.5
LABEL_CHARACTERS = 16
BEFORE = "#b9c2cc"
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PerformanceDay:
    """One metric of one outcome in the window of one day; `allowed` is its largest shortfall without an alarm."""

    as_of_date: date
    outcome: str
    metric: str
    estimated: float
    realised: float
    allowed: float | None = None

    @property
    def is_alarm(self) -> bool:
        """Whether the shortfall exceeds the allowed one."""
        return self.allowed is not None and self.estimated - self.realised > self.allowed


@dataclass(frozen=True)
class RankingDay:
    """MAP@k per entity of one day: the champion's, the rule's in use and a random order's.

    `simple` is the simple rule's and `replaced` the previous model's; None without one.
    """

    as_of_date: date
    champion: float
    human: float
    random: float
    simple: float | None = None
    replaced: float | None = None


def plot_performance(
    performance: Sequence[PerformanceDay], ranking: Sequence[RankingDay], words: Mapping[str, Wording]
) -> bytes:
    """Return a PNG with one panel per outcome and metric that has values, and one of MAP per entity, on one time axis.

    Outcomes are ordered as in `words`.
    """
    from matplotlib import dates
    from matplotlib.figure import Figure

    ticks: Any = dates  # the library has no types

    panels = [
        (outcome, metric, ordered)
        for outcome in words
        for metric in METRICS
        if (ordered := _ordered(performance, outcome, metric))
    ]
    height = 0.6 + PANEL_INCHES * max(1, len(panels) + bool(ranking))
    figure = Figure(figsize=(7.2, height), dpi=90)
    # Margins are fixed: computing them (`layout="constrained"`) costs twice the drawing.
    figure.subplots_adjust(left=0.065, right=0.99, bottom=0.35 / height, top=1 - 0.25 / height, hspace=0.3)
    if not panels and not ranking:
        figure.text(0.5, 0.5, "Not enough mature labels yet.", ha="center", va="center", fontsize=9)
        return palette_png(figure)
    axes = list(figure.subplots(len(panels) + bool(ranking), 1, sharex=True, squeeze=False)[:, 0])
    for place, (outcome, metric, days) in zip(axes, panels, strict=False):
        _draw_metric(place, days, f"{METRICS[metric]} of {words[outcome].plural}")
    if ranking:
        _draw_ranking(axes[-1], sorted(ranking, key=lambda one: one.as_of_date), words[LABEL].plural)
    for place in axes:
        place.tick_params(labelsize=7)
        place.margins(x=0.02)
    axes[-1].xaxis.set_major_locator(ticks.AutoDateLocator(minticks=1, maxticks=8))
    axes[-1].xaxis.set_major_formatter(ticks.DateFormatter("%m-%d"))
    return palette_png(figure)


def _ordered(performance: Sequence[PerformanceDay], outcome: str, metric: str) -> list[PerformanceDay]:
    chosen = [one for one in performance if (one.outcome, one.metric) == (outcome, metric)]
    return sorted(chosen, key=lambda one: one.as_of_date)


def _draw_metric(axes: Axes, days: Sequence[PerformanceDay], title: str) -> None:
    limited = [one for one in days if one.allowed is not None]
    lower = [one.estimated - (one.allowed or 0.0) for one in limited]
    axes.fill_between(_dates(limited), lower, [one.estimated for one in limited], color=BAND, label="allowed")
    axes.plot(
        _dates(days), [one.estimated for one in days], "--", color=ESTIMATE, linewidth=1, label="estimated (CBPE)"
    )
    axes.plot(_dates(days), [one.realised for one in days], ".-", color=LINE, linewidth=1.2, label="realised")
    alarms = [one for one in days if one.is_alarm]
    axes.plot(_dates(alarms), [one.realised for one in alarms], "o", color=ALARM, markersize=5)
    _titled(axes, title)


def _dates(days: Sequence[PerformanceDay] | Sequence[RankingDay]) -> list[Any]:
    return [one.as_of_date for one in days]


def _draw_ranking(axes: Axes, days: Sequence[RankingDay], positives: str) -> None:
    for name, label, colour in (
        ("champion", "model", LINE),
        ("replaced", "replaced model", REPLACED),
        ("simple", "simple rule", ESTIMATE),
        ("human", "rule in use", QUIET),
        ("random", "random", CHANCE),
    ):
        known = [one for one in days if getattr(one, name) is not None]
        if known:
            values = [getattr(one, name) for one in known]
            axes.plot(_dates(known), values, color=colour, linewidth=1.2, marker=".", label=label)
    axes.set_ylim(bottom=0)
    _titled(axes, f"MAP per user, by day of exposure ({positives})")


def _titled(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=8, loc="left")
    axes.legend(fontsize=6, ncols=3, frameon=False, loc="lower right", bbox_to_anchor=(1, 0.97))


def plot_findings(report: MonitoringReport) -> bytes:
    """Return a PNG of every finding as a bar in units of its limit, with the importance of its columns, if known.

    Bars beyond the line at 1 alarm.
    """
    from matplotlib.figure import Figure

    shown = [finding for finding in report.findings if finding.threshold > 0][:BARS_MAXIMUM][::-1]
    figure = Figure(figsize=(6.4, 1.2 + 0.22 * max(len(shown), 1)), dpi=90, layout="constrained")
    axes = figure.add_subplot()
    ratios = [min(finding.statistic / finding.threshold, 3.0) for finding in shown]
    labels = [_label(finding) for finding in shown]
    axes.barh(range(len(shown)), ratios, color=[ALARM if finding.is_alarm else QUIET for finding in shown])
    axes.axvline(1.0, color=LINE, linewidth=1)
    axes.set_yticks(range(len(shown)), labels, fontsize=7)
    axes.tick_params(axis="x", labelsize=7)
    axes.set_xlim(0, 3)
    axes.set_xlabel("statistic as a multiple of its limit (cut at 3)", fontsize=7)
    axes.set_title(f"{report.name} {report.as_of_date}: {report.status.replace('_', ' ')}", fontsize=9, loc="left")
    return palette_png(figure)


def plot_decisions(decisions: Sequence[RetrainDecision]) -> bytes:
    """Return a PNG strip of the newest days' verdicts, and below it the kinds that alarmed, pale where unimportant."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    ordered = sorted(decisions, key=lambda decision: decision.as_of_date)[-DECISIONS_SHOWN:]
    figure = Figure(figsize=(7.2, 1.9), dpi=90, layout="constrained")
    axes = figure.add_subplot()
    rows = ["verdict", *KINDS]
    for decision in ordered:
        left = (decision.as_of_date - ordered[0].as_of_date).days - 0.45
        axes.barh(0, 0.9, left=left, height=0.8, color=VERDICT_COLOURS[decision.verdict])
        for row, kind in enumerate(KINDS, start=1):
            axes.barh(row, 0.9, left=left, height=0.8, color=_alarm_colour(decision, kind))
    axes.set_yticks(range(len(rows)), rows, fontsize=7)
    axes.invert_yaxis()
    if ordered:
        step = -(-len(ordered) // TICKS_MAXIMUM)
        ticks = [(day.as_of_date - ordered[0].as_of_date).days for day in ordered[::step]]
        axes.set_xticks(ticks, [f"{day.as_of_date:%m-%d}" for day in ordered[::step]])
    axes.tick_params(axis="x", labelsize=7)
    keys = [Patch(color=colour, label=verdict) for verdict, colour in VERDICT_COLOURS.items()]
    axes.legend(handles=keys, fontsize=7, ncols=3, loc="lower left", bbox_to_anchor=(0, 1), frameon=False)
    return palette_png(figure)


def _label(finding: Finding) -> str:
    share = "" if finding.importance_share is None else f"{finding.importance_share:.1%}"
    return " ".join(filter(None, (finding.column, f"({finding.method})", share)))


def _alarm_colour(decision: RetrainDecision, kind: str) -> str:
    if kind in decision.alarms:
        return ALARM
    return UNIMPORTANT if kind in decision.unimportant_alarms else "#eef1f4"


def plot_moved(report: MonitoringReport, reference: MonitoringReference, pairs: pa.Table) -> bytes | None:
    """Return a PNG with a histogram of the reference and one of the day for every column that moved.

    Columns are those of the report's alarms, in its order, that both the reference and `pairs`, the sample of the day,
    hold; None when there is none.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    there = {*reference.sample.column_names} & {*pairs.column_names}
    moved = [name for name in report.moved_columns if name in there]
    if not moved:
        return None
    shown = moved[:PANELS_MAXIMUM]
    across = min(len(shown), PANELS_ACROSS)
    rows = -(-len(shown) // across)
    figure = Figure(figsize=(max(5.2, 2.6 * across), 0.5 + 1.8 * rows), dpi=90, layout="constrained")
    panels = figure.subplots(rows, across, squeeze=False).ravel()
    for panel, name in zip(panels, shown, strict=False):
        if pa.types.is_string(reference.sample[name].type):
            panel.set_xlabel("% of pairs", fontsize=6)
            _draw_categories(panel, reference.sample[name], pairs[name].cast(pa.string()))
        else:
            panel.set_ylabel("% of pairs", fontsize=6)
            _draw_numbers(panel, numbers(reference.sample, name), numbers(pairs, name))
        panel.set_title(name, fontsize=8, loc="left")
        panel.tick_params(labelsize=6)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels[len(shown) :]:
        panel.set_axis_off()
    first, last = reference.days[0], reference.days[-1]
    more = f"; {len(moved) - len(shown)} more columns moved" if len(moved) > len(shown) else ""
    keys = [
        Patch(color=BEFORE, label=f"reference, {first} to {last}"),
        Patch(facecolor="none", edgecolor=ALARM, label=f"{report.as_of_date}{more}"),
    ]
    figure.legend(handles=keys, fontsize=8, ncols=2, loc="outside upper left", frameon=False)
    return palette_png(figure)


def _draw_numbers(axes: Axes, before: Array, after: Array) -> None:
    before, after = (side[np.isfinite(side)] for side in (before, after))
    both = np.concatenate([before, after])
    if not len(both):
        axes.text(0.5, 0.5, "no values", ha="center", va="center", fontsize=7, color=QUIET, transform=axes.transAxes)
        return
    values = np.unique(both)
    if len(values) <= FEW_VALUES:
        middles = (values[1:] + values[:-1]) / 2
        margin = float(np.diff(values).min()) / 2 if len(values) > 1 else 0.5
        edges = np.concatenate([[values[0] - margin], middles, [values[-1] + margin]])
    else:
        low, high = np.percentile(both, [TAIL_PERCENT, 100 - TAIL_PERCENT])
        edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
    for side, look in ((before, {"color": BEFORE, "histtype": "stepfilled"}), (after, _OUTLINE)):
        held = np.clip(side, edges[0], edges[-1])  # values farther out are counted at the edge
        axes.hist(held, bins=edges.tolist(), weights=np.full(len(held), 100 / max(len(held), 1)), **look)


_OUTLINE: dict[str, Any] = {"color": ALARM, "histtype": "step", "linewidth": 1.2}


def _draw_categories(axes: Axes, before: pa.ChunkedArray, after: pa.ChunkedArray) -> None:
    sides = [_percentages(before), _percentages(after)]
    change = {name: abs(sides[1].get(name, 0.0) - sides[0].get(name, 0.0)) for name in {*sides[0], *sides[1]}}
    shown = sorted(change, key=lambda name: (-change[name], name))[:CATEGORIES_MAXIMUM][::-1]
    places = range(len(shown))
    axes.barh(places, [sides[0].get(name, 0.0) for name in shown], color=BEFORE, height=0.8)
    axes.barh(
        places, [sides[1].get(name, 0.0) for name in shown], facecolor="none", edgecolor=ALARM, height=0.8, linewidth=1
    )
    short = [name if len(name) <= LABEL_CHARACTERS else name[: LABEL_CHARACTERS - 1] + "…" for name in shown]
    axes.set_yticks(places, [name.replace("$", r"\$") for name in short])


def _percentages(column: pa.ChunkedArray) -> dict[str, float]:
    counts = Counter("missing" if value is None else value for value in column.to_pylist())
    return {name: 100 * count / max(len(column), 1) for name, count in counts.items()}
