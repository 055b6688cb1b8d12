"""The rules one by one; as part of a plan they are tested in `test_plan`."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.messaging.eligibility import frequency_reasons, require_columns
from mlife_assets.core.policies import MessagingPolicy

DAY = date(2026, 6, 2)


@given(
    ages=st.lists(st.integers(-3, 12), max_size=6), week=st.integers(0, 4), gap=st.integers(0, 6), ours=st.booleans()
)
def test_frequency_equals_counting_by_hand(ages, week, gap, ours):
    policy = MessagingPolicy(maximum_messages_per_7_days=week, minimum_days_between_messages=gap)
    recent = pa.table(
        {
            "person_id": pa.array(["a"] * len(ages), pa.string()),
            "as_of_date": pa.array([DAY - timedelta(days=age) for age in ages], pa.date32()),
            "campaign": pa.array([policy.campaign if ours else "other"] * len(ages), pa.string()),
        }
    )
    past = [age for age in ages if age > 0 or (age == 0 and not ours)]
    expected = None
    if sum(age < 7 for age in past) >= week:
        expected = "frequency_7_days"
    elif any(age < gap for age in past):
        expected = "frequency_gap"
    assert frequency_reasons(pa.array(["a"]), recent, policy=policy, as_of=DAY).tolist() == [expected]


def test_a_missing_column_is_not_an_empty_one():
    with pytest.raises(InvalidInputError, match="recent_sends lacks columns campaign"):
        require_columns(pa.table({"user_id": ["a"]}), ("user_id", "campaign"), "recent_sends")
