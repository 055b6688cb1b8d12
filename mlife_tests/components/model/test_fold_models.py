"""Folds know what was known when their week began, and nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from mlife_assets.adapters.model_registry import ModelRegistry
from mlife_assets.components.model import fitting, fold_models
from mlife_assets.components.model.fold_models import require_same_settings
from mlife_assets.components.model.hyperparameters import REPORT as SEARCH_REPORT
from mlife_assets.components.model.out_of_sample import folds_of, stored_folds
from mlife_assets.components.model.training_inputs import day_training_set, training_set_of
from mlife_assets.core.errors import GateClosedError
from mlife_assets.core.monitoring.retrain_decisions import RetrainDecision
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.training.folds import FOLD_DAYS, fold_starts, speaking
from mlife_assets.core.training.gate.comparing import average_precision
from mlife_assets.core.training.manifest_facts import manifest_facts
from mlife_assets.core.windows import add_days, last_mature_exposure_day

WINDOW = 7


def precision(deployment: Any, version: str, first: date, last: date) -> float:
    """Return the average precision of a model on rows, above their base rate."""
    rows, scorer = deployment.rows(first, last), deployment.scorers.of(version)
    won = np.asarray(rows["won"])
    return average_precision(scorer.score(examples_matrix(rows, scorer.feature_spec)).probability, won) - won.mean()


def test_no_fold_knows_what_only_its_own_weeks_could_teach(changed, last_day, tmp_path) -> None:
    """From the first week on outcomes follow what was noise before: who is right about it has seen the answer.

    The fit on everything is right, and would be judged to be. The fold of the third week is the first that may have
    learned it: the first week's outcomes are complete a day before it begins.
    """
    starts = fold_starts(last_day, WINDOW, 4)
    deployment = changed(tmp_path, starts[0])
    version = deployment.train(last_day)
    folds = stored_folds(deployment, last_day, version)
    assert [fold.first_day for fold in folds] == starts
    found = [precision(deployment, f.model_version, f.first_day, add_days(f.first_day, FOLD_DAYS - 1)) for f in folds]
    assert max(np.abs(found[:2])) < 0.06, "nothing that they knew says anything of the new weeks"
    assert precision(deployment, version, starts[0], add_days(starts[2], -1)) > 0.4
    _, judged = deployment.judge(last_day)
    assert judged.decision.comparisons[0].challenger_map < 0.7, "what is judged is what was known"


def test_a_change_that_was_known_in_time_is_known_to_every_fold(changed, last_day, tmp_path) -> None:
    starts = fold_starts(last_day, WINDOW, 4)
    deployment = changed(tmp_path, add_days(starts[0], -40))
    folds = stored_folds(deployment, last_day, deployment.train(last_day))
    found = [precision(deployment, f.model_version, f.first_day, add_days(f.first_day, FOLD_DAYS - 1)) for f in folds]
    assert min(found) > 0.5


def test_each_fold_learned_all_that_was_complete_and_nothing_later(trained, last_day) -> None:
    folds = stored_folds(trained, last_day, trained.version)
    for fold in folds:
        training = training_set_of(trained, fold.first_day)
        artifact = trained.registry.load(fold.model_version)
        assert artifact.training_data_hash == training.data_hash
        assert fold.trained_to == training.last_day == last_mature_exposure_day(fold.first_day, WINDOW)
        assert max(training.examples["known"].to_pylist()) == fold.first_day
    assert day_training_set(trained, last_day).last_day == last_mature_exposure_day(last_day, WINDOW)


def test_the_fold_of_a_day_is_what_would_have_been_the_challenger_of_that_day(trained, last_day) -> None:
    """So what is judged later is what a retraining of that day would have promoted."""
    folds = stored_folds(trained, last_day, trained.version)
    assert trained.train(folds[-1].first_day) == folds[-1].model_version


def test_the_same_day_again_gives_the_same_versions_and_bytes(trained, last_day) -> None:
    version = trained.version

    def contents() -> dict[str, str]:
        return {key: hashlib.sha256(trained.store.get(key)).hexdigest() for key in trained.store.list("")}

    before = contents()
    assert trained.train(last_day) == version
    assert contents() == before
    assert sum(key.startswith("fold_models/") and key.endswith("manifest.json") for key in before) == 5
    assert len(trained.registry.versions()) == 1, "a fold is no version that anybody could promote"


def fits_counted(monkeypatch: pytest.MonkeyPatch) -> list[date]:
    """Return a list that grows by the last day of each training set that a fold is fitted on."""
    fitted: list[date] = []
    real = fold_models.fitted_artifact

    def counted(context: Any, platform: Any, training: Any, policy: Any) -> Any:
        fitted.append(training.last_day)
        return real(context, platform, training, policy)

    monkeypatch.setattr(fold_models, "fitted_artifact", counted)
    return fitted


def test_a_week_that_an_earlier_day_has_fitted_is_not_fitted_again(returns, last_day, tmp_path, monkeypatch) -> None:
    before = add_days(last_day, -7)
    first = stored_folds(returns, before, returns.train(before))
    fitted = fits_counted(monkeypatch)
    second = stored_folds(returns, last_day, returns.train(last_day))
    assert fitted == [second[-1].trained_to], "all weeks but the newest are those of the day before"
    assert first[1:] == second[:-1]
    alone = type(returns)(tmp_path / "alone", returns.rows(date(2026, 1, 1), last_day))
    assert stored_folds(alone, last_day, alone.train(last_day)) == second, "a fit would give the same"


def test_days_of_one_week_share_all_their_weeks(returns, last_day, monkeypatch) -> None:
    """A drift asks for a fit on any day; what the recipe knew on the Mondays before is known already."""
    monday = add_days(last_day, -last_day.weekday())
    first = stored_folds(returns, monday, returns.train(monday))
    fitted = fits_counted(monkeypatch)
    shared = [stored_folds(returns, day, returns.train(day)) for day in (add_days(monday, 1), add_days(monday, 5))]
    assert [fold.first_day for fold in shared[0]] == [fold.first_day for fold in shared[1]]
    assert len(fitted) == 1, "the week of the day that has become mature since"
    assert shared[0][: len(first)] == first


def test_the_challenger_of_a_monday_is_the_fold_of_its_week(returns, last_day, monkeypatch) -> None:
    monday = fold_starts(last_day, WINDOW, 4)[-1]
    version = returns.train(monday)
    fitted = fits_counted(monkeypatch)
    folds = stored_folds(returns, last_day, returns.train(last_day))
    assert (folds[-1].first_day, folds[-1].model_version) == (monday, version)
    assert folds[-1].trained_to not in fitted


def test_the_recipe_is_fitted_anew_on_the_day_on_which_what_served_was_fitted(returns, last_day, monkeypatch) -> None:
    """Else a recipe of last Monday would be held against a model that knows more, and look worse for it."""
    wednesday = add_days(fold_starts(last_day, WINDOW, 4)[-2], 2)
    version = returns.train(wednesday)
    returns.promote(version, wednesday)
    unpromoted = add_days(wednesday, 2)
    returns.train(unpromoted)
    fitted = fits_counted(monkeypatch)
    folds = stored_folds(returns, last_day, returns.train(last_day))
    assert (wednesday, version) in [(fold.first_day, fold.model_version) for fold in folds]
    assert unpromoted not in [fold.first_day for fold in folds]
    assert folds[[fold.first_day for fold in folds].index(wednesday)].trained_to not in fitted
    report = returns.model_tables.read_report("folds", last_day)["folds"]
    firsts = [date.fromisoformat(row["first_day"]) for row in report]
    lasts = [date.fromisoformat(row["last_day"]) for row in report]
    manifests = [returns.registry.load(row["model_version"]).manifest for row in report]
    chosen = [(one["formulation"], one["recipe"]) for one in manifests]
    assert [(row["formulation"], row["recipe"]) for row in report] == chosen
    assert lasts == [*(add_days(one, -1) for one in firsts[1:]), last_mature_exposure_day(last_day, WINDOW)]
    window, judgement = returns.judge(last_day)
    both = [speaking(side, wednesday, add_days(wednesday, 4)) for side in (window.folds, window.served)]
    assert both == [[version] * 5] * 2
    assert judgement.challenger.model_version != version


def test_a_week_is_fitted_again_where_the_recipe_changed_or_its_files_were_lost(returns, last_day, monkeypatch) -> None:
    before = add_days(last_day, -7)
    first = stored_folds(returns, before, returns.train(before))
    fitted = fits_counted(monkeypatch)
    kept = returns.model
    returns.model = replace(kept, training=replace(kept.training, leaves=5))
    returns.train(last_day)
    assert len(fitted) == 5, "another recipe"
    fitted.clear()
    returns.model, rows = kept, returns.warehouse.rows
    returns.warehouse.rows = rows.filter(pc.not_equal(rows["row"], "w000100"))
    returns.train(last_day)
    assert len(fitted) == 5, "other rows"
    fitted.clear()
    returns.warehouse.rows = rows
    (returns.store.root / "fold_models" / first[2].model_version / "manifest.json").unlink()
    returns.registry = ModelRegistry(returns.store, returns.event_log, kept.name)  # which has loaded nothing yet
    second = stored_folds(returns, last_day, returns.train(last_day))
    assert fitted == [second[-1].trained_to, first[2].trained_to], "a lost one is made again"
    assert second[:-1] == first[1:]
    assert returns.registry.load(first[2].model_version).model_version == first[2].model_version


def test_a_fold_follows_what_was_decided_of_a_drift_when_its_week_began(returns, last_day, monkeypatch) -> None:
    """So the recipe that answers a drift is judged as it would have answered it, and as usual before."""
    returns.model = replace(returns.model, training=replace(returns.model.training, recipes=("recent", "plain")))
    starts = fold_starts(last_day, WINDOW, 4)
    began = add_days(starts[2], 2)
    codes = ("concept_drift_confirmed", "concept_alarm")
    decisions = [RetrainDecision(add_days(began, after), "wait", codes, (), None) for after in range(3)]
    monkeypatch.setattr(fitting, "decisions_until", lambda _, day: [one for one in decisions if one.as_of_date <= day])
    version = returns.train(last_day)
    manifests = [
        returns.registry.load(fold.model_version).manifest for fold in stored_folds(returns, last_day, version)
    ]
    usual = returns.model.training
    lives = [one["policy"]["half_life_days"] for one in [*manifests, returns.registry.load(version).manifest]]
    assert lives[:3] == [usual.half_life_days] * 3
    assert lives[3] == max(usual.half_life_days_in_drift, (starts[3] - began).days / 2)
    assert lives[-1] == (last_day - began).days / 2 < usual.half_life_days
    assert manifests[3]["recipe"] == "recent", "days before the drift choose no recipe"


def test_folds_of_other_settings_judge_nobody(trained, last_day) -> None:
    """A search came between the challenger and its folds: they would be another recipe's."""
    version = trained.version
    require_same_settings(trained, last_day, version)
    knew = fold_starts(last_day, WINDOW, 4)[0]
    parameters = {"leaves": 5, "minimum_child_examples": 40, "feature_fraction": 0.5, "l2_penalty": 10.0}
    found = {"parameters": parameters, "log_loss": 0.5, "known_by": knew.isoformat()}
    trained.model_tables.write_report(SEARCH_REPORT, last_day, found)
    with pytest.raises(GateClosedError, match=f"{version} was fitted under pol_.*; materialize candidate_model of"):
        require_same_settings(trained, last_day, version)


def test_a_manifest_names_model_and_hash_and_people_are_spared_the_record(returns) -> None:
    said = fitting.origin(returns.model)
    assert said["declaration"]["name"] == said["model_name"] == "returns"
    known = {"declaration_hash": returns.model.content_hash, "model_name": "returns"}
    assert manifest_facts(said) == {"code_version": said["code_version"], **known}


def test_a_holdout_needs_no_fold_and_is_the_older_for_it(returns, last_day) -> None:
    returns.judged_by("holdout")
    version = returns.train(last_day)
    assert stored_folds(returns, last_day, version) == ()
    first = add_days(last_mature_exposure_day(last_day, WINDOW), 1 - 7 * 4)
    (alone,) = folds_of(returns, version)
    assert alone.first_day == first
    assert alone.trained_to == last_mature_exposure_day(first, WINDOW)
    assert returns.store.list("fold_models") == []
