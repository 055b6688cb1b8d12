"""`mlife init`, `mlife doctor` and `mlife keys`: a home for data of one's own, its faults, its keys.

Concept: each part is looked at whatever the others say, so one call names everything that is wrong. It leaves two small
objects in a lake that is there and changes nothing else.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from mlife_assets.cli.homes import any_settings, open_board
from mlife_assets.cli.options import A_DAY, AsJson, Home
from mlife_assets.cli.output import ExitCode, faults_named, print_json, say

NUMBERS = "numbers"

keys_app = typer.Typer(no_args_is_help=True, help="Rotate the keys of a home.")


def doctor(home: Home = None, as_json: AsJson = False) -> None:
    """Check that lake, disk and database are there and do what mlife relies on; says what to do about the rest.

    Exit codes: 0 all is well; 1 something has to be done.
    """
    from mlife_assets.deployments.places import look_at_places

    settings = any_settings(home)
    found = look_at_places(settings)
    faults = [one for one in found if one.is_fault]
    if as_json:
        print_json({"home": str(settings.home), "faults": len(faults), "found": [asdict(one) for one in found]})
    else:
        for one in found:
            say(f"{'FAULT' if one.is_fault else 'ok':<6}{one.part}: {one.says}")
            if one.is_fault:
                say(f"      do: {one.remedy}")
        say(f"{len(faults)} of {len(found)} need something done" if faults else "all is well")
    if faults:
        raise typer.Exit(ExitCode.FAILED)


def init(
    folder: Annotated[Path, typer.Argument(help="New or empty folder.")],
    first_day: Annotated[date, typer.Option("--first-day", **A_DAY, help="Day of your first raw events.")],
    history_days: Annotated[
        int, typer.Option("--history-days", min=2, max=720, help="Days to learn from before the first is scored.")
    ] = 60,
    deployment: Annotated[
        str, typer.Option("--deployment", metavar="NAME", help="standalone, or yours as package.module:name.")
    ] = "standalone",
    as_json: AsJson = False,
) -> None:
    """Begin a job board of your own, the full example: files to fill, templates of its events, and how to go on.

    For any other table use `mlife spec FILE`, in a Dagster project a ConversionModel (docs/in_your_project.md).

    Exit codes: 0 written, 1 the folder holds something or cannot be written, 2 wrong usage.
    """
    from mlife_assets.deployments.new_home import READ_ME, begin_home

    with faults_named():
        written = begin_home(folder.absolute(), first_day=first_day, history_days=history_days, deployment=deployment)
    if as_json:
        print_json({"home": str(folder.absolute()), "written": [str(path) for path in written]})
        return
    say(*(f"  {path}" for path in written), f"A home was begun in {folder}. {folder / READ_ME} says how to go on.")


@keys_app.callback()
def keys() -> None:
    """Keep `rotate-numbers` a command of its own."""


@keys_app.command("rotate-numbers")
def rotate_numbers(home: Home = None, as_json: AsJson = False) -> None:
    """Make a new key for phone-number hashes and hash every number in the contact book again.

    With MLIFE_HASH_KEY set, that is the new key: change it, then run this. Safe to run again after any failure.

    Exit codes: 0 every stored hash uses the new key, 1 failed.
    """
    from mlife_assets.components.shown.present import operator_time

    platform = open_board(home)
    now = operator_time(platform.of_model())
    platform.home.messengers.people.require_books()  # a key that was changed without them would fit no hash
    if platform.settings.owner.hash_key is None:
        # An account that took over a number belongs to that person, which only the old hashes can show.
        platform.home.messengers.people.register(platform.ledger.people.user_ids(), now=now)
        platform.home.private.keyring.rotate(NUMBERS)
    known = platform.home.messengers.people.rehash(now=now)
    for record in (platform.deployment.texts_record, platform.deployment.former_texts_record):
        if record is not None:
            record().forget_numbers()
    if as_json:
        print_json({"numbers": known, "accounts": len(platform.ledger.people.user_ids())})
        return
    say(f"The key is new; {known} numbers are hashed with it, older hashes are gone")
