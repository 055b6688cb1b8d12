"""`mlife models`: list, history, show, diff; promote, rollback, export, import.

Concept: an artifact is verified before a word of it is printed, so the printed model is the one that would serve.
Refusals are listed like promotions: they explain why a newer version does not serve.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlife_assets.cli.homes import open_model, seal
from mlife_assets.cli.options import OPERATOR, Actor, AsJson, Home, Model, Reason
from mlife_assets.cli.output import answer_console, counted, moment, print_json, say
from mlife_assets.components.shown.verdicts import imports, last_verdict, outcome_words, verdicts
from mlife_assets.core.errors import GateClosedError, IntegrityError, InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from datetime import datetime

    from mlife_assets.core.training.model_diff import ModelDiff
    from mlife_assets.deployments.ports import ModelPorts


AGAINST = "against the gate"
PUBLIC_KEY = re.compile(r"[0-9a-f]{64}")
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
    _print_model(document)


def _print_model(document: dict[str, Any]) -> None:
    from mlife_assets.core.training.manifest_facts import section_of, value_words

    mark = "  (champion)" if document["is_champion"] else ""
    say(f"{document['model_version']}{mark}", style="bold")
    _print_pairs(
        [
            ("as of", str(document["as_of_date"])),
            ("registered", moment(document["registered_at"])),
            ("card", document["card"] or "none was written"),
            ("monitoring reference", "yes" if document["has_monitoring_reference"] else "none that can be read"),
            ("training data", document["training_data_hash"]),
        ],
    )
    for one in document["imported"]:
        say(
            f"  imported at {moment(one['imported_at'])} from {one['environment']}, {one['bundle_id']} signed by "
            f"{one['signed_by']}, by {one['actor']}: {one['reason']}"
        )
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, value in document["facts"].items():
        groups.setdefault(section_of(name, value), []).append((name, value_words(value)))
    for title in ("windows", "data", "metrics", "method", "policy"):
        if title in groups:
            say(f"\n{title}", style="bold")
            _print_pairs(groups[title])
    for stage, importance in document["importance"].items():
        say(f"\nimportance{f' of {stage}' if stage else ''} (mean |SHAP|)", style="bold")
        _print_pairs([(name, f"{value:.4f}") for name, value in list(importance.items())[:FEATURES_SHOWN]])
        if len(importance) > FEATURES_SHOWN:
            say(f"  and {len(importance) - FEATURES_SHOWN} more")
    say("\nfeatures", style="bold")
    say(f"  {', '.join(document['features'])}")
    for feature, values in document["vocabularies"].items():
        say(f"  {feature}: {', '.join(values)}")
    say("\ngate", style="bold")
    for row in document["verdicts"]:
        say(f"  {moment(row['decided_at'])}  {outcome_words(row)}")
        say(*(f"    {sentence}" for sentence in row["sentences"]))
    if not document["verdicts"]:
        say("  not judged")
    for fold in document["folds"]:
        days = f"days up to {fold['trained_to']}"
        say(f"  the week from {fold['first_day']} by {fold['model_version']}, the recipe fitted on {days}")
    say("\nserved", style="bold")
    for reign in document["served"]:
        until = moment(reign["until"]) if reign["until"] else "now"
        say(f"  {moment(reign['since'])} to {until}, {reign['kind'].replace('_', ' ')}")
        say(f"    by {reign['actor']}: {reign['reason']}")
    if not document["served"]:
        say("  never")


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
    _print_diff(found)
    say("\ngate", style="bold")
    for name in dict.fromkeys(names):
        row = judged[name]
        first = f": {row['sentences'][0]}" if row and row["sentences"] else ""
        say(f"  {name} {outcome_words(row)}{first}")


def _print_diff(found: ModelDiff) -> None:
    from rich.table import Table

    from mlife_assets.core.training.manifest_facts import value_words

    say(*found.sentences)
    if found.facts:
        say("")
        table = Table("", "fact", found.left_version, found.right_version, "change", box=None)
        for fact in found.facts:
            table.add_row(
                fact.section,
                fact.name,
                "" if fact.is_new else value_words(fact.left),
                "" if fact.is_gone else value_words(fact.right),
                "" if fact.change is None else f"{fact.change:+.6g}",
            )
        answer_console().print(table)
    moved = [shift for shift in found.importance if shift.change][:SHIFTS_SHOWN]
    if moved:
        say("")
        table = Table("", "share of importance", found.left_version, found.right_version, "change", box=None)
        for shift in moved:
            row = (f"{100 * shift.left_share:.1f} %", f"{100 * shift.right_share:.1f} %", f"{100 * shift.change:+.1f}")
            table.add_row(shift.stage, shift.feature, *row)
        answer_console().print(table)


def _print_pairs(pairs: list[tuple[str, str]]) -> None:
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        say(f"  {name:<{width}}  {value}")


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
    say("* champion" if champion else "No model was promoted yet.")


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
    for at, place, title, lines in sorted(entries, key=lambda entry: entry[:3]):
        say(f"{moment(at)}  {title}", style="bold" if place else "")
        say(*(f"    {line}" for line in lines))
    if not entries:
        say("No model was judged or promoted yet.")


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
    """Return path or address of a version's card; None without one."""
    key = platform.registry.card_key(model_version)
    if not platform.lake.exists(key):
        return None
    return f"{platform.settings.places.lake_name}/{key}"


def reference_fault(platform: ModelPorts, model_version: str) -> str | None:
    """Return why monitoring cannot read the reference of a version, and the remedy; None if it can.

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


def promote(
    version: Version,
    reason: Reason,
    actor: Actor = OPERATOR,
    against_the_gate: Annotated[
        bool,
        typer.Option("--against-the-gate", help="Promote even though the gate did not; the recorded reason says so."),
    ] = False,
    model: Model = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make a version the champion by hand; recorded as `model_promoted`.

    The endpoint uses it from its next request on, the daily job from the next day that runs. For an imported version
    that the gate here has not judged, the verdict of its home's gate counts, and the recorded reason says so.

    Exit codes: 0 done, 1 failed, it serves already, or the gate did not promote it.
    """
    from mlife_assets.components.shown.present import operator_time

    platform = open_model(home, model)
    name = platform.registry.resolve(version)
    previous = platform.registry.champion()
    if name == previous:
        raise GateClosedError(f"{name} serves already, so there is nothing to promote")
    verdict = last_verdict(platform, name)
    outcome = verdict["outcome"] if verdict else None
    if outcome != "promoted":
        if not against_the_gate:
            raise GateClosedError(
                f"the gate's last verdict on {name} is: {outcome_words(verdict)}; `mlife models show {name}` says "
                "why, and --against-the-gate promotes it anyway"
            )
        reason = f"{AGAINST} ({outcome_words(verdict)}): {reason}"
    elif verdict and verdict["environment"]:
        reason = f"{outcome_words(verdict)}, not judged here: {reason}"
    now = operator_time(platform)
    fault = reference_fault(platform, name)
    platform.registry.promote(name, actor=actor, reason=reason, now=now)
    seal(platform)
    if as_json:
        _print_change(
            platform, name, previous, actor, reason, now, gate=outcome, has_monitoring_reference=fault is None
        )
        return
    _show_change(platform, "serves", name, previous, actor, reason, now, fault=fault)


def rollback(
    reason: Reason,
    actor: Actor = OPERATOR,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="VERSION",
            help="An earlier champion, or its first letters.",
            show_default="the one before the champion",
        ),
    ] = None,
    model: Model = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Return to an earlier champion; recorded as `model_rolled_back`.

    The endpoint uses it from its next request on, the daily job from the next day that runs.

    Exit codes: 0 done, 1 failed or there is none to return to.
    """
    from mlife_assets.components.acts.rollback import roll_back

    platform = open_model(home, model)
    done = roll_back(platform, actor=actor, reason=reason, to=to)
    name, previous, now = done.model_version, done.previous_version, done.at
    fault = reference_fault(platform, name)
    if as_json:
        _print_change(platform, name, previous, actor, reason, now, has_monitoring_reference=fault is None)
    else:
        _show_change(platform, "serves again", name, previous, actor, reason, now, fault=fault)


def _print_change(
    platform: ModelPorts, name: str, previous: str | None, actor: str, reason: str, now: datetime, **more: object
) -> None:
    from mlife_assets.components.shown.present import next_day

    print_json(
        {
            "model_version": name,
            "previous_version": previous,
            "actor": actor,
            "reason": reason,
            "at": now,
            "first_day": next_day(platform),
            **more,
        }
    )


def _show_change(
    platform: ModelPorts,
    verb: str,
    name: str,
    previous: str | None,
    actor: str,
    reason: str,
    now: datetime,
    *,
    fault: str | None,
) -> None:
    from mlife_assets.components.shown.present import next_day

    whom = f"in place of {previous}" if previous else "the first one"
    say(f"{name} {verb}, {whom}.", f"  by {actor} at {moment(now)}: {reason}")
    first = next_day(platform)
    say(f"  The endpoint uses it from its next request on, the daily job from {first} on.")
    if fault is not None:
        say(f"  It has no monitoring reference that can be read, so the checks of {first} will stop that day: {fault}.")


def export_version(
    version: Version,
    to: Annotated[str, typer.Option("--to", metavar="PLACE", help="A folder or s3://bucket/prefix.")],
    actor: Annotated[str, typer.Option("--actor", metavar="NAME", help="Who; goes along.")] = OPERATOR,
    model: Model = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Write a version to a place, with the gate's verdict on it, for `mlife models import` elsewhere.

    The bundle is signed with the key that signs the event log. It is never changed; the same again is a no-op. The
    monitoring reference goes along, and holds rows of people.

    Exit codes: 0 done, 1 failed, or the files there were changed.
    """
    from mlife_assets.adapters.object_store import ObstoreObjectStore
    from mlife_assets.adapters.private_files import made_private
    from mlife_assets.components.acts.model_travel import bundled_verdict, export_model

    platform = open_model(home, model)
    name = platform.registry.resolve(version)
    place = platform.settings.places.of_option("--to", to)
    with made_private():
        bundle, is_new = export_model(platform, name, ObstoreObjectStore.at(place), actor=actor)
    verdict = bundled_verdict(bundle)
    key_is_public = platform.settings.key_seed is not None
    document = {
        "model_version": name,
        "bundle": f"{name}/{bundle.bundle_id}",
        "environment": bundle.environment,
        "exported_at": bundle.exported_at,
        "exported_by": bundle.exported_by,
        "files": sorted(bundle.files),
        "has_monitoring_reference": reference_fault(platform, name) is None,
        "is_new": is_new,
        "key_is_public": key_is_public,
        "signed_by": bundle.signed_by,
    }
    if as_json:
        print_json(document)
        return
    words = verdict["outcome"].replace("_", " ")
    size = f"{counted(len(bundle.files), 'file')}, {sum(map(len, bundle.files.values())):,} bytes"
    state = f"is at {to}" if is_new else f"was at {to} already, exported by {bundle.exported_by}"
    say(f"{document['bundle']} {state}: {size}.", f"  The gate's last verdict on it in {bundle.environment}: {words}.")
    if not document["has_monitoring_reference"]:
        say("  It has no monitoring reference, so where it comes to serve its checks will stop.")
    say(f"  Signed by {bundle.signed_by}")
    if key_is_public:
        say("  This key derives from a public seed and proves nothing: anybody can sign with it.")
    say("  The importer names this key, and should have it from you, not from that place.")


def import_version(
    place: Annotated[str, typer.Argument(metavar="PLACE", help="Where it was exported to.")],
    signed_by: Annotated[
        str,
        typer.Option(
            "--signed-by", metavar="KEY", help="Public key of the environment that exported it, 64 hexadecimal digits."
        ),
    ],
    reason: Reason,
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="A model version, or version/bundle; first letters will do.")
    ] = "",
    actor: Actor = OPERATOR,
    model: Model = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Register a version that was exported elsewhere; recorded as `model_imported`. It does not serve yet.

    Every byte is checked first, and who signed. `mlife models promote` makes it serve if the gate there promoted it.

    Exit codes: 0 done, 1 failed, it is not whole, not signed by KEY, or does not fit the declaration here.
    """
    from mlife_assets.adapters.model_bundles import find_bundle, read_bundle
    from mlife_assets.adapters.object_store import ObstoreObjectStore
    from mlife_assets.components.acts.model_travel import import_model

    if not PUBLIC_KEY.fullmatch(key := signed_by.lower()):
        raise InvalidInputError(
            "--signed-by is no public key; write the 64 hexadecimal digits that `mlife models export` prints where the "
            "model comes from"
        )
    platform = open_model(home, model)
    where = platform.settings.places.of_option("PLACE", place)
    if isinstance(where, Path) and not where.is_dir():
        raise NotFoundError(f"there is no folder {where}; name the place of `mlife models export --to`")
    store = ObstoreObjectStore.at(where)
    bundle = read_bundle(store, find_bundle(store, version), bytes.fromhex(key))
    done = import_model(platform, bundle, actor=actor, reason=reason)
    fault = reference_fault(platform, done.model_version)
    newest = last_verdict(platform, done.model_version)
    said = (bundle.environment, done.judged_at)
    counts = newest is not None and (newest["environment"], newest["decided_at"]) == said
    if as_json:
        print_json(
            {
                "model_version": done.model_version,
                "bundle": f"{done.model_version}/{bundle.bundle_id}",
                "environment": bundle.environment,
                "exported_at": bundle.exported_at,
                "exported_by": bundle.exported_by,
                "gate": done.outcome,
                "judged_at": done.judged_at,
                "verdict_counts": counts,
                "sentences": list(done.sentences),
                "has_monitoring_reference": fault is None,
                "is_new": done.is_new,
                "signed_by": bundle.signed_by,
            }
        )
        return
    say(f"{done.model_version} is registered{'' if done.is_new else ', as it was'}.")
    say(f"  It comes from {bundle.environment}, exported by {bundle.exported_by} at {moment(bundle.exported_at)}.")
    first = "".join(f" {one}" for one in done.sentences[:1])
    say(f"  The gate there: {done.outcome.replace('_', ' ')}.{first}")
    if done.judged_at is not None and newest is not None and not counts:
        say(f"  It does not count: what does is {outcome_words(newest)}, of {moment(newest['decided_at'])}.")
    if fault is not None:
        say(f"  It has no monitoring reference that can be read: {fault}.")
    say(f"  It does not serve: `mlife models promote {done.model_version} --reason ...` does that.")
