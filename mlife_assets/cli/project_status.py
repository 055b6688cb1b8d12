"""`mlife status` in somebody else's project: where each of its models stands.

Belongs here: gathering it from a home, printing it. Does not belong here: the job board's status (`status`).

Concept: the same first lines as there: which day, what was decided and why, who serves, what alarms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlife_assets.cli.project_home import open_project, project_models
from mlife_assets.components.shown.verdicts import outcome_words, verdicts
from mlife_assets.core.errors import NotFoundError

if TYPE_CHECKING:
    from rich.console import Console

    from mlife_assets.components.platform.table_platform import TablePlatform
    from mlife_assets.home_settings import ProjectSettings


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


def _standing(view: TablePlatform) -> ModelStanding:
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
            (name, report.sentence) for name, report in view.monitoring_reports(day).items() if report.status == "alarm"
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
