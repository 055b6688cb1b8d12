"""What a model may learn from."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from mlife_assets.core.backtest.checkpoints import Checkpoints, Timings
from mlife_assets.core.backtest.learning import Learner, score
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
