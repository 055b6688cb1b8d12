"""Exploration: a small share of users gets a drawn candidate, so that outcomes can be learned without our own bias.

Belongs here: who explores, what they get, how likely each choice was. Does not belong here: capacity
(`messaging.plan`), what is learned from the slice (`off_policy`).

Concept: assignment is a pure hash of user and day. An exploring user gets one of their candidates, drawn in proportion
to a weight: 1, more for a new job, and 0 for a candidate below the quality floor, because nobody is texted a bad job
for the sake of learning. Two probabilities are logged for every candidate: that of the whole ranking policy, and that
of the draw alone, which is what an analysis of the exploring users needs.

Assumption: what happens after the draw may drop a pick but does not look at it. The daily limit of explored texts drops
by another hash of the user, so it is harmless. A full job, a job that cannot be worded and a score under the policy's
minimum do look at the job: their picks are missing from the slice. So the slice speaks for texts as they can be sent,
and it is biased only if such drops are common and the dropped jobs differ in worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.ids import unit_interval
from mlife_assets.core.ranking.places import places_by_score
from mlife_assets.core.row_keys import tie_keys
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Exploration:
    """Choices for n candidate rows.

    Attributes:
        rank: place by probability among the user's candidates, 1 is best, int64 (n,).
        is_exploration: the one drawn pick of an exploring user, bool (n,).
        propensity: probability of this row under the ranking policy, before capacity, float64 (n,); sums to 1 by user.
        exploration_propensity: probability of this row given that the user explores, float64 (n,); sums to 1 by user,
            0 below the quality floor.
    """

    rank: Places
    is_exploration: npt.NDArray[np.bool_]
    propensity: Floats
    exploration_propensity: Floats


def explore(
    user_ids: pa.ChunkedArray,
    job_ids: pa.ChunkedArray,
    probabilities: Floats,
    job_age_days: Floats,
    *,
    policy: MessagingPolicy,
    as_of: date,
) -> Exploration:
    """Return ranks, picks and propensities of n rows in any order; one row per (user, job).

    Args:
        user_ids, job_ids: strings, shape (n,).
        probabilities: of an apply, in [0, 1]; they rank, and the quality floor is a share of the user's best one.
        job_age_days: days since the posting, NaN where unknown (then the job is not new).
        policy: share, salt, floor and bonus.
        as_of: day of the draw.

    Raises:
        InvalidInputError: columns differ in length, or a probability is no number in [0, 1].
    """
    rows = len(user_ids)
    _check(rows, probabilities, job_age_days)
    if rows == 0:
        return Exploration(np.zeros(0, np.int64), np.zeros(0, bool), np.zeros(0), np.zeros(0))
    encoded = user_ids.combine_chunks().dictionary_encode()
    user = np.asarray(encoded.indices)
    ties = tie_keys(user_ids, job_ids, as_of.toordinal())
    sizes = np.bincount(user, minlength=len(encoded.dictionary))
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rank = places_by_score(user_ids, job_ids, probabilities, as_of.toordinal())

    best = np.full(len(sizes), -np.inf)
    np.maximum.at(best, user, probabilities)
    is_good = probabilities >= policy.exploration_floor_of_best * best[user]
    is_new = is_good & (job_age_days <= policy.exploration_new_job_days)
    weight = is_good + policy.exploration_new_job_bonus * is_new

    ids = encoded.dictionary.to_pylist()
    by_tie = np.lexsort((ties, user))
    reached, total = _cumulative_weight(is_good[by_tie], is_new[by_tie], starts, sizes, policy)
    place = np.array([unit_interval(policy.assignment_salt, "pick", as_of.isoformat(), one) for one in ids])
    in_order = user[by_tie]
    passed = np.bincount(in_order, weights=reached <= (place * total)[in_order], minlength=len(ids)).astype(np.int64)
    picked = by_tie[starts + passed]
    draws = np.array([unit_interval(policy.assignment_salt, "explore", as_of.isoformat(), one) for one in ids])
    is_exploration = np.zeros(rows, dtype=bool)
    is_exploration[picked[draws < policy.exploration_share]] = True

    explored = weight / total[user]
    propensity = policy.exploration_share * explored + (1 - policy.exploration_share) * (rank == 1)
    return Exploration(rank, is_exploration, propensity, explored)


def _check(rows: int, probabilities: Floats, job_age_days: Floats) -> None:
    for name, values in (("probabilities", probabilities), ("job_age_days", job_age_days)):
        if len(values) != rows:
            raise InvalidInputError(f"{name} has {len(values)} rows, user_ids {rows}; pass one per row")
    wrong = ~((probabilities >= 0) & (probabilities <= 1))
    if wrong.any():
        row = int(wrong.argmax())
        raise InvalidInputError(f"probabilities row {row} is {probabilities[row]}; pass a number in [0, 1]")


def _cumulative_weight(
    is_good: npt.NDArray[np.bool_],
    is_new: npt.NDArray[np.bool_],
    starts: Places,
    sizes: Places,
    policy: MessagingPolicy,
) -> tuple[Floats, Floats]:
    """Return the weight up to and including each row of its user, and each user's total.

    Rows are ordered by user. Counts are summed as whole numbers, so a user's sums do not depend on who comes before.
    """
    counts = []
    for flags in (is_good, is_new):
        running = np.cumsum(flags, dtype=np.int64)
        counts.append(running - np.repeat(running[starts] - flags[starts], sizes))
    reached: Floats = counts[0] + policy.exploration_new_job_bonus * counts[1]
    return reached, reached[starts + sizes - 1]
