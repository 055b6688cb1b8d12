"""The detectors of a replay: NannyML's calculators, the same as every monitoring day uses.

Belongs here: the `Detectors` port over `nannyml_calculators`. Does not belong here: how a statistic is computed.

Concept: a replay is evidence about monitoring only when it runs what monitoring runs, so nothing is computed here.
"""

from __future__ import annotations

import pyarrow as pa

from mlife_assets.core.monitoring.reference import MonitoringReference
from mlife_assets.core.monitoring.thresholds import Statistic, Threshold
from mlife_assets.core.policies import MonitoringPolicy


class NannyMLDetectors:
    """`core.ports.Detectors` by NannyML, imported at the first call."""

    def limits(self, reference: MonitoringReference, policy: MonitoringPolicy) -> tuple[Threshold, ...]:
        """Return the limits of drift, latent and (with enough positives) concept statistics."""
        from mlife_assets.adapters.nannyml_calculators import with_learned_thresholds

        return with_learned_thresholds(reference, policy).thresholds

    def drift(self, reference: MonitoringReference, rows: pa.Table) -> tuple[Statistic, ...]:
        """Return the distance of every watched column of a sample from the reference."""
        from mlife_assets.adapters.nannyml_calculators import drift_statistics

        return drift_statistics(reference, rows)

    def latent(self, reference: MonitoringReference, rows: pa.Table, policy: MonitoringPolicy) -> tuple[Statistic, ...]:
        """Return classifier AUC and PCA reconstruction error of a sample."""
        from mlife_assets.adapters.nannyml_calculators import latent_statistics

        return latent_statistics(reference, rows, policy)

    def performance(self, reference: MonitoringReference, examples: pa.Table) -> tuple[Statistic, ...]:
        """Return CBPE's estimate and what came, of scored examples."""
        from mlife_assets.adapters.nannyml_calculators import performance_statistics

        return performance_statistics(reference, examples)
