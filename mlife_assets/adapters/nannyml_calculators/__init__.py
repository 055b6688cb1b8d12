"""NannyML's calculators on sampled pairs and scored examples: numbers for `core.monitoring`, never verdicts."""

from mlife_assets.adapters.nannyml_calculators.calculators import (
    drift_statistics,
    latent_statistics,
    learn_thresholds,
    performance_statistics,
    with_learned_thresholds,
)
from mlife_assets.adapters.nannyml_calculators.engine import forget_fitted

__all__ = [
    "drift_statistics",
    "forget_fitted",
    "latent_statistics",
    "learn_thresholds",
    "performance_statistics",
    "with_learned_thresholds",
]
