"""The one list of required conditions, in its parts."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.model import Model
from mlife_assets.core.ports import Scores
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.feature_spec import FeatureSpec, examples_matrix, fit_feature_spec
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.training import required
from mlife_assets.core.training.required import (
    Separation,
    copied_rows_condition,
    examined_steps,
    feature_condition,
    fingerprints,
    label_time_condition,
    parity_condition,
    scoring_conditions,
    separations,
    training_conditions,
    with_outcome,
)
from mlife_assets.core.training.training_set import TrainingSet
from mlife_assets.recruiting.features import JOB_EXAMPLES, feature_matrix, pair_features

LIST = [
    "no_feature_tells_the_outcome",
    "label_time_does_not_tell_the_outcome",
    "gate_rows_are_not_training_rows",
    "scoring_parity",
]
MATRIX = np.random.default_rng(1).normal(size=(60, 4))
SPEC = FeatureSpec(("a", "b", "city"), (("city", tuple(f"c{place}" for place in range(200))),))
ROWS = 2_000
ROLES = ExampleSpec("who", "day", "done", "mature", ("a", "b"), item="what", categoricals=("city",))


@pytest.fixture(scope="module")
def model(job_pairs: ModuleType) -> Model:
    return Model("a_model", "A model", "it happens", "a test", JOB_EXAMPLES, training=job_pairs.POLICY)


def test_every_condition_is_listed_once(job_pairs, training_set, artifact, model) -> None:
    exposures = pair_features(job_pairs.labelled_examples(1_500, seed=50))
    matrix = feature_matrix(exposures, artifact.feature_spec, exposure_kind="impression")
    found = (
        *training_conditions(training_set, artifact.feature_spec),
        *scoring_conditions(artifact, training_set, exposures, matrix, model, threads=1),
    )
    assert [one.name for one in found] == LIST
    some = required.RowInputs(exposures, artifact.feature_spec)[[7, 2]]
    assert np.array_equal(some, examples_matrix(exposures, artifact.feature_spec)[[7, 2]], equal_nan=True)
    assert all(one.is_met for one in found), [one.sentence for one in found]


def test_copies_are_looked_for_among_exposures_and_not_among_what_is_ranked(training_set, artifact, model) -> None:
    copies = training_set.examples.slice(0, 1_500)
    matrix = examples_matrix(copies, artifact.feature_spec)
    found = scoring_conditions(artifact, training_set, copies, matrix[:50], model, threads=1)
    assert [one.name for one in found if not one.is_met] == ["gate_rows_are_not_training_rows"]


@pytest.mark.parametrize("step", ["is_applied", "is_clicked"])
def test_copies_are_looked_for_among_all_that_any_step_learned_from(
    training_set: TrainingSet, artifact: ModelArtifact, model: Model, job_pairs: ModuleType, step: str
) -> None:
    """Of the newest rows the clicks are learned alone: a copy of one is a row that the model has seen."""
    only = training_set.known(step) & (training_set.known("is_applied") == (step == "is_applied"))
    fresh = pair_features(job_pairs.labelled_examples(1_500, seed=50))
    columns = [name for name in fresh.column_names if name in training_set.examples.column_names]
    copies = training_set.examples.filter(pa.array(only)).select(columns).slice(0, 300)
    unknown = pa.array([False] * copies.num_rows)
    place = copies.column_names.index("is_applied")
    known = copies.set_column(place, "is_applied", pc.coalesce(copies["is_applied"], unknown))
    gate = pa.concat_tables([known, fresh.select(columns)])
    matrix = examples_matrix(gate, artifact.feature_spec)
    copied, _ = scoring_conditions(artifact, training_set, gate, matrix, model, threads=1)
    assert not copied.is_met
    assert "repeat one of the" in copied.sentence


def test_an_exposure_whose_outcome_is_not_known_is_an_error(training_set, artifact, model) -> None:
    rows = training_set.examples.slice(0, 50)
    place = rows.column_names.index("is_clicked")
    unknown = rows.set_column(place, "is_clicked", pa.array([None, *[False] * 49]))
    matrix = examples_matrix(rows, artifact.feature_spec)
    with pytest.raises(InvalidInputError, match="is_clicked is not known of 1 of 50 rows that the gate judges"):
        scoring_conditions(artifact, training_set, unknown, matrix, model, threads=1)


def test_the_time_of_every_step_is_examined(training_set: TrainingSet, artifact: ModelArtifact) -> None:
    clicked = training_set.outcome("is_clicked")
    days = training_set.examples["exposure_date"].to_numpy().astype("datetime64[D]")
    told = pa.array(days + np.where(clicked, 1, 3))
    place = training_set.examples.column_names.index("click_mature_date")
    leaked = replace(training_set, examples=training_set.examples.set_column(place, "click_mature_date", told))
    assert examined_steps(training_set.roles) == ("is_applied", "is_clicked")
    assert examined_steps(replace(training_set.roles, funnel_times=(), early_label=None)) == ("is_applied",)
    for training, is_met in ((training_set, True), (leaked, False)):
        _, found = training_conditions(training, artifact.feature_spec)
        assert found.is_met is is_met
        assert ("click_mature_date comes after exposure_date predicts is_clicked alone" in found.sentence) is not is_met


def test_without_rows_nothing_is_taken_for_granted(training_set, artifact, model) -> None:
    nothing = np.zeros((0, len(artifact.feature_spec.names)))
    found = scoring_conditions(artifact, training_set, training_set.examples.slice(0, 0), nothing, model, threads=1)
    assert [one.is_met for one in found] == [False, False]
    assert "the gate has no rows" in found[0].sentence


@dataclass(frozen=True)
class Exact:
    """Scores row by row."""

    shift: float = 0.0

    def score(self, features: np.ndarray) -> Scores:
        raw = features[:, 0] * 0.3 + features[:, 1] + self.shift
        return Scores(raw, 1 / (1 + np.exp(-raw)))


class ByBatch(Exact):
    """Standardises with the batch it sees."""

    def score(self, features: np.ndarray) -> Scores:
        return super().score(features - features.mean(axis=0))


class ByPosition(Exact):
    """One row of a batch, the third, is off by the last bit."""

    def score(self, features: np.ndarray) -> Scores:
        scores = super().score(features)
        raw = scores.raw.copy()
        if len(raw) > 3:
            raw[3] = np.nextafter(raw[3], np.inf)
        return Scores(raw, scores.probability)


class OnlyProbability(Exact):
    """Another probability for the same raw score, only when rows come alone."""

    def score(self, features: np.ndarray) -> Scores:
        scores = super().score(features)
        return Scores(scores.raw, scores.probability + (0.25 if len(features) == 1 else 0.0))


class TooFew(Exact):
    """Loses the last row."""

    def score(self, features: np.ndarray) -> Scores:
        scores = super().score(features)
        return Scores(scores.raw[:-1], scores.probability[:-1])


def test_a_scorer_that_works_row_by_row_is_in_parity() -> None:
    condition = parity_condition(Exact(), MATRIX, 20, 7, reloaded=Exact())
    assert condition.is_met
    assert condition.name == "scoring_parity"
    assert condition.sentence == (
        "60 rows score the same bits in a batch, in another order and after a reload, 20 of them also alone."
    )
    assert "60 of them also alone" in parity_condition(Exact(), MATRIX, 500, 7, reloaded=Exact()).sentence


def test_a_real_model_is_in_parity_with_itself_read_back_from_its_files_and_not_with_another(models) -> None:
    artifact, matrix = models.tiny_artifact(1), models.random_matrix(2, 300)
    read_back = ModelArtifact.from_files(artifact.model_version, artifact.files())
    scorer = LightGBMScorer(artifact, threads=1)
    condition = parity_condition(scorer, matrix, 50, 7, reloaded=LightGBMScorer(read_back, threads=1))
    assert condition.is_met, condition.sentence
    other = LightGBMScorer(models.tiny_artifact(2), threads=1)
    assert not parity_condition(scorer, matrix, 50, 7, reloaded=other).is_met


def test_of_very_many_rows_a_sample_is_compared_and_a_fault_names_the_row_of_the_caller() -> None:
    many = np.random.default_rng(3).normal(size=(12_000, 4))
    found = parity_condition(Exact(), many, 20, 7, reloaded=Exact())
    assert found.sentence.startswith("5,000 of 12,000 rows score the same bits")
    fault = parity_condition(Exact(), many, 20, 7, reloaded=Exact(shift=1.0)).sentence
    ((row, score),) = re.findall(r"^Row (\d+) scores (\S+) \(", fault)
    assert float(score) == Exact(shift=1.0).score(many[int(row)][None]).raw[0]
    assert "5,000 of 5,000 rows differ" in fault


class ByLargeBatch(Exact):
    """Takes another path for very many rows."""

    def score(self, features: np.ndarray) -> Scores:
        return Exact(1e-3 if len(features) > 8_192 else 0.0).score(features)


def test_a_path_that_only_a_large_batch_takes_is_found() -> None:
    many = np.random.default_rng(3).normal(size=(12_000, 4))
    assert not parity_condition(ByLargeBatch(), many, 20, 7, reloaded=ByLargeBatch()).is_met


def test_a_score_that_depends_on_the_batch_is_found_alone_with_row_and_size() -> None:
    condition = parity_condition(ByBatch(), MATRIX, 60, 7, reloaded=ByBatch())
    assert not condition.is_met
    expected = ByBatch().score(MATRIX)
    gap = max(float(np.abs(expected.raw).max()), float(np.abs(expected.probability - 0.5).max()))
    assert condition.sentence.startswith("Row 0 scores 0.0 (probability 0.5) alone and ")
    assert f"{float(expected.raw[0])!r} (probability" in condition.sentence
    assert f"60 of 60 rows differ, by up to {gap:.3g}" in condition.sentence


def test_the_last_bit_and_a_probability_of_another_path_count() -> None:
    condition = parity_condition(ByPosition(), MATRIX, 1, 7, reloaded=ByPosition())
    assert not condition.is_met
    assert "Row 3 scores " in condition.sentence
    assert " in another order and " in condition.sentence
    condition = parity_condition(OnlyProbability(), MATRIX, 5, 7, reloaded=OnlyProbability())
    assert "5 of 5 rows differ, by up to 0.25" in condition.sentence


@pytest.mark.parametrize(
    ("scorer", "reloaded", "matrix", "rows", "sentence"),
    [
        (Exact(), Exact(), MATRIX[:0], 5, "Parity was not checked: 0 rows, 5 to score alone"),
        (Exact(), Exact(), MATRIX, 0, "Parity was not checked: 60 rows, 0 to score alone"),
        (TooFew(), Exact(), MATRIX, 5, "60 rows got 59 scores"),
        (Exact(), TooFew(), MATRIX, 5, "60 rows scored after a reload got 59 scores"),
    ],
)
def test_what_cannot_be_checked_is_not_met(
    scorer: Exact, reloaded: Exact, matrix: np.ndarray, rows: int, sentence: str
) -> None:
    condition = parity_condition(scorer, matrix, rows, 7, reloaded=reloaded)
    assert not condition.is_met
    assert condition.sentence.startswith(sentence)


def honest(seed: int, rows: int = ROWS, share: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Return features that say much, but not all, and the outcome."""
    rng = np.random.default_rng(seed)
    matrix = np.column_stack([rng.normal(size=rows), rng.poisson(3, rows), rng.integers(0, 8, rows)]).astype(float)
    log_odds = 1.5 * matrix[:, 0] + 0.8 * (matrix[:, 2] == 1) + np.log(share / (1 - share))
    matrix[rng.random(matrix.shape) < 0.1] = np.nan
    return matrix, rng.random(rows) < 1 / (1 + np.exp(-log_odds))


def area_of(name: str, found: list[Separation]) -> float:
    return next(one.area for one in found if one.feature == name)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.03, 0.5])
def test_honest_features_pass(seed: int, share: float) -> None:
    matrix, outcome = honest(seed, share=share)
    condition = feature_condition(matrix, outcome, SPEC)
    assert condition.is_met, condition.sentence
    assert "the closest is a (0.8" in condition.sentence or "the closest is a (0.7" in condition.sentence


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("scale", [1.0, -40.0])
def test_a_column_equal_to_the_label_is_named(flip: bool, scale: float) -> None:
    matrix, outcome = honest(1)
    matrix[:, 1] = scale * (outcome ^ flip)
    condition = feature_condition(matrix, outcome, SPEC)
    assert not condition.is_met
    assert condition.name == "no_feature_tells_the_outcome"
    assert (
        "feature b predicts the outcome by itself (area under the ROC curve 1.000, at most 0.98)" in condition.sentence
    )


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("null_when", [False, True])
def test_a_missing_value_stands_above_or_below_all_others(sign: float, null_when: bool) -> None:
    """Half of one class is null, the other half is told by the number: null counts for the class that it stands for."""
    matrix, outcome = honest(2)
    matrix[:, 0] = sign * outcome
    matrix[np.flatnonzero(outcome == null_when)[::2], 0] = np.nan
    assert area_of("a", separations(matrix, outcome, SPEC)) == 1.0


@pytest.mark.parametrize("is_null", [False, True])
def test_a_category_equal_to_the_label_is_named(is_null: bool) -> None:
    matrix, outcome = honest(3)
    matrix[:, 2] = np.where(outcome, 5.0, np.nan if is_null else 2.0)
    condition = feature_condition(matrix, outcome, SPEC)
    assert not condition.is_met
    assert "feature city predicts" in condition.sentence


def test_infinities_are_numbers_like_others() -> None:
    matrix, outcome = honest(5)
    matrix[:, 1] = np.where(outcome, np.inf, -np.inf)
    assert separations(matrix, outcome, SPEC)[0] == Separation("b", 1.0)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [0.05, 0.5])
@pytest.mark.parametrize("rows_per_value", [1, 2, 3])
def test_a_category_of_few_rows_each_tells_nothing(seed: int, share: float, rows_per_value: int) -> None:
    """No row sees itself: with its own outcome in its share, every value of one row would tell the outcome."""
    rows = 200 * rows_per_value
    rng = np.random.default_rng(seed)
    matrix, _ = honest(seed, rows)
    outcome = rng.random(rows) < share
    matrix[:, 2] = rng.permutation(np.repeat(np.arange(200), rows_per_value))
    found = separations(matrix, outcome, SPEC)
    assert area_of("city", found) < 0.75
    assert feature_condition(matrix, outcome, SPEC).is_met


def test_pairs_of_one_positive_and_one_negative_tell_nothing() -> None:
    """Each row would tell its partner's outcome, and so its own, if the halves were drawn across pairs."""
    matrix, _ = honest(6, 400)
    matrix[:, 2] = np.repeat(np.arange(200), 2)
    outcome = np.tile([True, False], 200)
    assert area_of("city", separations(matrix, outcome, SPEC)) == pytest.approx(0.5)


def test_an_informative_category_has_the_area_of_its_shares() -> None:
    """With many rows per value the halves agree, so the area is that of the true shares."""
    rng = np.random.default_rng(7)
    matrix, _ = honest(7, 40_000)
    city = rng.integers(0, 4, 40_000)
    shares = np.array([0.1, 0.2, 0.4, 0.8])
    outcome = rng.random(40_000) < shares[city]
    matrix[:, 2] = city
    positive, negative = shares / shares.sum(), (1 - shares) / (1 - shares).sum()
    wins = np.tril(np.outer(positive, negative), -1).sum() + 0.5 * (positive * negative).sum()
    assert area_of("city", separations(matrix, outcome, SPEC)) == pytest.approx(wins, abs=0.01)


@given(st.integers(0, 1_000), st.integers(10, 60), st.integers(1, 5))
def test_areas_are_those_of_scikit_learn_in_any_order(seed: int, rows: int, values: int) -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(seed)
    column = rng.integers(0, values, rows).astype(float)
    outcome = rng.random(rows) < 0.4
    outcome[:2] = True, False
    spec = FeatureSpec(("a", "city"), (("city", ("x", "y", "z", "u", "v")),))
    matrix = np.column_stack([column, rng.integers(0, 5, rows)])
    matrix[rng.random(rows) < 0.2, 1] = np.nan
    expected = roc_auc_score(outcome, column)
    found = separations(matrix, outcome, spec)
    assert area_of("a", found) == pytest.approx(max(expected, 1 - expected))
    assert [one.area for one in found] == sorted((one.area for one in found), reverse=True)
    order = rng.permutation(rows)
    assert separations(matrix[order], outcome[order], spec) == found


@pytest.mark.parametrize("value", [False, True])
def test_one_class_is_not_enough(value: bool) -> None:
    matrix, _ = honest(1, 20)
    with pytest.raises(NotEnoughEvidenceError, match=f"{20 if value else 0} positives in 20 rows"):
        separations(matrix, np.full(20, value), SPEC)


def test_of_very_many_rows_some_of_both_classes_are_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(required, "ROWS_EXAMINED", 500)
    matrix, outcome = honest(8, 20_000, share=0.001)
    assert 0 < outcome.sum() < 150
    assert feature_condition(matrix, outcome, SPEC).is_met
    matrix[:, 1] = outcome
    assert "feature b predicts" in feature_condition(matrix, outcome, SPEC).sentence
    rare = np.zeros(20_000, dtype=bool)
    rare[777] = True
    matrix[:, 1] = rare
    assert "feature b predicts" in feature_condition(matrix, rare, SPEC).sentence


def rows_of(seed: int, rows: int, *, is_coarse: bool = False) -> pa.Table:
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, 2, (rows, 2)).astype(float) if is_coarse else rng.normal(size=(rows, 2))
    return pa.table(
        {
            "who": [f"u{one}" for one in rng.integers(0, 20, rows)],
            "what": [f"j{one}" for one in rng.integers(0, 5, rows)], "done": rng.random(rows) < 0.2,
            "a": numbers[:, 0], "b": numbers[:, 1], "city": [f"c{one}" for one in rng.integers(0, 3, rows)],
        }
    )  # fmt: skip


def copies(training: pa.Table, gate: pa.Table, is_later: np.ndarray | None = None) -> required.Condition:
    """Return the condition on copies as the gate asks for it; the last quarter is later unless said otherwise."""
    spec = fit_feature_spec(training, ROLES)
    outcomes = (np.asarray(rows["done"].to_numpy(zero_copy_only=False), dtype=bool) for rows in (training, gate))
    marks = (fingerprints(rows, ROLES, spec) for rows in (training, gate))
    known, asked = map(with_outcome, marks, outcomes)
    quarter = np.arange(training.num_rows) >= training.num_rows * 3 // 4
    return copied_rows_condition(known, asked, quarter if is_later is None else is_later)


@pytest.mark.parametrize("seed", range(3))
def test_new_rows_pass(seed: int) -> None:
    condition = copies(rows_of(seed, 2_000), rows_of(seed + 100, 1_000))
    assert condition.is_met
    assert condition.name == "gate_rows_are_not_training_rows"
    assert "0 of 1,000 gate rows (0.00%)" in condition.sentence
    assert "0 of 500 later training rows repeat one of the earlier" in condition.sentence


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("is_coarse", [False, True])
def test_planted_copies_are_refused(seed: int, is_coarse: bool) -> None:
    training = rows_of(seed, 2_000, is_coarse=is_coarse)
    own = rows_of(seed + 100, 900, is_coarse=is_coarse)
    planted = training.take(pa.array(np.random.default_rng(seed).integers(0, 2_000, 900 if is_coarse else 50)))
    condition = copies(training, pa.concat_tables([own, planted]))
    assert not condition.is_met
    assert "training rows in every column, while" in condition.sentence
    assert "remove the copies" in condition.sentence


@pytest.mark.parametrize("seed", range(8))
def test_natural_repeats_of_coarse_features_pass(seed: int) -> None:
    training = rows_of(seed, 2_000, is_coarse=True)
    condition = copies(training, rows_of(seed + 100, 1_000, is_coarse=True))
    assert condition.is_met, condition.sentence
    assert "0 of 500 later" not in condition.sentence


@pytest.mark.parametrize("name", ["who", "what", "done", "a", "b", "city"])
def test_a_row_that_differs_in_one_column_is_no_copy(name: str) -> None:
    training = rows_of(1, 1_000)
    gate = training.slice(0, 200)
    values = gate[name].to_pylist()
    other = {"done": lambda value: not value, "a": lambda value: np.nextafter(value, 9), "b": lambda value: -value}
    change = other.get(name, lambda value: "c0" if value != "c0" else "c1")
    changed = gate.set_column(gate.column_names.index(name), name, pa.array([change(value) for value in values]))
    assert not copies(training, gate).is_met
    assert copies(training, changed).is_met


def test_the_day_and_columns_that_no_model_sees_do_not_hide_a_copy() -> None:
    training = rows_of(1, 1_000).append_column("note", pa.array([f"n{place}" for place in range(1_000)]))
    gate = rows_of(1, 1_000).slice(0, 300).append_column("note", pa.array(["other"] * 300))
    assert not copies(training, gate).is_met


def test_ids_are_not_confused_by_separators_or_by_names_of_nobody() -> None:
    training = (
        rows_of(1, 400).set_column(0, "who", pa.array(["x|y"] * 400)).set_column(1, "what", pa.array(["z"] * 400))
    )
    gate = training.set_column(0, "who", pa.array(["x"] * 400)).set_column(1, "what", pa.array(["y|z"] * 400))
    assert copies(training, gate).is_met
    training = rows_of(1, 400).set_column(0, "who", pa.array(["None"] * 400))
    gate = training.slice(0, 100).set_column(0, "who", pa.nulls(100, pa.string()))
    assert copies(training, gate).is_met
    assert not copies(training, training.slice(0, 100)).is_met
    assert not copies(training.set_column(0, "who", pa.nulls(400, pa.string())), gate).is_met


def test_a_copy_is_one_whatever_bits_its_nothing_and_its_zero_have() -> None:
    """Tables come by several ways: a null is read as NaN, and there are many NaN and two zeros."""
    strange = np.frombuffer(b"\x01\x00\x00\x00\x00\x00\xf8\x7f")[0]
    rows = rows_of(1, 1_000)
    training, gate = (
        rows.set_column(3, "a", pa.array([nothing] * 1_000, pa.float64())).set_column(4, "b", pa.array([zero] * 1_000))
        for nothing, zero in ((None, 0.0), (strange, -0.0))
    )
    assert np.isnan(gate["a"][0].as_py())
    assert not copies(training, gate.slice(0, 100)).is_met


def test_the_order_of_rows_changes_no_verdict() -> None:
    training, gate = rows_of(1, 2_000, is_coarse=True), rows_of(2, 1_000, is_coarse=True)
    order, other = np.random.default_rng(3).permutation(2_000), np.random.default_rng(4).permutation(1_000)
    found = copies(training.take(pa.array(order)), gate.take(pa.array(other)), order >= 1_500)
    assert found == copies(training, gate)


def test_without_later_rows_nothing_is_natural() -> None:
    training, nobody = rows_of(1, 500), np.zeros(500, dtype=bool)
    assert not copies(training, training.slice(0, 20), nobody).is_met
    assert copies(training, rows_of(2, 20), nobody).is_met


def test_chance_repeats_of_few_gate_rows_pass() -> None:
    """One row in forty repeats where none of two hundred does naturally: by their intervals both may be alike."""
    numbers = np.arange(440.0)
    numbers[400] = numbers[0]
    rows = pa.table(
        {
            "who": ["w"] * 440, "what": ["j"] * 440, "done": [False] * 440, "a": numbers, "b": numbers,
            "city": ["c"] * 440,
        }
    )  # fmt: skip
    condition = copies(rows.slice(0, 400), rows.slice(400), np.arange(400) >= 200)
    assert condition.sentence.startswith("1 of 40 gate rows (2.50%) repeat one of the earlier")
    assert condition.is_met


def labels_known(lags: np.ndarray, outcome: np.ndarray) -> pa.Table:
    day = np.full(len(lags), np.datetime64("2026-01-01"))
    return pa.table({"day": pa.array(day), "mature": pa.array(day + lags), "done": pa.array(outcome)})


def test_a_label_time_that_was_taken_from_the_outcome_is_refused() -> None:
    """A conversion within the window of 7 days is known when it happens, the lack of one when the window closes."""
    rng = np.random.default_rng(3)
    outcome = rng.random(1_000) < 0.1
    condition = label_time_condition(labels_known(np.where(outcome, rng.integers(1, 8, 1_000), 8), outcome), ROLES)
    assert not condition.is_met
    assert condition.name == "label_time_does_not_tell_the_outcome"
    assert "How long mature comes after day predicts done alone" in condition.sentence
    assert "set it to the end of the window" in condition.sentence
    late = label_time_condition(labels_known(np.where(outcome, 9, 8), outcome), ROLES)
    assert not late.is_met


@pytest.mark.parametrize("most", [1, 30])
def test_windows_of_any_length_pass_when_the_outcome_does_not_set_them(most: int) -> None:
    rng = np.random.default_rng(4)
    lags = rng.integers(1, most + 1, 1_000)
    condition = label_time_condition(labels_known(lags, rng.random(1_000) < 0.05 + 0.01 * lags), ROLES)
    assert condition.is_met, condition.sentence
