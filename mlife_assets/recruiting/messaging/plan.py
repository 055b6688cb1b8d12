"""The message plan: one frozen answer to who is sent what today by one application, who is not and why.

Concept: planning decides and has no effect. The same inputs give the same plan, whatever their row order. Every user
gets exactly one verdict: a planned text or a reason. Users who take part in the experiment are listed with their arm,
before anyone is assigned anything.

Assignment: everyone's best job would be the same few jobs. Users, jobs and the budget form a flow network; its optimum,
over integer micro-dollars so that it is the same everywhere, maximises expected value with at most one text a user, a
cap per job and a total budget. Exploration picks are reserved before it, by hash, so their logged propensities
stay true.

Items: the first is the job that was assigned or drawn, so propensity and slice are about it. The others are the
person's next best jobs that still have room, dealt out in rounds: nobody's fifth job takes the room of somebody's
second.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError, PermanentError
from mlife_assets.core.ids import unit_interval
from mlife_assets.core.policies import policy_version
from mlife_assets.recruiting.application import Application, Channel
from mlife_assets.recruiting.events import ITEMS
from mlife_assets.recruiting.ids import message_id, plan_id_of
from mlife_assets.recruiting.messaging.bodies import Bodies, Message, OfferedJobs, Stamps, bodies_of, offers_of
from mlife_assets.recruiting.messaging.eligibility import (
    HOLDOUT,
    TREATED,
    Eligibility,
    cohort_name,
    decide_eligibility,
    holdout_mask,
    require_columns,
)
from mlife_assets.recruiting.messaging.employer_review import EmployerReviews
from mlife_assets.recruiting.messaging.job_wordings import RefusedJob
from mlife_assets.recruiting.messaging.templates import segments
from mlife_assets.recruiting.messaging_policy import ContactPolicy

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
        ("channel", pa.string()),
        ("items", ITEMS),
    ]
)
SUPPRESSED_SCHEMA = pa.schema([("user_id", pa.string()), ("reason", pa.string())])
EXPOSED_SCHEMA = pa.schema([("user_id", pa.string()), ("arm", pa.string()), ("is_compared", pa.bool_())])

DAILY_BUDGET = "daily_budget"
JOB_CAPACITY = "job_capacity"

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

MICRO = 1_000_000


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
        exposed: `EXPOSED_SCHEMA`, one row per user who could have been written to, with their arm. Where an application
            has a holdout of its own, people of the global one are not compared: they lack all other messages, too.
        refused_jobs: jobs whose own words are withheld, with the reason; the approval does not cover them.
        channel: by which it is sent.
    """

    plan_id: str
    campaign: str
    as_of_date: date
    policy_version: str
    planned: pa.Table
    suppressed: pa.Table
    exposed: pa.Table
    refused_jobs: tuple[RefusedJob, ...]
    channel: str = Channel.SMS

    @property
    def suppressed_counts(self) -> dict[str, int]:
        """Return how many users are not texted, by reason."""
        counts = self.suppressed.group_by("reason").aggregate([([], "count_all")]).sort_by("reason")
        return dict(zip(counts["reason"].to_pylist(), counts["count_all"].to_pylist(), strict=True))

    @property
    def expected_value_usd(self) -> float:
        """Return the total expected value of the planned texts."""
        return float(np.sum(self.planned["expected_value_usd"].to_numpy()))


@dataclass(frozen=True)
class _Shape:
    application: Application
    contact: ContactPolicy


def plan_policy_version(application: Application, contact: ContactPolicy) -> str:
    """Return the hash of all settings that shape a plan: not title and automatic approval."""
    policy = replace(application.policy, auto_approve_within_limits=False)
    return policy_version(_Shape(replace(application, title=application.name, policy=policy), contact))


def _choose(
    candidates: pa.Table, eligibility: Eligibility, jobs: pa.Table, *, application: Application, as_of: date
) -> tuple[pa.Table, str]:
    """Return the chosen candidate rows with their `items`, ordered by user, and why others were not chosen."""
    policy = application.policy
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
            salt=f"{policy.assignment_salt}|{application.name}|{as_of.isoformat()}",
        )
    ]
    left = capacity.copy()
    np.subtract.at(left, job[reserved], 1)
    open_rows = np.flatnonzero(~is_pick & ~np.isin(user, user[reserved]))
    values = integer_values(rows["expected_value_usd"].to_numpy())
    assigned = open_rows[
        assign(user[open_rows], job[open_rows], values[open_rows], left, budget=budget - len(reserved))
    ]
    chosen = np.sort(np.concatenate([reserved, assigned]))
    messages = further_rows(user, job, values, chosen, capacity, items=application.items)
    offered = (
        rows.select(["job_id", "prediction_id"]).to_pydict() if len(chosen) else {"job_id": [], "prediction_id": []}
    )
    items = item_lists(*([[column[row] for row in message] for message in messages] for column in offered.values()))
    is_full = len(chosen) >= budget
    return rows.take(pa.array(chosen)).append_column("items", items), DAILY_BUDGET if is_full else JOB_CAPACITY


def _planned_table(
    chosen: pa.Table, users: pa.Table, bodies_of_day: Bodies, version: str, *, application: Application, as_of: date
) -> tuple[str, pa.Table]:
    user_ids, job_ids = chosen["user_id"].to_pylist(), chosen["job_id"].to_pylist()
    name, is_text = application.name, application.channel is Channel.SMS
    messages = [message_id(user_id, name, as_of) for user_id in user_ids]
    offered = [tuple(item["job_id"] for item in items) for items in chosen["items"].to_pylist()]
    bodies = bodies_of_day([Message(*one) for one in zip(messages, user_ids, offered, strict=True)])
    count = len(messages)
    plan_id = plan_id_of(name, as_of, version, messages=messages, job_ids=job_ids, bodies=bodies)
    places = pc.index_in(chosen["user_id"], value_set=users["user_id"].combine_chunks())
    facts = [
        users[name].take(places).to_pylist() if name in users.column_names else [None] * count
        for name in ("tenure_days", "days_since_last_click")
    ]
    person_ids = users["person_id"].take(places).to_pylist()
    cohorts = [
        cohort_name(person_id, salt=application.policy.assignment_salt, tenure_days=tenure, days_since_last_click=click)
        for person_id, tenure, click in zip(person_ids, *facts, strict=True)
    ]
    columns: dict[str, object] = {
        "message_id": messages,
        "campaign": [name] * count,
        "channel": [str(application.channel)] * count,
        "as_of_date": [as_of] * count,
        "plan_id": [plan_id] * count,
        "cohort": cohorts,
        "body": bodies,
        "segments": [segments(body) if is_text else 1 for body in bodies],
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


@dataclass(frozen=True, eq=False)
class PlanRows:
    """Inputs of a plan.

    Attributes:
        candidates: one row per scored pair with `CANDIDATE_COLUMNS`; must include the holdout's users, who take part in
            the experiment. `expected_value_usd` = probability x bid. At most a few rows a user have `is_exploration`.
        users: one row per user: `user_id`, `person_id`, `is_consented` of the channel, `state_code`, `time_zone`;
            optional `tenure_days` and `days_since_last_click` name the cohort. Mails say what of their other facts
            speaks for a job.
        jobs: one row per job with `JOB_COLUMNS`; optional `employer_id`, `job_occupation_group`, `job_metro_code`.
        recent_sends: `person_id`, `as_of_date`, `campaign` of the sends since `eligibility.recent_since`.
        suppressed_people: person ids that must not be reached by its channel.
    """

    candidates: pa.Table
    users: pa.Table
    jobs: pa.Table
    recent_sends: pa.Table
    suppressed_people: Iterable[str]


def build_plan(
    rows: PlanRows,
    *,
    application: Application,
    contact: ContactPolicy,
    as_of: date,
    now: datetime,
    stamps: Stamps,
    reviews: EmployerReviews,
) -> MessagePlan:
    """Plan a day's messages of one application.

    Args:
        rows: of the day.
        application: with its limits.
        contact: limits across applications.
        as_of: partition day.
        now: instant at which it would be sent.
        stamps: sender and keys.
        reviews: whose words may be sent; needs `jobs.employer_id`.

    Raises:
        InvalidInputError: a missing column, a repeated key, a candidate without facts, a value out of range.
    """
    candidates, users, jobs = rows.candidates, rows.users, rows.jobs
    check_candidates(candidates, users, jobs)
    policy = application.policy
    offers, refused = offers_of(jobs, application, stamps, reviews)
    sendable = candidates.filter(
        pc.and_(
            pc.is_in(candidates["job_id"], value_set=pa.array(list(offers), pa.string())),
            pc.greater_equal(candidates["probability"], policy.minimum_model_score),
        )
    )
    users = users.sort_by("user_id")
    eligibility = decide_eligibility(
        users,
        with_candidates=pc.unique(sendable["user_id"]),
        recent_sends=rows.recent_sends,
        suppressed_people=rows.suppressed_people,
        application=application,
        contact=contact,
        as_of=as_of,
        now=now,
    )
    jobs = jobs.sort_by("job_id")
    chosen, leftover_reason = _choose(sendable, eligibility, jobs, application=application, as_of=as_of)
    bodies = bodies_of(OfferedJobs(application, as_of, users, jobs, offers, stamps))
    version = plan_policy_version(application, contact)
    plan_id, planned = _planned_table(chosen, users, bodies, version, application=application, as_of=as_of)

    ids = pa.array(eligibility.user_ids, pa.string())
    is_planned = pc.is_in(ids, value_set=planned["user_id"].combine_chunks()).to_numpy(zero_copy_only=False)
    reasons = np.where(eligibility.is_allowed, leftover_reason, eligibility.reasons)[~is_planned]
    suppressed = pa.table(
        [ids.filter(pa.array(~is_planned)), pa.array(reasons.tolist(), pa.string())], schema=SUPPRESSED_SCHEMA
    )
    arms = np.where(eligibility.is_holdout, HOLDOUT, TREATED)[eligibility.is_exposed]
    people = users["person_id"].filter(pa.array(eligibility.is_exposed)).to_pylist()
    hear_nothing = holdout_mask(people, salt=contact.assignment_salt, share=contact.holdout_share)
    is_compared = ~hear_nothing | (application.holdout_share == 0)
    exposed = pa.table(
        [ids.filter(pa.array(eligibility.is_exposed)), pa.array(arms.tolist(), pa.string()), pa.array(is_compared)],
        schema=EXPOSED_SCHEMA,
    )
    return MessagePlan(
        plan_id, application.name, as_of, version, planned, suppressed, exposed, refused, application.channel
    )


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


def integer_values(expected_value_usd: np.ndarray) -> np.ndarray:
    """Return expected values as int64 micro-dollars. Raises InvalidInputError on a negative or non-finite value."""
    is_bad = ~np.isfinite(expected_value_usd) | (expected_value_usd < 0) | (expected_value_usd > 1e6)
    if is_bad.any():
        row = int(is_bad.argmax())
        raise InvalidInputError(
            f"expected_value_usd row {row} is {expected_value_usd[row]}; it must be a number of dollars in [0, 1e6]"
        )
    values: np.ndarray = np.rint(expected_value_usd * MICRO).astype(np.int64)
    return values


def reserve_exploration(
    user_ids: Sequence[str], jobs: np.ndarray, capacity: np.ndarray, *, limit: int, salt: str
) -> np.ndarray:
    """Choose which exploration picks are sent, at most one a user, in the order of a hash of the user.

    Args:
        user_ids: user of each of m picks.
        jobs: int array of shape (m,): index of the picked job.
        capacity: int array: texts that each job can take.
        limit: how many picks are sent at most.
        salt: makes the order of this day differ from other days.

    Returns:
        int array: positions of the reserved picks, ascending.
    """
    order = sorted(range(len(user_ids)), key=lambda i: (unit_interval(salt, "explore", user_ids[i]), user_ids[i], i))
    left, taken, chosen = capacity.copy(), set[str](), list[int]()
    for place in order:
        if len(chosen) >= limit:
            break
        if user_ids[place] not in taken and left[jobs[place]] > 0:
            left[jobs[place]] -= 1
            taken.add(user_ids[place])
            chosen.append(place)
    return np.array(sorted(chosen), dtype=np.int64)


def exploration_limit(share: float, budget: int, users: int) -> int:
    """Return the most texts of a day that explore: a share of the texts that can be sent."""
    return math.ceil(share * min(budget, users))


def assign(users: np.ndarray, jobs: np.ndarray, values: np.ndarray, capacity: np.ndarray, *, budget: int) -> np.ndarray:
    """Maximise the total value of a day's texts.

    Args:
        users: int array of shape (m,): user index of each candidate, ascending.
        jobs: int array of shape (m,): job index of each candidate.
        values: int64 array of shape (m,): micro-dollars; candidates worth nothing are not assigned.
        capacity: int array: texts that each job can take.
        budget: texts in total.

    Returns:
        int array: positions of the chosen candidates, ascending; at most one a user, `capacity` a job, `budget` in all.
    """
    worth = np.flatnonzero((values > 0) & (capacity[jobs] > 0))
    if budget <= 0 or not worth.size:
        return np.empty(0, dtype=np.int64)
    user_of, user = np.unique(users[worth], return_inverse=True)
    job_of, job = np.unique(jobs[worth], return_inverse=True)
    n_users, n_jobs, m = len(user_of), len(job_of), len(worth)
    source, gate, sink = n_users + n_jobs, n_users + n_jobs + 1, n_users + n_jobs + 2
    user_nodes, job_nodes = np.arange(n_users), n_users + np.arange(n_jobs)
    flow_total = min(n_users, budget)
    tails = np.concatenate([user, np.full(n_users, source), job_nodes, [gate, source]])
    heads = np.concatenate([n_users + job, user_nodes, np.full(n_jobs, gate), [sink, sink]])
    capacities = np.concatenate([np.ones(m), np.ones(n_users), capacity[job_of], [flow_total, flow_total]])
    costs = np.concatenate([-values[worth], np.zeros(n_users + n_jobs + 2)])
    supplies = np.zeros(n_users + n_jobs + 3, dtype=np.int64)
    supplies[source], supplies[sink] = flow_total, -flow_total

    from ortools.graph.python import min_cost_flow

    network = min_cost_flow.SimpleMinCostFlow()
    arcs = network.add_arcs_with_capacity_and_unit_cost(
        tails.astype(np.int64), heads.astype(np.int64), capacities.astype(np.int64), costs.astype(np.int64)
    )
    network.set_nodes_supplies(np.arange(len(supplies)), supplies)
    status = network.solve()
    if status != network.OPTIMAL:
        raise PermanentError(f"min-cost flow ended with {status} on {m} candidates; check capacities and values")
    return worth[np.flatnonzero(network.flows(arcs[:m]))]


def further_rows(
    users: np.ndarray, jobs: np.ndarray, values: np.ndarray, chosen: np.ndarray, capacity: np.ndarray, *, items: int
) -> list[list[int]]:
    """Return for each chosen row the rows of its message, the chosen one first, at most `items`.

    Args:
        users, jobs: int arrays of shape (m,): user and job index of each candidate, ordered by user, then job.
        values: int64 array of shape (m,): worth of each candidate; those worth 0 or less are not offered.
        chosen: int array: one row per user who gets a message, ascending.
        capacity: int array: how many messages may offer each job, those of `chosen` not counted yet.
        items: of one message.
    """
    left = capacity.copy()
    np.subtract.at(left, jobs[chosen], 1)
    messages = [[int(row)] for row in chosen]
    if items == 1:
        return messages
    of_user: defaultdict[int, list[int]] = defaultdict(list)
    wanted, taken = set(users[chosen].tolist()), set(chosen.tolist())
    for row in np.lexsort((np.arange(len(users)), -values)).tolist():
        if users[row] in wanted and row not in taken and values[row] > 0:
            of_user[int(users[row])].append(row)
    for _ in range(items - 1):
        for message in messages:
            waiting = of_user[int(users[message[0]])]
            place = next((place for place, row in enumerate(waiting) if left[jobs[row]] > 0), None)
            if place is not None:
                row = waiting.pop(place)
                left[jobs[row]] -= 1
                message.append(row)
    return messages


def item_lists(job_ids: Iterable[Sequence[str]], prediction_ids: Iterable[Sequence[str | None]]) -> pa.Array:
    """Return the items of each message from its jobs and their predictions, in order."""
    return pa.array(
        [
            [
                {"position": place, "job_id": job, "prediction_id": prediction}
                for place, (job, prediction) in enumerate(zip(jobs, predictions, strict=True), start=1)
            ]
            for jobs, predictions in zip(job_ids, prediction_ids, strict=True)
        ],
        ITEMS,
    )


def with_items(planned: pa.Table) -> pa.Table:
    """Return a stored plan with channel and items; those of earlier releases were texts about one job."""
    if "items" in planned.column_names:
        return planned
    items = item_lists(*([[one] for one in planned[name].to_pylist()] for name in ("job_id", "prediction_id")))
    texts = pa.array(["sms"] * planned.num_rows, pa.string())
    return planned.append_column("channel", texts).append_column("items", items)
