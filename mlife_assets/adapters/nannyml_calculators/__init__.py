"""NannyML's calculators on sampled pairs and scored examples: numbers for `core.monitoring`, never verdicts."""

from mlife_assets.adapters.nannyml_calculators.daily import (
    drift_statistics,
    latent_statistics,
    performance_statistics,
)
from mlife_assets.adapters.nannyml_calculators.engine import forget_fitted
from mlife_assets.adapters.nannyml_calculators.learning import learn_thresholds, with_learned_thresholds

__all__ = [
    "drift_statistics",
    "forget_fitted",
    "latent_statistics",
    "learn_thresholds",
    "performance_statistics",
    "with_learned_thresholds",
]
