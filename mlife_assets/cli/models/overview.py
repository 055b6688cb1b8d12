"""`mlife models list` and `mlife models history`.

Belongs here: all versions at a glance, and all changes and verdicts in time. Does not belong here: one version
(`inspection`), changing who serves (`service`).

Concept: refusals are listed like promotions, so that the list explains why a newer version does not serve.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mlife_assets.cli.options import AsJson, Home, Model, open_model
from mlife_assets.cli.output import answer_console, moment, print_json
from mlife_assets.components.shown.verdicts import outcome_words, verdicts


def list_models(model: Model = None, home: Home = None, as_json: AsJson = False) -> None:
    """List all registered models, oldest first, and mark the champion.

    Exit codes: 0 done, 1 failed.
    """
    platform = open_model(home, model)
    champion = platform.registry.champion()
    judged = {row["model_version"]: row for row in verdicts(platform)}
    names = ("as_of_date", "training_start_date", "training_end_date", "examples", "positives", "training_data_hash")
    rows = [
        {
            "model_version": row["model_version"],
            **{name: row[name] for name in names},
            "registered_at": row["observed_at"],
            "gate": judged[row["model_version"]]["outcome"] if row["model_version"] in judged else None,
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
            outcome_words(judged.get(row["model_version"])),
        )
    console = answer_console()
    console.print(table)
    console.print("* champion" if champion else "No model was promoted yet.")


def history(model: Model = None, home: Home = None, as_json: AsJson = False) -> None:
    """Show which model served when, who decided that and why, and every verdict of the gate.

    Exit codes: 0 done, 1 failed.
    """
    platform = open_model(home, model)
    changes = [asdict(reign) for reign in platform.registry.history()]
    judged = verdicts(platform)
    if as_json:
        print_json({"champion": platform.registry.champion(), "changes": changes, "verdicts": judged})
        return
    entries: list[tuple[Any, int, str, list[str]]] = []
    for row in judged:
        title = f"gate: {outcome_words(row)}  {row['model_version']}"
        entries.append((row["decided_at"], 0, title, row["sentences"]))
    for change in changes:
        title = f"{change['kind'].replace('_', ' ')}  {change['model_version']}"
        if change["previous_version"]:
            title += f"  (before: {change['previous_version']})"
        entries.append((change["since"], 1, title, [f"by {change['actor']}: {change['reason']}"]))
    console = answer_console()
    for at, place, title, lines in sorted(entries, key=lambda entry: entry[:3]):
        console.print(f"{moment(at)}  {title}", style="bold" if place else "", soft_wrap=True)
        for line in lines:
            console.print(f"    {line}", soft_wrap=True)
    if not entries:
        console.print("No model was judged or promoted yet.")
