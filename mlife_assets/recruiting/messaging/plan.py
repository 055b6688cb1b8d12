"""The message plan: one frozen answer to who is texted what today, who is not and why.

Belongs here: composing eligibility, wording and assignment. Does not belong here: approval (`approve`) and sending.

Concept: planning decides and has no effect. The same inputs give the same plan, whatever their row order. Every user
gets exactly one verdict: a planned text or a reason. Users who take part in the experiment are listed with their arm,
before anyone is assigned anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import policy_version
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.messaging.assignment import assign, exploration_limit, integer_values, reserve_exploration
from mlife_assets.recruiting.messaging.binding import plan_id_of
from mlife_assets.recruiting.messaging.cohorts import HOLDOUT, TREATED, cohort_name
from mlife_assets.recruiting.messaging.eligibility import Eligibility, decide_eligibility, require_columns
from mlife_assets.recruiting.messaging.job_wordings import RefusedJob, word_jobs
from mlife_assets.recruiting.messaging.links import DEFAULT_BASE
from mlife_assets.recruiting.messaging.segments import segments
from mlife_assets.recruiting.messaging.templates import Wording
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

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

PLANNED_SCHEMA = pa.schema(
    [
        ("message_id", pa.string()),
        ("user_id", pa.string()),
        ("job_id", pa.string()),
        ("campaign", pa.string()),
        ("as_of_date", pa.date32()),
        ("prediction_id", pa.string()),
        ("slice", pa.string()),
        ("propensity", pa.float64()),
        ("plan_id", pa.string()),
        ("cohort", pa.string()),
        ("body", pa.string()),
        ("segments", pa.int64()),
        ("policy_version", pa.string()),
        ("probability", pa.float64()),
        ("expected_value_usd", pa.float64()),
        ("candidate_set_hash", pa.string()),
        ("person_id", pa.string()),
    ]
)
SUPPRESSED_SCHEMA = pa.schema([("user_id", pa.string()), ("reason", pa.string())])
EXPOSED_SCHEMA = pa.schema([("user_id", pa.string()), ("arm", pa.string())])

DAILY_BUDGET = "daily_budget"
JOB_CAPACITY = "job_capacity"


@dataclass(frozen=True)
class MessagePlan:
    """A day's plan of one campaign. All tables are ordered by user.

    Attributes:
        plan_id: hash of everything that is planned.
        campaign: which application sends.
        as_of_date: partition day.
        policy_version: hash of the policy it was made under.
        planned: `PLANNED_SCHEMA`, one row per text.
        suppressed: `SUPPRESSED_SCHEMA`, one row per user who is not texted.
        exposed: `EXPOSED_SCHEMA`, one row per user of the experiment.
        refused_jobs: jobs that nobody is texted about, with the reason; not part of what is approved.
    """

    plan_id: str
    campaign: str
    as_of_date: date
    policy_version: str
    planned: pa.Table
    suppressed: pa.Table
    exposed: pa.Table
    refused_jobs: tuple[RefusedJob, ...]

    @property
    def suppressed_counts(self) -> dict[str, int]:
        """Return how many users are not texted, by reason."""
        counts = self.suppressed.group_by("reason").aggregate([([], "count_all")]).sort_by("reason")
        return dict(zip(counts["reason"].to_pylist(), counts["count_all"].to_pylist(), strict=True))

    @property
    def expected_value_usd(self) -> float:
        """Return what the planned texts are worth together."""
        return float(np.sum(self.planned["expected_value_usd"].to_numpy()))


def plan_policy_version(policy: MessagingPolicy) -> str:
    """Return the hash of what shapes a plan: whether it may be approved automatically does not."""
    return policy_version(replace(policy, auto_approve_within_limits=False))


def _check_candidates(candidates: pa.Table, users: pa.Table, jobs: pa.Table) -> None:
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


def _choose(
    candidates: pa.Table, eligibility: Eligibility, jobs: pa.Table, *, policy: MessagingPolicy, as_of: date
) -> tuple[pa.Table, str]:
    """Return the chosen candidate rows, ordered by user, and why the other allowed users were not chosen."""
    allowed = np.array(eligibility.user_ids, dtype=object)[eligibility.is_allowed]
    allowed_ids = pa.array(sorted(allowed.tolist()), pa.string())
    rows = candidates.filter(pc.is_in(candidates["user_id"], value_set=allowed_ids))
    rows = rows.sort_by([("user_id", "ascending"), ("job_id", "ascending")]).combine_chunks()
    user = pc.index_in(rows["user_id"], value_set=allowed_ids).to_numpy()
    job = pc.index_in(rows["job_id"], value_set=jobs["job_id"].combine_chunks()).to_numpy()
    openings = np.nan_to_num(pc.fill_null(jobs["openings"], 0).to_numpy()).astype(np.int64)
    capacity = np.maximum(openings, 0) * policy.messages_per_opening
    budget = policy.maximum_messages_per_day

    is_pick = pc.fill_null(rows["is_exploration"], False).to_numpy()
    picks = np.flatnonzero(is_pick)
    reserved = picks[
        reserve_exploration(
            [allowed_ids[int(place)].as_py() for place in user[picks]],
            job[picks],
            capacity,
            limit=exploration_limit(policy.exploration_share, budget, len(allowed_ids)),
            salt=f"{policy.assignment_salt}|{policy.campaign}|{as_of.isoformat()}",
        )
    ]
    np.subtract.at(capacity, job[reserved], 1)
    open_rows = np.flatnonzero(~is_pick & ~np.isin(user, user[reserved]))
    values = integer_values(rows["expected_value_usd"].to_numpy())
    assigned = open_rows[
        assign(user[open_rows], job[open_rows], values[open_rows], capacity, budget=budget - len(reserved))
    ]
    chosen = np.sort(np.concatenate([reserved, assigned]))
    return rows.take(pa.array(chosen)), DAILY_BUDGET if len(chosen) >= budget else JOB_CAPACITY


def _planned_table(
    chosen: pa.Table, users: pa.Table, worded: Mapping[str, Wording], *, policy: MessagingPolicy, as_of: date
) -> tuple[str, pa.Table]:
    user_ids, job_ids = chosen["user_id"].to_pylist(), chosen["job_id"].to_pylist()
    messages = [message_id(user_id, policy.campaign, as_of) for user_id in user_ids]
    bodies = [worded[job].body(message) for job, message in zip(job_ids, messages, strict=True)]
    version, count = plan_policy_version(policy), len(messages)
    plan_id = plan_id_of(policy.campaign, as_of, version, messages=messages, job_ids=job_ids, bodies=bodies)
    places = pc.index_in(chosen["user_id"], value_set=users["user_id"].combine_chunks())
    facts = [
        users[name].take(places).to_pylist() if name in users.column_names else [None] * count
        for name in ("tenure_days", "days_since_last_click")
    ]
    person_ids = users["person_id"].take(places).to_pylist()
    cohorts = [
        cohort_name(person_id, salt=policy.assignment_salt, tenure_days=tenure, days_since_last_click=click)
        for person_id, tenure, click in zip(person_ids, *facts, strict=True)
    ]
    columns: dict[str, object] = {
        "message_id": messages,
        "campaign": [policy.campaign] * count,
        "as_of_date": [as_of] * count,
        "plan_id": [plan_id] * count,
        "cohort": cohorts,
        "body": bodies,
        "segments": [segments(body) for body in bodies],
        "policy_version": [version] * count,
        "person_id": person_ids,
    }
    columns.update({name: chosen[name] for name in chosen.column_names if name in PLANNED_SCHEMA.names})
    arrays = {
        field.name: pc.cast(columns[field.name], field.type)
        if isinstance(columns[field.name], pa.ChunkedArray)
        else pa.array(columns[field.name], field.type)
        for field in PLANNED_SCHEMA
    }
    return plan_id, pa.table(arrays, schema=PLANNED_SCHEMA)


def build_plan(
    candidates: pa.Table,
    users: pa.Table,
    jobs: pa.Table,
    recent_sends: pa.Table,
    suppressed_people: Iterable[str],
    *,
    policy: MessagingPolicy,
    as_of: date,
    now: datetime,
    link_key: bytes,
    link_base: str = DEFAULT_BASE,
    withheld_employers: Mapping[str, str] | None = None,
) -> MessagePlan:
    """Plan a day's texts.

    Args:
        candidates: one row per scored pair with `CANDIDATE_COLUMNS`; must include the holdout's users, who take part in
            the experiment. `expected_value_usd` = probability x bid. At most a few rows a user have `is_exploration`.
        users: one row per user: `user_id`, `person_id`, `is_consented`, `state_code`, `time_zone`; optional
            `tenure_days` and `days_since_last_click` name the cohort.
        jobs: one row per job with `JOB_COLUMNS`; optional `metro_name`, `employer_id`.
        recent_sends: `person_id`, `as_of_date`, `campaign` of the sends since `eligibility.recent_since`.
        suppressed_people: person ids on the suppression list.
        policy: what is allowed.
        as_of: partition day.
        now: instant at which it would be sent.
        link_key: of link tokens.
        link_base: what precedes link tokens.
        withheld_employers: employer id -> why none of their jobs is texted; needs `jobs.employer_id`.

    Raises:
        InvalidInputError: a missing column, a repeated key, a candidate without facts, a value out of range.
    """
    _check_candidates(candidates, users, jobs)
    worded, refused = word_jobs(
        jobs, policy, link_key=link_key, link_base=link_base, withheld_employers=withheld_employers
    )
    sendable = candidates.filter(
        pc.and_(
            pc.is_in(candidates["job_id"], value_set=pa.array(list(worded), pa.string())),
            pc.greater_equal(candidates["probability"], policy.minimum_model_score),
        )
    )
    users = users.sort_by("user_id")
    eligibility = decide_eligibility(
        users,
        with_candidates=pc.unique(sendable["user_id"]),
        recent_sends=recent_sends,
        suppressed_people=suppressed_people,
        policy=policy,
        as_of=as_of,
        now=now,
    )
    jobs = jobs.sort_by("job_id")
    chosen, leftover_reason = _choose(sendable, eligibility, jobs, policy=policy, as_of=as_of)
    plan_id, planned = _planned_table(chosen, users, worded, policy=policy, as_of=as_of)

    ids = pa.array(eligibility.user_ids, pa.string())
    is_planned = pc.is_in(ids, value_set=planned["user_id"].combine_chunks()).to_numpy(zero_copy_only=False)
    reasons = np.where(eligibility.is_allowed, leftover_reason, eligibility.reasons)[~is_planned]
    suppressed = pa.table(
        [ids.filter(pa.array(~is_planned)), pa.array(reasons.tolist(), pa.string())], schema=SUPPRESSED_SCHEMA
    )
    arms = np.where(eligibility.is_holdout, HOLDOUT, TREATED)[eligibility.is_exposed]
    exposed = pa.table(
        [ids.filter(pa.array(eligibility.is_exposed)), pa.array(arms.tolist(), pa.string())], schema=EXPOSED_SCHEMA
    )
    version = plan_policy_version(policy)
    return MessagePlan(plan_id, policy.campaign, as_of, version, planned, suppressed, exposed, refused)
