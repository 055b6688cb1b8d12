"""What a plan is made from, as it must be.

Belongs here: columns of candidates and jobs, refusing what does not fit together. Does not belong here: planning
(`plan`).
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.messaging.eligibility import require_columns

CANDIDATE_COLUMNS = (
    "user_id",
    "job_id",
    "probability",
    "propensity",
    "slice",
    "prediction_id",
    "candidate_set_hash",
    "is_exploration",
    "expected_value_usd",
)
JOB_COLUMNS = ("job_id", "title", "employer_name", "pay_usd_per_hour", "openings")


def check_candidates(candidates: pa.Table, users: pa.Table, jobs: pa.Table) -> None:
    """Raise InvalidInputError on a missing column, a repeated key, a candidate without facts, a value out of range."""
    require_columns(candidates, CANDIDATE_COLUMNS, "candidates")
    require_columns(jobs, JOB_COLUMNS, "jobs")
    if jobs["job_id"].null_count or len(pc.unique(jobs["job_id"])) != jobs.num_rows:
        raise InvalidInputError("jobs.job_id has a null or a repeated value; pass one row per job")
    for name, table in (("user_id", users), ("job_id", jobs)):
        is_known = pc.is_in(candidates[name], value_set=table[name].combine_chunks()).to_numpy(zero_copy_only=False)
        if not is_known.all():
            row = int((~is_known).argmax())
            raise InvalidInputError(
                f"candidates row {row} has {name} {candidates[name][row].as_py()}, which has no facts; "
                "pass the facts of every candidate or drop it"
            )
    pairs = candidates.group_by(["user_id", "job_id"]).aggregate([]).num_rows
    if pairs != candidates.num_rows:
        raise InvalidInputError(
            f"candidates repeat {candidates.num_rows - pairs} (user_id, job_id) pairs; pass each once"
        )
    probability = candidates["probability"].to_numpy()
    is_bad = ~((probability >= 0) & (probability <= 1))
    if is_bad.any():
        row = int(is_bad.argmax())
        raise InvalidInputError(f"candidates row {row} has probability {probability[row]}; it must lie in [0, 1]")
