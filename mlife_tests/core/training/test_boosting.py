"""Boosting and formulations: constraints hold, noise does not choose, what cannot be learned is refused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.feature_spec import FeatureSpec, SmoothedRate, fit_feature_spec, seen_matrix
from mlife_assets.core.scoring.scorer import Trees
from mlife_assets.core.training import boosting, formulations
from mlife_assets.core.training.boosting import Rows, boost, model_text, monotone_constraints, predict_raw
from mlife_assets.core.training.calibrate import fit_calibrator
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.formulations import available_formulations, choose, require_both_classes, tune
from mlife_assets.core.training.objective import Ranked
from mlife_assets.core.training.recipes import PLAIN
from mlife_assets.core.training.step_rows import days_of, from_validation_on, held_out_by_fold, reached_before, steps_of
from mlife_assets.core.training.training_set import TrainingSet
from mlife_tests.tiny_models import told, with_column

POLICY = TrainingPolicy(minimum_child_examples=10, feature_fraction=1.0, l2_penalty=1.0)
SPEC = FeatureSpec(("pay", "km", "city"), (("city", ("a", "b", "c")),))
FORMULATION_POLICY = TrainingPolicy(recipes=("plain",), trees_maximum=12, minimum_child_examples=20)


def drawn(rows: int = 2_000, seed: int = 1) -> Rows:
    """Return outcomes that wave up and down with both numbers, so that an unconstrained model does too."""
    rng = np.random.default_rng(seed)
    pay, km, city = rng.uniform(-3, 3, rows), rng.uniform(-3, 3, rows), rng.integers(0, 3, rows)
    log_odds = 1.5 * np.sin(2.5 * pay) - 1.5 * np.cos(2 * km) + (city == 1)
    outcome = rng.random(rows) < 1 / (1 + np.exp(-log_odds))
    return Rows(np.column_stack([pay, km, city]), outcome)


def slopes(booster: Any, column: int, policy: TrainingPolicy) -> np.ndarray:
    """Return the changes of the raw score along a grid of one column, from many starting points."""
    start = drawn(60, seed=9).matrix
    grid = np.linspace(-3.5, 3.5, 80)
    points = np.repeat(start, len(grid), axis=0)
    points[:, column] = np.tile(grid, len(start))
    return np.diff(predict_raw(booster, points, policy).reshape(len(start), len(grid)), axis=1)


def test_constraints_hold_everywhere_on_a_grid() -> None:
    policy = replace(POLICY, rising=("pay",), falling=("km",), leaves=15)
    free, bound = (boost(drawn(), SPEC, one, trees=30) for one in (POLICY, policy))
    for column, sign in ((0, 1.0), (1, -1.0)):
        assert (sign * slopes(free, column, POLICY)).min() < -0.05
        found = sign * slopes(bound, column, policy)
        assert found.min() >= 0.0
        assert found.max() > 0.01


def test_constraints_are_in_the_order_of_what_a_model_sees() -> None:
    spec = replace(SPEC, rates=(SmoothedRate("rate", "pay", "km", 0.5, 1.0),))
    assert monotone_constraints(spec, replace(POLICY, rising=("rate",), falling=("pay",))) == [-1, 0, 0, 1]
    assert monotone_constraints(spec, POLICY) == [0, 0, 0, 0]


@pytest.mark.parametrize("side", ["rising", "falling"])
@pytest.mark.parametrize("name", ["salary", "city"])
def test_a_constraint_on_no_numeric_feature_is_refused_by_name(side: str, name: str) -> None:
    policy = replace(POLICY, **{side: ("pay", name)})
    with pytest.raises(InvalidInputError, match=f"constrains {name}, which is no numeric feature"):
        boost(drawn(100), SPEC, policy, trees=1)


@pytest.mark.parametrize("odd", ["pay ($ per hour)", "pay\u00e9", 'pay"', "pay,km", "a=b\nend of trees\n", "pay:[1]"])
def test_odd_names_give_the_same_trees(odd: str) -> None:
    plain, named = (
        model_text(boost(drawn(500), spec, POLICY, trees=3))
        for spec in (SPEC, replace(SPEC, names=(odd, "km", "city")))
    )
    assert "feature_names=pay km city" in plain
    assert "feature_names=column_0 column_1 column_2" in named
    assert named.replace("column_0 column_1 column_2", "pay km city") == plain


def test_a_category_is_split_by_its_values_not_by_its_order() -> None:
    text = model_text(boost(drawn(), SPEC, POLICY, trees=30))
    assert any(line.startswith("num_cat=") and line != "num_cat=0" for line in text.splitlines())
    renamed = replace(SPEC, vocabularies=())
    text = model_text(boost(drawn(), renamed, POLICY, trees=30))
    assert all(line == "num_cat=0" for line in text.splitlines() if line.startswith("num_cat="))


def test_the_same_rows_give_the_same_bytes() -> None:
    texts = [
        model_text(boost(drawn(), SPEC, policy, trees=5))
        for policy in (POLICY, POLICY, replace(POLICY, feature_fraction=0.4), replace(POLICY, feature_fraction=0.4))
    ]
    assert texts[0] == texts[1]
    assert texts[2] == texts[3]
    assert texts[0] != texts[2]
    assert texts[0].endswith(boosting.END_OF_TREES + "\n")
    assert "parameters" not in texts[0]


def test_what_watches_may_stop_and_changes_no_tree() -> None:
    rows, seen = drawn(400), []

    def watch(booster: Any, done: int) -> bool:
        seen.append(predict_raw(booster, rows.matrix, POLICY, after=done - 1))
        return done == 7

    stopped = boost(rows, SPEC, POLICY, trees=20, watch=watch)
    exact = boost(rows, SPEC, POLICY, trees=7)
    assert model_text(stopped) == model_text(exact)
    assert model_text(stopped).count("\nTree=") == len(seen) == 7
    assert np.sum(seen, axis=0) == pytest.approx(predict_raw(exact, rows.matrix, POLICY))


def test_no_trees_add_nothing_and_where_nothing_can_be_split_everybody_gets_the_base_rate() -> None:
    rows = drawn(400)
    booster = boost(rows, SPEC, POLICY, trees=0)
    assert not Trees(model_text(booster)).raw(rows.matrix, threads=1).any()
    assert not Trees(model_text(booster)).contributions(rows.matrix, threads=1).any()
    policy = replace(POLICY, minimum_child_examples=5_000)
    raw = predict_raw(boost(drawn(400), SPEC, policy, trees=20), drawn(50, seed=4).matrix, policy)
    assert len(np.unique(raw)) == 1
    assert 1 / (1 + np.exp(-raw[0])) == pytest.approx(drawn(400).outcome.mean())


def test_classes_are_not_weighted() -> None:
    rows = drawn(4_000)
    rare = Rows(rows.matrix, rows.outcome & (np.arange(4_000) % 10 == 0))
    raw = predict_raw(boost(rare, SPEC, POLICY, trees=30), rows.matrix, POLICY)
    assert np.mean(1 / (1 + np.exp(-raw))) == pytest.approx(rare.outcome.mean(), rel=0.02)


def test_what_is_held_while_lightgbm_is_imported_is_freed_without_a_look_for_garbage() -> None:
    """Its import parses, and the parser keeps errors with the frames that they passed."""
    code = """
import gc, weakref
import numpy as np
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.feature_spec import FeatureSpec
from mlife_assets.core.training.boosting import Rows, binned

def first_fit():
    held = np.zeros((500, 1))
    binned(Rows(held, held[:, 0] > 0), FeatureSpec(("a",), ()), TrainingPolicy())
    return weakref.ref(held)

gc.disable()
raise SystemExit(0 if first_fit()() is None else "the rows of the first fit are held")
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def judged(name: str, quality: np.ndarray, rows: int | None = None) -> formulations.Formulation:
    """Return a formulation of known log-likelihood per entity."""
    count = rows or len(quality)
    ranked = Ranked(0.0, np.zeros(len(quality)), 0.0)
    return formulations.Formulation(name, (), float(-np.sum(quality) / count), quality, count, PLAIN, ranked)


def halves(training: TrainingSet) -> np.ndarray:
    """Return 0 or 1 per validation row: every second entity in the order in which they first come."""
    names = np.array(training.examples[training.roles.entity].to_pylist())
    first = {name: place for place, name in enumerate(dict.fromkeys(names.tolist()))}
    codes = np.array([first[name] for name in names])[training.is_validation]
    return np.unique(codes, return_inverse=True)[1] % 2


def spec_of(training: TrainingSet) -> FeatureSpec:
    return fit_feature_spec(training.examples, training.roles)


def validating(training: TrainingSet) -> np.ndarray:
    """Return which of the rows from validation's start on have a label."""
    return training.is_validation[from_validation_on(training)]


@pytest.mark.parametrize(("gain_in_errors", "winner"), [(0.9, "funnel"), (1.1, "binary"), (-5.0, "funnel")])
def test_a_later_formulation_wins_only_beyond_one_standard_error(gain_in_errors: float, winner: str) -> None:
    noise = np.random.default_rng(1).normal(size=400)
    noise = (noise - noise.mean()) / noise.std(ddof=1) / 10
    first = np.random.default_rng(2).uniform(size=400)
    later = first + noise + gain_in_errors * 0.1 / np.sqrt(400)
    for rows in (400, 4_000):  # with ten rows an entity error and gain shrink alike
        assert choose([judged("funnel", first, rows), judged("binary", later, rows)]).name == winner


def test_the_error_is_that_of_the_paired_difference() -> None:
    """Users differ widely, but each of them is served better by nearly the same amount."""
    first = np.random.default_rng(2).uniform(size=50)
    later = first + 0.01 + np.random.default_rng(3).normal(0, 0.01, 50)
    assert choose([judged("funnel", first), judged("binary", later)]).name == "binary"


def test_a_tie_a_single_entity_and_a_single_formulation_keep_the_first() -> None:
    quality = np.array([0.1, 0.9, 0.4])
    assert choose([judged("funnel", quality), judged("binary", quality.copy())]).name == "funnel"
    assert choose([judged("funnel", quality[:1]), judged("binary", quality[:1] + 1)]).name == "funnel"
    assert choose([judged("binary", quality)]).name == "binary"


@pytest.mark.parametrize("order", [(0.02, 0.05), (0.05, 0.02)])
def test_of_several_that_win_the_best_is_chosen(order: tuple[float, float]) -> None:
    first = np.random.default_rng(2).uniform(size=300)
    noise = np.random.default_rng(3).normal(0, 0.01, 300)
    later = [judged(f"gain {gain}", first + gain + noise) for gain in order]
    assert choose([judged("funnel", first), *later]).name == "gain 0.05"


def test_a_larger_gain_within_its_error_does_not_hide_a_smaller_sure_one() -> None:
    first = np.random.default_rng(2).uniform(size=300)
    noise = np.random.default_rng(3).normal(0, 1.0, 300)
    unsure = judged("unsure", first + noise - noise.mean() + 0.05)
    sure = judged("sure", first + 0.02)
    for later in ([unsure, sure], [sure, unsure]):
        assert choose([judged("funnel", first), *later]).name == "sure"


def test_what_the_examples_allow_is_available_in_the_order_of_the_policy(training_set: TrainingSet) -> None:
    roles = training_set.roles
    no_funnel = replace(training_set, roles=replace(roles, funnel=(), funnel_times=(), early_label=None))
    every = replace(FORMULATION_POLICY, formulations=("binary", "funnel"))
    assert available_formulations(training_set, every) == ("binary", "funnel")
    assert available_formulations(no_funnel, every) == ("binary",)
    with pytest.raises(InvalidInputError, match="need a funnel, which the examples lack; add binary"):
        available_formulations(no_funnel, replace(FORMULATION_POLICY, formulations=("funnel",)))


def test_a_policy_of_an_earlier_release_lists_a_formulation_that_is_gone() -> None:
    for listed, kept in ((("funnel", "lambdarank"), ("funnel",)), (("lambdarank",), ("binary",))):
        with pytest.warns(FutureWarning, match="has lambdarank, which never won and is gone; remove it"):
            assert TrainingPolicy(formulations=listed).formulations == kept


def test_steps_and_who_reached_them(training_set: TrainingSet) -> None:
    assert steps_of("funnel", training_set) == ("is_clicked", "is_applied")
    assert steps_of("binary", training_set) == ("is_applied",)
    clicked, labelled = training_set.outcome("is_clicked"), training_set.known("is_applied")
    assert reached_before("funnel", training_set, "is_clicked").all()
    assert np.array_equal(reached_before("funnel", training_set, "is_applied"), clicked & labelled)
    assert 0 < clicked.sum() < len(clicked)
    assert np.array_equal(reached_before("binary", training_set, "is_applied"), labelled)
    assert 0 < labelled.sum() < len(labelled), "the newest rows have no label yet"


@pytest.mark.parametrize("kind", ["text", "dictionary", "integer"])
def test_rows_of_one_entity_share_a_code(training_set: TrainingSet, kind: str) -> None:
    training = training_set
    names = training.examples["user_id"].to_pylist()
    place = training.examples.column_names.index("user_id")
    if kind == "dictionary":
        chunks = [pa.array(part).dictionary_encode() for part in (names[:100], names[100:])]
        changed = training.examples.set_column(place, "user_id", pa.chunked_array(chunks))
        training = replace(training, examples=changed)
    if kind == "integer":
        training = with_column(training, "user_id", np.array([int(name[1:]) for name in names]))
    codes = training.entity_codes
    assert codes.dtype == np.int64
    assert len(set(zip(names, codes.tolist(), strict=True))) == len(set(names)) == len(set(codes.tolist()))


def test_all_formulations_are_measured_on_the_same_rows_and_entities(training_set: TrainingSet) -> None:
    spec = spec_of(training_set)
    tuned = [tune(name, training_set, spec, FORMULATION_POLICY) for name in ("funnel", "binary")]
    rows = int(training_set.is_validation.sum())
    users = training_set.examples["user_id"].filter(pa.array(training_set.is_validation))
    outcome = training_set.outcome("is_applied", training_set.is_validation)
    every, judged_rows = from_validation_on(training_set), validating(training_set)
    rate = outcome.mean()
    no_skill = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    for one in tuned:
        assert one.rows == rows
        assert one.log_likelihood.shape == (len(set(users.to_pylist())),)
        assert one.log_loss == pytest.approx(-one.log_likelihood.sum() / rows)
        assert 0.5 * no_skill < one.log_loss < no_skill
        assert all(1 <= step.trees <= FORMULATION_POLICY.trees_maximum for step in one.steps)
        assert all(step.raw.shape == (every.sum(),) for step in one.steps)
        assert np.array_equal(one.steps[-1].outcome[judged_rows], outcome)
    funnel, binary = tuned
    clicked = training_set.outcome("is_clicked")[every]
    assert np.array_equal(funnel.steps[1].is_reached, clicked & judged_rows)
    assert np.array_equal(funnel.steps[0].outcome, clicked)
    assert funnel.steps[0].is_reached.all(), "its trees and its calibrator see what has no label yet"
    assert np.array_equal(binary.steps[0].is_reached, judged_rows)
    assert 0 < judged_rows.sum() < len(judged_rows)


@pytest.mark.parametrize("name", ["funnel", "binary"])
def test_each_half_of_the_entities_is_judged_by_the_curve_of_the_other(training_set: TrainingSet, name: str) -> None:
    spec = spec_of(training_set)
    found = tune(name, training_set, spec, FORMULATION_POLICY)
    half, judged_rows = halves(training_set), validating(training_set)
    outcome = found.steps[-1].outcome[judged_rows]
    probability = np.ones(len(outcome))
    for step in found.steps:
        raw, reached, happened = step.raw[judged_rows], step.is_reached[judged_rows], step.outcome[judged_rows]
        for side in (0, 1):
            known = (half != side) & reached
            curve = fit_calibrator(raw[known], happened[known], isotonic_minimum_positives=1_000)
            probability[half == side] *= curve.probabilities(raw[half == side])
    likelihood = np.where(outcome, np.log(probability), np.log(1 - probability))
    assert found.log_loss == pytest.approx(-likelihood.mean())
    users = np.array(training_set.examples["user_id"].to_pylist())[training_set.is_validation]
    by_user = {user: likelihood[users == user].sum() for user in set(users.tolist())}
    assert np.sort(found.log_likelihood) == pytest.approx(np.sort(list(by_user.values())))


def test_entities_stay_whole_and_every_formulation_has_them_in_one_order(training_set: TrainingSet) -> None:
    """A formulation held against itself under another name gains nothing, in whatever way rows are grouped."""
    spec = spec_of(training_set)
    first, again = (tune("binary", training_set, spec, FORMULATION_POLICY) for _ in range(2))
    assert first.log_likelihood.tobytes() == again.log_likelihood.tobytes()
    assert choose([first, again]) is first
    alone = with_column(training_set, "user_id", np.arange(training_set.examples.num_rows))
    by_row = tune("binary", alone, spec, FORMULATION_POLICY)
    assert by_row.log_likelihood.shape == (by_row.rows,)
    assert by_row.steps[0].raw.tobytes() == first.steps[0].raw.tobytes()


def test_the_second_step_learns_from_those_who_reached_it_only(training_set: TrainingSet) -> None:
    spec, clicked = spec_of(training_set), training_set.outcome("is_clicked")
    places = np.arange(len(clicked))
    places[~clicked] = np.random.default_rng(1).permutation(places[~clicked])
    other = training_set
    for name in spec.names:
        other = with_column(other, name, training_set.examples[name].combine_chunks().take(pa.array(places)))
    trees = [tune("funnel", one, spec, FORMULATION_POLICY).steps for one in (training_set, other)]
    reached = trees[0][1].is_reached
    assert trees[0][1].raw[reached].tobytes() == trees[1][1].raw[reached].tobytes()
    assert trees[0][0].raw[reached].tobytes() != trees[1][0].raw[reached].tobytes()


def test_a_fold_is_scored_by_what_was_complete_when_it_began(training_set: TrainingSet) -> None:
    """With a fixed number of trees, neither its outcomes nor those of the gap before it reach its scores."""
    spec = spec_of(training_set)
    policy = replace(FORMULATION_POLICY, trees_maximum=1)
    (first, _), (second, last_fold) = held_out_by_fold(training_set)
    days = days_of(training_set)
    first_day, second_day = ((start - date(1970, 1, 1)).days for start in (first, second))
    held_out = from_validation_on(training_set)
    for step, name, place in (("is_applied", "binary", 0), ("is_clicked", "funnel", 0), ("is_applied", "funnel", 1)):
        gap = training_set.known(step) & ~training_set.fitting(step, first) & (days < first_day)
        for later, is_told in ((training_set.known(step) & (days >= second_day), False), (gap, True)):
            other = told(training_set, step)
            other[later] = np.random.default_rng(1).permutation(other[later])
            changed = with_column(training_set, step, other)
            assert (other != told(training_set, step)).any()
            raws = [tune(name, one, spec, policy).steps[place].raw for one in (training_set, changed)]
            in_last = last_fold[held_out]
            assert raws[0][~in_last].tobytes() == raws[1][~in_last].tobytes()
            assert (raws[0][in_last].tobytes() != raws[1][in_last].tobytes()) == is_told


def test_a_half_without_positives_is_refused(training_set: TrainingSet) -> None:
    """Both classes are there, but the entities that convert are all in one half."""
    outcome = told(training_set, "is_applied")
    inside = np.flatnonzero(training_set.is_validation)
    outcome[inside[halves(training_set) == 0]] = False
    training = with_column(training_set, "is_applied", outcome)
    spec = spec_of(training)
    require_both_classes("binary", training)
    with pytest.raises(NotEnoughEvidenceError):
        tune("binary", training, spec, FORMULATION_POLICY)


@pytest.mark.parametrize(("part", "mask"), [("fitting", "fitting"), ("validation", "validating")])
@pytest.mark.parametrize("value", [False, True])
def test_a_step_of_one_class_is_refused_with_step_part_and_counts(
    training_set: TrainingSet, part: str, mask: str, value: bool
) -> None:
    inside = getattr(training_set, mask)("is_clicked")
    clicked = np.where(inside, value, training_set.outcome("is_clicked"))
    training = with_column(training_set, "is_clicked", clicked)
    rows = int(inside.sum())
    spec = spec_of(training)
    words = f"is_clicked has {rows if value else 0} positives in {rows} {part} rows; both classes are needed"
    for refused in (
        lambda: tune("funnel", training, spec, FORMULATION_POLICY),
        lambda: require_both_classes("funnel", training),
    ):
        with pytest.raises(NotEnoughEvidenceError, match=words):
            refused()
    require_both_classes("binary", training)


def test_validation_decides_neither_vocabularies_nor_priors_of_what_is_tuned(training_set: TrainingSet) -> None:
    """The artifact has them of all rows: what serves knows the latest categories."""
    held_out = from_validation_on(training_set)
    metro = np.where(held_out, "m_new", np.array(training_set.examples["metro_code"].to_pylist()))
    clicks = np.where(held_out, 7.0, training_set.examples["job_clicks_7d"].to_numpy().astype(float))
    changed = with_column(with_column(training_set, "metro_code", metro), "job_clicks_7d", clicks)
    spec = formulations.tuning_spec(changed)
    assert spec == formulations.tuning_spec(training_set)
    matrix = seen_matrix(changed.examples, spec)
    assert np.isnan(matrix[held_out, spec.model_names.index("metro_code")]).all()
    assert np.isfinite(matrix[training_set.is_fit, spec.model_names.index("metro_code")]).all()
    assert matrix.shape == (changed.examples.num_rows, len(spec.model_names))
    served = fit_model(changed, replace(FORMULATION_POLICY, formulations=("binary",))).feature_spec
    assert "m_new" in dict(served.vocabularies)["metro_code"]
    assert served == fit_feature_spec(changed.examples, changed.roles)
    assert served.rates != spec.rates
