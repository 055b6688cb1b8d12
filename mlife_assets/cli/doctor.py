"""`mlife doctor`: whether a deployment can do its work, before it does any.

Concept: each part is looked at whatever the others say, so one call names everything that is wrong. It leaves two small
objects in a lake that is there and changes nothing else.
"""

from __future__ import annotations

from dataclasses import asdict

import typer

from mlife_assets.cli.exits import ExitCode
from mlife_assets.cli.options import AsJson, Home, settings_of
from mlife_assets.cli.output import answer_console, print_json
from mlife_assets.cli.project_home import project_settings


def doctor(home: Home = None, as_json: AsJson = False) -> None:
    """Check that lake, disk and database are there and do what mlife relies on; says what to do about the rest.

    Exit codes: 0 all is well; 1 something has to be done.
    """
    from mlife_assets.deployments.places import look_at_places

    settings = project_settings(home) or settings_of(home)
    found = look_at_places(settings)
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
