"""What the governed policy makes of the gate's answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

from mlife_assets.core.backtest.governed import CONFIRMED

MARGIN = 0.01


def test_a_champion_is_confirmed_only_by_a_challenger_that_is_shown_to_gain_nothing(calm, changed):
    """Refusals for want of proof leave age and reference as they were, as those between a change and its promotion."""
    decided = calm.contestants["governed"]
    confirmed = [one for one in decided.decisions if CONFIRMED in one.codes]
    assert confirmed
    assert decided.confirmed_on == confirmed[-1].day
    assert decided.reference.as_of_date == confirmed[-1].day
    assert decided.reference.model_version == decided.champion.artifact.model_version
    assert f"better by {MARGIN:g} at most" in confirmed[-1].sentences[-1]
    decisions = changed.contestants["governed"].decisions
    promoted = next(one for one in decisions if one.action == "promoted")
    refused = [one for one in decisions if one.action == "refused" and one.day < promoted.day]
    assert refused
    assert not any(CONFIRMED in one.codes for one in refused)


def test_alarms_go_on_after_a_refusal_that_proves_nothing(changed):
    decisions = changed.contestants["governed"].decisions
    refused = next(one for one in decisions if one.action == "refused")
    promoted = next(one for one in decisions if one.action == "promoted")
    between = [one for one in decisions if refused.day < one.day < promoted.day]
    assert between
    assert all("concept_alarm" in one.codes for one in between)


def test_what_serves_is_refitted_with_the_holdout_and_watched_by_what_its_twin_said(changed):
    governed = changed.contestants["governed"]
    promoted = next(one for one in governed.decisions if one.action == "promoted")
    serving = governed.champion
    assert serving.as_of == promoted.day
    judged = governed.fits[governed.fits.index(serving) - 1]
    assert judged.as_of < serving.as_of
    assert judged.artifact.model_version != serving.artifact.model_version
    assert judged.artifact.model_version in promoted.sentences[-1]
    assert promoted.challenger_version == serving.artifact.model_version
    first = min(governed.reference.examples["exposure_date"].to_pylist())
    assert first > judged.last_day, "the reference's outcomes are out of sample for the twin"


def test_without_a_refit_the_judged_model_serves(replayed, rows, study):
    plain = study()
    kept = replayed(rows(change_on=80), replace(plain, backtest=replace(plain.backtest, refits_after_gate=False)))
    governed = kept.contestants["governed"]
    promoted = next(one for one in governed.decisions if one.action == "promoted")
    assert governed.champion is governed.fits[-1]
    assert governed.champion.as_of < promoted.day
    assert not any("fitted again" in sentence for sentence in promoted.sentences)


def test_the_cooldown_and_the_age_are_the_governors(calm):
    decided = calm.contestants["governed"]
    trained = decided.training_days
    assert trained[1] - trained[0] > timedelta(days=60)
    assert all(b - a >= timedelta(days=7) for a, b in pairwise(trained))
    assert trained[0] == date(2025, 2, 10)
