"""`mlife status` in somebody else's project: where each of its models stands.

Concept: the same first lines as for a job board: the day, the decision and its reason, the champion, the alarms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlife_assets.cli.homes import models_of
from mlife_assets.cli.output import say_field
from mlife_assets.components.shown.verdicts import outcome_words, verdicts
from mlife_assets.core.errors import NotFoundError

if TYPE_CHECKING:
    from mlife_assets.deployments.ports import ModelPorts
    from mlife_assets.deployments.project_ports import ProjectHome


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


def standings(platform: ProjectHome) -> list[ModelStanding]:
    """Return where each model of a home stands, by name."""
    return [_standing(platform.of_model(name)) for name in models_of(platform)]


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


def print_standings(home: Path, models: Sequence[ModelStanding]) -> None:
    """Print standings, model by model."""
    say_field("home", home)
    if not models:
        say_field("", "nothing was decided yet: launch the daily job of a model, or name another home with --home")
    for one in models:
        say_field("\nmodel", one.model_name, "bold")
        say_field("newest day", one.newest_day)
        say_field("verdict", one.verdict)
        for reason in one.reasons:
            say_field("", f"- {reason}")
        say_field("champion", one.champion or "none: no model was promoted yet")
        gate = {"outcome": one.gate, "environment": one.gate_in}
        say_field("gate", outcome_words(gate) if one.gate else "judged nothing yet")
        say_field("scored", "nothing on that day" if one.scored is None else f"{one.scored:,} rows")
        for report, sentence in one.alarms:
            say_field("alarm", f"{report}: {sentence}", "red")
        if not one.alarms:
            say_field("alarms", "none")


def sentences(standing: ModelStanding) -> tuple[str, ...]:
    """Return where a model stands, in sentences."""
    scored = "nothing" if standing.scored is None else f"{standing.scored:,} rows"
    decided = f"On {standing.newest_day} the decision was {standing.verdict}, and {scored} were scored."
    alarms = (f"Alarm of {report}: {sentence}" for report, sentence in standing.alarms)
    return (decided, *standing.reasons, *alarms)
