"""The audience: whom an application can reach, which scored jobs it may offer them, and who explores.

Concept: a score says how likely a person is to apply, for any application. Whether they may be reached at all, and who
gets a drawn job instead of the best, is up to the application, so both are decided where it plans. Two applications
read the same scores and neither sees the other's choices.

Exploration: a small share of users gets a drawn candidate, so that outcomes can be learned without our own bias. It is
a pure hash of user and day. An exploring user gets one of their candidates, drawn in proportion to a weight: 1, more
for a new job, and 0 for a candidate below the quality floor, because nobody is texted a bad job for the sake of
learning. Two probabilities are logged for every candidate: that of the whole ranking policy, and that of the draw
alone, for an analysis of the exploring users.

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
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.ids import unit_interval
from mlife_assets.core.ranking.rows import places_by_score
from mlife_assets.core.row_keys import tie_keys
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.messaging.eligibility import require_columns
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

SCORE_COLUMNS = ("user_id", "job_id", "probability", "prediction_id", "candidate_set_hash", "expected_value_usd")
CHOSEN = ("is_exploration", "slice", "propensity", "exploration_propensity", "exploration_salt")
"""Columns that an application adds to scores. Up to 0.1.0, with one application, tables of scores had them."""


CONSENT = {Channel.SMS: "is_consented", Channel.EMAIL: "is_consented_email", Channel.CALL: "is_consented"}
"""Columns of `user_features`. A user who agreed to texts may be called at the same number."""

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


def with_consent(users: pa.Table, channel: Channel) -> pa.Table:
    """Return users with `is_consented` as it is for a channel."""
    names = ["is_consented" if name == CONSENT[channel] else name for name in users.column_names]
    others = [name for name in CONSENT.values() if name != CONSENT[channel] and name in users.column_names]
    require_columns(users, (CONSENT[channel],), "users")
    keep = [name for name in users.column_names if name not in others]
    return users.select(keep).rename_columns([names[users.column_names.index(name)] for name in keep])


def reachable_users(users: pa.Table) -> pa.Table:
    """Return the rows of who may be written to as far as consent (`with_consent`) and time zone go."""
    return users.filter(pc.field("is_consented") & pc.field("time_zone").is_valid())


def of_audience(users: pa.Table, scores: pa.Table, entity: str, minimum_probability: float) -> pa.Table:
    """Return the users whom another model's scores choose; users without a score are not chosen.

    Args:
        users: one row per user: `user_id`.
        scores: one row per entity: `entity`, `probability`.
        entity: the column that holds user ids.
        minimum_probability: the least that chooses.
    """
    require_columns(scores, (entity, "probability"), "scores")
    chosen = scores.filter(pc.greater_equal(scores["probability"], minimum_probability))[entity].combine_chunks()
    return users.filter(pc.is_in(users["user_id"], value_set=chosen))


def application_candidates(
    scores: pa.Table, users: pa.Table, jobs: pa.Table, *, policy: MessagingPolicy, as_of: date
) -> pa.Table:
    """Return the scores of whom an application can reach, each row with how the application would choose it.

    Args:
        scores: one row per scored pair with `SCORE_COLUMNS`, of whomever; what of `CHOSEN` it has is replaced.
        users: one row per user: `user_id`, `is_consented` of the channel (`with_consent`), `time_zone`.
        jobs: one row per job: `job_id`, `job_age_days`.
        policy: of the application.
        as_of: partition day.

    Returns:
        The columns of `scores` in their order, then `CHOSEN`: whether it is the drawn pick of a user who explores, the
        slice that it is sent in, its two probabilities (`Exploration`) and the salt of the draw.

    Raises:
        InvalidInputError: a column is missing, or a job that was scored has no facts.
    """
    require_columns(scores, SCORE_COLUMNS, "scores")
    require_columns(users, ("user_id", "is_consented", "time_zone"), "users")
    require_columns(jobs, ("job_id", "job_age_days"), "jobs")
    reachable = reachable_users(users)["user_id"].combine_chunks()
    rows = scores.drop_columns([name for name in CHOSEN if name in scores.column_names])
    rows = rows.filter(pc.is_in(rows["user_id"], value_set=reachable))
    places = pc.index_in(rows["job_id"], value_set=jobs["job_id"].combine_chunks())
    if places.null_count:
        lost = rows["job_id"].filter(pc.is_null(places))[0].as_py()
        raise InvalidInputError(f"job {lost} was scored and has no facts; materialize user_job_scores of {as_of} again")
    picks = explore(
        rows["user_id"],
        rows["job_id"],
        rows["probability"].to_numpy(),
        pc.fill_null(jobs["job_age_days"].take(places).cast(pa.float64()), float("nan")).to_numpy(),
        policy=policy,
        as_of=as_of,
    )
    added = (
        picks.is_exploration,
        np.where(picks.is_exploration, "explore", "exploit").tolist(),
        picks.propensity,
        picks.exploration_propensity,
        [policy.assignment_salt] * rows.num_rows,
    )
    types = (pa.bool_(), pa.string(), pa.float64(), pa.float64(), pa.string())
    for name, values, kind in zip(CHOSEN, added, types, strict=True):
        rows = rows.append_column(name, pa.array(values, kind))
    return rows


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
