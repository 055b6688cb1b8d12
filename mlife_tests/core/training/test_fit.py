"""Fitting: better than chance, the same bytes in any process; ready estimators and the simple rule beside LightGBM."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.policies import DEFAULT_RECIPES, RECIPES, TrainingPolicy, policy_version
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.feature_spec import FeatureSpec, SmoothedRate, fit_feature_spec
from mlife_assets.core.scoring.scorer import LightGBMScorer, scorer_of
from mlife_assets.core.training import fit, recipes
from mlife_assets.core.training.boosting import model_text
from mlife_assets.core.training.fit import compete, fit_model
from mlife_assets.core.training.formulations import Formulation, choose, choose_recipe
from mlife_assets.core.training.manifest_facts import fitted_words, trees_at_limit
from mlife_assets.core.training.objective import Ranked
from mlife_assets.core.training.ready_estimators import ready_estimator
from mlife_assets.core.training.recipes import fit_step, recipe_of
from mlife_assets.core.training.simple_rule import COLUMNS_MAXIMUM, SIMPLE_RULE, SimpleRule, fit_simple_rule
from mlife_assets.core.training.step_rows import every_row, known_outcome, reached_before, thinned
from mlife_assets.core.training.training_set import TrainingSet
from mlife_assets.recruiting.cohort import recruiter_scores
from mlife_assets.recruiting.features import feature_matrix, pair_features
from mlife_tests.tiny_models import told, with_column

COMPETING = TrainingPolicy(
    formulations=("binary", "funnel"), recipes=("plain", "recent_linear", "recent"), trees_maximum=8,
    learning_rate=0.2, minimum_child_examples=20,
)  # fmt: skip
POLICY = TrainingPolicy(recipes=("plain",), trees_maximum=60, learning_rate=0.05, minimum_child_examples=20)
QUICK = replace(POLICY, trees_maximum=8)
FOLDER = Path(__file__).resolve().parents[1]
PROGRAM = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("job_pairs", sys.argv[1])
world = importlib.util.module_from_spec(spec); spec.loader.exec_module(world)
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.training_set import build_training_set
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import Policies
policy = TrainingPolicy(recipes=("plain",), trees_maximum=60, learning_rate=0.05, minimum_child_examples=20,)
training = build_training_set(world.labelled_examples(12_000), job_applications(Policies(training=policy)),
                              as_of=world.DAY, gate_start=world.date(2026, 5, 15), quarantined=[])
sys.stdout.write(fit_model(training, policy).model_version)
"""
NAMES = (*(f"column_{place}" for place in range(11)), "clicks", "views", "kind")
SPEC = FeatureSpec(NAMES, (("kind", ("a", "b")),), (SmoothedRate("click_rate", "clicks", "views", 0.2, 5.0),))
ROWS = 20_000


def auc(scores: np.ndarray, outcome: np.ndarray) -> float:
    ranks = np.argsort(np.argsort(scores))
    positives = outcome.sum()
    return float((ranks[outcome].sum() - positives * (positives - 1) / 2) / (positives * (len(outcome) - positives)))


def probabilities(artifact: ModelArtifact, rows: pa.Table) -> np.ndarray:
    return LightGBMScorer(artifact, threads=1).score(feature_matrix(rows, artifact.feature_spec)).probability


def test_a_model_ranks_better_than_the_recruiters_on_new_people(job_pairs: ModuleType, artifact: ModelArtifact) -> None:
    fresh = pair_features(job_pairs.labelled_examples(8_000, seed=99))
    outcome = np.asarray(fresh["is_applied"].to_numpy(zero_copy_only=False), dtype=bool)
    model = LightGBMScorer(artifact, threads=1).score(feature_matrix(fresh, artifact.feature_spec)).raw
    found, human, best = (auc(s, outcome) for s in (model, recruiter_scores(fresh), job_pairs.true_probability(fresh)))
    assert human + 0.02 < found <= best + 0.01


def test_same_data_and_code_give_the_same_version_in_a_process_that_hashes_otherwise(artifact: ModelArtifact) -> None:
    command = [sys.executable, "-c", PROGRAM, str(FOLDER.parent / "job_pairs.py")]
    run = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=120, cwd=FOLDER.parents[1],
        env={"PYTHONHASHSEED": "1"},
    )  # fmt: skip
    assert run.stdout == artifact.model_version


def test_any_number_of_cores_gives_the_same_version(training_set, artifact) -> None:
    seen: list[int] = []
    again = fit_model(training_set, POLICY, lambda done, most: seen.append(threading.get_ident()), cores=5)
    assert again.files() == artifact.files()
    assert len(set(seen) - {threading.get_ident()}) > 1, "formulations are tuned beside each other"


def test_the_manifest_says_what_it_was_trained_on(training_set: TrainingSet, artifact: ModelArtifact) -> None:
    manifest = artifact.manifest
    assert manifest["training_start_date"] == training_set.first_day.isoformat()
    assert manifest["training_end_date"] == training_set.last_day.isoformat() == "2026-05-12"
    by_step = {"is_clicked": "2026-05-12", "is_applied": "2026-05-07"}
    assert manifest["trained_to"] == {stage.step: by_step[stage.step] for stage in artifact.stages}
    assert manifest["validation_end_date"] == by_step["is_applied"]
    assert manifest["examples"] == training_set.known("is_applied").sum() < training_set.examples.num_rows
    assert manifest["examples_by_step"] == {step: training_set.known(step).sum() for step in manifest["trained_to"]}
    assert manifest["positives"] == training_set.positives
    assert manifest["validation_rows"] == training_set.is_validation.sum()
    held_out = training_set.examples.filter(pa.array(training_set.is_validation))
    assert manifest["validation_positives"] == sum(held_out["is_applied"].to_pylist())
    assert all(1 <= trees <= POLICY.trees_maximum for trees in manifest["trees_by_step"].values())
    assert {stage.step: stage.model_text.count("\nTree=") for stage in artifact.stages} == manifest["trees_by_step"]
    assert sum(manifest["trees_by_step"].values()) == manifest["trees"]
    assert manifest["trees_at_limit"] == trees_at_limit(manifest["trees_by_step"], POLICY.trees_maximum)
    assert set(manifest["formulations"]) == {"funnel", "binary"}
    assert manifest["calibrator"] == ", ".join(stage.calibrator.method for stage in artifact.stages)
    assert set(manifest["importance"]) == set(artifact.feature_spec.model_names)
    assert max(manifest["importance"], key=manifest["importance"].get) == "taste_match"
    assert json.loads(json.dumps(manifest, allow_nan=False)) == manifest
    assert manifest["policy"] == json.loads(json.dumps(asdict(POLICY)))
    assert manifest["policy_version"] == policy_version(POLICY)


def test_what_serves_knows_the_categories_and_rates_of_all_rows(training_set, artifact) -> None:
    assert artifact.feature_spec == fit_feature_spec(training_set.examples, training_set.roles)
    early = fit_feature_spec(training_set.examples.filter(pa.array(training_set.is_fit)), training_set.roles)
    assert artifact.feature_spec != early


def test_progress_is_reported(training_set: TrainingSet) -> None:
    seen: list[tuple[int, int]] = []
    fit_model(training_set, replace(QUICK, trees_maximum=5), lambda done, most: seen.append((done, most)))
    assert seen[0] == (1, 5)
    assert all(1 <= done <= most <= 5 for done, most in seen)


def test_the_manifest_tells_which_recipe_won_and_what_was_learned_from(training_set, artifact) -> None:
    clicked = int(training_set.outcome("is_clicked").sum())
    reached = int(reached_before("funnel", training_set, "is_applied").sum())
    assert artifact.manifest["rows_by_step"] == {"is_clicked": training_set.examples.num_rows, "is_applied": reached}
    policy = replace(QUICK, recipes=("recent_linear", "plain"), negatives_minimum=3_000)
    manifest = fit_model(training_set, policy).manifest
    assert list(manifest["recipes"]) == ["recent_linear", "plain"]
    assert manifest["recipe"] in manifest["recipes"]
    assert manifest["recipes_refused"] == {}
    assert manifest["validation_log_loss"] == manifest["recipes"][manifest["recipe"]]
    assert manifest["formulations"][manifest["formulation"]] == manifest["recipes"]["recent_linear"]
    negatives = training_set.examples.num_rows - clicked
    run = min(3, negatives // 3_000)
    assert run > 1
    assert manifest["rows_by_step"]["is_clicked"] == clicked - (-negatives // run)


@pytest.mark.parametrize("recipe", ["recent", "recent_linear"])
def test_each_recipe_serves_what_it_learned_on_any_cores(job_pairs, training_set, recipe: str) -> None:
    policy = replace(POLICY, formulations=("funnel",), recipes=(recipe,), trees_maximum=30)
    made, again = (fit_model(training_set, policy, cores=cores) for cores in (1, 3))
    assert made.files() == again.files()
    assert {stage.base is not None for stage in made.stages} == {"linear" in recipe}
    fresh = pair_features(job_pairs.labelled_examples(8_000, seed=99))
    truth, said = job_pairs.true_probability(fresh), probabilities(made, fresh)
    assert said.mean() == pytest.approx(truth.mean(), rel=0.12)
    assert np.corrcoef(said, truth)[0, 1] > 0.8


@pytest.mark.parametrize(("name", "steps"), [("funnel", ["is_clicked", "is_applied"]), ("binary", ["is_applied"])])
def test_each_formulation_alone_serves_calibrated_probabilities(
    job_pairs: ModuleType, training_set: TrainingSet, name: str, steps: list[str]
) -> None:
    """Classes are never weighted: what is said on average is what happens, on people that no part of fitting saw."""
    artifact = fit_model(training_set, replace(POLICY, formulations=(name,)))
    assert [stage.step for stage in artifact.stages] == steps
    assert artifact.manifest["formulation"] == name
    fresh = pair_features(job_pairs.labelled_examples(20_000, seed=99))
    truth = job_pairs.true_probability(fresh)
    said = probabilities(artifact, fresh)
    assert said.mean() == pytest.approx(truth.mean(), rel=0.12)
    top = np.argsort(-said, kind="stable")[:4_000]
    assert said[top].mean() == pytest.approx(truth[top].mean(), rel=0.2)


def test_what_cannot_be_learned_is_refused_with_its_reason_and_others_go_on(training_set: TrainingSet) -> None:
    everyone = with_column(training_set, "is_clicked", np.ones(training_set.examples.num_rows, dtype=bool))
    artifact = fit_model(everyone, QUICK)
    manifest = artifact.manifest
    assert list(manifest["formulations_refused"]) == ["funnel"]
    assert "is_clicked has" in manifest["formulations_refused"]["funnel"]
    assert set(manifest["formulations"]) == {"binary"}
    assert [stage.step for stage in artifact.stages] == ["is_applied"]


def test_where_nothing_can_be_learned_all_reasons_are_reported(training_set: TrainingSet) -> None:
    nobody = np.where(training_set.is_validation, False, told(training_set, "is_applied"))
    with pytest.raises(NotEnoughEvidenceError) as caught:
        fit_model(with_column(training_set, "is_applied", nobody), QUICK)
    for name in QUICK.formulations:
        assert f"{name}: is_applied has 0 positives" in str(caught.value)


def test_a_policy_that_does_not_fit_the_examples_is_refused(training_set: TrainingSet) -> None:
    with pytest.raises(InvalidInputError, match="constrains salary"):
        fit_model(training_set, replace(QUICK, rising=("salary",)))
    plain = replace(training_set, roles=replace(training_set.roles, funnel=(), funnel_times=(), early_label=None))
    with pytest.raises(InvalidInputError, match="add binary"):
        fit_model(plain, replace(QUICK, formulations=("funnel",)))


@pytest.mark.parametrize("recipe", ["plain", "default", "logistic"])
def test_the_model_that_serves_learns_from_all_days_with_the_trees_that_were_found(training_set, recipe: str) -> None:
    policy = replace(QUICK, formulations=("binary",), recipes=(recipe,))
    served = fit_model(training_set, policy)
    everyone = every_row(training_set, served.feature_spec)
    part = thinned(everyone, np.ones(training_set.examples.num_rows, dtype=bool), served.feature_spec, policy)
    rows = part.about(known_outcome(training_set, "is_applied"), training_set.known("is_applied"))
    own = fit_step(rows, recipe_of(recipe), served.feature_spec, policy, trees=served.manifest["trees"])
    assert served.stages[0].model_text == model_text(own.booster)
    assert served.stages[0].base == own.base
    assert rows.day.max() > training_set.fold_starts[-1].toordinal() - date(1970, 1, 1).toordinal()


def test_a_logistic_regression_serves_like_any_model(job_pairs: ModuleType, training_set: TrainingSet) -> None:
    """It is text: curves in JSON below a text of no trees; a row alone scores as in a batch; reasons sum to it."""
    policy = replace(QUICK, formulations=("funnel",), recipes=("logistic",))
    made, again = (fit_model(training_set, policy, cores=cores) for cores in (1, 3))
    assert made.files() == again.files()
    assert made.manifest["trees"] == 0
    assert all("Tree=" not in stage.model_text for stage in made.stages)
    assert ModelArtifact.from_files(made.model_version, made.files()) == made
    fresh = pair_features(job_pairs.labelled_examples(8_000, seed=99))
    scorer = scorer_of(made, threads=1)
    matrix = feature_matrix(fresh, made.feature_spec)
    batch = scorer.score(matrix)
    assert [scorer.score(matrix[row : row + 1]).raw[0] for row in range(60)] == batch.raw[:60].tolist()
    assert np.sum(scorer.contributions(matrix[:500]), axis=1) == pytest.approx(batch.raw[:500])
    truth = job_pairs.true_probability(fresh)
    assert np.corrcoef(batch.probability, truth)[0, 1] > 0.7
    assert fitted_words(made.manifest) == "a logistic regression"


def test_formulations_compete_by_the_first_recipe_then_recipes_for_the_winner(training_set, monkeypatch) -> None:
    asked: list[tuple[str, str, str]] = []
    real = fit.tune_step

    def watched(name: str, step: str, recipe: Any, *rest: Any) -> Any:
        asked.append((name, step, recipe.name))
        return real(name, step, recipe, *rest)

    monkeypatch.setattr(fit, "tune_step", watched)
    found = compete(training_set, COMPETING)
    assert [one.name for one in found.formulations] == ["binary", "funnel"]
    assert {one.recipe.name for one in found.formulations} == {"plain"}
    first = choose(list(found.formulations))
    assert [(one.name, one.recipe.name) for one in found.recipes] == [
        (first.name, recipe) for recipe in COMPETING.recipes
    ]
    assert found.recipes[0] is first
    assert found.chosen is choose_recipe(found.recipes)
    steps = {"binary": ("is_applied",), "funnel": ("is_clicked", "is_applied")}
    expected = [(name, step, "plain") for name in COMPETING.formulations for step in steps[name]]
    expected += [(first.name, step, recipe) for recipe in COMPETING.recipes[1:] for step in steps[first.name]]
    assert asked == expected, "a sum of fits, no product"


def test_a_law_that_changed_within_the_rows_to_fit_on_is_followed_by_recent_rows(training_set: TrainingSet) -> None:
    """Until ten days before the end of fitting taste works the other way round; validation knows the new law alone."""
    days = training_set.examples["exposure_date"].to_numpy().astype("datetime64[D]")
    turned = days < days[training_set.is_fit].max() - np.timedelta64(9, "D")
    taste = training_set.examples["taste_match"].to_numpy()
    changed = with_column(training_set, "taste_match", np.where(turned, -taste, taste))
    policy = replace(
        COMPETING, formulations=("binary",), recipes=("plain", "recent"), trees_maximum=60, half_life_days=3.0
    )
    found = compete(changed, policy)
    assert found.chosen.recipe.name == "recent"
    assert found.chosen.log_loss < found.recipes[0].log_loss
    assert compete(training_set, policy).chosen.recipe.name == "plain", "without a change noise does not choose"


def test_the_gap_and_the_order_of_recipes_do_not_move_what_one_of_them_is_worth(
    training_set: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipes, "NEWEST_TRIED_FROM", 1)
    names, policy = (*COMPETING.recipes, "newest"), replace(COMPETING, formulations=("binary",))
    found = [compete(training_set, replace(policy, recipes=order)) for order in (names, names[::-1])]
    losses = [{one.recipe.name: one.log_loss for one in each_.recipes} for each_ in found]
    assert losses[0] == losses[1]
    assert set(losses[0]) == set(names)


def test_the_newest_rows_win_only_where_they_are_shown_to_rank_better() -> None:
    """Of all rows `plain` has the higher value, and `logistic`, which ties with it, the lower loss."""

    def of(name: str, value: float, influence: float, loss: float) -> Formulation:
        ranked = Ranked(value, np.array([influence, -influence]), 100.0)
        return Formulation("binary", (), loss, np.zeros(2), 2, recipe_of(name), ranked)

    others = [of("plain", 0.32, 0.02, 0.5), of("logistic", 0.30, 0.0, 0.4)]
    tied, shown = of("newest", 0.34, 0.03, 0.1), of("newest", 0.36, 0.03, 0.9)
    assert choose_recipe([tied, *others]) is others[1], "a tie is of all rows"
    assert choose_recipe([shown, *others]) is choose_recipe([*others, shown]) is choose_recipe([shown]) is shown
    unsure = replace(shown, ranked=replace(shown.ranked, has_error=False))
    assert choose_recipe([unsure, *others]) is others[1], "folds of one day show no error"


@pytest.mark.parametrize(
    ("weeks", "said", "chosen"), [(2, ["newest"], "newest"), (2, ["default"], "default"), (8, [], "default")]
)
def test_the_newest_rows_must_win_over_the_last_label_weeks_too(
    training_set: TrainingSet, monkeypatch: pytest.MonkeyPatch, weeks: int, said: list[str], chosen: str
) -> None:
    """Of 40 days eight weeks cannot be held out: nothing would be left to fit on."""
    asked, rows, answers = [], [], ["newest", "default", *said]

    def choose_one(found: list[Formulation]) -> Formulation:
        asked.append([one.recipe.name for one in found])
        rows.append(found[0].rows)
        return found[asked[-1].index(answers.pop(0))]

    monkeypatch.setattr(fit, "choose_recipe", choose_one)
    monkeypatch.setattr(fit, "NEWEST_JUDGED_WEEKS", weeks)
    monkeypatch.setattr(recipes, "NEWEST_TRIED_FROM", 1)
    policy = replace(COMPETING, formulations=("binary",), recipes=("plain", "newest", "default"))
    assert compete(training_set, policy).chosen.recipe.name == chosen
    assert asked == [["plain", "newest", "default"], ["plain", "default"], ["default", "newest"]][: len(asked)]
    assert not answers
    assert not said or rows[2] == np.count_nonzero(training_set.by_weeks(weeks).is_validation) != rows[0]


def test_each_label_week_of_validation_may_be_a_fold_if_it_has_both_classes(training_set: TrainingSet) -> None:
    last = training_set.trained_to["is_applied"]
    days = np.asarray(training_set.examples["exposure_date"]).astype("datetime64[D]")
    gone = (days > np.datetime64(last - timedelta(days=14))) & (days <= np.datetime64(last - timedelta(days=7)))
    fewer = replace(training_set, examples=training_set.examples.filter(~gone))
    for rows, weeks in ((training_set, (3, 2, 1)), (fewer, (3, 1))):
        assert rows.by_weeks(3).fold_starts == tuple(last - timedelta(days=7 * week - 1) for week in weeks)
    place, known = training_set.examples.column_names.index("is_applied"), training_set.examples["is_applied"]
    none = pc.and_(known, pa.array(~gone))
    quiet = replace(training_set, examples=training_set.examples.set_column(place, "is_applied", none))
    assert quiet.by_weeks(3).fold_starts == (last - timedelta(days=20), last - timedelta(days=13)), "with the next"


def test_the_newest_rows_are_not_tried_where_they_are_most(training_set: TrainingSet) -> None:
    found = compete(training_set, replace(COMPETING, formulations=("binary",), recipes=("plain", "newest")))
    assert [one.recipe.name for one in found.recipes] == ["plain"]
    assert "the last 91 days are most of" in found.recipes_refused["newest"]
    assert [list(recipes.too_short_for(DEFAULT_RECIPES, days)) for days in (136, 137)] == [["newest"], []]


def test_an_estimator_of_ones_own_follows_recent_rows_and_no_base_or_else_all_rows(training_set: TrainingSet) -> None:
    policy = replace(COMPETING, recipes=RECIPES)
    found = compete(training_set, policy, estimator=lambda: HistGradientBoostingClassifier(max_iter=10))
    assert [one.recipe.name for one in found.recipes] == ["plain", "recent"]
    assert list(found.recipes_refused) == ["linear", "recent_linear", "default", "logistic", "newest"]
    assert "no trees, and no base" in found.recipes_refused["linear"]
    plain, recent = found.recipes
    assert plain.steps[0].raw.tobytes() != recent.steps[0].raw.tobytes()
    policy = replace(COMPETING, formulations=("binary",), recipes=("linear",))
    found = compete(training_set, policy, estimator=lambda: HistGradientBoostingClassifier(max_iter=5))
    assert found.chosen.recipe.name == "plain"


def test_an_estimator_that_weighs_no_rows_is_refused_the_recent_ones() -> None:
    refused = fit.refused_recipes(("plain", "recent", "newest"), KNeighborsClassifier)
    assert refused == {"recent": "KNeighborsClassifier takes no sample_weight, so all rows count alike"}
    assert fit.refused_recipes(("plain", "recent"), LogisticRegression) == {}
    assert "unless training.recipes asks" in fit.refused_recipes(DEFAULT_RECIPES, LogisticRegression)["newest"]


@pytest.mark.parametrize("name", ["forest", "", None, ["logistic_regression"]])
def test_a_name_that_is_not_on_the_list_is_refused_with_the_list(name: object) -> None:
    with pytest.raises(InvalidInputError, match="known are logistic_regression, histogram_boosting"):
        ready_estimator(name)


def test_a_spec_is_read_without_scikit_learn() -> None:
    """The command line answers at once, also to who misspelled a key."""
    code = "import sys, mlife_assets.core.study; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def rows(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a matrix in which three columns and the rate decide, and its outcome; column 4 has another scale."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(ROWS, len(NAMES)))
    matrix[:, 4] = 100.0 + 50.0 * matrix[:, 4]
    matrix[:, 11] = rng.integers(0, 5, ROWS)
    matrix[:, 12] = matrix[:, 11] + rng.integers(0, 20, ROWS)
    matrix[:, 13] = rng.integers(0, 2, ROWS)
    rate = SPEC.expanded(matrix)[:, -1]
    log_odds = -1.0 + 0.8 * matrix[:, 2] - 0.02 * (matrix[:, 4] - 100.0) + 0.3 * matrix[:, 9] + 6.0 * (rate - 0.25)
    return matrix, rng.random(ROWS) < 1 / (1 + np.exp(-log_odds))


def test_weights_are_those_of_the_law_in_units_of_the_columns() -> None:
    matrix, outcome = rows(1)
    rule = fit_simple_rule(SPEC.expanded(matrix), outcome, SPEC, ("column_2", "column_4", "column_9", "click_rate"))
    assert rule.columns == ("column_2", "column_4", "column_9", "click_rate")
    np.testing.assert_allclose(rule.weights[:3], (0.8, -0.02, 0.3), rtol=0.15)
    assert rule.weights[3] == pytest.approx(6.0, rel=0.15)
    expected = 1 / (1 + np.exp(-rule.score(matrix, SPEC)))
    assert float(np.mean(expected)) == pytest.approx(float(np.mean(outcome)), rel=0.01)


def test_without_columns_those_that_weigh_most_are_chosen_whatever_their_scale() -> None:
    matrix, outcome = rows(2)
    rule = fit_simple_rule(SPEC.expanded(matrix), outcome, SPEC)
    assert len(rule.columns) + len(rule.points) == COLUMNS_MAXIMUM
    assert {"column_2", "column_4", "column_9", "click_rate"} <= set(rule.columns)
    assert list(rule.columns) == sorted(rule.columns, key=SPEC.model_names.index)


@pytest.mark.parametrize("huge", [np.inf, -np.inf, 1e300])
def test_a_number_too_large_for_a_sum_counts_as_missing(huge: float) -> None:
    """The trees take it as it is, so it must not keep a model from being trained."""
    matrix, outcome = rows(6)
    with_huge, with_none = matrix.copy(), matrix.copy()
    with_huge[3, 2], with_none[3, 2] = huge, np.nan
    rule = fit_simple_rule(SPEC.expanded(with_huge), outcome, SPEC, ("column_2", "column_4"))
    assert rule == fit_simple_rule(SPEC.expanded(with_none), outcome, SPEC, ("column_2", "column_4"))
    scores = rule.score(with_huge[:5], SPEC)
    np.testing.assert_array_equal(scores, rule.score(with_none[:5], SPEC))
    assert np.isfinite(scores).all()


def test_a_missing_value_counts_as_the_usual_one_and_one_row_alone_as_in_a_batch() -> None:
    matrix, outcome = rows(3)
    rule = fit_simple_rule(SPEC.expanded(matrix), outcome, SPEC, ("column_2", "column_4"))
    asked = matrix[:50].copy()
    asked[::2, 4] = np.nan
    scores = rule.score(asked, SPEC)
    usual = asked.copy()
    usual[::2, 4] = np.median(matrix[:, 4])
    np.testing.assert_array_equal(scores, rule.score(usual, SPEC))
    alone = [float(rule.score(asked[[row]], SPEC)[0]) for row in range(50)]
    np.testing.assert_array_equal(scores, alone)
    assert np.all(np.isfinite(scores))


def test_the_record_of_a_manifest_gives_the_same_bits_and_an_older_manifest_none() -> None:
    matrix, outcome = rows(4)
    rule = fit_simple_rule(SPEC.expanded(matrix), outcome, SPEC)
    read = SimpleRule.of_manifest(json.loads(json.dumps({SIMPLE_RULE: rule.to_record()})))
    assert read == rule
    assert SimpleRule.of_manifest({"trees": 3}) is None


def test_a_column_that_is_not_there_is_named() -> None:
    matrix, outcome = rows(5)
    with pytest.raises(InvalidInputError, match="looks at column_99, which is no feature"):
        fit_simple_rule(SPEC.expanded(matrix), outcome, SPEC, ("column_99",))


def test_categories_add_points_by_value_and_few_rows_of_one_say_little() -> None:
    """Once categories were not seen: on a table of them alone the rule was the base rate."""
    rng = np.random.default_rng(9)
    spec = FeatureSpec(("noise", "kind"), (("kind", ("a", "b", "c", "never")),))
    kind = rng.choice([0.0, 1.0, 2.0, np.nan], ROWS, p=[0.5, 0.39, 0.01, 0.1])
    matrix = np.column_stack([rng.normal(size=ROWS), kind])
    share = np.where(np.isnan(kind), 0.5, np.array([0.1, 0.3, 0.3])[np.nan_to_num(kind).astype(int)])
    outcome = rng.random(ROWS) < share
    rule = fit_simple_rule(matrix, outcome, spec)
    assert rule.columns == ("noise",)
    (points,) = rule.points
    added = dict(points.of_value)
    assert added["b"] - added["a"] == pytest.approx(np.log(3 / 7) - np.log(1 / 9), abs=0.25)
    assert points.otherwise > added["b"]
    assert added["a"] < added["c"] < points.otherwise
    assert added["never"] == pytest.approx(np.log(outcome.mean() / (1 - outcome.mean())), abs=0.5), "as all rows are"
    renamed = FeatureSpec(("noise", "kind"), (("kind", ("b", "new")),))
    said = rule.score(np.array([[0.0, 0.0], [0.0, 1.0], [0.0, np.nan]]), renamed) - rule.intercept
    np.testing.assert_allclose(said, [added["b"], points.otherwise, points.otherwise], atol=1e-12)
    read = SimpleRule.of_manifest(json.loads(json.dumps({SIMPLE_RULE: rule.to_record()})))
    assert read == rule
    older = {name: value for name, value in rule.to_record().items() if name != "points"}
    assert SimpleRule.of_manifest({SIMPLE_RULE: older}) == replace(rule, points=())


def test_values_that_say_nothing_are_not_believed() -> None:
    """Of 200 values with 15 rows each some have many positives by chance; their own rows do not teach the weight."""
    rng = np.random.default_rng(10)
    names = tuple(map(str, range(200)))
    spec = FeatureSpec(("strength", "who"), (("who", names),))
    matrix = np.column_stack([rng.normal(size=ROWS), rng.integers(0, 200, ROWS)])
    outcome = rng.random(ROWS) < 1 / (1 + np.exp(1 - matrix[:, 0]))
    (points,) = fit_simple_rule(matrix, outcome, spec).points
    assert np.std([added for _, added in points.of_value]) < 0.15


def test_one_class_teaches_nothing() -> None:
    matrix, outcome = rows(6)
    with pytest.raises(NotEnoughEvidenceError, match=f"0 positives in {ROWS} rows"):
        fit_simple_rule(SPEC.expanded(matrix), np.zeros_like(outcome), SPEC)
