"""The cohort on which rankers are compared: who applied, unprompted, to what they could have been shown.

Belongs here: which (user, job) rows a ranking is judged on and which of them are relevant. Does not belong here: the
comparison (`gate`, `evaluate`), how candidates are found (`inference.candidates`).

Concept: on day A every user's candidates are ranked with what was known then; relevant are the jobs that the user
applied to within the attribution window *without being texted about them*. Users without such an apply cannot count in
MAP, so only those with one are ranked, and the size of the whole cohort is reported beside.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.inference.candidates import candidate_pairs
from mlife_assets.core.policies import CandidatePolicy
from mlife_assets.core.windows import add_days, day_start


@dataclass(frozen=True, eq=False)
class CohortDay:
    """The rows of one day.

    Attributes:
        as_of_date: the day of the ranking.
        label_mature_date: first day as of which the outcomes are complete.
        pairs: candidate pairs of users with a relevant job, n rows, with all feature columns.
        is_relevant: whether the user applied to the job, shape (n,).
        cohort_users: users who could have been ranked, with or without an apply.
    """

    as_of_date: date
    label_mature_date: date
    pairs: pa.Table
    is_relevant: np.ndarray
    cohort_users: int


def organic_cohort(
    user_features: pa.Table,
    job_features: pa.Table,
    applies: pa.Table,
    *,
    as_of: date,
    window_days: int,
    policy: CandidatePolicy,
) -> CohortDay:
    """Return the cohort of day `as_of`.

    Args:
        user_features: rows of `as_of`.
        job_features: rows of `as_of`.
        applies: user_id, job_id, source, apply_date, observed_at; more days than needed may be passed.
        as_of: the day of the ranking.
        window_days: attribution window; an apply counts from `as_of` for this many days.
        policy: which jobs are candidates.
    """
    mature = add_days(as_of, window_days + 1)
    counted = applies.filter(
        (pc.field("source") == "organic")
        & (pc.field("apply_date") >= as_of)
        & (pc.field("apply_date") < add_days(as_of, window_days))
        & (pc.field("observed_at") < day_start(mature))
    )
    appliers = user_features.filter(pc.field("user_id").isin(pc.unique(counted["user_id"])))
    pairs = candidate_pairs(appliers, job_features, as_of, policy)
    applied = pa.table({"user_id": counted["user_id"], "job_id": counted["job_id"]})
    is_relevant = _contains(applied, pairs)
    has_relevant = pc.is_in(pairs["user_id"], value_set=pc.unique(pairs["user_id"].filter(pa.array(is_relevant))))
    kept = pairs.filter(has_relevant)
    mask = np.asarray(has_relevant.to_numpy(zero_copy_only=False), dtype=bool)
    return CohortDay(as_of, mature, kept, is_relevant[mask], user_features.num_rows)


def _contains(applied: pa.Table, pairs: pa.Table) -> np.ndarray:
    """Return for each pair whether it was applied to, shape (n,)."""
    keys = [pc.binary_join_element_wise(t["user_id"], t["job_id"], "\x1f") for t in (applied, pairs)]
    found = pc.is_in(keys[1], value_set=pc.unique(keys[0]))
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)
