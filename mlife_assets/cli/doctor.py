"""`mlife doctor`: whether a deployment can do its work, before it does any.

Belongs here: what is looked at and printing it. Does not belong here: how a store is tried out
(`adapters.store_checkup`).

Concept: each part is looked at whatever the others say, so one call names everything that is wrong. It leaves two small
objects in the lake and changes nothing else.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from mlife_assets.cli.exits import ExitCode
from mlife_assets.cli.options import AsJson, Home, settings_of
from mlife_assets.cli.output import answer_console, print_json
from mlife_assets.cli.project_home import project_settings

if TYPE_CHECKING:
    from mlife_assets.core.checkup import Finding
    from mlife_assets.home_settings import HomeSettings


def doctor(home: Home = None, as_json: AsJson = False) -> None:
    """Check that lake, disk and extensions are there and do what mlife relies on; says what to do about the rest.

    Exit codes: 0 all is well; 1 something has to be done.
    """
    settings = project_settings(home) or settings_of(home)
    found = _look(settings)
    faults = [one for one in found if one.is_fault]
    if as_json:
        print_json({"home": str(settings.home), "faults": len(faults), "found": [asdict(one) for one in found]})
    else:
        console = answer_console()
        for one in found:
            console.print(f"{'FAULT' if one.is_fault else 'ok':<6}{one.part}: {one.says}", soft_wrap=True)
            if one.is_fault:
                console.print(f"      do: {one.remedy}", soft_wrap=True)
        console.print(f"{len(faults)} of {len(found)} need something done" if faults else "all is well")
    if faults:
        raise typer.Exit(ExitCode.FAILED)


def _look(settings: HomeSettings) -> list[Finding]:
    from mlife_assets.adapters.clock import SystemClock
    from mlife_assets.adapters.dbt_bucket import extension_path
    from mlife_assets.adapters.object_store import ObstoreObjectStore
    from mlife_assets.adapters.store_checkup import look_at_disk, look_at_store
    from mlife_assets.core.checkup import Finding, faults_found
    from mlife_assets.core.storage_places import Bucket

    found = [look_at_disk("MLIFE_HOME", settings.home)]
    with faults_found("MLIFE_LAKE", found):
        store = ObstoreObjectStore.at(settings.lake_place)
        found += look_at_store("MLIFE_LAKE", settings.lake_name, store, SystemClock().now)
    if isinstance(settings.lake_place, Bucket):
        with faults_found("DuckDB", found):
            found.append(Finding("DuckDB", f"its extension for buckets is {extension_path().parent.name}"))
    return found
