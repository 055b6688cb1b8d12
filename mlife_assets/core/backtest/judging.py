"""Judging within a replay: how far the gate reaches back, who scores its window, and its verdict.

Concept: two ways. The prequential gate judges the recipe: each fold of the window by the recipe fitted on what was
mature when the fold began, against what was served for the same rows. Nothing is held back, so what serves is the
recipe fitted on everything mature. The holdout judges one model that was fitted without the gate's window, and that
model serves. In both no side has seen a row that it is judged on. Served rows are the newest weeks that
the promotion policy asks for, more where these hold too little evidence. A holdout lies behind the champion's last
training day and is as short as its evidence allows, since nobody may learn from what it holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from mlife_assets.core.backtest.checkpoints import Checkpoints
from mlife_assets.core.backtest.history import History, as_date
from mlife_assets.core.backtest.learning import Fit, Learner, score
from mlife_assets.core.monitoring.sampling import in_shares
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.training.example_training import human_of
from mlife_assets.core.training.folds import GateWindow
from mlife_assets.core.training.gate import MINIMUM_DAY_BLOCKS, Condition, PromotionDecision, Terms
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
from mlife_assets.core.windows import add_days

WEEK_DAYS = 7


def fold_start(history: History, day: date) -> date:
    """Return the first day of the fold of a day; folds are counted from the first day of the history."""
    every = history.model.backtest.gate_fold_days
    return add_days(history.first_day, (day - history.first_day).days // every * every)


def served_window(history: History, as_of: date, since: date) -> GateWindow | str:
    """Return the newest weeks of mature rows that were served since a day; more where the evidence asks for more.

    Without enough evidence return the sentence that says what is missing, as `holdout_window` does.
    """
    places = history.known(as_of, since=since)
    first, _, missing = _evidence(history, places, f" since {since}, when serving began,")
    if first is None:
        return f"{missing}."
    last = as_date(history.days[places[-1]])
    first = min(first, max(add_days(last, 1 - WEEK_DAYS * history.model.promotion.gate_weeks), since))
    inside = history.known(as_of, since=first)
    positives = int(np.count_nonzero(history.outcome[inside]))
    sentence = f"The gate's window begins on {first}: {len(inside):,} mature rows with {positives:,} positives"
    return GateWindow(first, last, f"{sentence}, held against what was served for them.")


def holdout_window(history: History, as_of: date, last_training_day: date | None) -> GateWindow | str:
    """Return the shortest window of the newest mature rows, after a day where one is given, with enough evidence.

    It takes at most a share of all mature rows.
    """
    places = history.known(as_of)
    most = int(history.model.backtest.gate_rows_share_maximum * len(places))
    inside = places
    if last_training_day is not None:
        inside = places[history.days[places] > np.datetime64(last_training_day, "D")]
    bounded = inside[-most:] if most else inside[:0]
    since = "" if last_training_day is None else f" after {last_training_day}, the champion's last training day,"
    first, count, missing = _evidence(history, bounded, since)
    is_cut = len(bounded) < len(inside)
    # Whole days: a day that the share cuts through is not the gate's.
    if first is not None and (first > as_date(history.days[bounded[0]]) or not is_cut):
        last = as_date(history.days[bounded[-1]])
        return GateWindow(first, last, f"The gate's window begins on {first} with {count}.")
    if first is not None:
        missing = f"The gate's window would begin on {first} with {count}"
    return f"{missing}, of which it may take {most:,} rows." if is_cut else f"{missing}."


def _evidence(history: History, places: npt.NDArray[np.int64], since: str) -> tuple[date | None, str, str]:
    """Return the last day from which on rows hold the gate's evidence and how much, or what is missing.

    `since` says in words where the rows begin.

    Positives (entities with one, where items are ranked) are counted from the newest day back, and so are the days with
    positives that a bootstrap by day needs.
    """
    roles, promotion = history.model.roles, history.model.promotion
    positive = places[history.outcome[places]][::-1]
    if roles.item is None:
        counts = np.arange(1, len(positive) + 1)
        blocks, what = MINIMUM_DAY_BLOCKS * promotion.gate_block_days, "positives"
    else:
        entities = history.rows[roles.entity].take(positive).combine_chunks().dictionary_encode().indices
        counts, blocks, what = _distinct_so_far(np.asarray(entities)), 1, "entities with positives"
    days = history.days[positive]
    day_counts = _distinct_so_far(days.astype(np.int64))
    enough = np.flatnonzero((counts >= promotion.minimum_users_with_positives) & (day_counts >= blocks))
    if len(enough):
        first = days[enough[0]]
        return as_date(first), f"{int(counts[np.flatnonzero(days >= first)[-1]]):,} {what}", ""
    found, total = (int(some[-1]) if len(some) else 0 for some in (counts, day_counts))
    missing = (
        f"The gate needs {promotion.minimum_users_with_positives:,} {what} on {blocks} days; the mature rows{since} "
        f"hold {found:,} on {total}"
    )
    return None, "", missing


def _distinct_so_far(values: np.ndarray) -> np.ndarray:
    """Return how many distinct values there are up to each place, int64 (n,)."""
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    is_first = np.zeros(len(values), dtype=np.int64)
    is_first[np.unique(values, return_index=True)[1]] = 1
    return np.cumsum(is_first)


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
class Judged:
    """A window of rows, each of which one of its models scores without having seen it: what is judged, or was served.

    Attributes:
        fits: who is asked from a day on, oldest first: one by a holdout, else one a fold, or one a champion.
    """

    fits: Mapping[date, Fit]

    @property
    def first_day(self) -> date:
        """First day of the window."""
        return next(iter(self.fits))

    @property
    def newest(self) -> Fit:
        """The model that is asked about the newest days."""
        return list(self.fits.values())[-1]

    @property
    def version(self) -> str:
        """Name of what is judged."""
        versions = [fit.artifact.model_version for fit in self.fits.values()]
        return versions[0] if len(versions) == 1 else recipe_version(versions)

    @property
    def key(self) -> str:
        """What its probabilities follow from: models, and the days from which on each of them is asked."""
        return ",".join(f"{fit.artifact.model_version}@{day}" for day, fit in self.fits.items())

    def parts(self, history: History, places: npt.NDArray[np.int64]) -> list[tuple[date, npt.NDArray[np.int64]]]:
        """Return the days of `fits` that have rows among ascending places of the window, each with its own."""
        numbers = np.searchsorted(np.array(list(self.fits), "datetime64[D]"), history.days[places], side="right") - 1
        parts = [(day, places[numbers == number]) for number, day in enumerate(self.fits)]
        return [(day, own) for day, own in parts if len(own)]

    def probability(self, history: History, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return the probabilities of n rows of the window by ascending place, float64 (n,)."""
        parts = [score(history, self.fits[day].artifact, own).probability for day, own in self.parts(history, places)]
        return np.concatenate([np.zeros(0), *parts])

    def later_probability(
        self, history: History, places: npt.NDArray[np.int64], judged: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        """Return the probabilities of n rows after the window, float64 (n,), by the models that scored it.

        Each row is asked of one model, in the shares in which the models scored the ascending places `judged`, so that
        what a model of few rows gets wrong is the same in both. Whom a row is asked of follows from its place alone.
        """
        parts = self.parts(history, judged) or [(list(self.fits)[-1], judged)]
        numbers = in_shares(places, [len(own) for _, own in parts])
        found = np.zeros(len(places))
        for number, (day, _) in enumerate(parts):
            own = np.flatnonzero(numbers == number)
            if len(own):
                found[own] = score(history, self.fits[day].artifact, places[own]).probability
        return found


class Judge:
    """Finds the gate's window and asks the gate, each question at most once per replay."""

    def __init__(self, history: History, learner: Learner, checkpoints: Checkpoints) -> None:
        self._history = history
        self._learner = learner
        self._checkpoints = checkpoints

    def window(self, as_of: date, served: Judged) -> GateWindow | str:
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
            return Judged({first_day: self._learner.fit(first_day, half_life(first_day))})
        days = np.unique(history.days[history.known(as_of, since=first_day)])
        starts = sorted({self._known_on(as_date(day), fitted_on) for day in days})
        fits = [self._learner.fit(start, half_life(start)) for start in starts]
        return Judged({max(fit.as_of, first_day): fit for fit in fits})

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
            Terms(as_of, opened_by=opened_by),
            rivals={"champion": served.newest.artifact, "anchor": anchor.artifact},
            threads=model.training.threads,
        )
        return found.decision

    def _of_recipe(
        self, judged: Judged, as_of: date, served: Judged, opened_by: str | None, anchor: Fit
    ) -> PromotionDecision:
        history = self._history
        places = history.known(as_of, since=judged.first_day)
        oldest, _ = served.parts(history, places)[0]
        return judge_refit(
            [self._judged_fold(day, judged.fits[day], own) for day, own in judged.parts(history, places)],
            history.take(places),
            history.model,
            Terms(as_of, opened_by=opened_by),
            served=Served(
                served.newest.artifact.model_version, served.fits[oldest].last_day, served.probability(history, places)
            ),
            to_be_learned=self._learner.training_set(as_of),
            spec=judged.newest.artifact.feature_spec,
            anchor=Served(
                anchor.artifact.model_version, anchor.last_day, score(history, anchor.artifact, places).probability
            ),
        )

    def _judged_fold(self, first_day: date, fit: Fit, places: npt.NDArray[np.int64]) -> JudgedFold:
        """Return a fold as the gate reads it; its conditions, which copy no row twice, are remembered by its rows."""
        history, artifact = self._history, fit.artifact
        matrix = examples_matrix(history.take(places), artifact.feature_spec)
        rows = hashlib.sha256(places.tobytes()).hexdigest()[:16]

        def conditions() -> tuple[Condition, ...]:
            training = self._learner.training_set(fit.as_of)
            return fold_conditions(artifact, training, history.take(places), history.model)

        return JudgedFold(
            artifact.model_version,
            fit.last_day,
            first_day,
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
