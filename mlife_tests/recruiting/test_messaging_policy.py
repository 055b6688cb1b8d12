"""What may be chosen about texting."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import policy_version
from mlife_assets.recruiting.messaging_policy import MessagingPolicy


def test_the_safe_side_is_the_default():
    policy = MessagingPolicy()
    assert not policy.auto_approve_within_limits
    assert policy.unclear_reply_pause_days > 0
    assert policy.inbound_read_seconds <= 3
    assert all(phrase == phrase.lower() for phrase in policy.refused_phrases)


@pytest.mark.parametrize(
    ("field", "value"),
    [("unclear_reply_pause_days", 366), ("inbound_read_seconds", 61)],
)
def test_what_nobody_can_mean_is_refused(field, value):
    with pytest.raises(InvalidInputError, match=field):
        MessagingPolicy(**{field: value})


def test_a_declaration_of_0_1_0_is_read_and_says_what_has_no_effect_any_more():
    with pytest.warns(FutureWarning, match=r"first_seen_employer_days has no effect.*mlife messages vet") as found:
        policy = MessagingPolicy(first_seen_employer_days=3)
    assert policy == MessagingPolicy()
    assert policy_version(replace(policy, brand="x")) == policy_version(MessagingPolicy(brand="x"))
    assert found[0].filename == __file__
