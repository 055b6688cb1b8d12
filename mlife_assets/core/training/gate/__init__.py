"""The promotion gate: may a challenger replace the champion? Pure, and closed by default.

`decide` holds the decision, `verdict` its result and sentences, `average_precision` the objective without an item.
Inputs and the conditions that make a comparison valid are in `core.training.gate_examples`.
"""

from __future__ import annotations

from mlife_assets.core.training.gate.decide import MINIMUM_DAY_BLOCKS, decide_promotion
from mlife_assets.core.training.gate.verdict import COMPARED_PREFIXES, Comparison, Outcome, PromotionDecision
from mlife_assets.core.training.gate_examples import (
    ALLOWED_SLICES,
    Condition,
    Contender,
    GateExamples,
    on_examples,
)

__all__ = [
    "ALLOWED_SLICES",
    "COMPARED_PREFIXES",
    "MINIMUM_DAY_BLOCKS",
    "Comparison",
    "Condition",
    "Contender",
    "GateExamples",
    "Outcome",
    "PromotionDecision",
    "decide_promotion",
    "on_examples",
]
