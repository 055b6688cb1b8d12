"""Where there is no provider of mails, nothing is sent and nothing comes back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mlife_assets.adapters.mailboxes.absent import AbsentMailbox
from mlife_assets.core.errors import ProviderRejectedError
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.ports import OutboundMessage

NOW = datetime(2026, 6, 10, tzinfo=UTC)


def test_nobody_takes_a_mail_and_nobody_answers() -> None:
    mailbox = AbsentMailbox()
    assert mailbox.channel == Channel.EMAIL
    with pytest.raises(ProviderRejectedError, match="no provider of mails"):
        mailbox.send(OutboundMessage("m", "u", "u@example.com", "hi"), now=NOW)
    assert (mailbox.find("m"), mailbox.receipts(until=NOW), mailbox.inbound(until=NOW)) == (None, [], [])
