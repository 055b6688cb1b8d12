"""Explanation: why a model scores as it does, for all rows and for one.

`reasons` puts SHAP values into words, `plots` into pictures. Contributions of a row and the expected value sum to its
raw score, so an explanation is the score, taken apart.
"""

from __future__ import annotations

from mlife_assets.core.training.explain.plots import (
    for_pages,
    plot_beeswarm,
    plot_dependence,
    plot_dependences,
    plot_importance,
    plot_waterfall,
)
from mlife_assets.core.training.explain.reasons import (
    ScoreParts,
    global_importance,
    reasons,
    score_parts,
    words_of,
)

__all__ = [
    "ScoreParts",
    "for_pages",
    "global_importance",
    "plot_beeswarm",
    "plot_dependence",
    "plot_dependences",
    "plot_importance",
    "plot_waterfall",
    "reasons",
    "score_parts",
    "words_of",
]
