from __future__ import annotations

import pytest

from mlife_assets.core.errors import UpstreamMismatchError
from mlife_assets.core.monitoring.latent import DOMAIN_CLASSIFIER, RECONSTRUCTION, latent_drift_report
from mlife_assets.core.monitoring.thresholds import Statistic, Threshold


def report(reference, auc: float, error: float):
    limited = reference.with_thresholds(
        [
            Threshold(DOMAIN_CLASSIFIER, "features", 0.5, 0.01, 0.55, 14),
            Threshold(RECONSTRUCTION, "features", 2.3, 0.02, 2.5, 14),
        ]
    )
    statistics = [Statistic(DOMAIN_CLASSIFIER, "features", auc), Statistic(RECONSTRUCTION, "features", error)]
    return latent_drift_report(as_of=reference.as_of_date, reference=limited, sample_rows=600, statistics=statistics)


def test_each_detector_alarms_alone(reference) -> None:
    assert report(reference, 0.55, 2.5).status == "ok"
    classifier = report(reference, 0.61, 2.3)
    assert [finding.method for finding in classifier.alarms] == [DOMAIN_CLASSIFIER]
    assert "tells today's pairs from the reference (AUC 0.610, limit 0.550" in classifier.sentence
    reconstruction = report(reference, 0.5, 3.0)
    assert [finding.method for finding in reconstruction.alarms] == [RECONSTRUCTION]
    assert "leave the linear structure" in reconstruction.sentence


def test_a_detector_without_a_limit_is_refused(reference) -> None:
    with pytest.raises(UpstreamMismatchError, match="no limit for domain_classifier on embeddings"):
        latent_drift_report(
            as_of=reference.as_of_date,
            reference=reference,
            sample_rows=1,
            statistics=[Statistic(DOMAIN_CLASSIFIER, "embeddings", 0.5)],
        )
