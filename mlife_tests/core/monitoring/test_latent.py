from __future__ import annotations

import pytest

from mlife_assets.core.errors import UpstreamMismatchError
from mlife_assets.core.monitoring.latent import DOMAIN_CLASSIFIER, RECONSTRUCTION, latent_drift_report
from mlife_assets.core.monitoring.thresholds import Statistic, Threshold


def report(reference, auc: float, error: float):
    limited = reference.with_thresholds(
        [
            Threshold(DOMAIN_CLASSIFIER, "features", 0.5, 0.01, 0.55, 14, 0.001),
            Threshold(RECONSTRUCTION, "features", 2.3, 0.02, 2.5, 14, 0.001),
        ]
    )
    statistics = [Statistic(DOMAIN_CLASSIFIER, "features", auc), Statistic(RECONSTRUCTION, "features", error)]
    return latent_drift_report(as_of=reference.as_of_date, reference=limited, sample_rows=600, statistics=statistics)


def test_each_detector_alarms_alone(reference) -> None:
    assert report(reference, 0.55, 2.5).status == "ok"
    classifier = report(reference, 0.61, 2.3)
    assert [finding.method for finding in classifier.alarms] == [DOMAIN_CLASSIFIER]
    assert "can tell today's pairs from the reference (AUC 0.610, limit 0.550" in classifier.sentence
    reconstruction = report(reference, 0.5, 3.0)
    assert [finding.method for finding in reconstruction.alarms] == [RECONSTRUCTION]
    assert "leave the linear structure" in reconstruction.sentence


def test_a_detector_without_a_limit_is_refused(reference) -> None:
    with pytest.raises(UpstreamMismatchError, match="no limit for domain_classifier on text_embeddings"):
        latent_drift_report(
            as_of=reference.as_of_date,
            reference=reference,
            sample_rows=1,
            statistics=[Statistic(DOMAIN_CLASSIFIER, "text_embeddings", 0.5)],
        )


def of_blocks(reference, *statistics: Statistic, **settings):
    limits = [
        Threshold(method, block, 0.5, 0.01, 0.55, 14, 0.001)
        for method in (DOMAIN_CLASSIFIER, RECONSTRUCTION)
        for block in ("features", "text_embeddings", "shap")
    ]
    limited = reference.with_thresholds(limits)
    return latent_drift_report(
        as_of=limited.as_of_date, reference=limited, sample_rows=600, statistics=statistics, **settings
    )


def test_a_block_names_the_columns_by_which_it_moved_and_what_they_carry(reference) -> None:
    names = ("distance_km", "openings", "user_seniority", "job_seniority", "job_age_days")
    moved = tuple(f"shap_{name}" for name in names)
    importance = {"distance_km": 0.3, "openings": 0.1, "taste_match": 0.6}
    result = of_blocks(reference, Statistic(DOMAIN_CLASSIFIER, "shap", 0.7, moved), importance=importance)
    (finding,) = result.alarms
    assert finding.moved_columns == names == result.moved_columns
    assert finding.importance_share == pytest.approx(0.4)
    assert "A classifier on the SHAP values can tell" in result.sentence
    told = "distance_km, openings, user_seniority, job_seniority and 1 more (40.0% of importance)."
    assert result.sentence.endswith(f"mostly by {told}")


def test_an_embedding_matters_by_what_the_model_makes_of_it(reference) -> None:
    importance = {"distance_km": 0.4, "taste_match": 0.6}
    moved = ("text_1", "text_2")
    result = of_blocks(reference, Statistic(DOMAIN_CLASSIFIER, "text_embeddings", 0.7, moved), importance=importance)
    assert result.alarms[0].importance_share == pytest.approx(0.6)
    features = of_blocks(reference, Statistic(DOMAIN_CLASSIFIER, "features", 0.7, moved), importance=importance)
    assert features.alarms[0].importance_share == 0.0


def test_rows_of_a_value_never_seen_count_in_full(reference, world) -> None:
    day = world.day(20, 600, new_city=0.2)
    share = day["metro_code"].to_pylist().count("47900") / 600
    statistic = Statistic(DOMAIN_CLASSIFIER, "features", 0.7, ("metro_code",))
    result = of_blocks(reference, statistic, importance={"metro_code": 0.01, "distance_km": 0.99}, pairs=day)
    assert result.alarms[0].importance_share == pytest.approx(share)


def test_what_did_not_move_or_is_not_known_has_no_share(reference) -> None:
    importance = {"distance_km": 1.0}
    quiet = of_blocks(
        reference, Statistic(DOMAIN_CLASSIFIER, "shap", 0.5, ("shap_distance_km",)), importance=importance
    )
    assert (quiet.findings[0].importance_share, quiet.findings[0].moved_columns) == (None, ())
    unnamed = of_blocks(reference, Statistic(DOMAIN_CLASSIFIER, "shap", 0.7), importance=importance)
    assert unnamed.alarms[0].importance_share is None
    unweighed = of_blocks(reference, Statistic(DOMAIN_CLASSIFIER, "features", 0.7, ("distance_km",)))
    assert (unweighed.alarms[0].importance_share, unweighed.moved_columns) == (None, ("distance_km",))
