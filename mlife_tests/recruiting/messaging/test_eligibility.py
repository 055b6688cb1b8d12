"""The rules one by one; as part of a plan they are tested in `test_plan`."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.applications import job_of_the_day
from mlife_assets.recruiting.messaging.cohorts import is_holdout
from mlife_assets.recruiting.messaging.eligibility import decide_eligibility, frequency_reasons, require_columns
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.policies import Policies

DAY = date(2026, 6, 2)


@given(
    ages=st.lists(st.integers(-12, 12), max_size=6),
    week=st.integers(0, 4),
    gap=st.integers(0, 6),
    ours=st.booleans(),
    counts_own=st.booleans(),
)
def test_frequency_equals_counting_by_hand(ages, week, gap, ours, counts_own):
    caps = {"maximum_messages_per_7_days": week, "minimum_days_between_messages": gap}
    free = {"maximum_messages_per_7_days": 7, "minimum_days_between_messages": 0}
    application = job_of_the_day(Policies(messaging=MessagingPolicy(**(caps if counts_own else free))))
    contact = ContactPolicy(**(free if counts_own else caps))
    recent = pa.table(
        {
            "person_id": pa.array(["a"] * len(ages), pa.string()),
            "as_of_date": pa.array([DAY - timedelta(days=age) for age in ages], pa.date32()),
            "campaign": pa.array([application.name if ours else "other"] * len(ages), pa.string()),
        }
    )
    others = [abs(age) for age in ages if (age != 0 or not ours) and (ours or not counts_own)]
    expected = None
    if sum(age < 7 for age in others) >= week:
        expected = "frequency_7_days"
    elif any(age < gap for age in others):
        expected = "frequency_gap"
    found = frequency_reasons(pa.array(["a"]), recent, application=application, contact=contact, as_of=DAY)
    assert found.tolist() == [expected]


def test_a_missing_column_is_not_an_empty_one():
    with pytest.raises(InvalidInputError, match="recent_sends lacks columns campaign"):
        require_columns(pa.table({"user_id": ["a"]}), ("user_id", "campaign"), "recent_sends")


def decide(people: dict[str, str], **changes: object) -> dict[str, str]:
    """Return the reason of each account: user id -> person id."""
    users = pa.table(
        {
            "user_id": list(people),
            "person_id": list(people.values()),
            "is_consented": [True] * len(people),
            "state_code": ["TX"] * len(people),
            "time_zone": ["America/Chicago"] * len(people),
        }
    )
    recent = pa.schema([("person_id", pa.string()), ("as_of_date", pa.date32()), ("campaign", pa.string())])
    arguments: dict[str, object] = {
        "with_candidates": users["user_id"].combine_chunks(),
        "recent_sends": recent.empty_table(),
        "suppressed_people": [],
        "application": job_of_the_day(Policies()),
        "contact": ContactPolicy(holdout_share=0.0),
        "as_of": DAY,
        "now": datetime(2026, 6, 2, 18, tzinfo=UTC),
    }
    found = decide_eligibility(users, **(arguments | changes))  # type: ignore[arg-type]
    return dict(zip(found.user_ids, found.reasons.tolist(), strict=True))


def test_the_first_account_stands_for_a_person_else_the_smallest():
    assert decide({"c": "b", "b": "b", "a": "b", "z": "y", "x": "y"}) == {
        "a": "same_person", "b": "allowed", "c": "same_person", "x": "allowed", "z": "same_person",
    }  # fmt: skip


def test_what_is_known_of_the_person_counts_when_their_first_account_is_away():
    held = next(f"u{i}" for i in range(99) if is_holdout(f"u{i}", salt="s", share=0.5))
    free = next(f"u{i}" for i in range(99) if not is_holdout(f"u{i}", salt="s", share=0.5))
    contact = ContactPolicy(holdout_share=0.5, assignment_salt="s")
    assert decide({free: held}, contact=contact) == {free: "holdout"}
    assert decide({held: free}, contact=contact) == {held: "allowed"}
    assert decide({"b": "a"}, suppressed_people=["a"]) == {"b": "opted_out"}
    assert decide({"b": "a"}, suppressed_people=["b"]) == {"b": "allowed"}
    recent = pa.table({"person_id": ["a"], "as_of_date": pa.array([DAY], pa.date32()), "campaign": ["other"]})
    assert decide({"b": "a", "d": "d"}, recent_sends=recent) == {"b": "frequency_gap", "d": "allowed"}


def test_a_person_is_never_unknown():
    users = pa.table({"user_id": ["a"], "person_id": pa.array([None], pa.string())})
    with pytest.raises(InvalidInputError, match="register the accounts"):
        decide({"a": None})  # type: ignore[dict-item]
    with pytest.raises(InvalidInputError, match="users lacks columns person_id"):
        require_columns(users.drop_columns(["person_id"]), ("user_id", "person_id"), "users")
