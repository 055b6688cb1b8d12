"""The cohort on which rankers are compared: who applied to what of the jobs that they were shown.

Concept: on day A a user's candidates are ranked from the data of that day, as far as the user was shown them in the
attribution window: by the site, or by an explored text, whose job a draw chose. Relevant are those that the user
applied to from there, as far as is known when the window is mature. A job that nobody was shown says nothing: counting
it as unwanted would reward rankers that repeat the site. A job that a text showed because a model or a
recruiter chose it is left out, whether the user applied or not, since a ranker under judgement chose it; so is one that
the user applied to from elsewhere. Where all that is left is relevant, or nothing, there is no order to judge: such
users are not ranked, and the size of the whole cohort is reported beside.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.training.gate_examples import ALLOWED_SLICES, SHOWN, GateExamples
from mlife_assets.core.windows import add_days, day_start
from mlife_assets.recruiting.candidates import candidate_pairs
from mlife_assets.recruiting.features import pair_features
from mlife_assets.recruiting.policies import CandidatePolicy

RULE_NAME = "recruiter_rule_v1"
UNKNOWN_DISTANCE_KM = 100.0
"""Stands for a distance that nobody knows: farther than any candidate."""


@dataclass(frozen=True, eq=False)
class CohortDay:
    """The rows of one day.

    Attributes:
        as_of_date: the day of the ranking.
        label_mature_date: first day as of which the outcomes are complete.
        pairs: shown candidate pairs of users with a relevant job and another, n rows, with all feature columns.
        is_relevant: whether the user applied to the job, shape (n,).
        slices: "explore" where only an explored text led to the application, else "organic", shape (n,).
        cohort_users: users who could have been ranked, with or without an apply.
    """

    as_of_date: date
    label_mature_date: date
    pairs: pa.Table
    is_relevant: np.ndarray
    slices: np.ndarray
    cohort_users: int


def ranked_cohort(
    user_features: pa.Table,
    job_features: pa.Table,
    applies: pa.Table,
    exposures: pa.Table,
    *,
    as_of: date,
    window_days: int,
    policy: CandidatePolicy,
) -> CohortDay:
    """Return the cohort of day `as_of`.

    Args:
        user_features: rows of `as_of`.
        job_features: rows of `as_of`.
        applies: user_id, job_id, exposure_id (that led to it), apply_date, observed_at; more days than needed may be
            passed.
        exposures: user_id, job_id, exposure_id, slice, exposure_date, observed_at; likewise. A slice is `organic`, or
            why the text was chosen; null where nobody knows.
        as_of: the day of the ranking.
        window_days: attribution window; exposures count from `as_of` for this many days.
        policy: which jobs are candidates.
    """
    mature = add_days(as_of, window_days + 1)
    happened, seen = (
        rows.filter((pc.field(day) >= as_of) & (pc.field("observed_at") < day_start(mature)))
        for rows, day in ((applies, "apply_date"), (exposures, "exposure_date"))
    )
    seen = seen.filter(pc.field("exposure_date") < add_days(as_of, window_days))
    is_neutral = pc.is_in(seen["slice"], value_set=pa.array(ALLOWED_SLICES))
    shown, chosen = seen.filter(is_neutral), seen.filter(pc.invert(is_neutral))
    led = shown.filter(pc.is_in(shown["exposure_id"], value_set=pc.unique(happened["exposure_id"])))
    appliers = user_features.filter(pc.field("user_id").isin(pc.unique(led["user_id"])))
    pairs = candidate_pairs(appliers, job_features, as_of, policy)
    of_pairs, organic = _keys(pairs), led.filter(pc.field("slice") == "organic")
    is_shown, is_chosen, is_relevant, is_organic, is_applied = (
        np.asarray(pc.is_in(of_pairs, value_set=_keys(rows)).to_numpy(zero_copy_only=False), dtype=bool)
        for rows in (shown, chosen, led, organic, happened)
    )
    judged = is_shown & ~is_chosen & (is_relevant | ~is_applied)
    users = pairs["user_id"].combine_chunks()
    has_both = [pc.is_in(users, value_set=users.filter(pa.array(judged & one))) for one in (is_relevant, ~is_relevant)]
    kept = judged & pc.and_(*has_both).to_numpy(zero_copy_only=False)
    slices = np.where(is_relevant & ~is_organic, "explore", "organic").astype(object)
    return CohortDay(
        as_of, mature, pairs.filter(pa.array(kept)), is_relevant[kept], slices[kept], user_features.num_rows
    )


def gate_examples(cohorts: list[CohortDay]) -> tuple[GateExamples, pa.Table]:
    """Return the gate's rows and the pairs with features that they are, in the same order."""
    pairs = pair_features(pa.concat_tables([cohort.pairs for cohort in cohorts]))
    dates = [np.full(cohort.pairs.num_rows, np.datetime64(cohort.as_of_date, "D")) for cohort in cohorts]
    mature = [np.full(cohort.pairs.num_rows, np.datetime64(cohort.label_mature_date, "D")) for cohort in cohorts]
    examples = GateExamples(
        user_ids=np.array(pairs["user_id"].to_pylist(), dtype=object),
        item_ids=np.array(pairs["job_id"].to_pylist(), dtype=object),
        as_of_dates=np.concatenate(dates),
        is_relevant=np.concatenate([cohort.is_relevant for cohort in cohorts]),
        label_mature_dates=np.concatenate(mature),
        slices=np.concatenate([cohort.slices for cohort in cohorts]),
        cohort=SHOWN,
    )
    return examples, pairs


def _keys(rows: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(rows["user_id"], rows["job_id"], "\x1f")


def recruiter_scores(pairs: pa.Table) -> npt.NDArray[np.float64]:
    """Return the rule's score of n pairs that have their derived features, float64 of shape (n,)."""
    own, pay, shift = (
        np.nan_to_num(pairs[name].to_numpy(), nan=0.0)
        for name in ("same_occupation_group", "log_pay_ratio", "same_shift")
    )
    distance = np.nan_to_num(pairs["distance_km"].to_numpy(), nan=UNKNOWN_DISTANCE_KM)
    scores: npt.NDArray[np.float64] = 1.2 * own - 0.05 * distance + 1.0 * pay + 0.3 * shift
    return scores
