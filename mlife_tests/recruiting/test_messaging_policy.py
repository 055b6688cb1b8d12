"""What may be chosen about texting."""

from __future__ import annotations

import pytest

from mlife_assets.core.errors import InvalidInputError
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
