"""Fairness: who is selected, scored high and shown what is worth most, by group, with intervals.

Belongs here: the names that other layers use. Does not belong here: protected attributes themselves, which only the
restricted audit table holds (`core.ports.AuditAttributes`).

Concept: measures are computed per user without any attribute (`measures`), compared between groups (`ratios`), and
judged as a whole (`audit`).
"""

from mlife_assets.core.training.fairness.audit import audit_fairness, fairness_condition
from mlife_assets.core.training.fairness.categories import ATTRIBUTE_WORDS, ETHNICITIES, SEXES, UNKNOWN
from mlife_assets.core.training.fairness.measures import UserOutcomes, user_outcomes
from mlife_assets.core.training.fairness.plots import plot_impact_ratios
from mlife_assets.core.training.fairness.results import FairnessAudit, ImpactRow, ImpactTable

__all__ = [
    "ATTRIBUTE_WORDS",
    "ETHNICITIES",
    "SEXES",
    "UNKNOWN",
    "FairnessAudit",
    "ImpactRow",
    "ImpactTable",
    "UserOutcomes",
    "audit_fairness",
    "fairness_condition",
    "plot_impact_ratios",
    "user_outcomes",
]
