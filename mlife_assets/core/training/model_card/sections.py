"""Parts of a card that describe: the figures of its head, features, measured values.

Belongs here: choosing and wording them. Does not belong here: what was measured about its quality (`judgement`), layout
(the template).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlife_assets.core.pages.charts.scales import MISSING, format_value
from mlife_assets.core.training.model_card.facts import CardMetric, ModelCard

BARS_MAXIMUM = 15
METRICS_MAXIMUM = 8
OUTCOMES = {
    "promoted": "promoted by the gate",
    "refused": "refused by the gate",
    "not_enough_evidence": "not enough evidence",
}


@dataclass(frozen=True)
class BarRow:
    """A name with a bar: `share` of the longest, and the value in words."""

    name: str
    note: str
    share: float
    cells: tuple[str, ...]


def tiles(card: ModelCard) -> Iterator[tuple[str, str, str]]:
    """Yield label, value and detail of the figures that a reader looks for first."""
    ours = card.comparisons[0].challenger_map if card.comparisons else None
    others = ", ".join(f"{c.against} {format_value(c.other_map, 'score')}" for c in card.comparisons)
    objective = card.objective_name or "Objective"
    yield objective[0].upper() + objective[1:], format_value(ours, "score"), others or "not compared"
    measured, slope, bounds = card.calibration, MISSING, "not measured"
    if measured is not None:
        slope = f"{measured.slope:.2f}"
        bounds = f"{measured.slope_lower:.2f} to {measured.slope_upper:.2f}, 1 is right"
        bounds += f"; level {measured.level.estimate:.2f}"
    yield "Calibration slope", slope, bounds
    training = next((window for window in card.windows if window.name == "training"), None)
    rows = training.rows if training else None
    yield "Training examples", format_value(rows, "count"), f"{format_value(card.positives, 'count')} with the outcome"
    audit = card.fairness
    lowest = min((row.ratio for _, row in audit.compared if row.ratio is not None), default=None) if audit else None
    compared = f"of {len(audit.compared)} compared, minimum {audit.minimum:g}" if audit else "not audited"
    yield "Lowest impact ratio", MISSING if lowest is None else f"{lowest:.2f}", compared


def importance_rows(card: ModelCard) -> Iterator[tuple[str, list[BarRow], list[BarRow]]]:
    """Yield per step its features by mean |SHAP|: the largest, and the rest."""
    for stage, values in card.importance.items():
        ranked = sorted(values.items(), key=lambda item: (-item[1], item[0]))
        if ranked:
            largest = max(ranked[0][1], 1e-12)
            rows = [
                BarRow(name, card.feature_words.get(name, ""), max(v, 0.0) / largest, (format_value(v, "score"),))
                for name, v in ranked
            ]
            yield stage, rows[:BARS_MAXIMUM], rows[BARS_MAXIMUM:]


def metric_rows(card: ModelCard) -> tuple[tuple[CardMetric, ...], tuple[CardMetric, ...]]:
    """Return the first measured values, and the rest."""
    return card.metrics[:METRICS_MAXIMUM], card.metrics[METRICS_MAXIMUM:]
