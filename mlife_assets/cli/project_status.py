"""`mlife status` and `mlife open` in somebody else's project: the state of each of its models, and its pages.

Concept: the same first lines as there: the day, the decision and its reason, the champion, the alarms.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlife_assets.cli.options import has_event_log
from mlife_assets.cli.project_home import open_project, project_models
from mlife_assets.components.shown.verdicts import outcome_words, verdicts
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.pages.document import card_key

if TYPE_CHECKING:
    from rich.console import Console

    from mlife_assets.deployments.ports import ModelPorts
    from mlife_assets.home_settings import ProjectSettings
    from mlife_assets.recruiting.message_trace import MessageLine, MessageTrace


_VERSION = re.compile(r"\w+", re.ASCII)


@dataclass(frozen=True)
class ModelStanding:
    """Where a model stands.

    Attributes:
        model_name: which.
        newest_day: last day that was decided.
        verdict, reasons: of the governor on that day.
        champion: who serves, None before the first promotion.
        gate: the newest verdict of the gate, None before the first.
        gate_in: the environment whose gate it is, while the one here judged nothing; else None.
        scored: rows that were scored on the newest day; None when nothing was written for it.
        alarms: (report, sentence) of the newest day.
    """

    model_name: str
    newest_day: date
    verdict: str
    reasons: tuple[str, ...]
    champion: str | None
    gate: str | None
    gate_in: str | None
    scored: int | None
    alarms: tuple[tuple[str, str], ...]


def standings(settings: ProjectSettings) -> list[ModelStanding]:
    """Return where each model of a home stands, by name. Raises NotFoundError when nothing was decided."""
    platform = open_project(settings)
    return [_standing(platform.of_model(name)) for name in project_models(platform)]


def _standing(view: ModelPorts) -> ModelStanding:
    from mlife_assets.components.shown.present import newest_event

    decision, judged = newest_event(view, "retrain_decided"), verdicts(view)
    if decision is None:
        raise NotFoundError(f"nothing was decided about {view.model_name} yet; materialize its retrain_decision")
    day = decision["as_of_date"]
    try:
        scored = view.model_tables.read("scores", day).num_rows
    except NotFoundError:
        scored = None
    return ModelStanding(
        model_name=view.model_name,
        newest_day=day,
        verdict=decision["verdict"],
        reasons=tuple(decision["sentences"]),
        champion=view.registry.champion(),
        gate=judged[-1]["outcome"] if judged else None,
        gate_in=judged[-1]["environment"] if judged else None,
        scored=scored,
        alarms=tuple(
            (name, report.sentence) for name, report in view.reports.of_day(day).items() if report.status == "alarm"
        ),
    )


def standings_document(home: Path, models: Sequence[ModelStanding]) -> dict[str, Any]:
    """Return standings as the one JSON document that `mlife status --json` prints."""
    return {"home": str(home), "is_lived": bool(models), "models": [asdict(one) for one in models]}


def print_standings(console: Console, home: Path, models: Sequence[ModelStanding]) -> None:
    """Print standings, model by model."""

    def line(name: str, value: object, style: str = "") -> None:
        console.print(f"{name:<11}{value}", style=style, soft_wrap=True)

    line("home", home)
    if not models:
        line("", "nothing was decided yet: launch the daily job of a model, or name another home with --home")
    for one in models:
        line("\nmodel", one.model_name, "bold")
        line("newest day", one.newest_day)
        line("verdict", one.verdict)
        for reason in one.reasons:
            line("", f"- {reason}")
        line("champion", one.champion or "none: no model was promoted yet")
        gate = {"outcome": one.gate, "environment": one.gate_in}
        line("gate", outcome_words(gate) if one.gate else "judged nothing yet")
        line("scored", "nothing on that day" if one.scored is None else f"{one.scored:,} rows")
        for report, sentence in one.alarms:
            line("alarm", f"{report}: {sentence}", "red")
        if not one.alarms:
            line("alarms", "none")


class ProjectPages:
    """The pages of a project's models (`serving.site.SiteContents`), read anew on each request."""

    def __init__(self, settings: ProjectSettings) -> None:
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
        from mlife_assets.components.metrics.home_gauges import model_gauges

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
