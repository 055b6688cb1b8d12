"""The audience: whom an application can reach, and which scored jobs it may offer them.

Belongs here: from scores that are the same for everybody to the candidates of one application. Does not belong here:
scores (`core.scoring`), the draw of who explores (`recruiting.exploration`), who is texted in the end (`plan`).

Concept: a score says how likely a person is to apply, whoever asks. Whether they may be reached at all, and who gets a
drawn job instead of the best, is up to the application, so both are decided where it plans. Two applications read the
same scores and neither sees what the other chose.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.exploration import explore
from mlife_assets.recruiting.messaging.eligibility import require_columns
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

SCORE_COLUMNS = ("user_id", "job_id", "probability", "prediction_id", "candidate_set_hash", "expected_value_usd")
CHOSEN = ("is_exploration", "slice", "propensity", "exploration_propensity", "exploration_salt")
"""What an application adds to scores. Tables of scores had these up to 0.1.0, when there was one application."""


CONSENT = {Channel.SMS: "is_consented", Channel.EMAIL: "is_consented_email", Channel.CALL: "is_consented"}
"""Columns of `user_features`. Who agreed to texts may be called by a person at the same number."""


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
    """Return the users whom another model's scores choose; who was not scored is not chosen.

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
        slice that it is sent in, its two probabilities (`exploration.Exploration`) and the salt of the draw.

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
