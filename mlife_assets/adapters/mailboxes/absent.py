"""No provider of mails: where there is none, nothing is sent and nothing comes back."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from mlife_assets.core.errors import ProviderRejectedError
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.ports import Accepted, Inbound, OutboundMessage, Receipt


class AbsentMailbox:
    """`recruiting.ports.MessageGateway` of nobody."""

    name = "absent"
    channel = Channel.EMAIL

    def send(self, message: OutboundMessage, *, now: datetime) -> Accepted:  # noqa: ARG002
        """Refuse. Raises ProviderRejectedError."""
        raise ProviderRejectedError("there is no provider of mails")

    def find(self, message_id: str) -> Accepted | None:  # noqa: ARG002
        """Return None: nobody took a message."""
        return None

    def receipts(
        self,
        *,
        until: datetime,  # noqa: ARG002
        since: datetime | None = None,  # noqa: ARG002
        of: Collection[str] = (),  # noqa: ARG002
    ) -> list[Receipt]:
        """Return none."""
        return []

    def inbound(self, *, until: datetime, since: datetime | None = None) -> list[Inbound]:  # noqa: ARG002
        """Return nothing: nobody answers what nobody got."""
        return []
