"""The prequential gate and its inputs: folds know only what came before, and rows are aligned by key."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.model import Model
from mlife_assets.core.ports import Scores
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.calibrator import Calibrator
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.study import Study
from mlife_assets.core.training import gate_examples, prequential, required
from mlife_assets.core.training.example_training import canonical
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.gate import Condition
from mlife_assets.core.training.gate_examples import Contender, aligned_scores, example_conditions, on_examples
from mlife_assets.core.training.prequential import (
    JudgedFold,
    fold_conditions,
    follows_newest_fold,
    newest_week,
    over_folds,
    rank_correlation,
    recipe_version,
    serving_conditions,
)
from mlife_assets.core.training.training_set import TrainingSet, hash_examples, split_examples
from mlife_assets.core.windows import add_days

FIRST, FOLD_DAYS, ROWS_A_DAY = date(2026, 1, 1), 14, 100
STARTS = (date(2026, 2, 12), date(2026, 2, 26))
AS_OF = date(2026, 3, 13)
MODEL = Study.from_json(
    """{"roles": {"entity": "who", "time": "day", "label": "won", "label_time": "known",
    "features": ["strength", "noise"]}, "training": {"formulations": ["binary"], "trees_maximum": 30,
    "learning_rate": 0.2, "minimum_child_examples": 40, "minimum_examples": 500, "validation_days": 7},
    "promotion": {"minimum_users_with_positives": 100, "bootstrap_resamples": 400,
    "calibration_slope_minimum": 0.4, "calibration_slope_maximum": 2.5,
    "calibration_level_minimum": 0.4, "calibration_level_maximum": 2.5}}"""
).model
DAY = np.datetime64("2026-06-02")


def rows(seed: int = 5, **columns: Any) -> pa.Table:
    rng = np.random.default_rng(seed)
    count = ((AS_OF - FIRST).days - 1) * ROWS_A_DAY
    day = np.datetime64(FIRST) + np.arange(count) // ROWS_A_DAY
    strength = rng.normal(size=count)
    made = {
        "who": [f"w{row:05d}" for row in range(count)], "day": pa.array(day),
        "won": pa.array(rng.random(count) < 1 / (1 + np.exp(1.0 - 1.5 * strength))), "known": pa.array(day + 1),
        "strength": strength, "noise": rng.normal(size=count),
    }  # fmt: skip
    return canonical(pa.table(made | columns), MODEL.roles)


def known_on(table: pa.Table, day: date, since: date = FIRST) -> pa.Table:
    field = pc.field
    return table.filter((field("known") <= pa.scalar(day)) & (field("day") >= pa.scalar(since)))


def training_set(table: pa.Table, day: date, model: Model = MODEL) -> TrainingSet:
    seen = known_on(table, day)
    return split_examples(seen, model.roles, known_on=day, policy=model.training, data_hash=hash_examples(seen))


def probability(artifact: ModelArtifact, table: pa.Table) -> np.ndarray:
    return LightGBMScorer(artifact, threads=1).score(examples_matrix(table, artifact.feature_spec)).probability


@dataclass(frozen=True, eq=False)
class Prepared:
    """Models of the folds of one recipe, and the rows."""

    table: pa.Table
    gate: pa.Table
    artifacts: tuple[ModelArtifact, ...]


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    table = rows()
    gate = known_on(table, AS_OF, STARTS[0])
    artifacts = tuple(fit_model(training_set(table, start), MODEL.training) for start in STARTS)
    gate = gate.filter(pc.field("day") < pa.scalar(add_days(STARTS[1], FOLD_DAYS)))
    return Prepared(table, gate, artifacts)


def test_the_newest_week_is_seven_days_whenever_the_newest_fold_began() -> None:
    days = [date(2026, 6, 22 - back) for back in range(20)]
    found = newest_week(pa.table({MODEL.roles.time: pa.array(days, pa.date32())}), MODEL.roles)
    assert found[MODEL.roles.time].to_pylist() == days[:7]


def test_a_fold_that_learned_from_its_own_days_is_reported(prepared: Prepared) -> None:
    training = training_set(prepared.table, STARTS[1])
    before, copied, _ = fold_conditions(prepared.artifacts[1], training, prepared.gate, MODEL)
    assert not before.is_met
    assert "learned from rows up to 2026-02-25" in before.sentence
    same_day = prepared.gate.filter(pc.field("day") >= pa.scalar(date(2026, 2, 25)))
    assert not fold_conditions(prepared.artifacts[1], training, same_day, MODEL)[0].is_met
    assert not copied.is_met, "its rows are those that it learned from"


def test_a_fold_that_learned_outcomes_of_its_own_days_is_reported(prepared: Prepared) -> None:
    """Its rows are younger than those that it learned from, but outcomes of these came while it was asked."""
    training = training_set(prepared.table, STARTS[1])
    own = prepared.gate.filter(pc.field("day") >= pa.scalar(STARTS[1]))
    assert fold_conditions(prepared.artifacts[1], training, own, MODEL)[0].is_met
    known = training.examples["known"].to_numpy().astype("datetime64[D]") + 1
    place = training.examples.column_names.index("known")
    late = replace(training, examples=training.examples.set_column(place, "known", pa.array(known)))
    before = fold_conditions(prepared.artifacts[1], late, own, MODEL)[0]
    assert not before.is_met
    assert f"outcomes were complete on {STARTS[1] + timedelta(days=1)}" in before.sentence


def test_a_model_that_works_may_serve(prepared: Prepared) -> None:
    found = serving_conditions(prepared.artifacts[1], prepared.gate, MODEL, is_refit=False)
    names = ["serving_probabilities_are_finite", "serving_probabilities_vary", "scoring_parity"]
    assert [(one.name, one.is_met) for one in found] == [(name, True) for name in names]
    assert found[2].sentence.startswith(f"{prepared.gate.num_rows:,} rows score the same bits")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("serving_probabilities_are_finite", "1 of 2,800 probabilities of "),
        ("serving_probabilities_vary", "All 2,800 probabilities of "),
        ("scoring_parity", "after a reload"),
    ],
)
@pytest.mark.parametrize("is_refit", [False, True])
def test_a_model_that_does_not_work_may_not_serve(
    prepared: Prepared, monkeypatch, name: str, words: str, is_refit: bool
) -> None:
    calls = iter(range(10))

    class Broken(LightGBMScorer):
        def __init__(self, artifact: ModelArtifact, *, threads: int) -> None:
            super().__init__(artifact, threads=threads)
            self.call = next(calls)

        def score(self, features: np.ndarray) -> Scores:
            scores = super().score(features)
            if name == "serving_probabilities_are_finite":
                worst = features[:, 0] == prepared.gate["strength"].to_numpy().max()
                return replace(scores, probability=np.where(worst, np.nan, scores.probability))
            if name == "serving_probabilities_vary":
                return replace(scores, probability=np.full(len(features), 0.5))
            return replace(scores, probability=scores.probability + 1e-12 * (self.call == 2))

    for module in (prequential, required):
        monkeypatch.setattr(module, "scorer_of", Broken)
    found = serving_conditions(prepared.artifacts[1], prepared.gate, MODEL, is_refit=is_refit)
    (unmet,) = [one for one in found if not one.is_met]
    assert unmet.name == name
    assert words in unmet.sentence


def test_a_model_whose_scores_said_nothing_in_validation_may_serve_as_a_refit_only(prepared: Prepared) -> None:
    """Its probabilities differ by a trace, so that order is kept, and know the level of today."""
    artifact = prepared.artifacts[1]
    flat = Calibrator("base_rate", (-1.0, 1.0), log_odds=(-2.001, -1.999))
    stages = tuple(replace(stage, calibrator=flat) for stage in artifact.stages)
    of_nothing = replace(artifact, stages=stages)
    assert all(one.is_met for one in serving_conditions(of_nothing, prepared.gate, MODEL, is_refit=True))
    found = serving_conditions(of_nothing, prepared.gate, MODEL, is_refit=False)
    (unmet,) = [one for one in found if not one.is_met]
    assert unmet.name == "serving_probabilities_vary"
    assert "said nothing in validation, so its probabilities are the base rate for all" in unmet.sentence


def test_conditions_are_reported_once_over_all_folds() -> None:
    def fold(day: int, *conditions: Condition) -> JudgedFold:
        return JudgedFold("m", date(2026, 3, day), conditions)

    met, unmet = Condition("a", True, "Fine."), Condition("a", False, "Not fine.")
    assert over_folds([fold(1, met), fold(2, met)]) == (Condition("a", True, "In each of 2 folds: Fine."),)
    assert over_folds([fold(1, met), fold(2, unmet), fold(3, unmet)]) == (
        Condition("a", False, "In the fold of 2026-03-02: Not fine."),
    )


def test_a_recipe_is_named_by_its_models_in_order() -> None:
    assert recipe_version(["a", "b"]) == recipe_version(["a", "b"]) != recipe_version(["b", "a"])
    assert recipe_version(["a"]).startswith("recipe_")


def test_the_fit_on_everything_follows_the_newest_fold(prepared: Prepared) -> None:
    training = training_set(prepared.table, AS_OF)
    everything = fit_model(training, MODEL.training)
    rows_of_fold = prepared.gate.filter(pc.field("day") >= pa.scalar(STARTS[1]))
    found = follows_newest_fold(everything, prepared.artifacts[1], rows_of_fold, MODEL)
    assert found.is_met
    assert found.sentence.endswith("at least 0.5 needed.")
    flipped = training.examples.set_column(
        training.examples.column_names.index("won"), "won", pc.invert(training.examples["won"])
    )
    astray = fit_model(replace(training, examples=flipped, data_hash="flipped"), MODEL.training)
    turned = follows_newest_fold(astray, prepared.artifacts[1], rows_of_fold, MODEL)
    assert (turned.name, turned.is_met) == ("serving_scores_follow_the_newest_fold", False)
    said = "do not follow those of the newest fold's model on 1,400 rows of the newest week: rank correlation -"
    assert said in turned.sentence


def test_scores_that_do_not_vary_follow_nothing(prepared: Prepared, monkeypatch) -> None:
    class Flat(LightGBMScorer):
        def score(self, features: np.ndarray) -> Scores:
            scores = super().score(features)
            return replace(scores, probability=np.full(len(features), 0.5))

    monkeypatch.setattr(prequential, "scorer_of", Flat)
    found = follows_newest_fold(prepared.artifacts[1], prepared.artifacts[0], prepared.gate, MODEL)
    assert not found.is_met
    assert "do not vary, so they cannot be compared" in found.sentence


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ([1, 2, 3], [10, 20, 30], 1.0),
        ([1, 2, 3], [3, 2, 1], -1.0),
        ([1, 2, 2, 3], [1, 3, 2, 4], 4.5 / np.sqrt(4.5 * 5.0)),
        ([1, 1, 1], [1, 2, 3], None),
    ],
)
def test_rank_correlation_by_hand(left: list[float], right: list[float], expected: float | None) -> None:
    found = rank_correlation(np.array(left, dtype=float), np.array(right, dtype=float))
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-12))


def examples() -> gate_examples.GateExamples:
    users = np.array(["a", "a", "b", "a"], dtype=object)
    jobs = np.array(["1", "2", "1", "1"], dtype=object)
    days = DAY + np.array([0, 0, 0, 7])
    return gate_examples.GateExamples(users, jobs, days, np.array([True, False, True, False]), days + 8)


def test_scores_in_another_order_are_brought_into_the_order_of_the_examples() -> None:
    order = np.array([2, 0, 3, 1])
    e = examples()
    scores = np.array([10.0, 20, 30, 40])
    shuffled = Contender("m", "m", e.user_ids[order], e.item_ids[order], e.as_of_dates[order], scores[order])
    assert np.array_equal(aligned_scores(e, "champion", shuffled), scores)
    assert np.array_equal(aligned_scores(e, "champion", on_examples(e, "m", scores)), scores)


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ([0, 1, 4], "3 rows, the examples have 4: 2 have no score, 1 scores belong to no example; score the same rows"),
        ([0, 0, 1, 2], "1 have no score"),
        ([0, 1, 2, 3, 4], "5 rows, the examples have 4: 0 have no score, 1 scores belong to no example"),
        ([0, 1, 2, 3, 3], "5 rows, the examples have 4"),
    ],
)
def test_rows_that_are_missing_extra_or_repeated_are_counted(places: list[int], words: str) -> None:
    e = examples()
    columns = (np.append(e.user_ids, "b"), np.append(e.item_ids, "9"), np.append(e.as_of_dates, DAY))  # type: ignore[arg-type]
    other = Contender("m", "m", *(column[places] for column in columns), np.zeros(len(places)))
    assert f"The champion is scored on {len(places)} rows" in (said := str(aligned_scores(e, "the champion", other)))
    assert words in said


def test_labels_are_mature_on_their_day_and_not_the_day_before() -> None:
    e = examples()
    assert example_conditions(e, date(2026, 6, 17))[1].is_met
    early = example_conditions(e, date(2026, 6, 16))[1]
    assert early.sentence == (
        "1 labels are immature as of 2026-06-16, the first in row 3 (exposed 2026-06-09, mature 2026-06-17); "
        "leave them out."
    )


@pytest.mark.parametrize("day", [np.datetime64("NaT"), DAY - 1, DAY])
def test_a_label_without_a_later_maturity_is_immature(day: np.datetime64) -> None:
    e = examples()
    mature = e.label_mature_dates.copy()
    mature[0] = day
    assert not example_conditions(replace(e, label_mature_dates=mature), date(2026, 7, 1))[1].is_met


def test_a_missing_day_and_columns_of_unlike_length_are_refused() -> None:
    e = examples()
    days = e.as_of_dates.copy()
    days[2] = np.datetime64("NaT")
    with pytest.raises(InvalidInputError, match="every row needs a day"):
        _ = replace(e, as_of_dates=days).first_day
    with pytest.raises(InvalidInputError, match="as_of_dates is missing in row 2"):
        example_conditions(replace(e, as_of_dates=days), date(2026, 7, 1))
    with pytest.raises(InvalidInputError, match=r"GateExamples\.item_ids has 3 rows"):
        replace(e, item_ids=e.item_ids[:3])
    with pytest.raises(InvalidInputError, match=r"Contender\.user_ids has 4 rows, scores 3"):
        on_examples(e, "m", np.zeros(3))


def without_item() -> gate_examples.GateExamples:
    return replace(examples(), item_ids=None, user_ids=np.array(["a", "b", "c", "a"], dtype=object))


def test_rows_without_an_item_are_aligned_by_user_and_day() -> None:
    e, order = without_item(), np.array([3, 1, 0, 2])
    scores = np.array([10.0, 20, 30, 40])
    shuffled = Contender("m", "m", e.user_ids[order], None, e.as_of_dates[order], scores[order])
    assert np.array_equal(aligned_scores(e, "champion", shuffled), scores)
    assert example_conditions(e, date(2026, 7, 1))[0].sentence == "4 rows, each (entity, day) once."


def test_items_on_one_side_only_are_other_rows() -> None:
    with_item, without = examples(), without_item()
    assert aligned_scores(with_item, "the champion", on_examples(without, "m", np.zeros(4))) == (
        "The examples have an item in each row, the champion none; score the same rows."
    )
    assert aligned_scores(without, "the human", on_examples(with_item, "m", np.zeros(4))) == (
        "The human has an item in each row, the examples none; score the same rows."
    )


def test_examples_without_items_have_none_to_rank() -> None:
    assert examples().items is not None
    with pytest.raises(InvalidInputError, match=r"GateExamples\.item_ids is None"):
        _ = without_item().items
