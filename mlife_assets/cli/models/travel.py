"""`mlife models export` and `mlife models import`: a version leaves one environment and comes into another.

Belongs here: opening the place, reading a public key, printing what was done. Does not belong here: what goes along and
what has to fit (`components.acts.model_travel`), who serves (`service`).

Concept: whose word counts is said by whoever imports, by a public key that came another way than the files.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from mlife_assets.cli.models.inspection import Version
from mlife_assets.cli.models.records import reference_fault
from mlife_assets.cli.options import OPERATOR, Actor, AsJson, Home, Model, Reason, open_model
from mlife_assets.cli.output import answer_console, counted, moment, print_json
from mlife_assets.components.shown.verdicts import last_verdict, outcome_words
from mlife_assets.core.errors import InvalidInputError, NotFoundError

PUBLIC_KEY = re.compile(r"[0-9a-f]{64}")


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
