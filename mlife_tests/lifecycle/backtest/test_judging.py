"""What a model may learn from, who scores the gate's window, and what the gate reads."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.training.fit import fit_model
from mlife_assets.lifecycle.backtest.checkpoints import Checkpoints, Timings
from mlife_assets.lifecycle.backtest.judging import Judge, Judged, holdout_window, served_window
from mlife_assets.lifecycle.backtest.learning import Learner, score

DAY = date(2025, 3, 1)
FIRST = date(2025, 1, 1)
CHAMPION, AS_OF = FIRST + timedelta(days=42), FIRST + timedelta(days=75)


@pytest.fixture
def learner(store):
    def build(history):
        return Learner(history, Checkpoints(store, history.content_hash), Timings(store, history.content_hash, float))

    return build


def test_a_fit_learns_from_what_was_mature_and_is_shared(history, rows, learner, store):
    built = history(rows(window_days=5))
    one = learner(built)
    fit = one.fit(DAY)
    assert fit.rows == len(built.known(DAY))
    assert fit.last_day == DAY - timedelta(days=5)
    assert one.fit(DAY) is fit
    written = len(store.objects)
    again = learner(built).fit(DAY)
    assert again.artifact.model_version == fit.artifact.model_version
    assert len(store.objects) == written, "a second learner reads what the first has kept"


def test_a_half_life_of_its_own_makes_another_model_of_the_same_day(history, rows, learner, store, model):
    plain = model()
    built = history(rows(), replace(plain, training=replace(plain.training, recipes=("recent", "plain"))))
    one = learner(built)
    usual, young = one.fit(DAY), one.fit(DAY, 3.5)
    assert usual.artifact.model_version != young.artifact.model_version
    assert (usual.half_life_days, young.half_life_days) == (None, 3.5)
    assert usual.step != young.step
    assert young.artifact.manifest["recipe"] == "recent"
    assert one.fit(DAY, 3.5) is young
    assert one.fit(DAY) is usual
    written = len(store.objects)
    again = learner(built).fit(DAY, 3.5)
    assert again.artifact.model_version == young.artifact.model_version
    assert len(store.objects) == written


def test_importances_are_those_that_a_fit_describes_and_are_measured_once(history, rows, learner, store):
    built = history(rows())
    one = learner(built)
    fit = one.fit(DAY)
    assert "importance" not in fit.artifact.manifest
    described = fit_model(one.training_set(DAY), built.training_policy(fit.last_day))
    assert described.model_version == fit.artifact.model_version
    assert one.importance(fit) == described.manifest["importance"]
    written = len(store.objects)
    again = learner(built)
    assert again.importance(again.fit(DAY)) == one.importance(fit)
    assert len(store.objects) == written
    earlier = replace(fit, artifact=replace(fit.artifact, manifest={"importance": {"strength": 2.0}}))
    store.objects.clear()
    assert learner(built).importance(earlier) == {"strength": 2.0}, "a fit of an earlier release says them itself"


def test_scores_do_not_look_at_labels(history, rows, learner):
    table = rows()
    built = history(table)
    artifact = learner(built).fit(DAY).artifact
    flipped = history(table.set_column(2, "won", [[not one for one in table["won"].to_pylist()]]))
    places = np.arange(500)
    assert np.array_equal(score(built, artifact, places).raw, score(flipped, artifact, places).raw)


def test_each_step_of_a_funnel_learns_what_was_complete_for_it_that_morning(history, rows, learner, model):
    """The label is known after 9 days, the step before it after 2; drift of that step shows in its rows alone."""
    table = rows(window_days=9)
    day = table["day"].to_numpy()
    strength = table["strength"].to_numpy()
    seen = table["won"].to_numpy(zero_copy_only=False) | (strength > 0)
    table = table.append_column("seen", pa.array(seen)).append_column("seen_known", pa.array(day + 2))
    told = model()
    roles = replace(told.roles, funnel=("seen",), funnel_times=("seen_known",))
    told = replace(told, roles=roles, training=replace(told.training, formulations=("funnel",)))
    built = history(table, told)
    training = learner(built).training_set(DAY)
    assert training.trained_to == {"seen": DAY - timedelta(days=2), "won": DAY - timedelta(days=9)}
    assert training.outcome("won", training.known("won")).tolist() == built.outcome[built.known(DAY)].tolist()
    fit = learner(built).fit(DAY)
    assert (fit.last_day, fit.label_last_day) == (DAY - timedelta(days=2), DAY - timedelta(days=9))
    assert fit.rows == len(built.known(DAY)) < training.examples.num_rows
    assert fit.artifact.manifest["trained_to"] == {"seen": "2025-02-27", "won": "2025-02-20"}
    late = np.array(table["day"].to_numpy() >= np.datetime64(DAY - timedelta(days=1)))
    other = table.set_column(table.column_names.index("seen"), "seen", pa.array(seen | late))
    assert learner(history(other, told)).fit(DAY).artifact.model_version == fit.artifact.model_version


@pytest.fixture
def asked(store):
    """Return (learner, judge) of a history."""

    def build(history):
        checkpoints = Checkpoints(store, history.content_hash)
        learner = Learner(history, checkpoints, Timings(store, history.content_hash, float))
        return learner, Judge(history, learner, checkpoints)

    return build


def test_later_rows_are_asked_of_the_models_of_the_window_in_the_shares_that_they_had_in_it(history, rows, asked):
    built = history(rows())
    learner, _ = asked(built)
    judged = Judged({day: learner.fit(day) for day in (CHAMPION, CHAMPION + timedelta(days=14))})
    window = built.known(AS_OF, since=CHAMPION)
    shares = [len(own) / len(window) for _, own in judged.parts(built, window)]
    later = built.known(built.as_of, since=AS_OF)
    found = judged.later_probability(built, later, window)
    said = np.array([score(built, fit.artifact, later).probability for fit in judged.fits.values()])
    is_own = said == found
    assert is_own.any(axis=0).all(), "each row is asked of one of them"
    alone = is_own.sum(axis=0) == 1
    assert alone.mean() > 0.95
    for run in np.array_split(np.flatnonzero(alone), 5):
        assert np.allclose(is_own[:, run].mean(axis=1), shares, atol=0.02), "in every run of rows"
    some = slice(100, 400)
    assert np.array_equal(judged.later_probability(built, later[some], window), found[some]), "by its place alone"
    nobody = judged.later_probability(built, later, window[:0])
    assert np.array_equal(nobody, score(built, judged.newest.artifact, later).probability)


def test_what_keeps_a_fit_from_serving_is_asked_once(history, rows, asked, store):
    built = history(rows())
    learner, judge = asked(built)
    fit = learner.fit(AS_OF)
    assert judge.faults(fit, AS_OF) == ()
    before = len(store.objects)
    assert judge.faults(fit, AS_OF) == ()
    assert len(store.objects) == before


def test_a_column_that_tells_the_outcome_keeps_a_fit_from_serving(history, rows, asked):
    table = rows()
    told = table["won"].to_numpy(zero_copy_only=False).astype(float)
    learner, judge = asked(history(table.set_column(table.column_names.index("noise"), "noise", [told])))
    (fault,) = judge.faults(learner.fit(AS_OF), AS_OF)
    assert (fault.name, fault.is_met) == ("no_feature_tells_the_outcome", False)
    assert "noise" in fault.sentence


def positives(history, first: date, as_of: date) -> int:
    return int(np.count_nonzero(history.outcome[history.known(as_of, since=first)]))


def test_a_holdout_takes_the_fewest_newest_days_that_hold_its_evidence(history, rows, model):
    needed = 500
    plain = model()
    built = history(rows(), replace(plain, promotion=replace(plain.promotion, minimum_users_with_positives=needed)))
    found = holdout_window(built, DAY, None)
    count = positives(built, found.first_day, DAY)
    assert count >= needed > positives(built, found.first_day + timedelta(days=1), DAY)
    assert f"begins on {found.first_day} with {count:,} positives" in found.sentence


def test_a_holdout_takes_fourteen_days_at_least(history, rows):
    built = history(rows())
    found = holdout_window(built, DAY, None)
    assert found.first_day == DAY - timedelta(days=14)
    assert positives(built, found.first_day + timedelta(days=1), DAY) > 200, "the days bind, not the positives"


def test_longer_blocks_of_a_holdout_need_as_many_of_them(history, rows, model):
    """With the days of single ones the gate would refuse every challenger for want of blocks, each time for a fit."""
    plain = model()
    built = history(rows(), replace(plain, promotion=replace(plain.promotion, gate_block_days=2)))
    assert holdout_window(built, DAY, None).first_day == DAY - timedelta(days=28)


def test_a_holdout_stays_behind_the_champions_last_training_day(history, rows):
    found = holdout_window(history(rows()), DAY, DAY - timedelta(days=10))
    count = positives(history(rows()), DAY - timedelta(days=9), DAY)
    told = f"the mature rows after 2025-02-19, the champion's last training day, hold {count} on 9."
    assert told in found
    assert holdout_window(history(rows()), DAY, DAY - timedelta(days=15)).first_day == DAY - timedelta(days=14)


def test_a_holdout_takes_a_share_of_the_rows_at_most(history, rows, model):
    plain = model()
    built = history(rows(), replace(plain, backtest=replace(plain.backtest, gate_rows_share_maximum=0.2)))
    found = holdout_window(built, DAY, None)
    assert f"of which it may take {int(0.2 * len(built.known(DAY))):,} rows." in found, "14 of 59 days are more"
    assert holdout_window(built, DAY + timedelta(days=20), None).first_day > DAY - timedelta(days=20)


def test_with_an_item_entities_are_counted_once(history, rows, model):
    table = rows()
    rng = np.random.default_rng(0)
    who = [f"u{code}" for code in rng.integers(0, 90, table.num_rows)]
    items = [f"i{row}" for row in range(table.num_rows)]
    table = table.set_column(0, "who", [who]).append_column("what", [items])
    plain = model()
    roles = ExampleSpec(**{**plain.roles.__dict__, "item": "what"})
    promotion = replace(plain.promotion, minimum_users_with_positives=80)
    built = history(table, replace(plain, roles=roles, promotion=promotion))
    found = holdout_window(built, DAY, None)
    places = built.known(DAY, since=found.first_day)
    won = built.rows["who"].take(places[built.outcome[places]]).unique()
    assert len(won) >= 80
    assert f"with {len(won)} entities with positives" in found.sentence
    later = built.known(DAY, since=found.first_day + timedelta(days=1))
    assert len(built.rows["who"].take(later[built.outcome[later]]).unique()) < 80


@pytest.fixture(scope="module")
def built(history, rows):
    return history(rows())


@settings(max_examples=60, deadline=None)
@given(began=st.integers(40, 90), since=st.integers(1, 40))
def test_what_was_served_is_judged_over_the_newest_four_weeks(built, began, since):
    start, as_of = FIRST + timedelta(days=began), FIRST + timedelta(days=began + since)
    found = served_window(built, as_of, start)
    if since < 14:
        assert f"since {start}, when serving began, hold" in found
        assert found.endswith(f" on {since}.")
    else:
        assert found.first_day == max(start, as_of - timedelta(days=28))
        assert f"with {positives(built, found.first_day, as_of):,} positives" in found.sentence


def test_what_was_served_earlier_is_taken_where_evidence_is_missing(history, rows, model):
    plain = model()
    poor = history(rows(), replace(plain, promotion=replace(plain.promotion, minimum_users_with_positives=1_200)))
    as_of, start = FIRST + timedelta(days=125), FIRST + timedelta(days=40)
    found = served_window(poor, as_of, start)
    assert found.first_day < as_of - timedelta(days=28)
    assert positives(poor, found.first_day, as_of) >= 1_200
    assert positives(poor, found.first_day + timedelta(days=1), as_of) < 1_200


def test_late_labels_are_no_part_of_the_window(history, rows):
    slow = history(rows(window_days=10))
    start = FIRST + timedelta(days=56)
    assert served_window(slow, FIRST + timedelta(days=79), start).first_day == start
    assert isinstance(served_window(slow, FIRST + timedelta(days=78), start), str), "13 days have matured"
    late = FIRST + timedelta(days=110)
    assert served_window(slow, late, start).first_day == FIRST + timedelta(days=100 + 1 - 28)
