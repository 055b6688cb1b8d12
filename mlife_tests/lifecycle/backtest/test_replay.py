"""The replay: maturity, recovery, resumption, the same bytes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import orjson
import pyarrow as pa
import pytest

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.training.ready_estimators import logistic_regression
from mlife_assets.lifecycle.backtest.contestants import CONSTANT, FIRST, NAMES, ONE_FOR_ALL
from mlife_assets.lifecycle.backtest.page import setting_rows
from mlife_assets.lifecycle.backtest.replay import limits
from mlife_assets.lifecycle.backtest.result import BacktestResult

FIRST_DAY = date(2025, 1, 1)
CHANGE = 80


def dumped(found) -> bytes:
    return orjson.dumps(found.result.to_record(), option=orjson.OPT_SORT_KEYS)


def late(found, name: str, days: int = 14) -> float:
    """Return the mean average precision of the last periods."""
    values = [one.average_precision[name] for one in found.result.periods[-days // 7 :]]
    return float(np.mean([value for value in values if value is not None]))


def test_without_drift_governed_does_what_naive_does(calm):
    found = {one.name: one for one in calm.result.policies}
    assert found["naive"].trainings == 13 <= found["governed"].trainings <= 15
    assert found["frozen"].trainings == 1
    assert abs(calm.result.differences["naive"].estimate) < 0.002
    for versus in calm.result.differences.values():
        assert versus.estimate > -calm.result.margin
        assert versus.lower > -0.03, "some thousand rows tell no more"


def test_after_an_abrupt_change_governed_recovers_and_frozen_does_not(changed):
    assert late(changed, "governed") > late(changed, "frozen") + 0.1
    assert changed.result.differences["frozen"].estimate > 0.01


def test_the_first_champion_is_ungated_and_named_so(calm):
    models = [name for name in NAMES if name != CONSTANT]
    for name in models:
        first = calm.result.policy(name).decisions[0]
        assert (first.day, first.action, first.codes) == (calm.result.start_day, "installed", (FIRST,))
        assert "installed without a gate" in first.sentences[0]
    versions = {calm.result.policy(name).decisions[0].model_version for name in models}
    assert len(versions) == 1
    governed = calm.contestants["governed"]
    assert calm.result.limits == limits(governed.history, governed)
    assert any("ungated" in sentence for sentence in calm.result.limits)


@pytest.mark.parametrize("poisoned_after", [75, pytest.param(100, marks=pytest.mark.proof)])
def test_no_immature_label_trains_judges_or_alarms(replayed, rows, poisoned_after):
    """Labels that mature later are turned around: until then nobody may decide or score otherwise."""
    table = rows(change_on=60, window_days=7, days=poisoned_after + 25)
    known = table["known"].to_numpy().astype("datetime64[D]")
    clean = replayed(table)
    day = FIRST_DAY + timedelta(days=poisoned_after)
    poison = np.asarray(table["won"].to_numpy(zero_copy_only=False)) ^ (known > np.datetime64(day))
    spoilt = replayed(table.set_column(table.column_names.index("won"), "won", pa.array(poison)))
    seen = 0
    for name in NAMES:
        first, second = (
            tuple(one for one in found.contestants[name].decisions if one.day <= day) for found in (clean, spoilt)
        )
        assert first == second, name
        seen += len(first)
        served = int((day - clean.result.start_day).days) * 60
        assert np.array_equal(clean.probabilities[name][:served], spoilt.probabilities[name][:served])
    assert seen > 20
    naive = [found.contestants["naive"].decisions for found in (clean, spoilt)]
    assert naive[0] != naive[1], "the poison works once it is mature"


class Stopped(BaseException):
    """The process dies: nothing may catch it."""


def test_a_stopped_replay_of_rows_in_another_order_goes_on_and_ends_with_the_same_bytes(replayed, rows, changed, store):
    table = rows(change_on=CHANGE)
    shuffled = table.take(pa.array(np.random.default_rng(9).permutation(table.num_rows)))

    def stop_at(morning: int):
        def progress(done: int, total: int) -> None:
            if done == morning:
                raise Stopped

        return progress

    for morning in (20, 60):
        with pytest.raises(Stopped):
            replayed(shuffled, store=store, progress=stop_at(morning))
    kept = dict(store.objects)
    resumed = replayed(shuffled, store=store)
    assert resumed.resumed_steps > 30
    assert {key: store.objects[key] for key in kept} == kept, "nothing that was kept is computed again"
    assert dumped(resumed) == dumped(changed)
    assert resumed.cost == changed.cost


def test_an_estimator_of_ones_own_is_replayed_and_named_among_the_settings(replayed, rows, model):
    found = replayed(rows(days=96), model=replace(model(), estimator=logistic_regression)).result
    assert [one.name for one in found.policies] == list(NAMES)
    assert all(one.score.average_precision.estimate > 0.5 for one in found.policies if one.name != CONSTANT)
    assert found.settings["estimator"]["LogisticRegression.C"] == 1.0
    assert "leaves" not in found.settings["training"]
    assert ("estimator.LogisticRegression.C", "1.0") in setting_rows(found)


def test_other_inputs_do_not_meet_in_one_store(replayed, rows, model, store, kept_calm):
    store.objects.update(kept_calm[1])
    changed = model()
    changed = replace(changed, retrain=replace(changed.retrain, days_between_fits=20))
    other = replayed(rows(), model=changed, store=store)
    assert kept_calm[1]
    assert other.resumed_steps == 0
    assert other.result.policy("governed").trainings == 5


def test_a_result_finds_its_policies_and_is_plain_data(calm):
    assert isinstance(calm.result, BacktestResult)
    assert [calm.result.policy(name).name for name in NAMES] == list(NAMES)
    again = orjson.loads(dumped(calm))
    assert again["start_day"] == "2025-02-10"
    assert again["settings"]["backtest"]["margin_average_precision"] == again["margin"] == 0.01
    assert again["recommendation"]["sentences"] == list(calm.result.recommendation.sentences)


def test_costs_count_every_fit_and_are_no_part_of_the_result(calm):
    found = {one.name: one for one in calm.result.policies}
    assert found["frozen"].fits == 1
    assert found["naive"].fits == found["naive"].trainings
    governed = calm.contestants["governed"]
    mornings = [fit.as_of for fit in governed.fits]
    assert len(set(mornings)) == len(mornings) == found["governed"].fits
    start, twin, *later = mornings
    assert (start, twin) == (calm.result.start_day, calm.result.start_day - timedelta(days=14))
    assert later == governed.training_days[1:]
    for name, one in found.items():
        assert one.fitted_rows == sum(fit.rows for fit in calm.contestants[name].fits)
        assert calm.cost.fit_seconds[name] == pytest.approx(one.fits), "the stopwatch of the test ticks once per fit"
    assert b"seconds" not in dumped(calm)


def test_periods_hold_every_row_and_every_label_once(calm):
    periods = calm.result.periods
    assert sum(one.rows for one in periods) == calm.result.rows
    assert sum(one.positives for one in periods) == calm.result.positives
    assert periods[0].first_day == calm.result.start_day
    assert periods[-1].last_day == calm.result.last_day
    assert all(a.last_day + timedelta(days=1) == b.first_day for a, b in pairwise(periods))
    assert sum(one.matured for one in periods) == calm.result.rows - periods[-1].pending
    assert periods[-1].pending == 60, "the labels of the last day"


def test_a_history_that_trains_no_first_champion_says_what_is_missing(replayed, rows, model):
    plain = model()
    poor = replace(plain, promotion=replace(plain.promotion, minimum_users_with_positives=5_000))
    with pytest.raises(NotEnoughEvidenceError, match=r"too short for a first champion .* 5,000 positives .* hold"):
        replayed(rows(), model=poor)
    few = replace(plain, monitoring=replace(plain.monitoring, sample_rows_per_day=900))
    with pytest.raises(NotEnoughEvidenceError, match=r"windows of rows have closed, 8 needed.*sample_rows_per_day"):
        replayed(rows(), model=few)


def test_within_periods_each_counts_by_its_positives(changed):
    for one in changed.result.policies:
        values = [period.average_precision[one.name] for period in changed.result.periods]
        positives = [period.positives for period in changed.result.periods]
        assert one.score.within_periods.estimate == pytest.approx(np.average(values, weights=positives))


def test_the_constant_is_the_share_that_was_known_at_the_start(calm):
    result, constant = calm.result, calm.contestants[CONSTANT]
    history = constant.history
    known = history.known(result.start_day)
    assert constant.share == pytest.approx(np.mean(history.outcome[known]))
    assert np.array_equal(np.unique(calm.probabilities[CONSTANT]), [constant.share])
    found = result.policy(CONSTANT)
    (decided,) = found.decisions
    assert (decided.day, decided.codes, decided.challenger_version) == (result.start_day, (ONE_FOR_ALL,), None)
    assert (found.trainings, found.fits, found.installations, found.refusals) == (0, 0, 0, 0)
    assert found.score.average_precision.estimate == pytest.approx(result.positives / result.rows)
    assert calm.cost.fit_seconds[CONSTANT] == 0


def test_what_some_thousand_rows_do_not_settle_is_said(calm):
    """Weekly refits are best by every criterion, and no refit at all is not shown to lose at most the margin."""
    assert calm.result.differences == calm.result.gains["average precision"]
    assert set(calm.result.gains) == {"average precision", "average precision within periods", "log loss"}
    assert calm.result.recommendation.policy == "naive"
    words = "The frozen model is less work than naive retraining, and may lose more than the margin by"
    assert words in " ".join(calm.result.recommendation.sentences)
    assert calm.result.notes == ()
    assert not calm.result.label_times.depends_on_outcome


def test_label_times_that_depend_on_outcomes_are_named_before_anything_else(replayed, rows):
    table = rows(days=96)
    day, won = table["day"].to_numpy().astype("datetime64[D]"), table["won"].to_numpy(zero_copy_only=False)
    known = day + np.where(won, 2, 12)
    found = replayed(table.set_column(table.column_names.index("known"), "known", pa.array(known))).result
    assert found.label_times.depends_on_outcome
    assert found.notes[0] == found.label_times.sentence
    assert "What is positive is known earlier" in found.notes[0]


def test_a_calm_replay_was_watched_most_of_the_time(calm):
    governed = calm.contestants["governed"]
    assert 0 < governed.windows_without_outcomes < governed.windows / 2, "each champion begins without outcomes"
    assert calm.result.limits[0].startswith(f"In {governed.windows_without_outcomes} of {governed.windows} windows")
    assert f"after at least {governed.history.model.backtest.warmup_days} days." in " ".join(calm.result.limits)


def test_a_replay_with_too_few_outcomes_to_watch_says_what_it_would_take(replayed, rows, model):
    plain = model()
    asking = replace(plain, monitoring=replace(plain.monitoring, minimum_mature_positives=1_000))
    found = replayed(rows(days=96), asking)
    governed = found.contestants["governed"]
    assert governed.windows == governed.windows_without_outcomes == found.result.windows
    (told,) = [sentence for sentence in found.result.limits if "to see a concept drift" in sentence]
    assert told.startswith(f"In {governed.windows} of {governed.windows} windows")
    per_day = governed.history.sizes.positives_per_day
    assert f"1,000 positives since its model serves, about {1_000 / per_day:,.0f} days of this history" in told
