"""Pages of a home on the site.

Concept: the home is opened anew on each request, so a site that runs for weeks is up to date, also after
`mlife demo` replaced the home.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlife_assets.cli.options import open_platform
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.pages.document import BACKTEST, DASHBOARD, card_key
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.places import CALLS

if TYPE_CHECKING:
    from mlife_assets.deployments.board_ports import BoardPorts
    from mlife_assets.recruiting.message_trace import MessageLine, MessageTrace
    from mlife_assets.settings import Settings

_VERSION = re.compile(r"\w+", re.ASCII)
LISTED_DAYS = 14
"""How many days of messages are listed: long enough for a text to have led to an application."""


class HomePages:
    """The pages and facts of a home (`serving.site.SiteContents`)."""

    def __init__(self, settings: Settings, runbooks: Path) -> None:
        self._settings, self._runbooks = settings, runbooks

    def dashboard(self) -> str | None:
        return self._stored(DASHBOARD)

    def backtest(self) -> str | None:
        return self._stored(BACKTEST)

    def card(self, model_version: str) -> str | None:
        return self._stored(card_key(model_version)) if _VERSION.fullmatch(model_version) else None

    def runbooks(self) -> Mapping[str, str]:
        return {path.stem: path.read_text(encoding="utf-8") for path in sorted(self._runbooks.glob("*.md"))}

    def messages(self) -> Sequence[MessageLine]:
        """Return the messages of the last days that planned some."""
        from mlife_assets.adapters.message_trace import recent_messages
        from mlife_assets.components.messages.sending import PLAN_REPORT

        with self._opened() as platform:
            days = platform.tables.report_days(PLAN_REPORT)
            if not days:
                return ()
            return recent_messages(platform.event_log, first=add_days(days[-1], -LISTED_DAYS), last=days[-1])

    def call_lists(self) -> Sequence[str]:
        with self._opened() as platform:
            keys = [key for key in platform.lake.list(CALLS) if key.endswith(".html")]
        return sorted(keys, key=lambda key: (key.rpartition("/")[2], key), reverse=True)

    def call_list(self, key: str) -> bytes | None:
        try:
            with self._opened() as platform:
                return bytes(platform.lake.get(key))
        except NotFoundError:
            return None

    def metrics(self) -> str:
        """Return where the home stands, for Prometheus."""
        from mlife_assets.adapters.prometheus_text import prometheus_text
        from mlife_assets.components.metrics.home_gauges import home_gauges

        with self._opened() as platform:
            return prometheus_text(home_gauges(platform))

    def trace(self, message_id: str) -> MessageTrace:
        from mlife_assets.adapters.message_trace import trace_message

        with self._opened() as platform:
            return trace_message(platform.event_log, message_id, platform.of_model().scorers.of)

    def _stored(self, key: str) -> str | None:
        try:
            with self._opened() as platform:
                return platform.lake.get(key).decode()
        except NotFoundError:
            return None

    @contextmanager
    def _opened(self) -> Iterator[BoardPorts]:
        platform = open_platform(self._settings)
        try:
            yield platform
        finally:
            if "ledger" in vars(platform):
                platform.ledger.close()
