"""Latent drift: did the joint distribution or a representation move although the columns may not?

Belongs here: the report and the words. Does not belong here: the detectors (`adapters.nannyml_calculators`).

Concept: four detectors, each sensitive to something else. The domain classifier on features sees new regions and broken
correlations (the workhorse); on the embeddings it sees new clusters and swapped dimensions; PCA reconstruction sees
rows that leave the linear structure of the reference (weak on its own, cheap, and independent of a classifier's luck).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from mlife_assets.core.monitoring.drift import limit_of
from mlife_assets.core.monitoring.reference import MonitoringReference
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport, conclude
from mlife_assets.core.monitoring.thresholds import Statistic, by_key

REPORT = "latent_drift_report"
KIND = "latent"
DOMAIN_CLASSIFIER = "domain_classifier"
RECONSTRUCTION = "reconstruction_error"
FEATURES = "features"
EMBEDDINGS = "embeddings"


def latent_drift_report(
    *, as_of: date, reference: MonitoringReference, sample_rows: int, statistics: Iterable[Statistic]
) -> MonitoringReport:
    """Return the latent drift report of day `as_of` from `latent_statistics` of its sample of `sample_rows` pairs.

    Raises UpstreamMismatchError when a statistic has no stored limit.
    """
    limits = by_key(reference.thresholds)
    findings = []
    for statistic in statistics:
        limit = limit_of(limits, statistic, reference)
        is_alarm = statistic.value > limit.upper
        sentence = _sentence(statistic, limit.upper, limit.mean, is_alarm)
        findings.append(
            Finding(KIND, statistic.column, statistic.method, statistic.value, limit.upper, is_alarm, sentence)
        )
    return conclude(
        REPORT,
        as_of=as_of,
        model_version=reference.model_version,
        sample_rows=sample_rows,
        findings=findings,
        ok=f"None of {len(findings)} joint detectors can tell today's pairs from the reference.",
        alarm=" ".join(finding.sentence for finding in findings if finding.is_alarm),
    )


def _sentence(statistic: Statistic, limit: float, usual: float, is_alarm: bool) -> str:
    if statistic.method == DOMAIN_CLASSIFIER:
        verb = "tells" if is_alarm else "cannot tell"
        return (
            f"A classifier on the {statistic.column} {verb} today's pairs from the reference "
            f"(AUC {statistic.value:.3f}, limit {limit:.3f}; 0.5 is guessing)."
        )
    verb = "leave" if is_alarm else "keep"
    return (
        f"The {statistic.column} {verb} the linear structure of the reference "
        f"(reconstruction error {statistic.value:.3f}, usually {usual:.3f}, limit {limit:.3f})."
    )
