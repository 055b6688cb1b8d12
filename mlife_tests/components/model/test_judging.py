"""Judging on the platform: against what was served, by folds or by a holdout, and of the fit what folds cannot say."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow.compute as pc
import pytest

from mlife_assets.components.model import out_of_sample
from mlife_assets.components.model.judging import gate_window
from mlife_assets.components.model.out_of_sample import FOLD_REPORT, PlatformFacts, folds_of, stored_folds
from mlife_assets.components.model.training_inputs import day_training_set
from mlife_assets.core.errors import GateClosedError
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.fold_scores import side_alone
from mlife_assets.core.training.folds import fold_starts
from mlife_assets.core.training.gate.comparing import average_precision
from mlife_assets.core.training.judgement import GateRows
from mlife_assets.core.training.prequential import fold_conditions
from mlife_assets.core.training.simple_rule import simple_scores
from mlife_assets.core.windows import add_days, last_mature_exposure_day, run_time
from mlife_assets.lifecycle import day as lifecycle
from mlife_assets.lifecycle.day import served

WINDOW = 7


def test_a_first_champion_is_judged_against_nobody_who_served(trained, last_day) -> None:
    version = trained.version
    window, judged = trained.judge(last_day)
    assert window.served == ()
    assert (window.first_day, window.last_day) == (fold_starts(last_day, WINDOW, 4)[0], add_days(last_day, -8))
    assert "before anything was served" in window.sentence
    assert judged.decision.model_version == version, "what is promoted is the fit, not one of its folds"
    assert judged.decision.champion_version is None
    assert {one.against for one in judged.decision.comparisons} == {"simple", "random"}
    assert judged.decision.outcome == "promoted", judged.decision.sentences
    assert judged.decision.sentences[-1] == window.sentence


def test_the_challenger_is_its_folds_pooled(trained, last_day) -> None:
    """Average precision of all weeks at once, each row scored by its week's model, computed here row by row."""
    version = trained.version
    window, judged = trained.judge(last_day)
    rows = trained.rows(window.first_day, window.last_day)
    folds = stored_folds(trained, last_day, version)
    probability = np.empty(rows.num_rows)
    for place, day in enumerate(rows["day"].to_pylist()):
        fold = [one for one in folds if one.first_day <= day][-1]
        scorer = trained.scorers.of(fold.model_version)
        probability[place] = scorer.score(examples_matrix(rows.slice(place, 1), scorer.feature_spec)).probability[0]
    expected = average_precision(probability, np.asarray(rows["won"]))
    for one in judged.decision.comparisons:
        assert one.challenger_map == pytest.approx(expected, abs=1e-12)
    rule = np.empty(rows.num_rows)
    for place, day in enumerate(rows["day"].to_pylist()):
        artifact = trained.registry.load([one for one in folds if one.first_day <= day][-1].model_version)
        rule[place] = simple_scores(artifact, examples_matrix(rows.slice(place, 1), artifact.feature_spec))[0]
    simple = judged.decision.against("simple")
    assert simple is not None
    assert simple.other_map == pytest.approx(average_precision(rule, np.asarray(rows["won"])), abs=1e-12)


def test_a_champion_that_was_judged_by_a_holdout_goes_on_under_folds(returns, last_day, tmp_path) -> None:
    """A home of release 0.1.0: it says who served and has no report of folds."""
    earlier = add_days(last_day, -3)
    returns.judged_by("holdout")
    first = returns.train(earlier)
    (path,) = [key for key in returns.store.list("reports") if f"/{FOLD_REPORT}/" in key]
    (tmp_path / path).unlink()
    returns.promote(first, earlier)
    returns.judged_by("folds")
    returns.train(last_day)
    window, judged = returns.judge(last_day)
    assert {fold.model_version for fold in window.served} == {first}
    holdout = add_days(last_mature_exposure_day(earlier, WINDOW), -27)
    assert folds_of(returns, first)[0].first_day == holdout
    assert window.first_day == max(holdout, fold_starts(last_day, WINDOW, 4)[0])
    assert judged.decision.against("champion") is not None


def test_a_window_that_nobody_served_in_part_begins_where_somebody_did(returns, last_day, monkeypatch) -> None:
    """A champion of release 0.1.0 that was trained by hand, until yesterday: it may be asked of no earlier day.

    The fold that the window cuts learned what was known on its Monday, and its copies are looked for there.
    """
    looked_at = []

    def conditions(artifact, training, rows, model, scores):
        looked_at.append((artifact.training_data_hash, training.data_hash))
        return fold_conditions(artifact, training, rows, model, scores)

    monkeypatch.setattr(out_of_sample, "fold_conditions", conditions)
    returns.judged_by("holdout")
    first = returns.train(add_days(last_day, 13))
    returns.promote(first, add_days(last_day, -1))
    returns.judged_by("folds")
    returns.train(last_day)
    window, judged = returns.judge(last_day)
    asked_from = folds_of(returns, first)[0].first_day
    assert asked_from > fold_starts(last_day, WINDOW, 4)[0]
    assert window.first_day == asked_from == min(judged.contenders["challenger"].as_of_dates).astype(object)
    assert f"Before {asked_from} nobody may be asked what was served." in window.sentence
    assert window.folds[0].first_day == asked_from
    assert asked_from.weekday() != 0, "within a week"
    assert len(looked_at) == len(window.folds)
    assert all(learned == looked for learned, looked in looked_at)


def test_a_champion_by_a_holdout_is_judged_as_before(returns, last_day) -> None:
    returns.judged_by("holdout")
    earlier = add_days(last_day, -7)
    returns.promote(returns.train(earlier), earlier)
    version = returns.train(last_day)
    window, judged = returns.judge(last_day)
    assert (window.folds, window.served) == ((), ())
    assert window.first_day == add_days(window.last_day, 1 - 28)
    scorer, rows = returns.scorers.of(version), returns.rows(window.first_day, window.last_day)
    expected = average_precision(
        scorer.score(examples_matrix(rows, scorer.feature_spec)).probability, np.asarray(rows["won"])
    )
    assert judged.decision.comparisons[0].challenger_map == pytest.approx(expected, abs=1e-12)
    assert not any("fold" in one.name for one in judged.decision.conditions)
    assert window.sentence in judged.decision.sentences


def test_a_fit_that_is_not_the_recipe_that_was_judged_is_refused(returns, last_day) -> None:
    """Its folds are those of an honest recipe, it learned every label turned around."""
    training = day_training_set(returns, last_day)
    place = training.examples.column_names.index("won")
    flipped = training.examples.set_column(place, "won", pc.invert(training.examples["won"]))
    astray = fit_model(replace(training, examples=flipped, data_hash="flipped"), returns.model.training)
    version = returns.registry.register(astray, as_of=last_day, now=run_time(last_day))
    returns.challenge(version, last_day)
    _, judged = returns.judge(last_day)
    assert judged.decision.outcome == "refused"
    (unmet,) = judged.decision.unmet
    assert unmet.name == "serving_scores_follow_the_newest_fold"
    assert "rank correlation -0." in unmet.sentence


def test_conditions_of_folds_and_of_the_fit_have_names_of_their_own(trained, last_day) -> None:
    names = [one.name for one in trained.judge(last_day)[1].decision.conditions]
    assert len(names) == len(set(names))
    assert {"scoring_parity", "serving_scoring_parity", "fold_trained_before_its_rows"} <= set(names)


def test_folds_of_another_challenger_judge_nobody(trained, last_day) -> None:
    version = trained.version
    report = trained.model_tables.read_report(FOLD_REPORT, last_day)
    trained.model_tables.write_report(FOLD_REPORT, last_day, report | {"model_version": "mdl_other"})
    with pytest.raises(GateClosedError, match=f"no folds of {version} were fitted for {last_day}; materialize"):
        gate_window(trained, last_day)


def test_the_champion_alone_is_asked_through_its_folds_and_not_before_them(returns, last_day) -> None:
    earlier = add_days(last_day, -10)
    version = returns.train(earlier)
    folds = folds_of(returns, version)
    first = add_days(folds[0].first_day, -5)
    rows = returns.rows(first, add_days(last_day, -8))
    side = side_alone(version, folds, GateRows.of_examples(rows, returns.model.roles), returns.scorers.of)
    assert side.trained_to == add_days(folds[0].first_day, -1), "the gate leaves out what is not younger"
    days = np.asarray(rows["day"]).astype("datetime64[D]")
    is_asked = days > np.datetime64(side.trained_to)
    assert not side.ranking[~is_asked].any()
    assert side.ranking[is_asked].all()
    assert 0 < is_asked.sum() < len(days)


def test_a_champion_that_won_within_the_window_is_held_against_the_challenger_alone_as_well(
    returns, last_day, monkeypatch
) -> None:
    """What was served before it is part of its side; a challenger as good as that mixture may be worse than it."""
    days = [add_days(last_day, -30), add_days(last_day, -10)]
    first, second = (returns.train(day) for day in days)
    returns.promote(first, days[0])
    returns.train(last_day)
    assert returns.judge(last_day)[1].decision.kind == "refit"
    monkeypatch.setattr(lifecycle, "changed_configuration", lambda *_: ("leaves were changed",))
    assert returns.judge(last_day)[1].decision.against("champion_alone") is None, "it served all of the window"
    returns.promote(second, days[1])
    window, judged = returns.judge(last_day)
    assert {first, second} <= {fold.model_version for fold in window.served}
    assert judged.decision.champion_version == second
    found = judged.decision.against("champion_alone")
    assert found is not None
    assert found.model_version == second
    assert any("since the configuration changed: leaves were changed. Until" in s for s in judged.decision.sentences)
    assert found.other_map != judged.decision.against("champion").other_map


def test_what_was_served_does_not_depend_on_what_came_later(returns, last_day) -> None:
    """The day is judged again after another promotion: it sees who had served by then."""
    earlier = add_days(last_day, -20)
    returns.promote(returns.train(earlier), earlier)
    version = returns.train(last_day)
    before, folds = returns.judge(last_day), served(PlatformFacts(returns, last_day))
    returns.promote(version, last_day)
    returns.promote(returns.train(date(2026, 3, 1)), last_day)
    assert served(PlatformFacts(returns, last_day)) == folds
    window, judged = returns.judge(last_day)
    assert window == before[0]
    assert judged.decision == before[1].decision
