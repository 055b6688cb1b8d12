"""Cron jobs that governed retraining is held against: the same trainer each week, on all rows alike or on the newest.

Concept: neither watches, gates nor prefers recent rows by a recipe. Both begin with the first champion of the replay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from mlife_assets.core.ports import ObjectStore
from mlife_assets.core.training.recipes import NEWEST_DAYS, recipe_of
from mlife_assets.core.training.training_set import TrainingSet, hash_examples, split_examples
from mlife_assets.core.windows import add_days, days_between
from mlife_assets.lifecycle.backtest.checkpoints import Checkpoints, Timings
from mlife_assets.lifecycle.backtest.contestants import NAIVE, Contestant, Naive, Start
from mlife_assets.lifecycle.backtest.history import History, as_date
from mlife_assets.lifecycle.backtest.learning import Learner
from mlife_assets.lifecycle.backtest.measure import Measured, measure
from mlife_assets.lifecycle.backtest.replay import Replayed

ALL_ROWS, NEWEST_ROWS = "weekly_on_all_rows", "weekly_on_13_weeks"


class _OfNewest(Learner):
    """Fits models of the rows of the last 13 weeks alone."""

    def training_set(self, as_of: date) -> TrainingSet:
        """Return what a fit of that morning learns from. Raises NotEnoughEvidenceError where nothing can be."""
        history, roles = self._history, self._history.model.roles
        rows = history.learnable(as_of)
        rows = rows.filter(pc.field(roles.time) >= add_days(as_of, -NEWEST_DAYS))
        policy = history.training_policy(as_date(history.days[history.known(as_of)[-1]]))
        data_hash = hash_examples(rows.select(roles.columns))
        return split_examples(rows, roles, known_on=as_of, policy=policy, data_hash=data_hash)


def measured_with_rivals(
    history: History, replayed: Replayed, store: ObjectStore
) -> tuple[Measured, dict[str, Contestant]]:
    """Return every policy of a replay and both rivals by every criterion, and the rivals' records."""
    training = history.model.training
    alike = tuple(name for name in training.recipes if not (recipe_of(name).is_aged or recipe_of(name).is_newest))
    plain = replace(history, model=replace(history.model, training=replace(training, recipes=alike)))
    first = replayed.contestants[NAIVE]
    start_day = replayed.result.start_day
    rivals: dict[str, Contestant] = {}
    for name, kind in {ALL_ROWS: Learner, NEWEST_ROWS: _OfNewest}.items():
        of_rival = f"{plain.content_hash}|{name}"
        learner = kind(plain, Checkpoints(store, of_rival), Timings(store, of_rival, lambda: 0.0))
        rival = Naive(plain, learner, first.judge, first.watcher)
        rival.begin(Start(start_day, first.champions[start_day], first.served))
        for day in days_between(add_days(start_day, 1), history.last_day):
            rival.on_morning(day)
        rivals[name] = rival
    probabilities: Mapping[str, npt.NDArray[np.float64]] = {
        **replayed.probabilities,
        **{name: rival.served_probability() for name, rival in rivals.items()},
    }
    place, period = history.place(start_day), replayed.result.periods[0]
    measured = measure(
        probabilities,
        history.outcome[place:],
        (history.days[place:] - np.datetime64(start_day, "D")).astype(np.int64),
        (history.last_day - start_day).days + 1,
        history.model.backtest,
        period_days=(period.last_day - period.first_day).days + 1,
    )
    return measured, rivals
