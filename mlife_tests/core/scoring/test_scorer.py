"""Invariant 2: a row alone, in a batch, in any order and with any number of threads scores the same bits; and why."""

from __future__ import annotations

import gc
from dataclasses import replace
from types import ModuleType

import lightgbm
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError, PermanentError
from mlife_assets.core.scoring import scorer as scoring
from mlife_assets.core.scoring.artifact import ModelArtifact, ModelStage
from mlife_assets.core.scoring.calibrator import Calibrator
from mlife_assets.core.scoring.feature_spec import FeatureSpec
from mlife_assets.core.scoring.reasons import (
    REASONS_LOGGED,
    first_step_probabilities,
    global_importance,
    reasons,
    score_parts,
    strongest_reasons,
)
from mlife_assets.core.scoring.scorer import ROWS_WORTH_THREADS, LightGBMScorer, Trees, log_probability
from mlife_assets.core.training.training_set import TrainingSet
from mlife_assets.recruiting.features import MODEL_FEATURES, PAIR_WORDS, feature_matrix

WIDTH = len(MODEL_FEATURES)
SPECIAL = [
    np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -5e-324, 2.2e-308, 1e-35, 1e308, 0.5, 1.5, -1.0, 99.0, 2.0**31,
    2.0**63,
]  # fmt: skip
ROWS = 40


@pytest.fixture(scope="module", params=["trees", "trees on a base"])
def scored_artifact(request, artifact, based_artifact) -> ModelArtifact:
    return artifact if request.param == "trees" else based_artifact


@pytest.fixture(scope="module")
def scorer(scored_artifact: ModelArtifact) -> LightGBMScorer:
    return LightGBMScorer(scored_artifact, threads=2)


@pytest.fixture(scope="module")
def matrix(training_set: TrainingSet, scored_artifact: ModelArtifact) -> np.ndarray:
    return feature_matrix(training_set.examples, scored_artifact.feature_spec)[:500]


@pytest.fixture(scope="module")
def funnel(tiny_models: ModuleType) -> ModelArtifact:
    return tiny_models.tiny_artifact(3, is_funnel=True)


def stage_alone(artifact: ModelArtifact, place: int) -> LightGBMScorer:
    one = ModelArtifact(artifact.stages[place : place + 1], artifact.feature_spec, "data", {})
    return LightGBMScorer(one, threads=1)


def stump_text(value: float) -> str:
    """Return a model of two features with one split whose sides differ by about four times `value`."""
    rows = np.column_stack([np.arange(100.0), np.zeros(100)])
    parameters = {"objective": "binary", "verbosity": -1, "num_threads": 1, "min_child_samples": 5, "seed": 1}
    data = lightgbm.Dataset(rows, label=(np.arange(100) >= 50).astype(float), params=parameters)
    booster = lightgbm.train(parameters | {"learning_rate": value}, data, num_boost_round=1)
    return booster.model_to_string()


def same_alone(scorer: LightGBMScorer, matrix: np.ndarray) -> None:
    batch = scorer.score(matrix)
    assert np.isfinite(batch.raw).all()
    assert ((batch.probability >= 0) & (batch.probability <= 1)).all()
    for row in range(len(matrix)):
        alone = scorer.score(matrix[row : row + 1])
        assert alone.raw.tobytes() == batch.raw[row : row + 1].tobytes()
        assert alone.probability.tobytes() == batch.probability[row : row + 1].tobytes()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(
            st.one_of(st.sampled_from(SPECIAL), st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True)),
            min_size=WIDTH,
            max_size=WIDTH,
        ),
        min_size=1,
        max_size=9,
    )
)
def test_any_doubles_alone_are_the_batch(scorer: LightGBMScorer, rows: list[list[float]]) -> None:
    same_alone(scorer, np.array(rows))


def test_thresholds_and_their_neighbours_alone_are_the_batch(scorer, scored_artifact) -> None:
    lines = [
        line
        for stage in scored_artifact.stages
        for line in stage.model_text.splitlines()
        if line.startswith("threshold=")
    ]
    thresholds = np.unique([float(text) for line in lines for text in line.removeprefix("threshold=").split()])
    near = np.concatenate([thresholds, np.nextafter(thresholds, np.inf), np.nextafter(thresholds, -np.inf)])[:300]
    same_alone(scorer, np.repeat(near[:, None], WIDTH, axis=1))


def test_neither_threads_nor_layout_nor_order_matter(scored_artifact, scorer, matrix) -> None:
    matrix = np.tile(matrix, (5, 1))
    assert len(matrix) >= 2 * ROWS_WORTH_THREADS
    alone = LightGBMScorer(scored_artifact, threads=1)
    expected, reasons = alone.score(matrix), alone.contributions(matrix)
    order = np.random.default_rng(0).permutation(len(matrix))
    for other, part in (
        (LightGBMScorer(scored_artifact, threads=3), np.asfortranarray(matrix)),
        (scorer, matrix[order][np.argsort(order)]),
    ):
        found = other.score(part)
        assert found.raw.tobytes() == expected.raw.tobytes()
        assert found.probability.tobytes() == expected.probability.tobytes()
        assert other.contributions(part).tobytes() == reasons.tobytes()


def test_what_the_base_adds_is_in_scores_and_contributions(scored_artifact: ModelArtifact, matrix: np.ndarray) -> None:
    whole = LightGBMScorer(scored_artifact, threads=1)
    for stage in scored_artifact.stages:
        alone, trees = (
            LightGBMScorer(ModelArtifact((one,), scored_artifact.feature_spec, "data", {}), threads=1)
            for one in (stage, replace(stage, base=None))
        )
        added = np.zeros((len(matrix), len(whole.model_names) + 1))
        if stage.base is not None:
            added = stage.base.contributions(scored_artifact.feature_spec.expanded(matrix), whole.model_names)
            assert np.abs(added).max() > 0.5
        parts = alone.contributions(matrix)
        assert parts == pytest.approx(trees.contributions(matrix) + added)
        assert alone.score(matrix).raw == pytest.approx(trees.score(matrix).raw + added.sum(axis=1))


def test_a_funnel_multiplies_its_steps(tiny_models: ModuleType, funnel: ModelArtifact) -> None:
    matrix = tiny_models.random_matrix(9, 400)
    found = LightGBMScorer(funnel, threads=1).score(matrix)
    first, second = (stage_alone(funnel, place).score(matrix) for place in (0, 1))
    assert list(found.steps) == ["is_clicked", "is_applied"]
    assert found.steps["is_clicked"].tobytes() == first.probability.tobytes()
    assert found.steps["is_applied"].tobytes() == second.probability.tobytes()
    assert found.probability.tobytes() == (first.probability * second.probability).tobytes()
    assert (found.probability < np.minimum(first.probability, second.probability)).all()
    logs = [np.log(1 / (1 + np.exp(-one.raw))) for one in (first, second)]
    assert found.raw == pytest.approx(logs[0] + logs[1], rel=1e-12)
    assert (found.raw < 0).all()


def test_one_stage_has_one_step_and_its_log_odds(tiny_models: ModuleType) -> None:
    artifact = tiny_models.tiny_artifact(3)
    found = LightGBMScorer(artifact, threads=1).score(tiny_models.random_matrix(9, 50))
    assert list(found.steps) == ["is_applied"]
    assert found.steps["is_applied"].tobytes() == found.probability.tobytes()
    assert found.probability.tobytes() == artifact.stages[0].calibrator.probabilities(found.raw).tobytes()
    assert found.raw.min() < 0 < found.raw.max()


@pytest.mark.parametrize("is_funnel", [False, True])
@pytest.mark.parametrize("seed", [3, 4])
def test_contributions_sum_to_the_raw_score_of_any_number_of_steps(tiny_models, is_funnel: bool, seed: int) -> None:
    scorer = LightGBMScorer(tiny_models.tiny_artifact(seed, is_funnel=is_funnel, trees=40), threads=1)
    matrix = tiny_models.random_matrix(seed + 50, 300)
    contributions = scorer.contributions(matrix)
    assert contributions.shape == (300, len(scorer.model_names) + 1)
    assert np.abs(contributions.sum(axis=1) - scorer.score(matrix).raw).max() < 1e-9
    assert len(np.unique(contributions[:, -1])) == 1


def test_a_feature_that_helps_one_step_keeps_its_sign_in_a_funnel(tiny_models, funnel) -> None:
    matrix = tiny_models.random_matrix(7, 200)
    parts = [stage_alone(funnel, place).contributions(matrix)[:, :-1] for place in (0, 1)]
    whole = LightGBMScorer(funnel, threads=1).contributions(matrix)[:, :-1]
    agree = (np.sign(parts[0]) == np.sign(parts[1])) & (parts[0] != 0)
    assert agree.sum() > 500
    assert (np.sign(whole) == np.sign(parts[0]))[agree].all()
    shares = [np.abs(part) for part in parts]
    assert (np.abs(whole) <= shares[0] + shares[1] + 1e-12).all()


@pytest.mark.parametrize("step", [1e-5, 1e-8, 1e-9, 1e-10, 1e-12, 1e-14])
def test_contributions_sum_where_next_to_nothing_moves(step: float) -> None:
    spec = FeatureSpec(("a", "b"), ())
    stages = [ModelStage(name, stump_text(step), Calibrator("sigmoid", (1.0, 0.0), ())) for name in ("x", "y")]
    scorer = LightGBMScorer(ModelArtifact(tuple(stages), spec, "data", {}), threads=1)
    matrix = np.column_stack([np.arange(100.0), np.zeros(100)])
    contributions, raw = scorer.contributions(matrix), scorer.score(matrix).raw
    assert np.isfinite(contributions).all()
    assert np.abs(contributions.sum(axis=1) - raw).max() < 1e-9
    moved = stage_alone(scorer._artifact, 0).contributions(matrix)[:, 0]
    assert moved.min() < 0 < moved.max()
    assert contributions[:, 0] == pytest.approx(2 * 0.5 * moved, rel=1e-4, abs=0)


@given(st.floats(-1e300, 1e300))
def test_log_probabilities_of_any_log_odds_are_finite_and_add_up(log_odds: float) -> None:
    yes, no = (float(log_probability(np.array([sign * log_odds]))[0]) for sign in (1, -1))
    assert np.isfinite(yes)
    assert yes <= 0
    assert np.exp(yes) + np.exp(no) == pytest.approx(1)
    assert yes - no == pytest.approx(log_odds, abs=1e-9)


def test_no_rows_have_no_scores(scorer: LightGBMScorer) -> None:
    found = scorer.score(np.zeros((0, WIDTH)))
    assert [values.shape for values in (found.raw, found.probability, *found.steps.values())] == [(0,)] * 4
    assert scorer.contributions(np.zeros((0, WIDTH))).shape == (0, len(scorer.model_names) + 1)


@pytest.mark.parametrize("shape", [(WIDTH,), (3, WIDTH - 1), (3, WIDTH, 1)])
def test_another_shape_is_refused(scorer: LightGBMScorer, shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInputError, match="feature_names"):
        scorer.score(np.zeros(shape))


def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="lightgbm"):
        scoring._library.__wrapped__()


def test_contributions_that_cancel_are_scaled_by_the_slope_of_the_curve() -> None:
    """Where nothing is moved in sum, log p rises by 1 - p per log-odds."""
    expected = np.array([-2.0, 0.0, 1.5])
    parts = np.column_stack([np.full(3, 0.7), np.full(3, -0.7), expected])
    flat = 1 / (1 + np.exp(expected))
    found = scoring._rescaled(parts)
    assert found[:, 0] == pytest.approx(0.7 * flat, rel=1e-12)
    assert found[:, 1] == pytest.approx(-0.7 * flat, rel=1e-12)
    nearly = scoring._rescaled(np.column_stack([np.full(3, 0.7), np.full(3, -0.7 + 1e-6), expected]))
    assert nearly[:, 0] == pytest.approx(found[:, 0], rel=1e-5)


def test_an_unseen_value_of_a_category_scores_as_a_missing_one_to_the_bit(scorer, training_set) -> None:
    """A new application shows jobs in a way that this model has not learned from."""
    rows, spec = training_set.examples.slice(0, 500), scorer.feature_spec
    letters = feature_matrix(rows, spec, exposure_kind="letter")
    missing = feature_matrix(rows, spec, exposure_kind="message")
    missing[:, spec.names.index("exposure_kind")] = np.nan
    found, expected = scorer.score(letters), scorer.score(missing)
    assert found.probability.tobytes() == expected.probability.tobytes()
    assert found.raw.tobytes() == expected.raw.tobytes()
    assert scorer.contributions(letters).tobytes() == scorer.contributions(missing).tobytes()
    place = rows.schema.get_field_index("exposure_kind")
    written = rows.set_column(place, "exposure_kind", pa.array(["letter"] * rows.num_rows))
    assert feature_matrix(written, spec).tobytes() == letters.tobytes()
    assert scorer.score(feature_matrix(written.slice(7, 1), spec)).raw[0] == expected.raw[7]


@pytest.mark.parametrize("threads", [1, 2])
def test_scores_and_contributions_are_those_of_a_booster_to_the_bit(scored_artifact, threads: int) -> None:
    random = np.random.default_rng(3)
    for stage in scored_artifact.stages:
        booster = lightgbm.Booster(model_str=stage.model_text)
        matrix = random.normal(size=(300, booster.num_feature())) * 10.0 ** random.integers(-3, 4, (300, 1))
        matrix[random.random(matrix.shape) < 0.1] = np.nan
        ours = Trees(stage.model_text)
        for rows in (matrix, matrix[:1], matrix[::2], np.asfortranarray(matrix)):
            raw = booster.predict(rows, raw_score=True, num_threads=threads)
            assert ours.raw(rows, threads=threads).tobytes() == raw.tobytes()
            parts = booster.predict(rows, pred_contrib=True, num_threads=threads)
            found = ours.contributions(rows, threads=threads)
            assert (found.shape, found.tobytes()) == (parts.shape, parts.tobytes())


def test_text_that_is_no_model_and_rows_of_another_width_are_refused(scored_artifact: ModelArtifact) -> None:
    with pytest.raises(PermanentError, match="LightGBM cannot score: Model file"):
        Trees("no model")
    with pytest.raises(PermanentError, match="number of features"):
        Trees(scored_artifact.stages[0].model_text).raw(np.zeros((1, 2)), threads=1)


def test_a_scorer_that_is_gone_frees_its_trees(scored_artifact: ModelArtifact, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlife_assets.core.scoring import scorer

    freed: list[object] = []
    library = scorer._library()
    monkeypatch.setattr(library, "LGBM_BoosterFree", freed.append)
    one = Trees(scored_artifact.stages[0].model_text)
    del one
    gc.collect()
    assert len(freed) == 1


@pytest.fixture(scope="module")
def reason_rows(training_set: TrainingSet, artifact: ModelArtifact) -> tuple[np.ndarray, np.ndarray]:
    matrix = feature_matrix(training_set.examples, artifact.feature_spec)[:300]
    return artifact.feature_spec.expanded(matrix), LightGBMScorer(artifact, threads=1).contributions(matrix)


def test_reasons_name_the_strongest_features_first(artifact, reason_rows) -> None:
    spec, names = artifact.feature_spec, artifact.feature_spec.model_names
    contributions, values = np.zeros(len(names) + 1), np.zeros(len(names))
    for name, effect, value in (
        ("distance_km", -0.9, 41.5),
        ("same_shift", 0.4, 1.0),
        ("user_occupation_group", 1.2, 3.0),
    ):
        contributions[names.index(name)], values[names.index(name)] = effect, value
    group = dict(spec.vocabularies)["user_occupation_group"][3]
    found = reasons(contributions, values, spec, PAIR_WORDS)
    assert len(found) == 3
    assert group in found[0]
    assert "41.5" in found[1]
    assert "distance" in found[1]
    assert "lowers" in found[1]
    assert "raises" in found[2]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_has_words(artifact: ModelArtifact, value: float) -> None:
    names = artifact.feature_spec.model_names
    contributions, values = np.zeros(len(names) + 1), np.zeros(len(names))
    contributions[names.index("distance_km")], values[names.index("distance_km")] = 1.0, value
    assert len(reasons(contributions, values, artifact.feature_spec, {})) == 1


def test_shapes_must_fit_the_spec(artifact: ModelArtifact) -> None:
    with pytest.raises(InvalidInputError, match="do not fit"):
        reasons(np.zeros(3), np.zeros(2), artifact.feature_spec, {})
    with pytest.raises(InvalidInputError, match="do not fit"):
        score_parts(np.zeros(3), np.zeros(2), artifact.feature_spec)


def test_the_parts_of_a_score_sum_to_it_and_carry_what_the_model_saw(artifact, reason_rows) -> None:
    spec, values, contributions = artifact.feature_spec, reason_rows[0][0].copy(), reason_rows[1][0]
    values[spec.model_names.index("user_occupation_group")] = 3.0
    values[spec.model_names.index("distance_km")] = np.nan
    parts = score_parts(contributions, values, spec)
    assert parts.expected + sum(parts.contributions.values()) == pytest.approx(contributions.sum())
    assert tuple(parts.contributions) == tuple(parts.values) == spec.model_names
    assert parts.values["user_occupation_group"] == dict(spec.vocabularies)["user_occupation_group"][3]
    assert parts.values["distance_km"] == "unknown"


def test_importance_is_ordered_and_finds_what_drives_applies(artifact, reason_rows) -> None:
    importance = global_importance(reason_rows[1], artifact.feature_spec.model_names)
    assert list(importance.values()) == sorted(importance.values(), reverse=True)
    assert set(list(importance)[:4]) & {"taste_match", "same_occupation_group"}


def test_the_probability_of_a_first_step_is_that_of_the_first_step(models: ModuleType) -> None:
    matrix = models.random_matrix(3, ROWS)
    funnel = LightGBMScorer(models.tiny_artifact(1, is_funnel=True), threads=1).score(matrix)
    alone = LightGBMScorer(models.tiny_artifact(1), threads=1).score(matrix)
    first_step = first_step_probabilities(funnel)
    assert first_step.tobytes() == alone.probability.tobytes()
    assert (first_step >= funnel.probability).all()
    assert (first_step > funnel.probability).any()


def test_a_model_of_one_step_has_no_first_one(models: ModuleType) -> None:
    scores = LightGBMScorer(models.tiny_artifact(1), threads=1).score(models.random_matrix(3, ROWS))
    assert np.isnan(first_step_probabilities(scores)).tolist() == [True] * ROWS


@pytest.mark.parametrize("is_funnel", [False, True])
def test_reasons_are_the_largest_contributions_and_those_of_the_row_alone(models: ModuleType, is_funnel: bool) -> None:
    scorer = LightGBMScorer(models.tiny_artifact(1, is_funnel=is_funnel), threads=1)
    matrix = models.random_matrix(3, ROWS)
    found = strongest_reasons(scorer, matrix, {})
    assert found == [strongest_reasons(scorer, matrix[row : row + 1], {})[0] for row in range(ROWS)]
    for told, contributions in zip(found, scorer.contributions(matrix), strict=True):
        largest = np.sort(np.abs(contributions[:-1]))[::-1][:REASONS_LOGGED]
        assert [float(one.rsplit(" ", 1)[1]) for one in told] == [round(value, 2) for value in largest[largest > 0]]


def test_no_rows_have_no_reasons(models: ModuleType) -> None:
    scorer = LightGBMScorer(models.tiny_artifact(1), threads=1)
    assert strongest_reasons(scorer, np.zeros((0, len(models.SPEC.names))), {}) == []
