"""`mlife tables`: what days leave for one another in the lake.

Concept: what is removed is gone, so without --apply it is only named.
"""

from __future__ import annotations

from typing import Annotated

import typer

from mlife_assets.cli.options import AsJson, Home, require_event_log, settings_of
from mlife_assets.cli.output import answer_console, counted, print_json
from mlife_assets.cli.project_home import open_project, project_settings

tables_app = typer.Typer(no_args_is_help=True, help="Tables that days leave in the lake.")


@tables_app.callback()
def _tables() -> None:
    """Keep `prune` a command of its own while it is the only one."""


@tables_app.command()
def prune(
    keep_days: Annotated[
        int | None,
        typer.Option("--keep-days", metavar="DAYS", help="How many days before the newest stay.", show_default="120"),
    ] = None,
    applies: Annotated[bool, typer.Option("--apply", help="Remove them; without it they are only named.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Remove pairs and scores of days long past, which no later day reads; the event log stays as it is.

    Materializing a day makes its tables again. In a bucket the key needs s3:DeleteObject on what is named.

    Exit codes: 0 done, 1 failed or nothing has run there.
    """
    from mlife_assets.adapters.clock import SystemClock
    from mlife_assets.adapters.object_store import ObstoreObjectStore
    from mlife_assets.adapters.tables import old_tables
    from mlife_assets.adapters.tables import prune as remove
    from mlife_assets.recruiting.retention_policy import RetentionPolicy

    if project := project_settings(home):
        open_project(project)
        place, policy = project.lake_place, RetentionPolicy()
    else:
        settings = settings_of(home)
        require_event_log(settings)
        place, policy = settings.lake_place, settings.policies().retention
    policy = policy if keep_days is None else RetentionPolicy(table_days=keep_days)
    found = (remove if applies else old_tables)(ObstoreObjectStore.at(place), policy, SystemClock().now().date())
    if as_json:
        print_json({"is_applied": applies, "keep_days": policy.table_days, "tables": found})
        return
    console = answer_console()
    for name, keys in found.items():
        first, last = (key.split("as_of_date=")[1].partition("/")[0] for key in (keys[0], keys[-1]))
        console.print(f"{name}: {counted(len(keys), 'day')}, {first} to {last}", soft_wrap=True)
    count = sum(map(len, found.values()))
    were = f"{'was' if count == 1 else 'were'} removed" if applies else "would be removed"
    hint = "; --apply removes them" if count and not applies else ""
    console.print(f"{counted(count, 'table')} {were}{hint}.", style="bold", soft_wrap=True)
