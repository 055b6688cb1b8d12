"""Digest and differences of plans: one changed letter is one difference."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from mlife_assets.core.errors import GateClosedError
from mlife_assets.recruiting.applications import job_of_the_day
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.ids import message_id, plan_id_of
from mlife_assets.recruiting.messaging.binding import ApprovedTexts, nothing_approved, plan_differences, plan_digest
from mlife_assets.recruiting.messaging.bodies import OfferedJobs, Stamps
from mlife_assets.recruiting.messaging.plan import EXPOSED_SCHEMA, PLANNED_SCHEMA, SUPPRESSED_SCHEMA, MessagePlan
from mlife_assets.recruiting.messaging.templates import Wording
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.ports import LedgerRow

DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
CAMPAIGN, VERSION = "c", "pol"
KEY = b"a key of sixteen"
WORDED = {job: Wording(f"Brand: {job}. x/", " Reply STOP", KEY) for job in ("j0", "j1")}
USERS = ("a", "b", "d")


def offered(worded: dict[str, Wording]) -> OfferedJobs:
    users, jobs = pa.table({"user_id": list(USERS)}), pa.table({"job_id": list(worded)})
    return OfferedJobs(job_of_the_day(Policies()), DAY, users, jobs, worded, Stamps(KEY))


def plan_of(**changes: Any) -> MessagePlan:
    """Return an honest plan of three texts whose columns `changes` replace."""
    keys = [message_id(user, CAMPAIGN, DAY) for user in USERS]
    jobs = ["j0", "j1", "j0"]
    bodies = [WORDED[job].body(key) for job, key in zip(jobs, keys, strict=True)]
    plan_id = plan_id_of(CAMPAIGN, DAY, VERSION, messages=keys, job_ids=jobs, bodies=bodies)
    columns: dict[str, list[Any]] = {
        "message_id": keys, "user_id": list(USERS), "job_id": jobs, "campaign": [CAMPAIGN] * 3,
        "as_of_date": [DAY] * 3, "plan_id": [plan_id] * 3, "body": bodies, "channel": ["sms"] * 3,
        "items": [[{"position": 1, "job_id": job, "prediction_id": None}] for job in jobs],
        "policy_version": [VERSION] * 3, **changes,
    }  # fmt: skip
    arrays = [pa.array(columns.get(field.name, [None] * 3), field.type) for field in PLANNED_SCHEMA]
    planned = pa.Table.from_arrays(arrays, schema=PLANNED_SCHEMA)
    empty = SUPPRESSED_SCHEMA.empty_table(), EXPOSED_SCHEMA.empty_table()
    return MessagePlan(plan_id, CAMPAIGN, DAY, VERSION, planned, *empty, ())


def logged(plan: MessagePlan) -> pa.Table:
    schema = EVENT_TYPES["message_planned"].schema
    arrays = [
        plan.planned[field.name].cast(field.type)
        if field.name in PLANNED_SCHEMA.names
        else pa.array([NOW] * 3 if "_at" in field.name else ["e0", "e1", "e2"], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, names=schema.names)


def differences(plan: MessagePlan, log: pa.Table | None = None, **options: Any) -> tuple[str, ...]:
    return plan_differences(plan, logged(plan_of()) if log is None else log, offered(WORDED), **options)


def test_an_honest_plan_differs_in_nothing():
    assert differences(plan_of()) == ()


CHANGES = {
    "message_id": lambda values: [*values[:2], "msg_x"],
    "user_id": lambda values: [values[1], values[0], values[2]],
    "job_id": lambda values: ["j1", *values[1:]],
    "campaign": lambda values: [*values[:2], "other"],
    "as_of_date": lambda values: [*values[:2], date(2026, 6, 3)],
    "body": lambda values: [values[0] + " ", *values[1:]],
}


@pytest.mark.parametrize("column", CHANGES)
def test_each_column_of_the_digest_is_held_to_account(column):
    honest = plan_of()
    changed = plan_of(**{column: CHANGES[column](honest.planned[column].to_pylist())})
    assert plan_digest(changed.planned) != plan_digest(honest.planned)
    assert differences(changed)
    if column in ("message_id", "user_id", "job_id", "body"):
        with pytest.raises(GateClosedError, match="nothing is sent"):
            ApprovedTexts.of(honest).require(rows_of(changed))


def rows_of(plan: MessagePlan) -> list[LedgerRow]:
    return [
        LedgerRow(
            row["message_id"], row["user_id"], row["job_id"], CAMPAIGN, DAY, row["body"], "approved", 0, None, NOW
        )
        for row in plan.planned.to_pylist()
    ]


def test_the_order_of_rows_belongs_to_the_digest():
    planned = plan_of().planned
    assert plan_digest(planned.take([1, 0, 2])) != plan_digest(planned)
    assert len(plan_digest(planned)) == 64


def test_parts_cannot_be_moved_between_columns():
    """Joining by a separator would let a body that holds it speak for the next column."""
    one = plan_of(body=["x", "y", "z"], job_id=["j", "j", "j"])
    other = plan_of(body=['x","y', "y", "z"], job_id=["j", "j", "j"])
    assert plan_digest(one.planned) != plan_digest(other.planned)


def test_the_log_must_say_the_same_of_this_plan_and_may_say_other_things_of_another():
    plan = plan_of()
    earlier = logged(plan_of(plan_id=["pln_earlier"] * 3, body=["old", "old", "old"]))
    assert differences(plan, pa.concat_tables([earlier, logged(plan)])) == ()
    assert "not what the event log says" in differences(plan, earlier)[0]
    twice = pa.concat_tables([logged(plan), logged(plan_of(body=["evil", "evil", "evil"]))])
    assert "3 texts are not what the event log says" in differences(plan, twice)[0]
    fewer = replace(plan, planned=plan.planned.slice(0, 2))
    assert any("in this plan by the event log" in one for one in differences(fewer))


def test_what_is_not_sent_any_more_needs_no_words():
    plan = plan_of()
    reworded = {"j0": Wording("New. x/", " Reply STOP", KEY), "j1": WORDED["j1"]}
    first, _, third = plan.planned["message_id"].to_pylist()
    assert "2 texts are worded otherwise" in plan_differences(plan, logged(plan), offered(reworded))[0]
    assert plan_differences(plan, logged(plan), offered(reworded), settled={first, third}) == ()
    assert "worded otherwise" in plan_differences(plan, logged(plan), offered({}))[0]


def test_nothing_is_approved_by_default():
    nothing_approved([])
    with pytest.raises(GateClosedError, match="3 texts"):
        nothing_approved(rows_of(plan_of()))
    ApprovedTexts.of(plan_of()).require(rows_of(plan_of()))
    assert "Brand" not in repr(ApprovedTexts.of(plan_of()))
