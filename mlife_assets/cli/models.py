"""`mlife models`: versions, who served when and why, and going back.

Belongs here: listing and rolling back by hand. Does not belong here: whether a model may serve (`core.training.gate`).

Concept: nothing is deleted and nothing is copied. A rollback is an event; the endpoint follows it with its next
request, the daily job with the next day that runs.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlife_assets.cli.options import OPERATOR, Actor, AsJson, Home, Reason, kept_words, open_platform, settings_of
from mlife_assets.cli.output import answer_console, moment, print_json
from mlife_assets.cli.present import next_day, operator_time

if TYPE_CHECKING:
    from mlife_assets.defs.resources import Platform

models_app = typer.Typer(no_args_is_help=True, help="List models, read their history, roll back.")


@models_app.command("list")
def list_models(home: Home = None, as_json: AsJson = False) -> None:
    """List all registered models, oldest first, and mark the champion.

    Exit codes: 0 done, 1 failed.
    """
    platform = open_platform(settings_of(home))
    champion = platform.registry.champion()
    outcomes = {row["model_version"]: row["outcome"] for row in _verdicts(platform)}
    names = ("as_of_date", "training_start_date", "training_end_date", "examples", "positives", "training_data_hash")
    rows = [
        {
            "model_version": row["model_version"],
            **{name: row[name] for name in names},
            "registered_at": row["observed_at"],
            "gate": outcomes.get(row["model_version"]),
            "is_champion": row["model_version"] == champion,
        }
        for row in platform.registry.versions()
    ]
    if as_json:
        print_json({"champion": champion, "models": rows})
        return
    from rich.table import Table

    table = Table("", "model_version", "as of", "trained on", "examples", "positives", "gate", box=None)
    for row in rows:
        table.add_row(
            "*" if row["is_champion"] else "",
            row["model_version"],
            str(row["as_of_date"]),
            f"{row['training_start_date']} to {row['training_end_date']}",
            f"{row['examples']:,}",
            f"{row['positives']:,}",
            row["gate"] or "not judged",
        )
    console = answer_console()
    console.print(table)
    console.print("* champion" if champion else "No model was promoted yet.")


@models_app.command()
def history(home: Home = None, as_json: AsJson = False) -> None:
    """Tell who served since when, by whom and why, and every verdict of the gate, refusals too.

    Exit codes: 0 done, 1 failed.
    """
    platform = open_platform(settings_of(home))
    reigns = [asdict(reign) for reign in platform.registry.history()]
    verdicts = _verdicts(platform)
    if as_json:
        print_json({"champion": platform.registry.champion(), "changes": reigns, "verdicts": verdicts})
        return
    entries: list[tuple[Any, int, str, list[str]]] = []
    for row in verdicts:
        title = f"gate: {row['outcome'].replace('_', ' ')}  {row['model_version']}"
        entries.append((row["decided_at"], 0, title, row["sentences"]))
    for reign in reigns:
        title = f"{reign['kind'].replace('_', ' ')}  {reign['model_version']}"
        if reign["previous_version"]:
            title += f"  (before: {reign['previous_version']})"
        entries.append((reign["since"], 1, title, [f"by {reign['actor']}: {reign['reason']}"]))
    console = answer_console()
    for at, place, title, lines in sorted(entries, key=lambda entry: entry[:3]):
        console.print(f"{moment(at)}  {title}", style="bold" if place else "", soft_wrap=True)
        for line in lines:
            console.print(f"    {line}", soft_wrap=True)
    if not entries:
        console.print("No model was judged or promoted yet.")


@models_app.command()
def rollback(
    reason: Reason,
    actor: Actor = OPERATOR,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="MODEL_VERSION", help="An earlier champion.", show_default="the one before the champion"
        ),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Return to an earlier champion; recorded as `model_rolled_back`.

    The endpoint uses it from its next request on, the daily job from the next day that runs.

    Exit codes: 0 done, 1 failed or there is none to return to.
    """
    reason, actor = kept_words("--reason", reason), kept_words("--actor", actor)
    platform = open_platform(settings_of(home))
    now = operator_time(platform)
    previous = platform.registry.champion()
    version = platform.registry.rollback(actor=actor, reason=reason, now=now, to=to)
    day = next_day(platform)
    if as_json:
        print_json(
            {
                "model_version": version,
                "previous_version": previous,
                "actor": actor,
                "reason": reason,
                "at": now,
                "first_day": day,
            }
        )
        return
    console = answer_console()
    console.print(f"{version} serves again, in place of {previous}.", soft_wrap=True)
    console.print(f"  by {actor} at {moment(now)}: {reason}", soft_wrap=True)
    console.print(f"  The endpoint uses it from its next request on, the daily job from {day} on.", soft_wrap=True)


def _verdicts(platform: Platform) -> list[dict[str, Any]]:
    """Return all verdicts of the gate, oldest first."""
    names = (
        "model_version",
        "champion_version",
        "as_of_date",
        "outcome",
        "delta_map",
        "delta_map_lower",
        "delta_map_upper",
        "users_with_positives",
        "sentences",
    )
    rows = platform.event_log.read("promotion_decided").to_pylist()
    return [{name: row[name] for name in names} | {"decided_at": row["observed_at"]} for row in rows]
