"""Recipes: what is recent counts more, trees learn what a base leaves over, and one law is learned by all of them.

The base is the maximum it claims to be, bends where rows do, keeps its signs and does not depend on layout.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.model import Model
from mlife_assets.core.monitoring.contributions import with_contributions
from mlife_assets.core.monitoring.retrain_decisions import NEW_LABELS, RetrainDecision
from mlife_assets.core.policies import BOOSTING_FIELDS, RECIPES, PromotionPolicy, RetrainPolicy, TrainingPolicy
from mlife_assets.core.scoring.artifact import MANIFEST_FILE, LinearBase, ModelArtifact, file_names
from mlife_assets.core.scoring.estimators import last_step, parameters
from mlife_assets.core.scoring.feature_spec import FeatureSpec, examples_matrix
from mlife_assets.core.scoring.reasons import reasons, score_parts
from mlife_assets.core.scoring.scorer import SklearnScorer, scorer_of
from mlife_assets.core.training import recipes
from mlife_assets.core.training.boosting import Rows
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.gate import Terms
from mlife_assets.core.training.judgement import GateRows, judge_model
from mlife_assets.core.training.manifest_facts import fitted_words
from mlife_assets.core.training.model_card.describe import describe_model
from mlife_assets.core.training.model_card.facts import CardSubject
from mlife_assets.core.training.model_card.page import render_model_card
from mlife_assets.core.training.objective import Looks
from mlife_assets.core.training.recipes import (
    PLAIN,
    FittedStep,
    by_age,
    fit_estimator,
    fit_linear_base,
    fit_step,
    made,
    policy_as_of,
    recipe_of,
)
from mlife_assets.core.training.training_set import TrainingSet
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.features import JOB_EXAMPLES, pair_features

BEGAN, RETRAIN = date(2026, 6, 10), RetrainPolicy()
AGED = TrainingPolicy(recipes=("recent_linear", "recent", "plain"), half_life_days=14.0, half_life_days_in_drift=3.5)
CONFIRMED, DATA = ("concept_drift_confirmed", "concept_alarm"), ("data_drift_confirmed", "data_alarm")
ROWS = 2_000
POLICY = TrainingPolicy(minimum_child_examples=20, learning_rate=0.1, half_life_days=10.0, feature_fraction=1.0)
SPEC = FeatureSpec(("strength", "noise"), ())
DAYS = 60
BASE_POLICY = TrainingPolicy(base_pieces=1, base_penalty=10.0)
BASE_SPEC = FeatureSpec(("pay", "km", "city"), (("city", ("a", "b", "c")),))


def drawn(*, change_on: int | None = None, per_day: int = 150, seed: int = 1, first: int = 20_000) -> Rows:
    """Return rows whose outcome follows `strength`, from day `change_on` on `noise` instead."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(DAYS), per_day)
    matrix = rng.normal(size=(len(day), 2))
    follows = np.where(day >= (DAYS if change_on is None else change_on), matrix[:, 1], matrix[:, 0])
    outcome = rng.random(len(day)) < 1 / (1 + np.exp(1 - 1.5 * follows))
    return Rows(matrix, outcome, day=day + first)


def fitted(rows: Rows, name: str, trees: int = 60, **changes: object) -> FittedStep:
    policy = replace(POLICY, **changes)
    return fit_step(rows, recipe_of(name), SPEC, policy, trees=trees)


def log_loss(rows: Rows, step: FittedStep) -> float:
    raw = step.raw(rows.matrix, POLICY)
    return float(np.mean(np.logaddexp(0, np.where(rows.outcome, -raw, raw))))


def test_the_default_is_what_lightgbm_does_where_nobody_says_anything() -> None:
    import lightgbm

    rows = drawn()
    step = fitted(rows, "default", trees=40)
    data = lightgbm.Dataset(rows.matrix, label=rows.outcome.astype(float), params={"verbosity": -1})
    own = lightgbm.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, data, num_boost_round=40)
    assert step.raw(rows.matrix, POLICY) == pytest.approx(own.predict(rows.matrix, raw_score=True), abs=1e-9)


def test_weights_halve_with_every_half_life_before_the_newest_row() -> None:
    rows = Rows(np.zeros((4, 1)), np.zeros(4, dtype=bool), day=np.array([70, 80, 90, 100]))
    found = by_age(rows, recipe_of("recent"), replace(POLICY, half_life_days=10.0))
    assert found.weight.tolist() == [0.125, 0.25, 0.5, 1.0]
    thinned = replace(rows, weight=np.array([3.0, 1.0, 3.0, 2.0]))
    assert by_age(thinned, recipe_of("recent"), POLICY).weight.tolist() == [0.375, 0.25, 1.5, 2.0]
    assert by_age(rows, PLAIN, POLICY) is rows
    assert by_age(rows, recipe_of("linear"), POLICY) is rows


def test_the_newest_rows_are_those_of_13_weeks_in_bins_of_their_own() -> None:
    rows = Rows(np.zeros((4, 1)), np.zeros(4, dtype=bool), day=np.array([9, 10, 50, 100]), weight=np.arange(4.0))
    found = by_age(replace(rows, bins="shared", places=np.arange(4)), recipe_of("newest"), POLICY)
    assert found.day.tolist() == [10, 50, 100]
    assert found.weight.tolist() == [1.0, 2.0, 3.0]
    assert found.bins is None


@pytest.mark.parametrize("names", [("plain", "recent"), ("linear", "recent_linear"), ("plain", "newest")])
def test_after_a_change_recent_rows_teach_the_new_law(names: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "NEWEST_DAYS", 15)
    rows, later = drawn(change_on=45), drawn(change_on=0, seed=2)
    every, recent = (log_loss(later, fitted(rows, name)) for name in names)
    assert recent < every - 0.05


def test_without_a_change_every_recipe_learns_the_law() -> None:
    rows, later = drawn(), drawn(seed=2)
    rate = later.outcome.mean()
    no_skill = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    truth = 1 - 1.5 * later.matrix[:, 0]
    best = float(np.mean(np.logaddexp(0, np.where(later.outcome, truth, -truth))))
    for name in RECIPES:
        assert best - 0.005 < log_loss(later, fitted(rows, name)) < best + 0.1 * (no_skill - best)


def test_trees_learn_what_the_base_leaves_over() -> None:
    """The outcome waves with noise, which no straight piece follows."""
    rows, later = drawn(), drawn(seed=2)
    wavy = []
    for part, seed in ((rows, 5), (later, 6)):
        log_odds = 1.2 * part.matrix[:, 0] + 2 * np.sin(4 * part.matrix[:, 1])
        draws = np.random.default_rng(seed).random(len(log_odds))
        wavy.append(replace(part, outcome=draws < 1 / (1 + np.exp(-log_odds))))
    step = fitted(wavy[0], "linear", trees=150)
    assert step.base is not None
    alone = step.base.raw(wavy[1].matrix, SPEC.names)
    assert np.corrcoef(alone, wavy[1].matrix[:, 0])[0, 1] > 0.9
    without_trees = float(np.mean(np.logaddexp(0, np.where(wavy[1].outcome, -alone, alone))))
    assert log_loss(wavy[1], step) < without_trees - 0.1


def test_raw_is_the_sum_of_base_and_trees() -> None:
    rows = drawn()
    step = fitted(rows, "recent_linear")
    assert step.base is not None
    trees = step.booster.predict(rows.matrix, raw_score=True)
    assert step.raw(rows.matrix, POLICY) == pytest.approx(step.base.raw(rows.matrix, SPEC.names) + trees)
    assert fitted(rows, "recent").base is None


def test_directions_hold_for_base_and_trees_together() -> None:
    rows = drawn()
    grid = np.column_stack([np.linspace(-4, 4, 200), np.zeros(200)])
    for name in RECIPES:
        raw = fitted(rows, name, falling=("strength",)).raw(grid, POLICY)
        assert np.diff(raw).max() <= 1e-12, name
        raw = fitted(rows, name, rising=("strength",)).raw(grid, POLICY)
        assert np.diff(raw).min() >= -1e-12, name


@pytest.mark.parametrize("name", ["plain", "recent_linear", "logistic"])
def test_looks_see_what_is_served_with_so_many_trees(name: str) -> None:
    rows, held_out = drawn(per_day=40), drawn(per_day=20, seed=3)
    looks = Looks(held_out.matrix, np.ones(len(held_out.outcome), bool), held_out.outcome, held_out.day - 20_000, False)
    fit_step(rows, recipe_of(name), SPEC, POLICY, trees=25, looks=looks)
    sizes = [0] if name == "logistic" else [10, 20, 25]
    assert len(looks.raws) == len(looks.found) == len(sizes)
    for size, raw in zip(sizes, looks.raws, strict=True):
        assert raw == pytest.approx(fitted(rows, name, trees=size).raw(held_out.matrix, POLICY), abs=1e-12)


def drawn_of_levels(count: int = 6_000, seed: int = 1) -> Rows:
    """Return rows whose log-odds depend on the city and on whether the pay is known, not on what it is."""
    rng = np.random.default_rng(seed)
    pay, km, city = rng.normal(size=count), rng.uniform(0, 80, count), rng.integers(0, 3, count)
    unknown = rng.random(count) < 0.3
    log_odds = -1 + np.array([0.0, 1.5, -1.0])[city] + 1.0 * unknown
    outcome = rng.random(count) < 1 / (1 + np.exp(-log_odds))
    return Rows(np.column_stack([np.where(unknown, np.nan, pay), km, city]), outcome)


def test_a_logistic_regression_has_an_effect_for_each_value_and_for_missing_ones() -> None:
    rows = drawn_of_levels()
    base = fit_linear_base(rows, BASE_SPEC, BASE_POLICY, has_levels=True)
    asked = np.array([[0.0, 40.0, 0], [0.0, 40.0, 1], [0.0, 40.0, 2], [np.nan, 40.0, 0]])
    raw = base.raw(asked, BASE_SPEC.model_names)
    assert raw - raw[0] == pytest.approx([0.0, 1.5, -1.0, 1.0], abs=0.25)
    parts = base.contributions(rows.matrix, BASE_SPEC.model_names)
    assert np.abs(parts[:, :-1].mean(axis=0)).max() < 1e-9
    assert parts.sum(axis=1) == pytest.approx(base.raw(rows.matrix, BASE_SPEC.model_names), abs=1e-12)
    assert LinearBase.from_json(base.to_json()) == base
    unseen = base.raw(np.array([[0.0, 40.0, np.nan]]), BASE_SPEC.model_names)
    assert raw[2] < unseen[0] < raw[1], "a value that nobody had counts as the mean"


def test_its_levels_are_those_of_a_one_hot_regression_that_another_library_fits() -> None:
    rows = drawn_of_levels()
    base = fit_linear_base(rows, BASE_SPEC, BASE_POLICY, has_levels=True)
    city = next(curve for curve in base.curves if curve.name == "city")
    hot = np.column_stack([rows.matrix[:, 2] == code for code in range(3)]).astype(float)
    unknown = np.isnan(rows.matrix[:, 0])
    model = LogisticRegression(C=1 / 10.0, tol=1e-10, max_iter=1_000).fit(
        np.column_stack([hot, unknown, ~unknown]), rows.outcome
    )
    expected = model.coef_[0][:3] - model.coef_[0][0]
    assert np.array(city.log_odds) - city.log_odds[0] == pytest.approx(expected, abs=0.02)


def test_rare_values_are_drawn_to_the_mean() -> None:
    rows = drawn_of_levels()
    rare = rows.matrix.copy()
    rare[:3, 2] = 3
    outcome = rows.outcome.copy()
    outcome[:3] = True
    spec = FeatureSpec(BASE_SPEC.names, (("city", ("a", "b", "c", "d")),))
    base = fit_linear_base(replace(rows, matrix=rare, outcome=outcome), spec, BASE_POLICY, has_levels=True)
    city = next(curve for curve in base.curves if curve.name == "city")
    assert 0.0 < city.log_odds[3] - np.mean(city.log_odds[:3]) < 0.4


def drawn_of_curves(count: int = 8_000, seed: int = 1) -> Rows:
    """Return rows whose log-odds rise with pay by .9 and fall with km by .05, up to 40 km."""
    rng = np.random.default_rng(seed)
    pay, km, city = rng.normal(size=count), rng.uniform(0, 80, count), rng.integers(0, 3, count)
    log_odds = -1 + 0.9 * pay - 0.05 * np.minimum(km, 40)
    outcome = rng.random(count) < 1 / (1 + np.exp(-log_odds))
    return Rows(np.column_stack([pay, km, city]), outcome)


def test_it_is_the_ridge_regression_that_another_library_fits() -> None:
    rows = drawn_of_curves()
    base = fit_linear_base(rows, BASE_SPEC, BASE_POLICY)
    assert [curve.name for curve in base.curves] == ["pay", "km"]
    knots, ends = (np.array([getattr(one, name) for one in base.curves]) for name in ("knots", "log_odds"))
    capped = np.clip(rows.matrix[:, :2], knots[:, 0], knots[:, -1])
    spread = capped.std(axis=0)
    model = LogisticRegression(C=1 / 10.0, tol=1e-10, max_iter=1_000)
    model.fit((capped - capped.mean(axis=0)) / spread, rows.outcome)
    slopes = (ends[:, -1] - ends[:, 0]) / (knots[:, -1] - knots[:, 0]) * spread
    assert slopes == pytest.approx(model.coef_[0], abs=1e-5)
    assert base.intercept == pytest.approx(float(model.intercept_[0]), abs=1e-5)


def test_weights_count_as_so_many_rows() -> None:
    rows = drawn_of_curves(3_000)
    twice = rows.outcome & (rows.matrix[:, 1] < 40)
    weighted = replace(rows, weight=np.where(twice, 2.0, 1.0))
    copied = rows.where(np.sort(np.r_[np.arange(3_000), np.flatnonzero(twice)]))
    policy = replace(BASE_POLICY, base_penalty=5.0)
    first, second = (fit_linear_base(one, BASE_SPEC, policy) for one in (weighted, copied))
    inner = rows.matrix[np.abs(rows.matrix[:, 0]) < 2]  # caps are quantiles of rows, whatever these weigh
    names = BASE_SPEC.model_names
    assert first.raw(inner, names) == pytest.approx(second.raw(inner, names), abs=0.03)
    unweighted = fit_linear_base(rows, BASE_SPEC, policy).raw(inner, names)
    assert np.abs(first.raw(inner, names) - unweighted).max() > 0.3


def test_it_adds_to_what_rows_start_from() -> None:
    """Started from the truth there is nothing left to learn; started from too much, the excess is taken back."""
    rows = drawn_of_curves(40_000)
    pay, km, _ = rows.matrix.T
    truth = -1 + 0.9 * pay - 0.05 * np.minimum(km, 40)
    left = fit_linear_base(replace(rows, start=truth), BASE_SPEC, BASE_POLICY)
    assert np.abs(left.raw(rows.matrix, BASE_SPEC.model_names)).max() < 0.12
    taken = fit_linear_base(replace(rows, start=truth + 0.5), BASE_SPEC, BASE_POLICY)
    assert taken.intercept == pytest.approx(-0.5, abs=0.05)


def test_pieces_bend_where_the_rows_do() -> None:
    rows = drawn_of_curves(40_000)
    straight, bent = (fit_linear_base(rows, BASE_SPEC, replace(BASE_POLICY, base_pieces=pieces)) for pieces in (1, 4))
    asked = np.array([[0.0, km, 0.0] for km in (5.0, 35.0, 45.0, 75.0)])
    first, second = (base.raw(asked, BASE_SPEC.model_names) for base in (straight, bent))
    assert second[1] - second[0] == pytest.approx(-1.5, abs=0.2)
    assert second[3] - second[2] == pytest.approx(0.0, abs=0.2)
    assert first[3] - first[2] < -0.5


@pytest.mark.parametrize("pieces", [1, 3])
def test_directions_of_the_policy_hold(pieces: int) -> None:
    rows = drawn_of_curves()
    policy = replace(BASE_POLICY, base_pieces=pieces, falling=("pay",), rising=("km",))
    pay, km = fit_linear_base(rows, BASE_SPEC, policy).curves
    assert max(pay.log_odds) == min(pay.log_odds) == 0.0
    assert max(km.log_odds) == min(km.log_odds) == 0.0
    kept = fit_linear_base(rows, BASE_SPEC, replace(policy, falling=("km",), rising=("pay",)))
    assert np.diff(kept.curves[0].log_odds).min() >= 0.0 < kept.curves[0].log_odds[-1]
    assert np.diff(kept.curves[1].log_odds).max() <= 0.0 > kept.curves[1].log_odds[-1]


def test_a_mean_row_adds_nothing_and_a_missing_value_counts_as_one() -> None:
    rows = drawn_of_curves()
    holed = rows.matrix.copy()
    holed[::5, 0] = np.nan
    base = fit_linear_base(replace(rows, matrix=holed), BASE_SPEC, replace(BASE_POLICY, base_pieces=3))
    parts = base.contributions(holed, BASE_SPEC.model_names)
    assert np.abs(parts[:, :-1].mean(axis=0)).max() < 1e-9
    assert not parts[::5, 0].any()


def test_odd_columns_have_no_curve_or_a_flat_one_and_break_nothing() -> None:
    rng = np.random.default_rng(4)
    count = 4_000
    columns = {
        "signal": rng.normal(size=count), "constant": np.full(count, 3.0), "missing": np.full(count, np.nan),
        "rare": np.where(np.arange(count) == 7, 5.0, 0.0),
        "endless": np.where(np.arange(count) % 2 == 0, np.inf, 1.0), "huge": 1e300 * rng.normal(size=count),
        "flag": (rng.random(count) < 0.3).astype(float),
    }  # fmt: skip
    outcome = rng.random(count) < 1 / (1 + np.exp(-columns["signal"]))
    spec = FeatureSpec(tuple(columns), ())
    rows = Rows(np.column_stack(list(columns.values())), outcome)
    base = fit_linear_base(rows, spec, replace(BASE_POLICY, base_pieces=3))
    assert {"signal", "rare", "flag"} <= {curve.name for curve in base.curves}
    assert not {"constant", "missing"} & {curve.name for curve in base.curves}
    assert np.isfinite(base.raw(rows.matrix, spec.model_names)).all()


def test_neither_the_rows_of_the_curvature_nor_layout_decide_where_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = drawn_of_curves()
    exact = fit_linear_base(rows, BASE_SPEC, BASE_POLICY)
    monkeypatch.setattr(recipes, "CURVATURE_ROWS", 700)
    rough = fit_linear_base(rows, BASE_SPEC, BASE_POLICY)
    names = BASE_SPEC.model_names
    assert rough.raw(rows.matrix, names) == pytest.approx(exact.raw(rows.matrix, names), abs=1e-3)
    other = replace(rows, matrix=np.asfortranarray(rows.matrix))
    first, second = (fit_linear_base(one, BASE_SPEC, BASE_POLICY).to_json() for one in (rows, other))
    assert first == second


def test_separable_rows_have_a_finite_answer() -> None:
    values = np.linspace(-1, 1, 400)
    rows = Rows(values[:, None], values > 0)
    base = fit_linear_base(rows, FeatureSpec(("x",), ()), replace(BASE_POLICY, base_penalty=0.1))
    assert np.isfinite(base.raw(rows.matrix, ("x",))).all()
    assert base.curves[0].log_odds[-1] > 2


def test_a_number_that_only_rows_of_no_weight_know_has_no_curve() -> None:
    """So it is of a column that was last filled very many half-lives ago, whose weights have come to 0."""
    rows = drawn_of_curves(2_000)
    matrix, weight = rows.matrix.copy(), np.ones(2_000)
    matrix[1_000:, 0], weight[:1_000] = np.nan, 0.0
    base = fit_linear_base(replace(rows, matrix=matrix, weight=weight), BASE_SPEC, BASE_POLICY)
    assert [curve.name for curve in base.curves] == ["km"]
    assert np.isfinite(base.raw(matrix, BASE_SPEC.names)).all()


def linear() -> Any:
    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression())


def boosting() -> Any:
    return HistGradientBoostingClassifier(max_iter=20)


@pytest.fixture(scope="module", params=[linear, boosting])
def make(request: pytest.FixtureRequest) -> Callable[[], Any]:
    return request.param


@pytest.fixture(scope="module")
def own(training_set: TrainingSet, job_pairs: ModuleType, make: Callable[[], Any]) -> ModelArtifact:
    return fit_model(training_set, job_pairs.POLICY, estimator=make)


@pytest.fixture(scope="module")
def later(job_pairs: ModuleType, training_set: TrainingSet) -> pa.Table:
    rows = pair_features(job_pairs.labelled_examples(ROWS, seed=50))
    days = np.full(ROWS, np.datetime64(training_set.last_day + timedelta(days=30)))
    columns = {
        "job_id": pa.array([f"j{row:05d}" for row in range(ROWS)]),
        "exposure_date": pa.array(days),
        "label_mature_date": pa.array(days + 8),
    }
    for name, values in columns.items():
        rows = rows.set_column(rows.column_names.index(name), name, values)
    return rows


def test_the_same_rows_and_seed_give_the_same_artifact_on_any_cores(training_set, job_pairs, make, own) -> None:
    again = fit_model(training_set, job_pairs.POLICY, cores=2, estimator=make)
    assert again.files() == own.files()
    names = [name for name in own.files() if name.endswith(".skops")]
    assert names == [f"stage_{place + 1}.estimator.skops" for place in range(len(own.stages))]
    assert set(file_names(own.files()[MANIFEST_FILE])) == set(own.files())


def test_recent_rows_count_more_in_it_and_without_weights_it_is_what_it_was(training_set, job_pairs, make, own) -> None:
    policy = replace(job_pairs.POLICY, recipes=("recent",), half_life_days=2.0)
    recent = fit_model(training_set, policy, estimator=make)
    assert recent.manifest["recipe"] == "recent"
    assert recent.stages[-1].content != own.stages[-1].content
    rows = Rows(np.arange(8.0)[:, None] % 3, np.arange(8) % 2 == 0)
    tiny = {"min_samples_leaf": 1} if make is boosting else {}
    plain, ones = (
        fit_estimator(lambda: make().set_params(**tiny), one, seed=1)
        for one in (rows, replace(rows, weight=np.ones(8)))
    )
    assert plain.raw(rows.matrix) == pytest.approx(ones.raw(rows.matrix))


def test_the_gate_judges_it_like_any_other_and_it_may_be_promoted(
    training_set: TrainingSet,
    job_pairs: ModuleType,
    make: Callable[[], Any],
    own: ModelArtifact,
    artifact: ModelArtifact,
    later: pa.Table,
) -> None:
    promotion = PromotionPolicy(
        minimum_users_with_positives=30, bootstrap_resamples=200, calibration_slope_minimum=0.4,
        calibration_slope_maximum=2.5, calibration_level_minimum=0.4, calibration_level_maximum=2.5,
    )  # fmt: skip
    model = Model("a", "A model", "it happens", "a test", JOB_EXAMPLES, training=job_pairs.POLICY, promotion=promotion)
    gate = GateRows.of_examples(later, JOB_EXAMPLES)
    as_of = training_set.last_day + timedelta(days=80)

    def judged(champion: ModelArtifact | None) -> Any:
        return judge_model(own, training_set, gate, None, model, Terms(as_of), champion=champion, threads=1)

    first = judged(None)
    assert first.calibration is not None
    parity = next(one for one in first.decision.conditions if one.name == "scoring_parity")
    assert parity.is_met, parity.sentence
    assert first.decision.is_promoted, first.decision.sentences
    assert judged(artifact).decision.log_loss_gain is not None
    subject = CardSubject("A title", ("It ranks.",), "it happens", policies={"promotion": promotion})
    card = describe_model(own, subject, as_of=as_of, decision=first.decision, calibration=first.calibration)
    page = re.sub("<[^>]+>", "", render_model_card(card))
    assert own.model_version in page
    final = last_step(made(make, seed=job_pairs.POLICY.seed))
    for words in (type(final).__name__, *(f"{type(final).__name__}.{name}" for name in final.get_params())):
        assert words in page


def test_scores_are_taken_apart_into_reasons_and_what_monitoring_watches(own: ModelArtifact, later: pa.Table) -> None:
    scorer = scorer_of(own, threads=2)
    assert isinstance(scorer, SklearnScorer)
    matrix = examples_matrix(later, own.feature_spec)[:300]
    scores, parts = scorer.score(matrix), scorer.contributions(matrix)
    assert np.sum(parts, axis=1) == pytest.approx(scores.raw, abs=1e-9)
    alone = np.concatenate([scorer.contributions(matrix[row : row + 1]) for row in range(50)])
    assert alone.tobytes() == parts[:50].tobytes()
    seen = own.feature_spec.expanded(matrix)
    assert len(reasons(parts[0], seen[0], own.feature_spec, {})) > 0
    taken = score_parts(parts[0], seen[0], own.feature_spec)
    assert taken.expected + sum(taken.contributions.values()) == pytest.approx(scores.raw[0], abs=1e-9)
    watched = with_contributions(later, parts, scorer.model_names)
    assert watched.num_columns > later.num_columns
    assert sum(own.manifest["importance"].values()) > 0
    empty = matrix[:0]
    assert scorer.score(empty).raw.shape == (0,)
    assert scorer.contributions(empty).shape == (0, len(scorer.model_names) + 1)


def test_what_is_left_to_chance_gets_the_seed_of_the_policy() -> None:
    assert made(boosting, seed=7).random_state == 7
    assert made(linear, seed=7).get_params()["logisticregression__random_state"] == 7
    assert made(lambda: HistGradientBoostingClassifier(random_state=3), seed=7).random_state == 3


def test_the_manifest_says_what_was_fitted_and_nothing_that_did_not_count(job_pairs, make, own, artifact) -> None:
    steps = own.manifest["estimator"]
    assert steps == parameters(made(make, seed=job_pairs.POLICY.seed))
    assert fitted_words(own.manifest) == ", ".join(steps)
    assert fitted_words(artifact.manifest).startswith(f"{artifact.manifest['trees']} trees")
    assert set(artifact.manifest["policy"]) - set(own.manifest["policy"]) == set(BOOSTING_FIELDS)
    assert "trees" not in own.manifest


def test_an_estimator_is_refused_before_anything_is_fitted(training_set: TrainingSet, job_pairs: ModuleType) -> None:
    with pytest.raises(InvalidInputError, match="takes no missing value"):
        fit_model(training_set, job_pairs.POLICY, estimator=LogisticRegression)
    with pytest.raises(InvalidInputError, match="HistGradientBoostingClassifier cannot be fitted"):
        fit_model(training_set, job_pairs.POLICY, estimator=lambda: HistGradientBoostingClassifier(max_iter=-1))
    with pytest.raises(InvalidInputError, match="falling is distance_km, which LightGBM alone keeps"):
        fit_model(training_set, replace(job_pairs.POLICY, falling=("distance_km",)), estimator=boosting)


def decided(after: int, *codes: str) -> RetrainDecision:
    return RetrainDecision(add_days(BEGAN, after), "wait", codes, (), None)


DRIFT = (decided(0, "drift_breached", "concept_alarm"), decided(1, *CONFIRMED))


@pytest.mark.parametrize(("age", "half_life"), [(1, 3.5), (7, 3.5), (8, 4.0), (14, 7.0), (27, 13.5)])
def test_the_half_life_grows_with_the_drift(age: int, half_life: float) -> None:
    found = policy_as_of(AGED, DRIFT, add_days(BEGAN, age), RETRAIN)
    assert found == replace(AGED, recipes=("recent_linear", "recent"), half_life_days=half_life)


@pytest.mark.parametrize(
    ("policy", "decisions", "age"),
    [
        *((AGED, DRIFT, age) for age in (-1, 0, 28, 60)),
        (AGED, (), 3),
        *((AGED, (decided(1, *codes),), 3) for codes in (DATA, (NEW_LABELS,), (*DATA, NEW_LABELS))),
        *((replace(AGED, **kept), DRIFT, 3) for kept in ({"recipes": ("plain", "recent")}, {"half_life_days": 2.0})),
    ],
)
def test_any_other_fit_is_as_usual(policy: TrainingPolicy, decisions: tuple[RetrainDecision, ...], age: int) -> None:
    """Before a drift is confirmed, when it is old, for other reasons, and where no row or a younger one weighs less."""
    assert policy_as_of(policy, decisions, add_days(BEGAN, age), RETRAIN) is policy
