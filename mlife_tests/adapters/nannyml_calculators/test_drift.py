"""Operating characteristics on a synthetic world whose jobs come and go: false alarms, and what each detector sees."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.adapters import nannyml_calculators as nannyml
from mlife_assets.adapters.nannyml_calculators import calculators
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.drift import data_drift_report
from mlife_assets.core.monitoring.latent import latent_drift_report
from mlife_assets.core.monitoring.sampling import sample_pairs


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


@pytest.mark.parametrize("days", [range(14, 74, 6), pytest.param(range(14, 74, 2), marks=pytest.mark.proof)])
def test_days_without_drift_hardly_alarm(monitored, world, days: range) -> None:
    reports = [monitored(world.day(offset)) for offset in days]
    assert sum(data.status == "alarm" for data, _ in reports) <= 1
    assert sum(latent.status == "alarm" for _, latent in reports) <= 1


@pytest.mark.parametrize("offset", [16, *(pytest.param(day, marks=pytest.mark.proof) for day in (30, 60))])
def test_a_new_city_is_seen_by_both_reports_and_named(monitored, world, offset: int) -> None:
    data, latent = monitored(world.day(offset, new_city=0.15))
    assert "metro_code" in {finding.column for finding in data.alarms}
    assert "47900 is new with 1" in data.sentence
    assert latent.status == "alarm"


@pytest.mark.parametrize("offset", [20, *(pytest.param(day, marks=pytest.mark.proof) for day in (30, 40))])
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
    assert {finding.column for finding in latent.alarms} == {"text_embeddings"}


def test_the_same_day_gives_the_same_numbers_and_no_value_is_far(reference, world, policy, pairs_world) -> None:
    day = world.day(25)
    first = (nannyml.drift_statistics(reference, day), nannyml.latent_statistics(reference, day, policy))
    nannyml.forget_fitted()
    assert (nannyml.drift_statistics(reference, day), nannyml.latent_statistics(reference, day, policy)) == first
    empty = pairs_world.replaced(day, openings=np.full(day.num_rows, np.nan))
    values = {statistic.column: statistic.value for statistic in nannyml.drift_statistics(reference, empty)}
    assert values["openings"] == 1.0


def test_no_job_and_where_nothing_is_ranked_no_entity_is_on_both_sides_of_a_fold(reference, world, policy) -> None:
    for table, rows in ((reference.sample, 1_800), (world.day(25).slice(0, 1_000), 900), (world.day(25), 1_800)):
        few = table.take(calculators.by_item(reference, table, policy))
        folds = np.array_split(np.array(few["job_id"].to_pylist()), calculators.CLASSIFIER_FOLDS)
        assert few.num_rows == rows
        assert not set(folds[0]) & set(folds[1])
        assert not set(folds[1]) & set(folds[2])
    usual = reference.sample.take(calculators.by_item(reference, reference.sample, policy))["job_id"].to_pylist()
    assert not set(np.array_split(np.array(usual), 3)[0]) & set(folds[1])
    few = world.day(25).take(calculators.by_item(replace(reference, ids=("user_id",)), world.day(25), policy))
    folds = np.array_split(np.array(few["user_id"].to_pylist()), calculators.CLASSIFIER_FOLDS)
    assert not set(folds[0]) & set(folds[1])


def test_what_speaks_of_users_is_compared_with_more_of_the_reference(reference, world, policy, monkeypatch) -> None:
    rows = {block: calculators.reference_rows(reference, block, policy) for block, _ in calculators.blocks(reference)}
    assert rows == {"features": 2_000, "taste_embeddings": 8_000, "text_embeddings": 2_000}
    by_item, taken = calculators.by_item, []

    def counted(*given: object) -> np.ndarray:
        few = by_item(*given)
        taken.append(len(few))
        return few

    monkeypatch.setattr(calculators, "by_item", counted)
    with calculators.calculating() as engine:
        fitted = calculators.fit_joint(engine, reference, reference.sample, policy)
        assert taken == [1_800, 7_200, 1_800]
        tuple(calculators.joint(fitted, reference, world.day(25), policy))
    assert taken[3:] == [1_800] * 3, "the day itself is the same for every block"


def test_more_of_the_reference_lowers_the_limit_of_a_block_of_users(reference, policy) -> None:
    bound = {
        rows: calculators._sampling_bound(
            None, reference, ("domain_classifier", "taste_embeddings"), reference.day(reference.days[-1]), 0.001,
            replace(policy, domain_classifier_entity_reference_rows=rows),
        )
        for rows in (2_000, 8_000)
    }  # fmt: skip
    assert 0.5 < bound[8_000] < bound[2_000] - 0.001


def test_an_empty_day_is_refused(reference, world, policy) -> None:
    nothing = world.day(25).slice(0, 0)
    with pytest.raises(InvalidInputError, match="0 rows; a quality report must block"):
        nannyml.drift_statistics(reference, nothing)
    with pytest.raises(InvalidInputError, match="0 rows"):
        nannyml.latent_statistics(reference, nothing, policy)
    with pytest.raises(InvalidInputError, match="lack column metro_code"):
        nannyml.drift_statistics(reference, world.day(25).drop_columns(["metro_code"]))


@pytest.fixture(scope="module")
def latent_of(explained_reference, policy):
    def run(day: pa.Table):
        return latent_drift_report(
            as_of=explained_reference.as_of_date,
            reference=explained_reference,
            sample_rows=day.num_rows,
            statistics=nannyml.latent_statistics(explained_reference, day, policy),
            importance={"distance_km": 0.3, "log_pay_ratio": 0.3, "taste_match": 0.399, "job_age_days": 0.001},
            pairs=day,
        )

    return run


@pytest.mark.parametrize("days", [range(14, 54, 5), pytest.param(range(14, 54, 2), marks=pytest.mark.proof)])
def test_the_space_of_shap_values_is_watched_and_hardly_alarms_without_drift(
    latent_of, world, explained, days: range
) -> None:
    reports = [latent_of(explained(world.day(offset), 1_500)) for offset in days]
    assert {finding.column for finding in reports[0].findings} == {
        "features", "taste_embeddings", "text_embeddings", "shap",
    }  # fmt: skip
    assert sum(report.status == "alarm" for report in reports) <= 1
    assert sum(any(f.column == "shap" for f in report.alarms) for report in reports) <= 1


@pytest.mark.parametrize(
    ("column", "change", "moved"),
    [
        ("log_pay_ratio", lambda values: values - np.log(100), "log_pay_ratio"),
        ("distance_km", lambda values: np.where(np.arange(len(values)) % 3 == 0, 0.0, values), "distance_km"),
        ("taste_match", lambda values: 2.5 * values, "taste_match"),
    ],
    ids=["pay in cents", "distance zero for a third", "embedding reversed"],
)
def test_what_the_model_uses_shows_in_its_shap_values_by_name(
    latent_of, world, pairs_world, explained, column, change, moved
) -> None:
    day = world.day(25)
    changed = pairs_world.replaced(day, **{column: change(day[column].to_numpy())})
    found = [
        f for f in latent_of(explained(changed, 1_500)).alarms if (f.column, f.method) == ("shap", "domain_classifier")
    ]
    assert len(found) == 1
    assert found[0].moved_columns[0] == moved
    assert found[0].importance_share >= 0.3


def test_a_broken_correlation_of_what_the_model_does_not_use_leaves_its_space_alone(
    latent_of, world, explained
) -> None:
    report = latent_of(explained(world.day(30, broken_correlation=1.0), 1_500))
    assert "features" in {finding.column for finding in report.alarms}
    assert "shap" not in {finding.column for finding in report.alarms}
    (seen,) = [f for f in report.alarms if (f.column, f.method) == ("features", "domain_classifier")]
    assert {"reservation_pay_usd_per_hour", "log_pay_ratio"} & set(seen.moved_columns)


def test_a_column_that_hardly_contributes_moves_the_space_and_carries_nothing(
    latent_of, world, pairs_world, explained
) -> None:
    """Trees do not care for scale: contributions of a thousandth are told apart as well, so shares must tell."""
    day = world.day(25)
    moved = explained(pairs_world.replaced(day, job_age_days=day["job_age_days"].to_numpy() + 30), 1_500)
    (seen,) = [f for f in latent_of(moved).alarms if (f.column, f.method) == ("shap", "domain_classifier")]
    assert seen.moved_columns == ("job_age_days",)
    assert seen.importance_share == pytest.approx(0.001)


def test_without_shap_values_a_day_is_refused_and_rows_are_silent(
    explained_reference, world, policy, explained
) -> None:
    day = world.day(25)
    with pytest.raises(InvalidInputError, match="lack column shap_distance_km"):
        nannyml.latent_statistics(explained_reference, day, policy)
    with pytest.raises(InvalidInputError, match="has 2 rows"):
        nannyml.latent_statistics(explained_reference, explained(day, 2), policy)
    rows = calculators.rows_of(explained(day, 1_500), explained_reference, "shap")
    assert rows.num_rows == 1_500
    assert calculators.rows_of(explained(day, 1_500), explained_reference, "features").num_rows == 2_000
    alone = nannyml.latent_statistics(explained_reference, explained(day, 1_500), policy)
    cut = nannyml.latent_statistics(explained_reference, explained(day.slice(0, 1_500)), policy)
    assert [s for s in alone if s.column == "shap"] == [s for s in cut if s.column == "shap"]


def test_alarms_do_not_grow_with_traffic(reference, world) -> None:
    """One drift-free process at 5,000, 50,000 and 500,000 pairs a day: the sample keeps its size and its distance."""
    limits = {(t.method, t.column): t.upper for t in reference.thresholds}
    alarming = set(reference.columns.alarming)
    largest: dict[int, list[float]] = {}
    for population, offsets in ((5_000, range(20, 32)), (50_000, range(20, 32)), (500_000, range(20, 22))):
        for offset in offsets:
            day = world.day(offset, population)
            as_of = reference.as_of_date + timedelta(days=offset)
            places = sample_pairs(day["user_id"], day["job_id"], as_of=as_of, seed=13, rows=2_000)
            statistics = nannyml.drift_statistics(reference, day.take(pa.array(places)))
            ratios = [s.value / limits[s.method, s.column] for s in statistics if s.column in alarming]
            largest.setdefault(population, []).append(max(ratios))
    assert {population: sum(ratio > 1 for ratio in ratios) for population, ratios in largest.items()} == {
        5_000: 0,
        50_000: 0,
        500_000: 0,
    }
    assert np.mean(largest[50_000]) < 1.15 * np.mean(largest[5_000])
    assert np.mean(largest[500_000]) < 1.3 * np.mean(largest[5_000])
