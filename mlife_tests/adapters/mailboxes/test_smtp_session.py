from __future__ import annotations

import pytest

from mlife_assets.adapters.mailboxes.smtp_session import SmtpServer
from mlife_assets.core.errors import InvalidInputError


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"security": "ssl"}, "use one of starttls, tls, plain"),
        ({"security": "plain"}, "in the clear"),
        ({"user_name": "u"}, "set both or none"),
        ({"password": "p"}, "set both or none"),
        ({"port": 0}, "port is 0"),
        ({"timeout_seconds": 0.0}, "timeout_seconds"),
        ({"mails_per_connection": 0}, "mails_per_connection"),
    ],
)
def test_a_relay_that_cannot_be_is_refused(other, words):
    with pytest.raises(InvalidInputError, match=words):
        SmtpServer("mail.example.com", **other)


def test_this_machine_may_be_spoken_to_in_the_clear():
    assert SmtpServer("localhost", security="plain").port == 587
