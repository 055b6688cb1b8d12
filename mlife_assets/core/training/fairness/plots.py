"""The picture of an audit: every judged ratio with its interval, and the line of four fifths.

Belongs here: drawing. Does not belong here: judging.

Concept: red is what refuses a model (the whole interval below the line), grey what is undecided, blue what is proven.
"""

from __future__ import annotations

from mlife_assets.core.pictures import palette_png
from mlife_assets.core.training.fairness.results import (
    ATTRIBUTES,
    HIGH_ENOUGH,
    NOT_SETTLED,
    PROVEN_LOW,
    REFERENCE,
    FairnessAudit,
)

COLOURS = {HIGH_ENOUGH: "#3566a8", NOT_SETTLED: "#9aa4af", PROVEN_LOW: "#c0392b", REFERENCE: "#dfe4ea"}
WORDS = {
    HIGH_ENOUGH: "proven at least the minimum",
    NOT_SETTLED: "undecided",
    PROVEN_LOW: "proven below",
    REFERENCE: "best treated group",
}
WIDEST = 2.0


def plot_impact_ratios(audit: FairnessAudit) -> bytes:
    """Return a PNG with a panel per measure and a bar per judged category; bars and bounds are cut at 2."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    measures = list(dict.fromkeys(table.measure for table in audit.tables))
    judged = [(table, row) for table in audit.tables for row in table.rows if row.is_judged]
    names = sorted({(ATTRIBUTES.index(table.attribute), row.category) for table, row in judged}, reverse=True)
    places = {category: place for place, (_, category) in enumerate(names)}
    figure = Figure(figsize=(9.6, 1.4 + 0.22 * max(len(names), 1)), dpi=90, layout="constrained")
    panels = figure.subplots(1, max(len(measures), 1), sharey=True, squeeze=False)[0]
    for panel, measure in zip(panels, measures, strict=False):
        for table, row in judged:
            if table.measure != measure or row.ratio is None:
                continue
            place = places[row.category]
            panel.barh(place, min(row.ratio, WIDEST), height=0.62, color=COLOURS[row.standing])
            if row.lower is not None and row.upper is not None:
                bounds = [min(row.lower, WIDEST), min(row.upper, WIDEST)]
                panel.plot(bounds, [place, place], color="#1c2733", linewidth=1)
        panel.axvline(audit.minimum, color="#c0392b", linewidth=1, linestyle="--")
        panel.set_title(f"impact ratio of {measure}", fontsize=8, loc="left")
        panel.tick_params(axis="x", labelsize=7)
        panel.set_xlim(left=0)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(names)), [category for _, category in names], fontsize=7)
    legend = [Patch(color=colour, label=WORDS[standing]) for standing, colour in COLOURS.items()]
    figure.legend(handles=legend, fontsize=7, ncols=len(legend), loc="outside lower center", frameon=False)
    return palette_png(figure)
