"""What the site shows of a project's models: an overview, and the cards.

Belongs here: reading such a home for `serving.site`. Does not belong here: how an overview looks
(`serving.site.models`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlife_assets.cli.options import has_event_log
from mlife_assets.cli.project_home import open_project, project_models
from mlife_assets.cli.project_status import ModelStanding, standings
from mlife_assets.components.shown.verdicts import outcome_words, verdicts
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.pages.places import card_key

if TYPE_CHECKING:
    from mlife_assets.home_settings import ProjectSettings
    from mlife_assets.recruiting.message_trace import MessageLine, MessageTrace

_VERSION = re.compile(r"\w+", re.ASCII)


class ProjectPages:
    """The pages of a project's models (`serving.site.SiteContents`), read anew on each request."""

    def __init__(self, settings: ProjectSettings) -> None:
        """Keep where the home is."""
        self._settings = settings

    def dashboard(self) -> str | None:
        """Return the overview of all models, also before the first day was decided."""
        from mlife_assets.serving.site.models import ShownModel, ShownVersion, overview

        if not has_event_log(self._settings):
            return overview(())
        platform = open_project(self._settings)
        known = {one.model_name: one for one in standings(self._settings)}
        shown = []
        for name in project_models(platform):
            view, standing = platform.of_model(name), known[name]
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
            shown.append(ShownModel(name, standing.champion, tuple(_sentences(standing)), tuple(versions)))
        return overview(shown)

    def card(self, model_version: str) -> str | None:
        """Return the card of a version; None when there is none."""
        if not _VERSION.fullmatch(model_version) or not has_event_log(self._settings):
            return None
        try:
            return open_project(self._settings).lake.get(card_key(model_version)).decode()
        except NotFoundError:
            return None

    def backtest(self) -> str | None:
        """Return None: a project's models have no such page."""
        return None

    def runbooks(self) -> Mapping[str, str]:
        """Return nothing: runbooks are in the repository of mlife."""
        return {}

    def messages(self) -> Sequence[MessageLine]:
        """Return nothing: a project's models send nothing."""
        return ()

    def call_lists(self) -> Sequence[str]:
        """Return nothing: nobody is called by a project's models."""
        return ()

    def call_list(self, key: str) -> bytes | None:  # noqa: ARG002  the port's argument
        """Return None: nobody is called by a project's models."""
        return None

    def metrics(self) -> str:
        """Return where the models stand, for Prometheus."""
        from mlife_assets.adapters.prometheus_text import prometheus_text
        from mlife_assets.components.shown.home_gauges import model_gauges

        if not has_event_log(self._settings):
            raise NotFoundError("nothing was decided yet; materialize the assets of a model")
        platform = open_project(self._settings)
        return prometheus_text(model_gauges([platform.of_model(name) for name in project_models(platform)]))

    def trace(self, message_id: str) -> MessageTrace:
        """Raise NotFoundError: a project's models send nothing."""
        raise NotFoundError(f"there is no message {message_id}; the models of a project send none")


def _sentences(standing: ModelStanding) -> list[str]:
    """Return where a model stands, in sentences."""
    scored = "nothing" if standing.scored is None else f"{standing.scored:,} rows"
    decided = f"On {standing.newest_day} the decision was {standing.verdict}, and {scored} were scored."
    alarms = (f"Alarm of {report}: {sentence}" for report, sentence in standing.alarms)
    return [decided, *standing.reasons, *alarms]
