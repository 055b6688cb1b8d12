"""Operating characteristics on a synthetic world whose jobs come and go: false alarms, and what each detector sees."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.adapters import nannyml_calculators as nannyml
from mlife_assets.adapters.nannyml_calculators import drift as calculators
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.drift import data_drift_report
from mlife_assets.core.monitoring.latent import latent_drift_report


@pytest.fixture(scope="module")
def monitored(reference, policy):
    def run(day: pa.Table):
        as_of = reference.as_of_date + timedelta(days=10)
        data = data_drift_report(
            as_of=as_of, reference=reference, pairs=day, statistics=nannyml.drift_statistics(reference, day)
        )
        latent = latent_drift_report(
            as_of=as_of,
            reference=reference,
            sample_rows=day.num_rows,
            statistics=nannyml.latent_statistics(reference, day, policy),
        )
        return data, latent

    return run


def test_days_without_drift_hardly_alarm(monitored, world) -> None:
    reports = [monitored(world.day(offset)) for offset in range(14, 74, 2)]
    assert sum(data.status == "alarm" for data, _ in reports) <= 1
    assert sum(latent.status == "alarm" for _, latent in reports) <= 1


@pytest.mark.parametrize("offset", [16, 30, 60])
def test_a_new_city_is_seen_by_both_reports_and_named(monitored, world, offset: int) -> None:
    data, latent = monitored(world.day(offset, new_city=0.15))
    assert "metro_code" in {finding.column for finding in data.alarms}
    assert "47900 is new with 1" in data.sentence
    assert latent.status == "alarm"


@pytest.mark.parametrize("offset", [20, 30, 40])
def test_a_broken_correlation_is_seen_by_the_classifier_and_by_no_column(monitored, world, offset: int) -> None:
    data, latent = monitored(world.day(offset, broken_correlation=1.0))
    assert data.status == "ok"
    assert "domain_classifier" in {finding.method for finding in latent.alarms}


def test_pay_in_cents_and_zero_distances_move_their_column(monitored, world, pairs_world) -> None:
    day = world.day(25)
    cents, latent = monitored(pairs_world.replaced(day, pay_usd_per_hour=100 * day["pay_usd_per_hour"].to_numpy()))
    assert [finding.column for finding in cents.alarms] == ["pay_usd_per_hour"]
    assert latent.status == "alarm"
    zero = np.where(np.random.default_rng(3).random(day.num_rows) < 0.3, 0.0, day["distance_km"].to_numpy())
    data, _ = monitored(pairs_world.replaced(day, distance_km=zero))
    assert [finding.column for finding in data.alarms] == ["distance_km"]


def test_a_new_cluster_of_texts_moves_the_embeddings_alone(monitored, world, pairs_world) -> None:
    day = world.day(25)
    names = [f"text_{k}" for k in range(1, 9)]
    moved = {name: 1.6 * day[name].to_numpy() for name in names}
    data, latent = monitored(pairs_world.replaced(day, **moved))
    assert data.status == "ok"
    assert {finding.column for finding in latent.alarms} == {"embeddings"}


def test_the_same_day_gives_the_same_numbers_after_refitting(reference, world, policy) -> None:
    day = world.day(25)
    first = (nannyml.drift_statistics(reference, day), nannyml.latent_statistics(reference, day, policy))
    nannyml.forget_fitted()
    assert (nannyml.drift_statistics(reference, day), nannyml.latent_statistics(reference, day, policy)) == first


def test_a_column_without_values_is_as_far_as_can_be(reference, world, pairs_world) -> None:
    day = world.day(25)
    empty = pairs_world.replaced(day, openings=np.full(day.num_rows, np.nan))
    values = {statistic.column: statistic.value for statistic in nannyml.drift_statistics(reference, empty)}
    assert values["openings"] == 1.0


def test_quality_calculators_agree_with_plain_counts(reference, world, pairs_world) -> None:
    day = world.day(25, new_city=0.15)
    pay = day["pay_usd_per_hour"].to_numpy().copy()
    pay[:100] = np.nan
    shares = nannyml.missing_shares(reference, pairs_world.replaced(day, pay_usd_per_hour=pay))
    assert shares["pay_usd_per_hour"] == 0.05
    assert shares["distance_km"] == 0.0
    unseen = nannyml.unseen_shares(reference, day)
    assert unseen["metro_code"] == np.mean(np.array(day["metro_code"].to_pylist()) == "47900")
    assert unseen["job_occupation_group"] == 0.0


def test_no_job_is_on_both_sides_of_a_fold(reference, world, policy) -> None:
    for table in (reference.sample, world.day(25)):
        few = calculators.by_job(table, policy)
        folds = np.array_split(np.array(few["job_id"].to_pylist()), calculators.CLASSIFIER_FOLDS)
        assert few.num_rows == 1_800
        assert not set(folds[0]) & set(folds[1])
        assert not set(folds[1]) & set(folds[2])
    reference_folds = np.array_split(np.array(calculators.by_job(reference.sample, policy)["job_id"].to_pylist()), 3)
    assert not set(reference_folds[0]) & set(folds[1])


def test_an_empty_day_is_refused(reference, world, policy) -> None:
    nothing = world.day(25).slice(0, 0)
    with pytest.raises(InvalidInputError, match="0 rows; a quality report must block"):
        nannyml.drift_statistics(reference, nothing)
    with pytest.raises(InvalidInputError, match="0 rows"):
        nannyml.latent_statistics(reference, nothing, policy)
    with pytest.raises(InvalidInputError, match="lack column metro_code"):
        nannyml.drift_statistics(reference, world.day(25).drop_columns(["metro_code"]))
