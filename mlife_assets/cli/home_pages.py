"""Pages of a home on the site.

Concept: the home is opened anew on each request, so a site that runs for weeks is up to date, also after
`mlife demo` replaced the home.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlife_assets.cli.homes import has_event_log, models_of, opened_board, opened_project
from mlife_assets.cli.project_status import sentences, standings
from mlife_assets.components.shown.verdicts import outcome_words, verdicts
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.pages.document import BACKTEST, DASHBOARD, card_key
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.places import CALLS

if TYPE_CHECKING:
    from mlife_assets.adapters.object_store import ObstoreObjectStore
    from mlife_assets.deployments.board_ports import BoardPorts
    from mlife_assets.home_settings import ProjectSettings
    from mlife_assets.recruiting.message_trace import MessageLine, MessageTrace
    from mlife_assets.settings import Settings

_VERSION = re.compile(r"\w+", re.ASCII)
LISTED_DAYS = 14
"""How many days of messages are listed: long enough for a text to have led to an application."""


class Pages(ABC):
    """The pages and facts of a home (`serving.site.SiteContents`); by default of one that replays and sends nothing."""

    @abstractmethod
    def _lake(self) -> ObstoreObjectStore:
        """Return the lake. Raises NotFoundError before any day."""

    @abstractmethod
    def dashboard(self) -> str | None: ...

    @abstractmethod
    def metrics(self) -> str: ...

    @abstractmethod
    def trace(self, message_id: str) -> MessageTrace: ...

    def card(self, model_version: str) -> str | None:
        return self._stored(card_key(model_version)) if _VERSION.fullmatch(model_version) else None

    def backtest(self) -> str | None:
        return None

    def runbooks(self) -> Mapping[str, str]:
        return {}

    def messages(self) -> Sequence[MessageLine]:
        return ()

    def call_lists(self) -> Sequence[str]:
        return ()

    def call_list(self, key: str) -> bytes | None:  # noqa: ARG002  the port's argument
        return None

    def _stored(self, key: str) -> str | None:
        try:
            return self._lake().get(key).decode()
        except NotFoundError:
            return None


class HomePages(Pages):
    """The pages of a job board."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def dashboard(self) -> str | None:
        return self._stored(DASHBOARD)

    def backtest(self) -> str | None:
        return self._stored(BACKTEST)

    def runbooks(self) -> Mapping[str, str]:
        from mlife_assets.settings import RUNBOOKS_FOLDER

        return {path.stem: path.read_text(encoding="utf-8") for path in sorted(RUNBOOKS_FOLDER.glob("*.md"))}

    def messages(self) -> Sequence[MessageLine]:
        from mlife_assets.adapters.message_trace import recent_messages
        from mlife_assets.components.messages.sending import PLAN_REPORT

        with self._opened() as platform:
            days = platform.tables.report_days(PLAN_REPORT)
            if not days:
                return ()
            return recent_messages(platform.event_log, first=add_days(days[-1], -LISTED_DAYS), last=days[-1])

    def call_lists(self) -> Sequence[str]:
        keys = [key for key in self._lake().list(CALLS) if key.endswith(".html")]
        return sorted(keys, key=lambda key: (key.rpartition("/")[2], key), reverse=True)

    def call_list(self, key: str) -> bytes | None:
        try:
            return bytes(self._lake().get(key))
        except NotFoundError:
            return None

    def metrics(self) -> str:
        from mlife_assets.adapters.prometheus_text import prometheus_text
        from mlife_assets.components.metrics.home_gauges import home_gauges

        with self._opened() as platform:
            return prometheus_text(home_gauges(platform))

    def trace(self, message_id: str) -> MessageTrace:
        from mlife_assets.adapters.message_trace import trace_message

        with self._opened() as platform:
            return trace_message(platform.event_log, message_id, platform.of_model().scorers.of)

    def _lake(self) -> ObstoreObjectStore:
        return opened_board(self._settings).lake

    @contextmanager
    def _opened(self) -> Iterator[BoardPorts]:
        platform = opened_board(self._settings)
        try:
            yield platform
        finally:
            if "ledger" in vars(platform.home):
                platform.ledger.close()


class ProjectPages(Pages):
    """The pages of a project's models: their overview and their cards."""

    def __init__(self, settings: ProjectSettings) -> None:
        self._settings = settings

    def dashboard(self) -> str | None:
        """Return the overview of all models, also before the first day was decided."""
        from mlife_assets.serving.site.models import ShownModel, ShownVersion, overview

        if not has_event_log(self._settings):
            return overview(())
        platform = opened_project(self._settings)
        shown = []
        for standing in standings(platform):
            view = platform.of_model(standing.model_name)
            judged = {row["model_version"]: outcome_words(row) for row in verdicts(view)}
            versions = [
                ShownVersion(
                    row["model_version"],
                    row["as_of_date"],
                    row["examples"],
                    judged.get(row["model_version"]),
                    platform.lake.exists(card_key(row["model_version"])),
                )
                for row in reversed(view.registry.versions())
            ]
            shown.append(ShownModel(standing.model_name, standing.champion, sentences(standing), tuple(versions)))
        return overview(shown)

    def metrics(self) -> str:
        from mlife_assets.adapters.prometheus_text import prometheus_text
        from mlife_assets.components.metrics.home_gauges import model_gauges

        if not has_event_log(self._settings):
            raise NotFoundError("nothing was decided yet; materialize the assets of a model")
        platform = opened_project(self._settings)
        return prometheus_text(model_gauges([platform.of_model(name) for name in models_of(platform)]))

    def trace(self, message_id: str) -> MessageTrace:
        raise NotFoundError(f"there is no message {message_id}; the models of a project send none")

    def _lake(self) -> ObstoreObjectStore:
        return opened_project(self._settings).lake


def pages_of(settings: ProjectSettings | Settings) -> Pages:
    """Return the pages of a home."""
    from mlife_assets.home_settings import ProjectSettings

    return ProjectPages(settings) if isinstance(settings, ProjectSettings) else HomePages(settings)
