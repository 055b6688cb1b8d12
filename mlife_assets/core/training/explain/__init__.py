"""Explanation: why a model scores as it does, in pictures.

The words are in `core.scoring.reasons`, since serving has reasons, too. Contributions of a row and the expected value
sum to its raw score, so an explanation is the score, taken apart.
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

__all__ = [
    "for_pages",
    "plot_beeswarm",
    "plot_dependence",
    "plot_dependences",
    "plot_importance",
    "plot_waterfall",
]
