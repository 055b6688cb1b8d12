"""`mlife backup`: copies of a whole deployment, restoring one, and bringing its ledger up to date from the log.

Concept: a restored ledger is older than the log, and sending refuses it until it has caught up. Restoring therefore
catches up at once, after verifying the log that it catches up from, and builds what no backup holds.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlife_assets.cli.homes import board_settings, open_board, opened_board, require_event_log
from mlife_assets.cli.options import AsJson, Home
from mlife_assets.cli.output import moment, print_json, progress, say

if TYPE_CHECKING:
    from datetime import date

    from mlife_assets.adapters.ledger_catch_up import CaughtUp
    from mlife_assets.deployments.board_ports import BoardPorts
    from mlife_assets.settings import Settings

backup_app = typer.Typer(no_args_is_help=True, help="Back up a deployment, restore it, bring its ledger up to date.")


@backup_app.command()
def create(
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="A new or empty folder, on another disk.")],
    without_lake: Annotated[
        bool, typer.Option("--without-lake", help="Only ledger, keys and heads: for a lake that is copied otherwise.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Copy lake, ledger, keys and signed heads so that they fit together, also while a day runs; read the copy back.

    A ledger on PostgreSQL is in it as a file. Not included: the contact book, the warehouse, which is rebuilt, and
    Dagster's records.

    Exit codes: 0 done, 1 failed.
    """
    from mlife_assets.components.shown.present import operator_time
    from mlife_assets.deployments.backup import back_up

    platform = open_board(home)
    with progress("copying and reading back"):
        backup = back_up(
            platform.home, to.absolute(), now=operator_time(platform.of_model()), has_lake=not without_lake
        )
    objects = len(backup.lake)
    if as_json:
        facts = {"folder": str(backup.folder), "created_at": backup.created_at, "rows": dict(backup.rows)}
        print_json({**facts, "lake_objects": objects, "signed_by": backup.signed_by})
        return
    say(
        f"{backup.folder}: {backup.rows['sends']:,} sends, {backup.rows['suppressions']:,} suppressions, {objects:,} "
        f"objects of the lake, {len(backup.files):,} files in all, as of {moment(backup.created_at)}; keep it as "
        "private as the ledger"
    )
    words = "keep this public key elsewhere; a home that is lost asks for it as --signed-by"
    say(f"signed by {backup.signed_by}: {words}")


@backup_app.command()
def restore(
    source: Annotated[Path, typer.Option("--from", metavar="DIR", help="What `mlife backup create` wrote.")],
    replaces: Annotated[
        bool, typer.Option("--replace", help="Also over a ledger that knows more, which is moved aside, not deleted.")
    ] = False,
    signed_by: Annotated[
        str | None,
        typer.Option(
            "--signed-by", metavar="KEY", help="As `mlife backup create` printed; by default this home's own."
        ),
    ] = None,
    unsigned: Annotated[
        bool,
        typer.Option("--unsigned", help="A backup without a signature, which nobody vouches for: of before 0.2.0."),
    ] = False,
    takes_older: Annotated[
        bool, typer.Option("--older", help="Also one that is older than the newest that the lake knows of.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Restore a backup, bring its ledger up to date from the event log, and build features again that are lost.

    The ledger goes where that of this home is, a file or the database of MLIFE_DATABASE, from wherever it was. Nothing
    is deleted, and nothing in the lake is overwritten. Stop everything else that runs in this home first.

    Exit codes: 0 everything is there and the ledger agrees with the log, 1 failed.
    """
    from mlife_assets.adapters.backups import read_backup
    from mlife_assets.adapters.home_files import end_restore, unfinished_restore
    from mlife_assets.adapters.restored_backups import RESTORED
    from mlife_assets.deployments.backup import (
        put_back,
        renew_lost_keys,
        require_intact_log,
        trusted_key,
    )
    from mlife_assets.deployments.board_ports import board_ports

    if unsigned and signed_by is not None:
        raise typer.BadParameter("--unsigned takes a backup without a signature and --signed-by one with; say one")
    settings = board_settings(home)
    platform = board_ports(settings)
    key = None if unsigned else trusted_key(platform.home, signed_by)
    with progress("reading the backup"):
        backup = read_backup(source.absolute(), signed_by=key)
    suppressions = backup.rows["suppressions"]
    made = {"created_at": backup.created_at, "newest_day": backup.newest_day, "suppressions": suppressions}
    if not as_json:
        words = f"of {moment(backup.created_at)}, until day {backup.newest_day}, {suppressions:,} suppressions"
        say(f"The backup is {words}")
    if not backup.lake:
        require_event_log(settings)
    has_died = unfinished_restore(settings.private_folder) is not None
    with progress("restoring"):
        restored = put_back(platform.home, backup, replaces=replaces, takes_older=takes_older)
    settings = board_settings(home)  # which world the home holds may be known only now
    platform = opened_board(settings, despite_restore=True)
    new_key = renew_lost_keys(platform.home, backup)
    require_intact_log(platform.home)  # only now: heads and keys that it is held against may have been lost, too
    result = _caught_up(platform, vouches=restored.has_ledger or has_died)
    # Also when an earlier restore died in it: a day would run on features of too few days and decide on them.
    is_put_back = (settings.private_folder / RESTORED).exists()
    is_warehouse_old = has_died or is_put_back or not settings.places.warehouse.exists()
    built_until = _rebuild(settings) if is_warehouse_old else None
    end_restore(settings.private_folder)
    if as_json:
        facts = {**asdict(result), "filled": restored.filled, "has_ledger": restored.has_ledger, "new_key": new_key}
        moved = [str(path) for path in restored.moved_aside]
        print_json({**facts, "backup": made, "features_until": built_until, "moved_aside": moved})
        return
    say(*(f"moved aside: {path}" for path in restored.moved_aside))
    if not restored.has_ledger:
        say("The ledger that is there knows more than the backup's and stays; --replace moves it aside.")
    if backup.lake:
        lacked = f"lacked {restored.filled:,} of {len(backup.lake):,} objects; it has them now."
        say(f"The lake {lacked if restored.filled else 'has all objects of the backup.'}")
    if new_key is not None:
        words = "The keys that sign the log were lost, and no backup holds them: new ones sign from now on"
        say(f"{words}. Keep the public key elsewhere: {new_key}")
    if built_until is not None:
        say(f"Features of all days until {built_until} were built again; metrics follow with the next day.")
    _print(result)


@backup_app.command("catch-up")
def catch_up_ledger(
    vouches: Annotated[
        bool,
        typer.Option("--vouch", help="You looked at consents and reviews that the ledger never wrote; believe them."),
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Bring the ledger up to date from the event log: what to do when it is lost and there is no backup.

    The log knows all sends, replies and pauses, but not who was suppressed for another reason.

    Exit codes: 0 the ledger agrees with the log, 1 failed.
    """
    from mlife_assets.adapters.ledger_cross_check import require_known_files
    from mlife_assets.deployments.backup import require_intact_log

    platform = open_board(home)
    require_intact_log(platform.home)
    result = _caught_up(platform, vouches=vouches)
    require_known_files(platform.ledger, platform.event_log)
    if as_json:
        print_json(asdict(result) | {"moved_aside": []})
    else:
        _print(result)


def _caught_up(platform: BoardPorts, *, vouches: bool) -> CaughtUp:
    from mlife_assets.components.shown.present import operator_time
    from mlife_assets.deployments.backup import bring_forward

    with progress("reading the event log"):
        return bring_forward(platform.home, now=operator_time(platform.of_model()), vouches=vouches)


def _rebuild(settings: Settings) -> date | None:
    from mlife_assets.components.running.driver import LifecycleDriver, rebuild_features
    from mlife_assets.components.running.instance import instance_of
    from mlife_assets.definitions import build_definitions

    definitions = build_definitions(settings)
    with progress("building features"), instance_of(settings) as instance:
        return rebuild_features(LifecycleDriver(definitions, instance), definitions.resources["platform"])  # type: ignore[index]


def _print(result: CaughtUp) -> None:
    say(
        f"The ledger agrees with the event log: {result.sends:,} sends, {result.inbound:,} replies, "
        f"{result.switches:,} switches and {result.approvals:,} approvals were added or moved on from it, "
        f"{result.found_at_provider:,} sends from the provider's records"
    )
