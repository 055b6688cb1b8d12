"""Latent drift: did the joint distribution or a representation move although the columns may not?

Concept: two detectors on several blocks of columns, each with a sensitivity of its own. The domain classifier on
features sees new regions and broken correlations (the workhorse); on each embedding by itself it sees new clusters and
broken correlations of its dimensions; on the champion's SHAP values it sees a changed treatment by the model. PCA
reconstruction sees rows that leave the linear structure of the reference (weak on its own, cheap, and independent of a
classifier's luck). A classifier ignores scale, so a moved block also names the columns responsible and their share of
the champion's importance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

import pyarrow as pa

from mlife_assets.core.monitoring.contributions import feature_of, importance_shares
from mlife_assets.core.monitoring.drift import error_words, limit_of, weight_of
from mlife_assets.core.monitoring.reference import MonitoringReference, tidy
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport, conclude
from mlife_assets.core.monitoring.thresholds import Statistic, by_key

REPORT = "latent_drift_report"
KIND = "latent"
DOMAIN_CLASSIFIER = "domain_classifier"
RECONSTRUCTION = "reconstruction_error"
FEATURES = "features"
SHAP = "shap"
_WORDS = {SHAP: "SHAP values"}
COLUMNS_NAMED = 4


def latent_drift_report(
    *,
    as_of: date,
    reference: MonitoringReference,
    sample_rows: int,
    statistics: Iterable[Statistic],
    importance: Mapping[str, float] | None = None,
    pairs: pa.Table | None = None,
) -> MonitoringReport:
    """Return the latent drift report of day `as_of` from `latent_statistics` of its sample of `sample_rows` pairs.

    `importance` (feature -> mean |SHAP| of the champion) gives every alarm the share of its columns; an embedding's is
    that of its features (`MonitoringColumns.embedded`), and rows of `pairs`, the sample, with values unknown to the
    reference count in full (`drift.weight_of`). Raises UpstreamMismatchError when a statistic has no stored limit.
    """
    limits = by_key(reference.thresholds)
    shares = importance_shares(importance)
    known = pairs if pairs is not None else reference.sample
    day = tidy(known, reference.columns, reference.columns.categorical)
    findings = []
    for statistic in statistics:
        limit = limit_of(limits, statistic, reference)
        is_alarm = statistic.value > limit.upper
        moved = tuple(feature_of(name) for name in statistic.moved_columns) if is_alarm else ()
        reached = reference.columns.embedded if statistic.column in reference.columns.embedding_blocks else ()
        share = weight_of([*moved, *reached], reference, day, shares) if moved else None
        sentence = _sentence(statistic, limit.upper, limit.mean, is_alarm, _mostly_by(moved, share))
        findings.append(
            Finding(
                KIND,
                statistic.column,
                statistic.method,
                statistic.value,
                limit.upper,
                is_alarm,
                sentence,
                importance_share=share,
                moved_columns=moved,
            )
        )
    error = error_words(reference, findings)
    return conclude(
        REPORT,
        as_of=as_of,
        model_version=reference.model_version,
        sample_rows=sample_rows,
        findings=findings,
        ok=f"None of {len(findings)} joint detectors can tell today's pairs from the reference{error}.",
        alarm=" ".join(finding.sentence for finding in findings if finding.is_alarm),
    )


def _mostly_by(moved: tuple[str, ...], share: float | None) -> str:
    if not moved:
        return ""
    more = f" and {len(moved) - COLUMNS_NAMED} more" if len(moved) > COLUMNS_NAMED else ""
    matters = "" if share is None else f" ({share:.1%} of importance)"
    return f", mostly by {', '.join(moved[:COLUMNS_NAMED])}{more}{matters}"


def _sentence(statistic: Statistic, limit: float, usual: float, is_alarm: bool, mostly: str) -> str:
    block = _WORDS.get(statistic.column, statistic.column.replace("_", " "))
    if statistic.method == DOMAIN_CLASSIFIER:
        verb = "can tell" if is_alarm else "cannot tell"
        return (
            f"A classifier on the {block} {verb} today's pairs from the reference "
            f"(AUC {statistic.value:.3f}, limit {limit:.3f}; 0.5 is guessing){mostly}."
        )
    verb = "leave" if is_alarm else "keep"
    return (
        f"The {block} {verb} the linear structure of the reference "
        f"(reconstruction error {statistic.value:.3f}, usually {usual:.3f}, limit {limit:.3f}){mostly}."
    )
