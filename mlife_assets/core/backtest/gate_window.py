"""How far the gate of a replay reaches back.

Belongs here: the first day of the gate's window, or what is missing for one. Does not belong here: who scores the
window and what the gate says (`judging`).

Concept: no side may have seen a row of the window. Folds hold nothing back, and what was served was never seen before:
they are held against each other over the newest weeks that the promotion policy asks for, whoever served in them,
further back only where these do not hold enough evidence. A holdout lies behind the champion's last training day and is
as short as its evidence allows, since nobody may learn from what it holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from mlife_assets.core.backtest.history import History, as_date
from mlife_assets.core.training.gate import MINIMUM_DAY_BLOCKS
from mlife_assets.core.windows import add_days

WEEK_DAYS = 7


@dataclass(frozen=True)
class GateWindow:
    """Where the gate's window would begin, or why there is none.

    Attributes:
        first_day: None without enough evidence.
        sentence: the same in words.
    """

    first_day: date | None
    sentence: str


def fold_start(history: History, day: date) -> date:
    """Return the first day of the fold of a day; folds are counted from the first day of the history."""
    every = history.model.backtest.gate_fold_days
    return add_days(history.first_day, (day - history.first_day).days // every * every)


def served_window(history: History, as_of: date, since: date) -> GateWindow:
    """Return the newest weeks of mature rows that were served since a day; more where the evidence asks for more."""
    places = history.known(as_of, since=since)
    first, _, missing = _evidence(history, places, f" since {since}, when serving began,")
    if first is None:
        return GateWindow(None, f"{missing}.")
    weeks = add_days(as_date(history.days[places[-1]]), 1 - WEEK_DAYS * history.model.promotion.gate_weeks)
    first = min(first, max(weeks, since))
    inside = history.known(as_of, since=first)
    positives = int(np.count_nonzero(history.outcome[inside]))
    sentence = f"The gate's window begins on {first}: {len(inside):,} mature rows with {positives:,} positives"
    return GateWindow(first, f"{sentence}, held against what was served for them.")


def holdout_window(history: History, as_of: date, last_training_day: date | None) -> GateWindow:
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
        return GateWindow(first, f"The gate's window begins on {first} with {count}.")
    if first is not None:
        missing = f"The gate's window would begin on {first} with {count}"
    return GateWindow(None, f"{missing}, of which it may take {most:,} rows." if is_cut else f"{missing}.")


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
