from __future__ import annotations

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.mail.letterhead import Letterhead


def test_unsubscriptions_by_mail_go_to_our_domain():
    assert Letterhead().unsubscribe_address == "unsubscribe@mail.jobs.example"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("brand", " "),
        ("office_address", ""),
        ("office_address", "100 Main Street\nBcc: x"),
        ("sender", "jobs"),
        ("reply_to", "help@Jobs.example"),
        ("domain", "jobs"),
        ("link_base", "http://jobs.example/"),
        ("unsubscribe_base", "https://jobs.example/unsubscribe"),
        ("unsubscribe_base", 'https://jobs.example/"><script>/'),
    ],
)
def test_a_sender_who_cannot_be_found_is_refused(field, value):
    with pytest.raises(InvalidInputError, match=f"Letterhead.{field}"):
        Letterhead(**{field: value})
