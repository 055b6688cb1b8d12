"""Explanation: why a model scores as it does, for all rows and for one.

`reasons` puts SHAP values into words, `plots` into pictures. Contributions of a row and the expected value sum to its
raw score, so an explanation is the score, taken apart.
"""

from __future__ import annotations

from mlife_assets.core.training.explain.plots import palette_png, plot_beeswarm, plot_dependence, plot_importance
from mlife_assets.core.training.explain.reasons import global_importance, reasons

__all__ = ["global_importance", "palette_png", "plot_beeswarm", "plot_dependence", "plot_importance", "reasons"]
