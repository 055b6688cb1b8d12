"""`mlife models promote`, `rollback`, `export` and `import`: a person changes who serves, or takes a version elsewhere.

Concept: nothing is deleted and nothing is copied. A change is an event with actor and reason; the endpoint follows it
with its next request, the daily job with the next day that runs. The gate can be overruled, but not silently: the
reason on record then says so. It says so, too, where another environment's gate promoted an imported version and the
gate here has not judged it. An importer says whose word counts, by a public key that came another way than the files.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlife_assets.cli.models.inspection import Version, reference_fault
from mlife_assets.cli.options import OPERATOR, Actor, AsJson, Home, Model, Reason, open_model, seal
from mlife_assets.cli.output import answer_console, counted, moment, print_json
from mlife_assets.components.shown.verdicts import last_verdict, outcome_words
from mlife_assets.core.errors import GateClosedError, InvalidInputError, NotFoundError
from mlife_assets.recruiting.kept_words import kept_words

if TYPE_CHECKING:
    from datetime import datetime

    from mlife_assets.deployments.ports import ModelPorts

AGAINST = "against the gate"
PUBLIC_KEY = re.compile(r"[0-9a-f]{64}")


def promote(
    version: Version,
    reason: Reason,
    actor: Actor = OPERATOR,
    against_the_gate: Annotated[
        bool,
        typer.Option(
            "--against-the-gate",
            help="Promote even though the gate did not; the recorded reason says so.",
        ),
    ] = False,
    model: Model = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make a version the champion by hand; recorded as `model_promoted`.

    The endpoint uses it from its next request on, the daily job from the next day that runs. Of an imported version
    that the gate here has not judged, what the gate said where it comes from counts, and the recorded reason says so.

    Exit codes: 0 done, 1 failed, it serves already, or the gate did not promote it.
    """
    from mlife_assets.components.shown.present import operator_time

    reason, actor = kept_words("--reason", reason), kept_words("--actor", actor)
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

    reason, actor = kept_words("--reason", reason), kept_words("--actor", actor)
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

    console = answer_console()
    whom = f"in place of {previous}" if previous else "the first one"
    console.print(f"{name} {verb}, {whom}.", soft_wrap=True)
    console.print(f"  by {actor} at {moment(now)}: {reason}", soft_wrap=True)
    first = next_day(platform)
    console.print(f"  The endpoint uses it from its next request on, the daily job from {first} on.", soft_wrap=True)
    if fault is not None:
        console.print(
            f"  It has no monitoring reference that can be read, so the checks of {first} will stop that day: {fault}.",
            soft_wrap=True,
        )


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

    Exit codes: 0 done, 1 failed, or what is there was changed.
    """
    from mlife_assets.adapters.object_store import ObstoreObjectStore
    from mlife_assets.adapters.private_files import made_private
    from mlife_assets.components.acts.model_travel import bundled_verdict, export_model

    platform = open_model(home, model)
    name = platform.registry.resolve(version)
    place = platform.settings.place_named("--to", to)
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
    console = answer_console()
    words = verdict["outcome"].replace("_", " ")
    size = f"{counted(len(bundle.files), 'file')}, {sum(map(len, bundle.files.values())):,} bytes"
    state = f"is at {to}" if is_new else f"was at {to} already, exported by {bundle.exported_by}"
    console.print(f"{document['bundle']} {state}: {size}.", soft_wrap=True)
    console.print(f"  The gate's last verdict on it in {bundle.environment}: {words}.", soft_wrap=True)
    if not document["has_monitoring_reference"]:
        console.print("  It has no monitoring reference, so where it comes to serve its checks will stop.")
    console.print(f"  Signed by {bundle.signed_by}", soft_wrap=True)
    if key_is_public:
        console.print("  This key derives from a public seed and proves nothing: anybody can sign with it.")
    console.print("  Whoever imports it names this key, and should have it from you, not from that place.")


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
        str,
        typer.Argument(metavar="VERSION", help="A model version, or version/bundle; first letters will do."),
    ] = "",
    actor: Actor = OPERATOR,
    model: Model = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Register a version that was exported elsewhere; recorded as `model_imported`. It does not serve yet.

    Every byte is checked first, and who signed. `mlife models promote` makes it serve if the gate there promoted it.

    Exit codes: 0 done, 1 failed, it is not whole, not signed by KEY, or does not fit what is declared here.
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
    where = platform.settings.place_named("PLACE", place)
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
    console = answer_console()
    console.print(f"{done.model_version} is registered{'' if done.is_new else ', as it was'}.", soft_wrap=True)
    console.print(
        f"  It comes from {bundle.environment}, exported by {bundle.exported_by} at {moment(bundle.exported_at)}.",
        soft_wrap=True,
    )
    first = "".join(f" {one}" for one in done.sentences[:1])
    console.print(f"  The gate there: {done.outcome.replace('_', ' ')}.{first}", soft_wrap=True)
    if done.judged_at is not None and newest is not None and not counts:
        console.print(
            f"  It does not count: what does is {outcome_words(newest)}, of {moment(newest['decided_at'])}.",
            soft_wrap=True,
        )
    if fault is not None:
        console.print(f"  It has no monitoring reference that can be read: {fault}.", soft_wrap=True)
    console.print(f"  It does not serve: `mlife models promote {done.model_version} --reason ...` does that.")
