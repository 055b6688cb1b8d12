"""`mlife backup`: copies of the ledger, restoring one, and bringing it up to date from the log.

Belongs here: the commands, what they print. Does not belong here: how a copy is made (`adapters.ledger_backup`), what
the log knows (`adapters.ledger_catch_up`).

Concept: a restored ledger is older than the log, and sending refuses it until it has caught up. Restoring therefore
catches up at once, after verifying the log that it catches up from.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlife_assets.cli.options import AsJson, Home, open_platform, settings_of
from mlife_assets.cli.output import answer_console, moment, print_json, progress
from mlife_assets.core.errors import InvalidInputError

if TYPE_CHECKING:
    from mlife_assets.components.platform.resources import Platform
    from mlife_assets.settings import Settings

backup_app = typer.Typer(no_args_is_help=True, help="Back up the send ledger, restore it, bring it up to date.")


@backup_app.command()
def create(
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="A new or empty folder, on another disk.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Copy the ledger, the keys and the log's heads, and read the copy back. The contact book is not included.

    Exit codes: 0 done, 1 failed.
    """
    from mlife_assets.adapters.ledger_backup import create_backup
    from mlife_assets.components.shown.present import operator_time

    settings = settings_of(home)
    _require_file(settings)
    platform = open_platform(settings)
    backup = create_backup(
        platform.ledger, platform.settings.private_folder, to.absolute(), now=operator_time(platform)
    )
    if as_json:
        print_json({"folder": str(backup.folder), "created_at": backup.created_at, "rows": dict(backup.rows)})
        return
    answer_console().print(
        f"{backup.folder}: {backup.rows['sends']:,} sends, {backup.rows['suppressions']:,} suppressions, "
        f"{len(backup.files)} files, as of {moment(backup.created_at)}; keep it as private as the ledger",
        soft_wrap=True,
    )


@backup_app.command()
def restore(
    source: Annotated[Path, typer.Option("--from", metavar="DIR", help="What `mlife backup create` wrote.")],
    replaces: Annotated[
        bool,
        typer.Option("--replace", help="Also over a ledger that knows more, which is moved aside, not deleted."),
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Restore a backup and bring it up to date from the event log. Stop everything else that runs in this home first.

    Exit codes: 0 the ledger is restored and agrees with the log, 1 failed.
    """
    from mlife_assets.adapters.ledger_backup import read_backup, restore_backup
    from mlife_assets.components.platform.ledger_recovery import require_intact_log

    settings = settings_of(home)
    _require_file(settings)
    backup = read_backup(source.absolute())
    require_intact_log(open_platform(settings))
    moved = restore_backup(backup, settings.private_folder, replaces=replaces)
    _catch_up(open_platform(settings), [str(path) for path in moved], as_json)


@backup_app.command("catch-up")
def catch_up_ledger(home: Home = None, as_json: AsJson = False) -> None:
    """Bring the ledger up to date from the event log: what to do when it is lost and there is no backup.

    The log knows all sends, replies and pauses, but not who was suppressed for another reason.

    Exit codes: 0 the ledger agrees with the log, 1 failed.
    """
    from mlife_assets.components.platform.ledger_recovery import require_intact_log

    platform = open_platform(settings_of(home))
    require_intact_log(platform)
    _catch_up(platform, [], as_json)


def _require_file(settings: Settings) -> None:
    if settings.database is not None:
        raise InvalidInputError(
            "the ledger is in the database of MLIFE_DATABASE, which has backups of its own: run pg_dump with --schema "
            f"mlife and copy {settings.private_folder / 'keys'} and {settings.private_folder / 'heads'}; after "
            "pg_restore run `mlife backup catch-up`"
        )


def _catch_up(platform: Platform, moved: list[str], as_json: bool) -> None:
    from mlife_assets.components.platform.ledger_recovery import bring_forward
    from mlife_assets.components.shown.present import operator_time

    with progress("reading the event log"):
        result = bring_forward(platform, now=operator_time(platform))
    if as_json:
        print_json(asdict(result) | {"moved_aside": moved})
        return
    console = answer_console()
    for path in moved:
        console.print(f"moved aside: {path}", soft_wrap=True)
    console.print(
        f"The ledger agrees with the event log: {result.sends:,} sends, {result.inbound:,} replies, "
        f"{result.switches:,} switches and {result.approvals:,} approvals were added or moved on from it, "
        f"{result.found_at_provider:,} sends from the provider's records",
        soft_wrap=True,
    )
