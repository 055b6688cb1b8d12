"""What a model may learn from."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.core.backtest.checkpoints import Checkpoints, Timings
from mlife_assets.core.backtest.learning import Learner, score
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.ready_estimators import logistic_regression

DAY = date(2025, 3, 1)


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


def test_an_estimator_of_ones_own_is_learned_and_kept_like_trees(history, rows, learner, store, model):
    plain = history(rows())
    built = history(rows(), replace(model(), estimator=logistic_regression))
    assert built.content_hash != plain.content_hash, "the two share no step"
    fit = learner(built).fit(DAY)
    assert fit.artifact.is_estimator
    written = len(store.objects)
    again = learner(built).fit(DAY)
    assert again.artifact.files() == fit.artifact.files()
    assert len(store.objects) == written
    places = np.arange(500)
    assert score(built, again.artifact, places).raw.tobytes() == score(built, fit.artifact, places).raw.tobytes()


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
