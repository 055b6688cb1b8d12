"""What the site shows, and where it comes from.

Belongs here: what a site asks of a deployment. Does not belong here: reading a home (`cli.home_pages`), pages.

Concept: everything is asked for on every request, so a page is never older than the home.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from mlife_assets.recruiting.message_trace import MessageLine, MessageTrace


class SiteContents(Protocol):
    """The pages and facts of one deployment."""

    def dashboard(self) -> str | None:
        """Return the dashboard; None before it was built."""
        ...

    def backtest(self) -> str | None:
        """Return the page of the team's backtest; None before it was built."""
        ...

    def card(self, model_version: str) -> str | None:
        """Return the card of a model version; None when there is no such version, or no card of it."""
        ...

    def runbooks(self) -> Mapping[str, str]:
        """Return the runbooks in Markdown, by name."""
        ...

    def messages(self) -> Sequence[MessageLine]:
        """Return the messages of the last days, the newest first. Raises NotFoundError when no day ran."""
        ...

    def call_lists(self) -> Sequence[str]:
        """Return the keys of the pages of call lists (`places.call_list_key`), the newest first."""
        ...

    def call_list(self, key: str) -> bytes | None:
        """Return a call list by its key, as page or as file; None when there is none."""
        ...

    def metrics(self) -> str:
        """Return where the deployment stands as the text that Prometheus reads. Raises NotFoundError before any day."""
        ...

    def trace(self, message_id: str) -> MessageTrace:
        """Follow one message. Raises NotFoundError, or IntegrityError when the log does not hold."""
        ...
