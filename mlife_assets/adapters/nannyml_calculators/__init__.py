"""NannyML's calculators on sampled pairs and scored examples: numbers for `core.monitoring`, never verdicts."""

from mlife_assets.adapters.nannyml_calculators.drift import drift_statistics, latent_statistics
from mlife_assets.adapters.nannyml_calculators.engine import forget_fitted
from mlife_assets.adapters.nannyml_calculators.learning import learn_thresholds, with_learned_thresholds
from mlife_assets.adapters.nannyml_calculators.performance import performance_statistics

__all__ = [
    "drift_statistics",
    "forget_fitted",
    "latent_statistics",
    "learn_thresholds",
    "performance_statistics",
    "with_learned_thresholds",
]
