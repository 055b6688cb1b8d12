"""The plan on real parts: invariants 8 and 9, caps, intention to treat, order independence.

The jobs of one message: the chosen one first, then the best that have room.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from itertools import product

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.core.errors import GateClosedError, InvalidInputError
from mlife_assets.recruiting.application import Application
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.instances import job_of_the_day
from mlife_assets.recruiting.messaging.approve import approve, approve_by_person, require_digest
from mlife_assets.recruiting.messaging.bodies import RENDERERS, Bodies, OfferedJobs, Renderer, Stamps, text_offers
from mlife_assets.recruiting.messaging.eligibility import is_holdout, recent_since
from mlife_assets.recruiting.messaging.events import plan_events
from mlife_assets.recruiting.messaging.plan import (
    MessagePlan,
    PlanRows,
    assign,
    build_plan,
    exploration_limit,
    further_rows,
    integer_values,
    item_lists,
    plan_policy_version,
    reserve_exploration,
    with_items,
)
from mlife_assets.recruiting.messaging.templates import segments
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.policies import Policies
from mlife_tests.reviews import everybody_approved

DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
POLICY = MessagingPolicy(maximum_messages_per_day=60, messages_per_opening=2)
CONTACT = ContactPolicy()
SENDS = pa.schema([("person_id", pa.string()), ("as_of_date", pa.date32()), ("campaign", pa.string())])
NO_SENDS = SENDS.empty_table()

USERS = np.array([0, 0, 0, 1, 1, 1])
JOBS = np.array([0, 1, 2, 0, 1, 2])
VALUES = np.array([30, 20, 10, 9, 8, 0])
CHOSEN = np.array([1, 3])


def sends(*rows: tuple[str, date, str]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(SENDS.names, row, strict=True)) for row in rows], schema=SENDS)


def world(users: int = 200, jobs: int = 12, per_user: int = 5, seed: int = 0) -> dict[str, pa.Table]:
    rng = np.random.default_rng(seed)
    choice = rng.random((users, jobs)).argsort(axis=1)[:, :per_user]
    n = users * per_user
    probability = rng.uniform(0.001, 0.3, n)
    is_exploration = np.zeros((users, per_user), bool)
    is_exploration[rng.random(users) < 0.2, 0] = True
    explore = is_exploration.ravel()
    return {
        "users": pa.table(
            {
                "user_id": [f"u{i:05d}" for i in range(users)], "person_id": [f"u{i:05d}" for i in range(users)],
                "is_consented": [True] * users, "state_code": ["TX"] * users,
                "time_zone": ["America/Chicago"] * users, "tenure_days": pa.array(rng.integers(0, 100, users)),
                "days_since_last_click": pa.array([None if v > 40 else int(v) for v in rng.integers(0, 60, users)]),
            }
        ),
        "jobs": pa.table(
            {
                "job_id": [f"j{i:04d}" for i in range(jobs)], "title": [f"Registered Nurse {i}" for i in range(jobs)],
                "employer_name": ["Mercy Hospital"] * jobs, "pay_usd_per_hour": rng.uniform(15, 60, jobs),
                "openings": rng.integers(1, 4, jobs),
            }
        ),
        "candidates": pa.table(
            {
                "user_id": [f"u{i:05d}" for i in np.repeat(np.arange(users), per_user)],
                "job_id": [f"j{i:04d}" for i in choice.ravel()], "probability": probability,
                "propensity": np.where(explore, 0.2, 1.0), "slice": np.where(explore, "explore", "exploit"),
                "prediction_id": [f"prd_{i}" for i in range(n)], "candidate_set_hash": ["h"] * n,
                "is_exploration": explore, "expected_value_usd": probability * 10,
            }
        ),
    }  # fmt: skip


def of(policy: MessagingPolicy) -> Application:
    return job_of_the_day(Policies(messaging=policy))


def plan_of(tables: dict[str, pa.Table], **changes: object) -> MessagePlan:
    arguments: dict[str, object] = {
        "recent_sends": NO_SENDS, "suppressed_people": [], "application": of(POLICY), "contact": CONTACT,
        "stamps": Stamps(b"k" * 32),
    }  # fmt: skip
    arguments |= {"as_of": DAY, "now": NOW} | tables | changes
    arguments.setdefault("reviews", everybody_approved(arguments["jobs"]))  # type: ignore[arg-type]
    rows = PlanRows(**{one.name: arguments.pop(one.name) for one in fields(PlanRows)})  # type: ignore[arg-type]
    return build_plan(rows, **arguments)  # type: ignore[arg-type]


def with_user(tables: dict[str, pa.Table], user_id: str, **facts: object) -> dict[str, pa.Table]:
    rows = tables["users"].to_pylist()
    for row in rows:
        if row["user_id"] == user_id:
            row.update(facts)
    return tables | {"users": pa.Table.from_pylist(rows, schema=tables["users"].schema)}


def treated(tables: dict[str, pa.Table]) -> str:
    return next(
        u for u in plan_of(tables).planned["user_id"].to_pylist() if not is_holdout(u, salt="2026-holdout", share=0.05)
    )


def reason_of(plan: MessagePlan, user_id: str) -> str | None:
    return {row["user_id"]: row["reason"] for row in plan.suppressed.to_pylist()}.get(user_id)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), budget=st.integers(0, 120), per_opening=st.integers(1, 4))
def test_everyone_has_one_verdict_and_every_cap_holds(seed, budget, per_opening):
    tables = world(users=80, seed=seed)
    policy = MessagingPolicy(maximum_messages_per_day=budget, messages_per_opening=per_opening)
    contact = ContactPolicy(holdout_share=0.2)
    plan = plan_of(tables, application=of(policy), contact=contact)
    planned = plan.planned.to_pylist()
    texted, not_texted = [r["user_id"] for r in planned], plan.suppressed["user_id"].to_pylist()
    assert sorted(texted + not_texted) == sorted(tables["users"]["user_id"].to_pylist())
    assert len(planned) <= budget
    openings = dict(zip(tables["jobs"]["job_id"].to_pylist(), tables["jobs"]["openings"].to_pylist(), strict=True))
    assert all(c <= openings[job] * per_opening for job, c in Counter(r["job_id"] for r in planned).items())
    assert not any(is_holdout(u, salt=contact.assignment_salt, share=0.2) for u in texted)
    assert all(segments(r["body"]) == 1 == r["segments"] for r in planned)
    explored = [r for r in planned if r["slice"] == "explore"]
    assert len(explored) <= np.ceil(0.05 * budget)
    assert all(r["propensity"] == 0.2 for r in explored)


def test_row_order_and_repetition_change_nothing():
    tables = world()
    rng = np.random.default_rng(1)
    shuffled = {name: table.take(rng.permutation(table.num_rows)) for name, table in tables.items()}
    first, second = plan_of(tables), plan_of(shuffled)
    assert first.plan_id == second.plan_id
    assert first.planned.equals(second.planned)
    assert first.suppressed.equals(second.suppressed)
    assert first.exposed.equals(second.exposed)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"is_consented": False}, "no_consent"), ({"is_consented": None}, "no_consent"),
        ({"state_code": None}, "unknown_state"), ({"state_code": "XX"}, "unknown_state"),
        ({"time_zone": None}, "unknown_time_zone"), ({"time_zone": "Nowhere/Land"}, "unknown_time_zone"),
        ({"state_code": "HI", "time_zone": "Pacific/Honolulu"}, "quiet_hours"),
        ({"is_consented": None, "state_code": None}, "no_consent"),
    ],
)  # fmt: skip
def test_unknown_means_no_text_and_no_part_in_the_experiment(facts, reason):
    tables = world()
    user = treated(tables)
    plan = plan_of(with_user(tables, user, **facts))
    assert reason_of(plan, user) == reason
    assert user not in plan.exposed["user_id"].to_pylist()


def test_the_suppression_list_and_missing_candidates():
    tables = world()
    user = treated(tables)
    assert reason_of(plan_of(tables, suppressed_people=[user]), user) == "opted_out"
    kept = tables["candidates"].filter(pa.array([u != user for u in tables["candidates"]["user_id"].to_pylist()]))
    assert reason_of(plan_of(tables | {"candidates": kept}), user) == "no_candidate"


@pytest.mark.parametrize(
    ("days_ago", "campaigns", "reason"),
    [
        ([1], ["x"], "frequency_gap"), ([2], ["job_of_the_day"], "frequency_gap"),
        ([0], ["another"], "frequency_gap"), ([3], ["x"], None), ([3, 6], ["x", "y"], "frequency_7_days"),
        ([3, 7], ["x", "y"], None), ([0], ["job_of_the_day"], None), ([-1, -2], ["x", "x"], "frequency_7_days"),
    ],
)  # fmt: skip
def test_frequency_caps_across_applications(days_ago, campaigns, reason):
    tables = world()
    user = treated(tables)
    rows = [(user, DAY - timedelta(days=d), c) for d, c in zip(days_ago, campaigns, strict=True)]
    contact = ContactPolicy(maximum_messages_per_7_days=2, minimum_days_between_messages=3)
    plan = plan_of(tables, recent_sends=sends(*rows), contact=contact)
    assert reason_of(plan, user) == reason
    assert user in plan.exposed["user_id"].to_pylist(), "a cap only the treated can hit must not end exposure"
    assert recent_since(DAY, POLICY, CONTACT) <= DAY - timedelta(days=6)


def test_a_job_that_cannot_be_written_is_refused_not_sent_in_two_segments():
    tables = world()
    rows = tables["jobs"].to_pylist()
    rows[0]["employer_name"] = "Clinic \U0001f600"
    plan = plan_of(tables | {"jobs": pa.Table.from_pylist(rows, schema=tables["jobs"].schema)})
    assert [(job.job_id, job.reason) for job in plan.refused_jobs] == [("j0000", "unwritable")]
    assert "j0000" not in plan.planned["job_id"].to_pylist()


@pytest.mark.parametrize("name", ["users", "jobs", "candidates"])
def test_a_repeated_or_missing_row_is_refused(name):
    tables = world(users=20)
    with pytest.raises(InvalidInputError):
        plan_of(tables | {name: pa.concat_tables([tables[name], tables[name].slice(0, 1)])})
    with pytest.raises(InvalidInputError):
        plan_of(tables | {name: tables[name].drop_columns([tables[name].column_names[1]])})
    with pytest.raises(InvalidInputError, match="row 0 has user_id u00000"):
        plan_of(tables | {"users": tables["users"].slice(1)})


def test_events_of_a_plan_have_the_exact_schemas_and_repeat_their_ids():
    plan = plan_of(world())
    first = plan_events(plan, experiment="holdout_2026", now=NOW)
    again = plan_events(plan, experiment="holdout_2026", now=NOW)
    for event_type, table in first.items():
        assert table.schema.equals(EVENT_TYPES[event_type].schema)
        assert table.num_rows > 0
        assert table.equals(again[event_type])
        assert len(set(table["event_id"].to_pylist())) == table.num_rows


OPEN = replace(POLICY, auto_approve_within_limits=True)
REHEARSING = type("Rehearsing", (), {"name": "console", "reaches_nobody": True})()


def test_approval_is_closed_by_default():
    with pytest.raises(GateClosedError, match="auto_approve_within_limits is off"):
        approve(plan_of(world()), of(POLICY), CONTACT, REHEARSING, is_quality_ok=True)


@pytest.mark.parametrize(
    ("gateway", "is_quality_ok", "why"),
    [
        (type("Odd", (), {"name": "console", "reaches_nobody": "no"})(), True, "only what reaches nobody"),
        (type("Inherits", (type(REHEARSING),), {})(), True, "'console', and only what reaches nobody"),
        (REHEARSING, False, "quality failed"),
        (REHEARSING, None, "quality is unknown"),
    ],
)
def test_approval_refuses_what_is_not_known_to_be_safe(gateway, is_quality_ok, why):
    with pytest.raises(GateClosedError, match=why):
        approve(plan_of(world(), application=of(OPEN)), of(OPEN), CONTACT, gateway, is_quality_ok=is_quality_ok)


def test_approval_refuses_a_plan_that_breaks_its_limits():
    plan = plan_of(world(), application=of(OPEN))
    doubled = replace(plan, planned=pa.concat_tables([plan.planned, plan.planned]))
    with pytest.raises(GateClosedError, match="planned twice"):
        approve(doubled, of(OPEN), CONTACT, REHEARSING, is_quality_ok=True)
    smaller = replace(OPEN, maximum_messages_per_day=5)
    with pytest.raises(GateClosedError, match="daily budget of 5"):
        approve(plan, of(smaller), CONTACT, REHEARSING, is_quality_ok=True)
    holdout = plan.planned.slice(0, 1)["user_id"].to_pylist()
    exposed = pa.table({"user_id": holdout, "arm": ["holdout"]})
    with pytest.raises(GateClosedError, match="holdout is planned"):
        approve(replace(plan, exposed=exposed), of(OPEN), CONTACT, REHEARSING, is_quality_ok=True)


PERSON = {"actor": "ann", "reason": "read all of it"}


def test_a_person_approves_where_the_policy_does_not_and_for_any_gateway():
    plan = plan_of(world())
    approval = approve_by_person(plan, of(POLICY), CONTACT, **PERSON, is_quality_ok=True)
    assert (approval.approved_by, approval.reason) == ("ann", "read all of it")
    assert approval.plan_digest == require_digest(plan, approval.plan_digest[:12])


@pytest.mark.parametrize(("is_quality_ok", "why"), [(False, "quality failed"), (None, "quality is unknown")])
def test_limits_hold_whoever_approves(is_quality_ok, why):
    plan = plan_of(world())
    with pytest.raises(GateClosedError, match=why):
        approve_by_person(plan, of(POLICY), CONTACT, **PERSON, is_quality_ok=is_quality_ok)
    with pytest.raises(GateClosedError, match="daily budget of 5"):
        approve_by_person(plan, of(replace(POLICY, maximum_messages_per_day=5)), CONTACT, **PERSON, is_quality_ok=True)
    for changed, contact in ((replace(POLICY, brand="B"), CONTACT), (POLICY, replace(CONTACT, holdout_share=0.1))):
        with pytest.raises(GateClosedError, match=f"was made under {plan.policy_version}, not the present"):
            approve_by_person(plan, of(changed), contact, **PERSON, is_quality_ok=True)
    with pytest.raises(InvalidInputError, match="only the policy is called so"):
        approve_by_person(plan, of(POLICY), CONTACT, actor="policy:me", reason="r", is_quality_ok=True)


def test_ten_thousand_users_use_the_daily_budget_up():
    tables = world(users=10_000, jobs=800, per_user=30)
    plan = plan_of(tables, application=of(MessagingPolicy()))
    assert plan.planned.num_rows == 2_500


def listed(offered: OfferedJobs) -> Bodies:
    """Write a mail as the list of its jobs."""
    return lambda messages: [f"{offered.application.name} {m.message_id}: {', '.join(m.job_ids)}" for m in messages]


MAILS = Application(
    "mails", "Mails", "job_applications", channel="email", items=5, policy=replace(POLICY, messages_per_opening=20)
)


def test_a_mail_offers_several_jobs_best_first_and_names_the_first(monkeypatch):
    monkeypatch.setitem(RENDERERS, "email", Renderer(text_offers, listed))
    tables = world()
    plan = plan_of(tables, application=MAILS)
    rows = plan.planned.to_pylist()
    assert rows
    assert {row["channel"] for row in rows} == {plan.channel} == {"email"}
    worth = {(r["user_id"], r["job_id"]): r["expected_value_usd"] for r in tables["candidates"].to_pylist()}
    for row in rows:
        jobs = [item["job_id"] for item in row["items"]]
        assert 1 < len(jobs) == len(set(jobs)) <= 5
        assert (row["job_id"], row["prediction_id"]) == (jobs[0], row["items"][0]["prediction_id"])
        values = [worth[row["user_id"], job] for job in jobs[1:]]
        assert values == sorted(values, reverse=True)
        assert row["body"] == f"mails {row['message_id']}: {', '.join(jobs)}"
        assert row["segments"] == 1
    events = plan_events(plan, experiment="mails", now=NOW)
    assert events["message_planned"]["items"].to_pylist() == plan.planned["items"].to_pylist()
    assert set(events["message_suppressed"]["channel"].to_pylist()) <= {"email"}


def test_an_own_holdout_is_held_out_under_the_global_one():
    own = replace(of(POLICY), name="careful", holdout_share=0.5)
    plan = plan_of(world(users=400), application=own, contact=ContactPolicy(holdout_share=0.2))
    held = {r["user_id"] for r in plan.exposed.to_pylist() if r["arm"] == "holdout"}
    users = world(users=400)["users"]["user_id"].to_pylist()
    in_global = {u for u in users if is_holdout(u, salt="2026-holdout", share=0.2)}
    in_own = {u for u in users if is_holdout(u, salt=own.holdout_salt, share=0.5)}
    assert held == in_global | in_own
    assert in_own - in_global
    assert in_global - in_own
    logged = plan_events(plan, experiment="careful", now=NOW)["experiment_exposed"].to_pylist()
    assert {r["user_id"] for r in logged if r["arm"] == "holdout"} == in_own - in_global, "the others lack texts, too"
    assert {r["user_id"] for r in logged if r["arm"] == "treated"} == set(users) - in_own - in_global
    of_all = plan_of(world(users=400), contact=ContactPolicy(holdout_share=0.2))
    logged = plan_events(of_all, experiment="c", now=NOW)["experiment_exposed"].to_pylist()
    assert {r["user_id"] for r in logged if r["arm"] == "holdout"} == in_global, "it has no other holdout"
    assert held.isdisjoint(plan.planned["user_id"].to_pylist())
    assert plan.suppressed_counts["holdout"] == len(held)


def test_a_plan_follows_everything_that_shapes_it_and_no_title():
    base = plan_policy_version(of(POLICY), CONTACT)
    assert plan_policy_version(replace(of(POLICY), title="Another"), CONTACT) == base
    assert plan_policy_version(of(OPEN), CONTACT) == base, "who approves shapes nothing"
    for other, contact in (
        (of(replace(POLICY, brand="B")), CONTACT),
        (replace(of(POLICY), holdout_share=0.1), CONTACT),
        (of(POLICY), replace(CONTACT, maximum_messages_per_7_days=1)),
    ):
        assert plan_policy_version(other, contact) != base


def brute_force(values: np.ndarray, capacity: np.ndarray, budget: int) -> int:
    """Best total over every way to give each user one job or none; -1 marks a pair that is no candidate."""
    users, jobs = values.shape
    best = 0
    for choice in product(range(jobs + 1), repeat=users):
        picks = [(u, j) for u, j in enumerate(choice) if j < jobs]
        if len(picks) > budget or any(values[pick] < 0 for pick in picks):
            continue
        if all(sum(j == job for _, j in picks) <= capacity[job] for job in range(jobs)):
            best = max(best, sum(int(values[pick]) for pick in picks))
    return best


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_flow_equals_brute_force_and_keeps_every_cap(data):
    users, jobs = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 3))
    cells = st.lists(st.integers(-1, 20), min_size=users * jobs, max_size=users * jobs)
    values = np.array(data.draw(cells)).reshape(users, jobs)
    capacity = np.array(data.draw(st.lists(st.integers(0, 3), min_size=jobs, max_size=jobs)))
    budget = data.draw(st.integers(0, 6))
    user, job = np.nonzero(values >= 0)
    worth = values[user, job].astype(np.int64)
    chosen = assign(user, job, worth, capacity, budget=budget)
    assert len(set(user[chosen])) == len(chosen) <= budget
    assert (np.bincount(job[chosen], minlength=jobs) <= capacity).all()
    assert worth[chosen].sum() == brute_force(values, capacity, budget)


def test_nothing_is_sent_for_nothing():
    assert assign(np.array([0]), np.array([0]), np.array([0]), np.array([5]), budget=3).size == 0


@pytest.mark.parametrize("bad", [np.nan, -1.0, np.inf, 1e7])
def test_values_out_of_range_are_refused_with_their_row(bad):
    with pytest.raises(InvalidInputError, match="row 1"):
        integer_values(np.array([1.0, bad]))


def test_exploration_keeps_caps_limit_and_one_a_user_whatever_the_row_order():
    users = [f"u{i}" for i in range(50)] + ["u0"]
    jobs = np.array([i % 3 for i in range(51)])
    capacity = np.array([4, 100, 100])
    chosen = reserve_exploration(users, jobs, capacity, limit=20, salt="day")
    names = [users[i] for i in chosen]
    assert len(chosen) == 20 == len(set(names))
    assert np.bincount(jobs[chosen], minlength=3)[0] <= 4
    back = np.arange(50)[::-1]
    again = reserve_exploration([users[i] for i in back], jobs[back], capacity, limit=20, salt="day")
    whole = reserve_exploration(users[:50], jobs[:50], capacity, limit=20, salt="day")
    assert {users[back[i]] for i in again} == {users[i] for i in whole}
    assert capacity.tolist() == [4, 100, 100]
    other_day = reserve_exploration(users, jobs, capacity, limit=20, salt="next day")
    assert other_day.tolist() != chosen.tolist()


def test_exploration_limit_is_a_share_of_what_can_be_sent():
    assert exploration_limit(0.05, 2_500, 9_000) == 125
    assert exploration_limit(0.05, 2_500, 10) == 1
    assert exploration_limit(0.0, 2_500, 9_000) == 0


@pytest.mark.parametrize(
    ("room", "items", "offered"),
    [([9, 9, 9], 1, [[1], [3]]), ([9, 9, 9], 5, [[1, 0, 2], [3, 4]]), ([2, 1, 1], 3, [[1, 0, 2], [3]])],
)
def test_the_chosen_job_comes_first_and_the_next_best_that_have_room_and_worth_follow(room, items, offered) -> None:
    """Of the last room, job 1 has one place: the message that begins with it takes that."""
    assert further_rows(USERS, JOBS, VALUES, CHOSEN, np.array(room), items=items) == offered


def test_a_stored_plan_of_an_earlier_release_was_about_one_job_by_text() -> None:
    stored = pa.table({"job_id": ["j0"], "prediction_id": ["p0"]})
    (row,) = with_items(stored).to_pylist()
    assert row["items"] == [{"position": 1, "job_id": "j0", "prediction_id": "p0"}]
    assert row["channel"] == "sms"
    assert with_items(with_items(stored)).equals(with_items(stored))


def test_positions_begin_at_one() -> None:
    (items,) = item_lists([["a", "b"]], [["p", None]]).to_pylist()
    assert [(item["position"], item["job_id"], item["prediction_id"]) for item in items] == [
        (1, "a", "p"),
        (2, "b", None),
    ]
