"""Realised against estimated performance, drawn together.

Belongs here: the picture of performance over time. Does not belong here: computing it, other pictures (`plots`).

Concept: the estimate is what the scores promise, the band below it how far outcomes may fall short by chance. A
realised line that leaves the band is concept drift; both lines moving together is a change of the mix. Ranking quality
per entity, which is what the gate judges, is drawn below and has no limit of its own: days of few entities vary too
much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from mlife_assets.core.monitoring.named_outcomes import LABEL, Wording
from mlife_assets.core.monitoring.outcomes import METRICS
from mlife_assets.core.monitoring.plots import ALARM, LINE, QUIET
from mlife_assets.core.pictures import palette_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_INCHES = 1.45
ESTIMATE, BAND, CHANCE, REPLACED = "#1f77b4", "#dce9f5", "#c9b37e", "#8c6bb1"


@dataclass(frozen=True)
class PerformanceDay:
    """One metric of one outcome in the window of one day; `allowed` is how far below its estimate it may be."""

    as_of_date: date
    outcome: str
    metric: str
    estimated: float
    realised: float
    allowed: float | None = None

    @property
    def is_alarm(self) -> bool:
        """Whether it fell short of the estimate by more than is allowed."""
        return self.allowed is not None and self.estimated - self.realised > self.allowed


@dataclass(frozen=True)
class RankingDay:
    """MAP@k per entity of one day: the champion's, that of the rule in use and that of a random order.

    `simple` is that of the simple rule and `replaced` that of the model before; None where there is none.
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

    Outcomes stand in the order of their `words`.
    """
    from matplotlib import dates
    from matplotlib.figure import Figure

    ticks: Any = dates  # has no types of its own

    panels = [
        (outcome, metric, ordered)
        for outcome in words
        for metric in METRICS
        if (ordered := _ordered(performance, outcome, metric))
    ]
    height = 0.6 + PANEL_INCHES * max(1, len(panels) + bool(ranking))
    figure = Figure(figsize=(7.2, height), dpi=90)
    # Margins that are known beforehand: working them out (`layout="constrained"`) costs twice what drawing does.
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
