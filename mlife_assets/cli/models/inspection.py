"""`mlife models list`, `history`, `show` and `diff`.

Concept: an artifact is verified before a word of it is printed, so what is shown is what would serve. Refusals are
listed like promotions: they explain why a newer version does not serve.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlife_assets.cli.options import AsJson, Home, Model, open_model
from mlife_assets.cli.output import answer_console, moment, print_json
from mlife_assets.components.shown.verdicts import imports, last_verdict, outcome_words, verdicts
from mlife_assets.core.errors import IntegrityError

if TYPE_CHECKING:
    from rich.console import Console

    from mlife_assets.core.training.model_diff import ModelDiff
    from mlife_assets.deployments.ports import ModelPorts

FEATURES_SHOWN = 20
SHIFTS_SHOWN = 12

Version = Annotated[str, typer.Argument(metavar="VERSION", help="A model version, its first letters, or `champion`.")]


def show(version: Version, model: Model = None, home: Home = None, as_json: AsJson = False) -> None:
    """Show all that is on record about a version: facts, features, verdicts, when it served, where its card is.

    Exit codes: 0 done, 1 there is no such version, or its artifact was changed.
    """
    from mlife_assets.components.model.out_of_sample import stored_folds
    from mlife_assets.core.training.manifest_facts import importance_by_stage, manifest_facts

    platform = open_model(home, model)
    name = platform.registry.resolve(version)
    artifact = platform.registry.load(name)
    registered = registration(platform, name)
    spec = artifact.feature_spec
    document: dict[str, Any] = {
        "model_version": name,
        "is_champion": platform.registry.champion() == name,
        "as_of_date": registered["as_of_date"],
        "registered_at": registered["observed_at"],
        "training_data_hash": artifact.training_data_hash,
        "facts": manifest_facts(artifact.manifest),
        "importance": importance_by_stage(artifact.manifest),
        "features": list(spec.names),
        "vocabularies": {feature: list(values) for feature, values in spec.vocabularies},
        "rates": [asdict(rate) for rate in spec.rates],
        "files": sorted(artifact.files()),
        "imported": imports(platform, name),
        "verdicts": verdicts(platform, name),
        "folds": [asdict(fold) for fold in stored_folds(platform, registered["as_of_date"], name)],
        "served": reigns(platform, name),
        "card": card_place(platform, name),
        "has_monitoring_reference": reference_fault(platform, name) is None,
    }
    if as_json:
        print_json(document)
        return
    _print_model(answer_console(), document)


def _print_model(console: Console, document: dict[str, Any]) -> None:
    from mlife_assets.core.training.manifest_facts import section_of, value_words

    mark = "  (champion)" if document["is_champion"] else ""
    console.print(f"{document['model_version']}{mark}", style="bold", soft_wrap=True)
    _print_pairs(
        console,
        [
            ("as of", str(document["as_of_date"])),
            ("registered", moment(document["registered_at"])),
            ("card", document["card"] or "none was written"),
            ("monitoring reference", "yes" if document["has_monitoring_reference"] else "none that can be read"),
            ("training data", document["training_data_hash"]),
        ],
    )
    for one in document["imported"]:
        console.print(
            f"  imported at {moment(one['imported_at'])} from {one['environment']}, {one['bundle_id']} signed by "
            f"{one['signed_by']}, by {one['actor']}: {one['reason']}",
            soft_wrap=True,
        )
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, value in document["facts"].items():
        groups.setdefault(section_of(name, value), []).append((name, value_words(value)))
    for title in ("windows", "data", "metrics", "method", "policy"):
        if title in groups:
            console.print(f"\n{title}", style="bold")
            _print_pairs(console, groups[title])
    for stage, importance in document["importance"].items():
        console.print(f"\nimportance{f' of {stage}' if stage else ''} (mean |SHAP|)", style="bold")
        _print_pairs(console, [(name, f"{value:.4f}") for name, value in list(importance.items())[:FEATURES_SHOWN]])
        if len(importance) > FEATURES_SHOWN:
            console.print(f"  and {len(importance) - FEATURES_SHOWN} more")
    console.print("\nfeatures", style="bold")
    console.print(f"  {', '.join(document['features'])}", soft_wrap=True)
    for feature, values in document["vocabularies"].items():
        console.print(f"  {feature}: {', '.join(values)}", soft_wrap=True)
    console.print("\ngate", style="bold")
    for row in document["verdicts"]:
        console.print(f"  {moment(row['decided_at'])}  {outcome_words(row)}")
        for sentence in row["sentences"]:
            console.print(f"    {sentence}", soft_wrap=True)
    if not document["verdicts"]:
        console.print("  not judged")
    for fold in document["folds"]:
        days = f"days up to {fold['trained_to']}"
        console.print(f"  the week from {fold['first_day']} by {fold['model_version']}, the recipe fitted on {days}")
    console.print("\nserved", style="bold")
    for reign in document["served"]:
        until = moment(reign["until"]) if reign["until"] else "now"
        console.print(f"  {moment(reign['since'])} to {until}, {reign['kind'].replace('_', ' ')}", soft_wrap=True)
        console.print(f"    by {reign['actor']}: {reign['reason']}", soft_wrap=True)
    if not document["served"]:
        console.print("  never")


def diff(
    left: Annotated[str, typer.Argument(metavar="A", help="A model version, its first letters, or `champion`.")],
    right: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    model: Model = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show what differs between two versions: data, policy, code, features, known values, importance, verdicts.

    Exit codes: 0 done, 1 there is no such version, or an artifact was changed.
    """
    from mlife_assets.core.training.model_diff import diff_models

    platform = open_model(home, model)
    names = [platform.registry.resolve(text) for text in (left, right)]
    found = diff_models(*(platform.registry.load(name) for name in names))
    judged = {name: last_verdict(platform, name) for name in names}
    if as_json:
        changes = [asdict(fact) | {"change": fact.change} for fact in found.facts]
        shifts = [asdict(shift) | {"change": shift.change} for shift in found.importance]
        print_json(
            asdict(found)
            | {"facts": changes, "importance": shifts, "sentences": found.sentences, "last_verdicts": judged}
        )
        return
    _print_diff(answer_console(), found)
    console = answer_console()
    console.print("\ngate", style="bold")
    for name in dict.fromkeys(names):
        row = judged[name]
        first = f": {row['sentences'][0]}" if row and row["sentences"] else ""
        console.print(f"  {name} {outcome_words(row)}{first}", soft_wrap=True)


def _print_diff(console: Console, found: ModelDiff) -> None:
    from rich.table import Table

    from mlife_assets.core.training.manifest_facts import value_words

    for sentence in found.sentences:
        console.print(sentence, soft_wrap=True)
    if found.facts:
        console.print()
        table = Table("", "fact", found.left_version, found.right_version, "change", box=None)
        for fact in found.facts:
            table.add_row(
                fact.section,
                fact.name,
                "" if fact.is_new else value_words(fact.left),
                "" if fact.is_gone else value_words(fact.right),
                "" if fact.change is None else f"{fact.change:+.6g}",
            )
        console.print(table)
    moved = [shift for shift in found.importance if shift.change][:SHIFTS_SHOWN]
    if moved:
        console.print()
        table = Table("", "share of importance", found.left_version, found.right_version, "change", box=None)
        for shift in moved:
            row = (f"{100 * shift.left_share:.1f} %", f"{100 * shift.right_share:.1f} %", f"{100 * shift.change:+.1f}")
            table.add_row(shift.stage, shift.feature, *row)
        console.print(table)


def _print_pairs(console: Console, pairs: list[tuple[str, str]]) -> None:
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        console.print(f"  {name:<{width}}  {value}", soft_wrap=True)


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


def reigns(platform: ModelPorts, model_version: str) -> list[dict[str, Any]]:
    """Return when a version served: since, until (None while it serves), how, by whom, why; oldest first."""
    history = platform.registry.history()
    ends = [*(reign.since for reign in history[1:]), None][: len(history)]
    return [
        asdict(reign) | {"until": until}
        for reign, until in zip(history, ends, strict=True)
        if reign.model_version == model_version
    ]


def registration(platform: ModelPorts, model_version: str) -> dict[str, Any]:
    """Return the registration of a registered version."""
    return next(row for row in platform.registry.versions() if row["model_version"] == model_version)


def card_place(platform: ModelPorts, model_version: str) -> str | None:
    """Return where the card of a version lies, as a path or an address; None when there is none."""
    key = platform.registry.card_key(model_version)
    if not platform.lake.exists(key):
        return None
    return f"{platform.settings.lake_name}/{key}"


def reference_fault(platform: ModelPorts, model_version: str) -> str | None:
    """Return why monitoring cannot read what normal looks like to a version, and the remedy; None where it can.

    With a fault the daily checks stop. A damaged report of a later day hides what lies before it.
    """
    from mlife_assets.components.monitoring.inputs import reference_source
    from mlife_assets.core.monitoring.reference import is_readable

    try:
        found = reference_source(platform, model_version)
    except IntegrityError as error:
        return str(error)
    if found is not None and is_readable(found[2]):
        return None
    if imports(platform, model_version) if found is None else found[0] is not platform.model_tables:
        return "export it again where it served, with a reference that this mlife reads, and import that"
    day = registration(platform, model_version)["as_of_date"] if found is None else found[1]
    return f"materialize {platform.group}/monitoring_reference for {day} before"
