from __future__ import annotations

import pytest

from mlife_assets.adapters.nannyml_calculators import learning, session
from mlife_assets.core.monitoring import latent
from mlife_assets.core.monitoring.outcomes import LEVEL, RESIDUAL, SHORTFALL, SLOPE
from mlife_assets.core.monitoring.reference import build_reference
from mlife_assets.core.monitoring.thresholds import sizes_of
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS

UNIVARIATE = ("kolmogorov_smirnov", "jensen_shannon")


def test_every_statistic_has_a_limit_above_its_usual_value(reference) -> None:
    methods = {threshold.method for threshold in reference.thresholds}
    assert methods == {
        "kolmogorov_smirnov", "jensen_shannon", latent.DOMAIN_CLASSIFIER, latent.RECONSTRUCTION,
        SHORTFALL, LEVEL, SLOPE, RESIDUAL,
    }  # fmt: skip
    by_column = {t.column for t in reference.thresholds if t.method in ("kolmogorov_smirnov", "jensen_shannon")}
    assert by_column == set(reference.columns.watched)
    for threshold in reference.thresholds:
        if threshold.method in ("kolmogorov_smirnov", "jensen_shannon", *learning.JOINT_METHODS):
            assert threshold.upper > threshold.mean
            assert threshold.days == 14


def test_limits_say_with_how_many_rows_they_were_learned(reference, policy) -> None:
    assert reference.sizes == sizes_of(policy)


def test_limits_respect_that_pairs_of_one_job_are_alike(reference) -> None:
    limits = {t.column: t.upper for t in reference.thresholds if t.method == "kolmogorov_smirnov"}
    assert limits["pay_usd_per_hour"] > 1.5 * limits["distance_km"]


def test_learning_again_gives_the_same_numbers(pairs_world, world, reference, policy) -> None:
    small = build_reference(
        columns=PAIR_COLUMNS, ids=("user_id", "job_id"), model_version="mdl_small", as_of=reference.as_of_date,
        sample=world.sample(days=8, rows=300), pair_rows=pairs_world.pair_rows(days=8), examples=reference.examples,
    )  # fmt: skip
    learned = learning.learn_thresholds(small, policy)
    session.forget_fitted()
    assert learning.learn_thresholds(small, policy) == learned


def test_a_family_of_joint_detectors_counts_the_space_of_shap_values(explained_reference, reference, policy) -> None:
    def joint(known) -> list:
        return [t for t in known.thresholds if t.method in learning.JOINT_METHODS]

    assert {t.column for t in joint(explained_reference)} == {"features", "taste_embeddings", "text_embeddings", "shap"}
    assert {t.column for t in joint(reference)} == {"features", "taste_embeddings", "text_embeddings"}
    for known in (explained_reference, reference):
        assert sum(t.error_rate for t in joint(known)) == pytest.approx(policy.false_alarm_rate_per_day)
        alarming = [t for t in known.thresholds if t.column in known.columns.alarming and t.method in UNIVARIATE]
        assert len(alarming) == len(known.columns.alarming)
        assert sum(t.error_rate for t in alarming) == pytest.approx(policy.false_alarm_rate_per_day)
