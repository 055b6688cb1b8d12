"""Small pictures of monitoring, as PNG bytes for metadata and the dashboard.

Belongs here: drawing reports and decisions. Does not belong here: computing anything, writing files.

Concept: a picture is at most 40 KB (palette PNG) and the same bytes for the same input.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlife_assets.core.monitoring.reports import Finding, MonitoringReport
from mlife_assets.core.monitoring.retrain_decisions import KINDS, RetrainDecision
from mlife_assets.core.pictures import palette_png

ALARM, QUIET, LINE = "#c0392b", "#7f8c9b", "#2c3e50"
UNIMPORTANT = "#eab5ae"
"""An alarm that does not count, because the model hardly looks at what moved."""
VERDICT_COLOURS = {"retrain": "#1f77b4", "wait": "#c9d1d9", "block": ALARM}
BARS_MAXIMUM = 26
TICKS_MAXIMUM = 12
DECISIONS_SHOWN = 120
"""Days; more are narrower than a pixel is worth, and each takes its time to draw."""


def plot_findings(report: MonitoringReport) -> bytes:
    """Return a PNG of every finding as a bar in units of its limit, with the importance of what it is about, if known.

    Beyond the line at 1 it alarms.
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
