"""Judging within a replay: who scores the gate's window, and the gate's verdict.

Belongs here: folds and holdout, what the gate gets to see. Does not belong here: how far the gate reaches back
(`gate_window`), fits (`learning`), what follows from a verdict (`governed`), judging itself (`training`).

Concept: two ways. The prequential gate judges the recipe: each fold of the window by the recipe fitted on what was
mature when the fold began, against what was served for the same rows. Nothing is held back, so what serves is the
recipe fitted on everything mature. The holdout judges one model that was fitted without the gate's window, and that
model serves. In both no side has seen a row that it is judged on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from mlife_assets.core.backtest.checkpoints import Checkpoints
from mlife_assets.core.backtest.gate_window import GateWindow, fold_start, holdout_window, served_window
from mlife_assets.core.backtest.history import History, as_date
from mlife_assets.core.backtest.learning import Fit, Learner, score
from mlife_assets.core.monitoring.sampling import in_shares
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.training.example_training import human_of
from mlife_assets.core.training.gate import Condition, PromotionDecision
from mlife_assets.core.training.judgement import GateRows, judge_model
from mlife_assets.core.training.prequential import (
    JudgedFold,
    Served,
    fold_conditions,
    judge_refit,
    recipe_version,
    serving_conditions,
)
from mlife_assets.core.training.simple_rule import simple_scores


@dataclass(frozen=True)
class Verdict:
    """What the gate said of one challenger.

    Attributes:
        outcome: promoted, refused or not_enough_evidence.
        challenger_version: of the model or the recipe that was judged.
        unmet: names of the conditions that were not met.
        sentences: the gate's own.
        gain_at_most: upper bound of challenger minus champion; None where they were not compared.
        log_loss_gain_at_least: lower bound of how much lower its log loss is; None where that was not measured.
        kind: whether it had to win, or to be not inferior.
    """

    outcome: str
    challenger_version: str
    unmet: tuple[str, ...]
    sentences: tuple[str, ...]
    gain_at_most: float | None
    log_loss_gain_at_least: float | None
    kind: str

    @property
    def is_promoted(self) -> bool:
        """Whether the challenger may serve."""
        return self.outcome == "promoted"


@dataclass(frozen=True)
class Fold:
    """Days from one on that are scored by one model, which learned from what was mature when its fold began.

    Attributes:
        first_day: of its rows.
        fit: the model.
    """

    first_day: date
    fit: Fit


@dataclass(frozen=True)
class Judged:
    """A window of rows, each of which one of its models scores without having seen it: what is judged, or was served.

    Attributes:
        folds: in order of their days; a holdout is a single one, and what was served has one for each reign.
    """

    folds: tuple[Fold, ...]

    @property
    def first_day(self) -> date:
        """First day of the window."""
        return self.folds[0].first_day

    @property
    def newest(self) -> Fit:
        """The model of the newest fold."""
        return self.folds[-1].fit

    @property
    def version(self) -> str:
        """Name of what is judged."""
        versions = [fold.fit.artifact.model_version for fold in self.folds]
        return versions[0] if len(versions) == 1 else recipe_version(versions)

    @property
    def key(self) -> str:
        """What its probabilities follow from: models, and the days from which on each of them is asked."""
        return ",".join(f"{fold.fit.artifact.model_version}@{fold.first_day}" for fold in self.folds)

    @classmethod
    def by_one(cls, fit: Fit, first_day: date) -> Judged:
        """Return a window that one model scores."""
        return cls((Fold(first_day, fit),))

    def parts(self, history: History, places: npt.NDArray[np.int64]) -> list[tuple[Fold, npt.NDArray[np.int64]]]:
        """Return the folds that have rows among ascending places of the window, each with its own."""
        starts = np.array([fold.first_day for fold in self.folds], dtype="datetime64[D]")
        numbers = np.searchsorted(starts, history.days[places], side="right") - 1
        parts = [(fold, places[numbers == number]) for number, fold in enumerate(self.folds)]
        return [(fold, own) for fold, own in parts if len(own)]

    def probability(self, history: History, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return the probabilities of n rows of the window by ascending place, float64 (n,)."""
        parts = [score(history, fold.fit.artifact, own).probability for fold, own in self.parts(history, places)]
        return np.concatenate([np.zeros(0), *parts])

    def later_probability(
        self, history: History, places: npt.NDArray[np.int64], judged: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        """Return the probabilities of n rows after the window, float64 (n,), by the models that scored it.

        Each row is asked of one model, in the shares in which the models scored the ascending places `judged`, so that
        what a model of few rows gets wrong is the same in both. Whom a row is asked of follows from its place alone.
        """
        parts = self.parts(history, judged) or [(self.folds[-1], judged)]
        numbers = in_shares(places, [len(own) for _, own in parts])
        found = np.zeros(len(places))
        for number, (fold, _) in enumerate(parts):
            own = np.flatnonzero(numbers == number)
            if len(own):
                found[own] = score(history, fold.fit.artifact, places[own]).probability
        return found


class Judge:
    """Finds the gate's window and asks the gate, each question at most once per replay."""

    def __init__(self, history: History, learner: Learner, checkpoints: Checkpoints) -> None:
        """Keep the history, who fits and where results are remembered."""
        self._history = history
        self._learner = learner
        self._checkpoints = checkpoints

    def window(self, as_of: date, served: Judged) -> GateWindow:
        """Return the window on which the successor of what serves is to be judged."""
        if self._history.model.backtest.gate_is_prequential:
            return served_window(self._history, as_of, served.first_day)
        return holdout_window(self._history, as_of, served.newest.last_day)

    def challenger(
        self,
        as_of: date,
        first_day: date,
        half_life: Callable[[date], float | None] = lambda _: None,
        fitted_on: Sequence[date] = (),
    ) -> Judged:
        """Return what is judged on the mature rows from `first_day` on: the recipe by folds, or one model.

        `half_life` says what the governor had asked for by a day, in days; None as usual. `fitted_on` are the days on
        which what served was fitted: a fold begins on each, so that the recipe is held against what knew as much.

        Raises:
            NotEnoughEvidenceError: a model of it cannot be trained.
        """
        history = self._history
        if not history.model.backtest.gate_is_prequential:
            return Judged.by_one(self._learner.fit(first_day, half_life(first_day)), first_day)
        days = np.unique(history.days[history.known(as_of, since=first_day)])
        starts = sorted({self._known_on(as_date(day), fitted_on) for day in days})
        fits = [self._learner.fit(start, half_life(start)) for start in starts]
        return Judged(tuple(Fold(max(fit.as_of, first_day), fit) for fit in fits))

    def _known_on(self, day: date, fitted_on: Sequence[date]) -> date:
        return max([fold_start(self._history, day), *(one for one in fitted_on if one <= day)])

    def verdict(
        self, judged: Judged, as_of: date, served: Judged, opened_by: str | None = None, anchor: Fit | None = None
    ) -> Verdict:
        """Return the gate's verdict on the mature rows of the window, against who served when.

        `opened_by` says why what is judged need not win; None where it has to. `anchor` won last, or served first;
        None for what serves now.
        """
        anchor = anchor or served.newest
        step = f"gate|{judged.key}|{as_of}|{served.key}|{opened_by}|{anchor.artifact.model_version}"
        ask = self._of_recipe if self._history.model.backtest.gate_is_prequential else self._of_model
        record = self._checkpoints.remember(step, lambda: _record(ask(judged, as_of, served, opened_by, anchor)))
        return Verdict(
            record["outcome"],
            record["challenger_version"],
            tuple(record["unmet"]),
            tuple(record["sentences"]),
            record["gain_at_most"],
            record["log_loss_gain_at_least"],
            record["kind"],
        )

    def unfit(self, serving: Fit, as_of: date, first_day: date) -> tuple[Condition, ...]:
        """Return what keeps a model from serving, examined on the mature rows from `first_day` on; empty if nothing."""
        history = self._history

        def conditions() -> tuple[Condition, ...]:
            rows = history.take(history.known(as_of, since=first_day))
            return serving_conditions(serving.artifact, rows, history.model)

        found = self._remembered(f"serving|{serving.artifact.model_version}|{first_day}|{as_of}", conditions)
        return tuple(one for one in found if not one.is_met)

    def _of_model(
        self, judged: Judged, as_of: date, served: Judged, opened_by: str | None, anchor: Fit
    ) -> PromotionDecision:
        history, model = self._history, self._history.model
        gate = history.take(history.known(as_of, since=judged.first_day))
        found = judge_model(
            judged.newest.artifact,
            self._learner.training_set(judged.newest.as_of),
            GateRows.of_examples(gate, model.roles),
            human_of(model, gate),
            model,
            as_of=as_of,
            champion=served.newest.artifact,
            threads=model.training.threads,
            opened_by=opened_by,
            anchor=anchor.artifact,
        )
        return found.decision

    def _of_recipe(
        self, judged: Judged, as_of: date, served: Judged, opened_by: str | None, anchor: Fit
    ) -> PromotionDecision:
        history = self._history
        places = history.known(as_of, since=judged.first_day)
        oldest, _ = served.parts(history, places)[0]
        return judge_refit(
            [self._judged_fold(fold, own) for fold, own in judged.parts(history, places)],
            history.take(places),
            history.model,
            as_of=as_of,
            served=Served(
                served.newest.artifact.model_version, oldest.fit.last_day, served.probability(history, places)
            ),
            to_be_learned=self._learner.training_set(as_of),
            spec=judged.newest.artifact.feature_spec,
            opened_by=opened_by,
            anchor=Served(
                anchor.artifact.model_version, anchor.last_day, score(history, anchor.artifact, places).probability
            ),
        )

    def _judged_fold(self, fold: Fold, places: npt.NDArray[np.int64]) -> JudgedFold:
        """Return a fold as the gate reads it; its conditions, which copy no row twice, are remembered by its rows."""
        history, artifact = self._history, fold.fit.artifact
        matrix = examples_matrix(history.take(places), artifact.feature_spec)
        rows = hashlib.sha256(places.tobytes()).hexdigest()[:16]

        def conditions() -> tuple[Condition, ...]:
            training = self._learner.training_set(fold.fit.as_of)
            return fold_conditions(artifact, training, history.take(places), history.model)

        return JudgedFold(
            artifact.model_version,
            fold.fit.last_day,
            fold.first_day,
            score(history, artifact, places).probability,
            self._remembered(f"fold|{artifact.model_version}|{rows}", conditions),
            simple_scores(artifact, matrix),
        )

    def _remembered(self, step: str, conditions: Callable[[], tuple[Condition, ...]]) -> tuple[Condition, ...]:
        kept = self._checkpoints.remember(step, lambda: [[one.name, one.is_met, one.sentence] for one in conditions()])
        return tuple(Condition(name, is_met, sentence) for name, is_met, sentence in kept)


def _record(decision: PromotionDecision) -> dict[str, Any]:
    compared, gain = decision.against("champion"), decision.log_loss_gain
    return {
        "log_loss_gain_at_least": None if gain is None else gain.lower,
        "gain_at_most": None if compared is None else compared.delta.upper,
        "outcome": decision.outcome,
        "kind": decision.kind,
        "challenger_version": decision.model_version,
        "unmet": [condition.name for condition in decision.unmet],
        "sentences": list(decision.sentences),
    }
