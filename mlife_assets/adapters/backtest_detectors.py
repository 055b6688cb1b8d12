"""The detectors of a replay: the statistics of every monitoring day, by our own calculators.

Concept: a replay must give monitoring's own numbers, so this module computes nothing itself. For its hundreds of
windows it uses our calculators, which equal NannyML's to the bit.
"""

from __future__ import annotations

import pyarrow as pa

from mlife_assets.adapters.nannyml_calculators import (
    drift_statistics,
    latent_statistics,
    performance_statistics,
    with_learned_thresholds,
)
from mlife_assets.adapters.own_calculators import OwnEngine
from mlife_assets.core.monitoring.reference import MonitoringReference
from mlife_assets.core.monitoring.thresholds import Statistic, Threshold
from mlife_assets.core.policies import MonitoringPolicy


class ReplayDetectors:
    """`core.ports.Detectors`; pandas and scikit-learn are imported at the first call."""

    def limits(self, reference: MonitoringReference, policy: MonitoringPolicy) -> tuple[Threshold, ...]:
        return with_learned_thresholds(reference, policy).thresholds

    def drift(self, reference: MonitoringReference, rows: pa.Table) -> tuple[Statistic, ...]:
        return drift_statistics(reference, rows, engine=OwnEngine())

    def latent(self, reference: MonitoringReference, rows: pa.Table, policy: MonitoringPolicy) -> tuple[Statistic, ...]:
        return latent_statistics(reference, rows, policy, engine=OwnEngine())

    def performance(self, reference: MonitoringReference, examples: pa.Table) -> tuple[Statistic, ...]:
        return performance_statistics(reference, examples, engine=OwnEngine())
