"""The promotion gate: may a challenger replace the champion? Pure, and closed by default.

`decide` holds the decision and its words, `comparing` the comparisons, `verdict` its result and conditions. Inputs and
the conditions that make a comparison valid are in `core.training.gate_examples`.
"""

from __future__ import annotations

from mlife_assets.core.training.gate.comparing import CHALLENGER, MINIMUM_DAY_BLOCKS, days_with_positives_needed
from mlife_assets.core.training.gate.decide import Hearing, Terms, decide_promotion
from mlife_assets.core.training.gate.verdict import (
    ALONE,
    COMPARED_PREFIXES,
    REFIT,
    RUNBOOK,
    SIMPLE,
    WIN,
    Comparison,
    Kind,
    Outcome,
    PromotionDecision,
)
from mlife_assets.core.training.gate_examples import (
    ALLOWED_SLICES,
    Condition,
    Contender,
    GateExamples,
    on_examples,
)

__all__ = [
    "ALLOWED_SLICES",
    "ALONE",
    "CHALLENGER",
    "COMPARED_PREFIXES",
    "MINIMUM_DAY_BLOCKS",
    "REFIT",
    "RUNBOOK",
    "SIMPLE",
    "WIN",
    "Comparison",
    "Condition",
    "Contender",
    "GateExamples",
    "Hearing",
    "Kind",
    "Outcome",
    "PromotionDecision",
    "Terms",
    "days_with_positives_needed",
    "decide_promotion",
    "on_examples",
]
