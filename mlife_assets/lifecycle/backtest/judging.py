"""Judging within a replay: out-of-sample scores, and the conditions that keep a fit from serving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from mlife_assets.core.monitoring.sampling import in_shares
from mlife_assets.core.training.folds import GateWindow
from mlife_assets.core.training.gate import MINIMUM_DAY_BLOCKS, Condition
from mlife_assets.core.training.prequential import recipe_version
from mlife_assets.core.windows import add_days
from mlife_assets.lifecycle.backtest.checkpoints import Checkpoints
from mlife_assets.lifecycle.backtest.history import History, as_date
from mlife_assets.lifecycle.backtest.learning import Fit, Learner, score
from mlife_assets.lifecycle.refits import vetoes

WEEK_DAYS = 7


def served_window(history: History, as_of: date, since: date) -> GateWindow | str:
    """Return the newest weeks of mature rows since a day; more if the evidence requires it.

    Without enough evidence return a sentence on the missing part, as `holdout_window` does.
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
    return GateWindow(first, last, f"{sentence}, compared with the scores served for them.")


def holdout_window(history: History, as_of: date, last_training_day: date | None) -> GateWindow | str:
    """Return the shortest window of the newest mature rows, after a given day if any, with enough evidence.

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
    # Whole days: the gate leaves out a day that the share would cut.
    if first is not None and (first > as_date(history.days[bounded[0]]) or not is_cut):
        last = as_date(history.days[bounded[-1]])
        return GateWindow(first, last, f"The gate's window begins on {first} with {count}.")
    if first is not None:
        missing = f"The gate's window would begin on {first} with {count}"
    return f"{missing}, of which it may take {most:,} rows." if is_cut else f"{missing}."


def _evidence(history: History, places: npt.NDArray[np.int64], since: str) -> tuple[date | None, str, str]:
    """Return the last day from which on rows hold the gate's evidence, its amount, and the missing part if any.

    `since` says in words where the rows begin.

    Positives (entities with one, with items) are counted from the newest day back, and so are the days with positives
    that a bootstrap by day needs.
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
    """Return the number of distinct values up to each position, int64 (n,)."""
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    is_first = np.zeros(len(values), dtype=np.int64)
    is_first[np.unique(values, return_index=True)[1]] = 1
    return np.cumsum(is_first)


@dataclass(frozen=True)
class Judged:
    """A window of rows, each scored out of sample by one of its models.

    Attributes:
        fits: model from a day on, oldest first: one in all for a holdout, else one per fold or champion.
    """

    fits: Mapping[date, Fit]

    @property
    def first_day(self) -> date:
        """First day of the window."""
        return next(iter(self.fits))

    @property
    def newest(self) -> Fit:
        """The model of the newest days."""
        return list(self.fits.values())[-1]

    @property
    def version(self) -> str:
        """Name of the judged model or recipe."""
        versions = [fit.artifact.model_version for fit in self.fits.values()]
        return versions[0] if len(versions) == 1 else recipe_version(versions)

    @property
    def key(self) -> str:
        """Key of its probabilities: the models, and the days from which on each scores."""
        return ",".join(f"{fit.artifact.model_version}@{day}" for day, fit in self.fits.items())

    def parts(self, history: History, places: npt.NDArray[np.int64]) -> list[tuple[date, npt.NDArray[np.int64]]]:
        """Return the days of `fits` that have rows among ascending positions of the window, each with its own."""
        numbers = np.searchsorted(np.array(list(self.fits), "datetime64[D]"), history.days[places], side="right") - 1
        parts = [(day, places[numbers == number]) for number, day in enumerate(self.fits)]
        return [(day, own) for day, own in parts if len(own)]

    def probability(self, history: History, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return the probabilities of n rows of the window by ascending position, float64 (n,)."""
        parts = [score(history, self.fits[day].artifact, own).probability for day, own in self.parts(history, places)]
        return np.concatenate([np.zeros(0), *parts])

    def later_probability(
        self, history: History, places: npt.NDArray[np.int64], judged: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        """Return the probabilities of n rows after the window, float64 (n,), by the models that scored it.

        Each row is scored by one model, with the models in the same shares as for the ascending positions `judged`, so
        that the errors of models of few rows are alike in both. A row's model depends only on its position.
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
    """Checks the conditions that keep a fit from serving, each at most once per replay."""

    def __init__(self, history: History, learner: Learner, checkpoints: Checkpoints) -> None:
        self._history = history
        self._learner = learner
        self._checkpoints = checkpoints

    def faults(self, fit: Fit, as_of: date) -> tuple[Condition, ...]:
        """Return the unmet conditions of a fit; empty if it may serve.

        Raises:
            NotEnoughEvidenceError: only one class in the training data.
        """
        history = self._history

        def found() -> list[tuple[str, bool, str]]:
            newest = history.known(as_of, since=add_days(fit.label_last_day, 1 - WEEK_DAYS))
            training = self._learner.training_set(fit.as_of)
            unmet = vetoes(fit.artifact, training, history.take(newest), history.model)
            return [(one.name, one.is_met, one.sentence) for one in unmet]

        kept = self._checkpoints.remember(f"faults|{fit.artifact.model_version}|{as_of}", found)
        return tuple(Condition(name, is_met, sentence) for name, is_met, sentence in kept)
