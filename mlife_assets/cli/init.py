"""`mlife init`: a home for data of one's own."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from mlife_assets.cli.exits import faults_named
from mlife_assets.cli.options import AsJson, parse_day
from mlife_assets.cli.output import answer_console, print_json


def init(
    folder: Annotated[Path, typer.Argument(help="New or empty folder.")],
    first_day: Annotated[
        date,
        typer.Option("--first-day", parser=parse_day, metavar="YYYY-MM-DD", help="Day of your first raw events."),
    ],
    history_days: Annotated[
        int, typer.Option("--history-days", min=2, max=720, help="Days to learn from before the first is scored.")
    ] = 60,
    deployment: Annotated[
        str,
        typer.Option("--deployment", metavar="NAME", help="standalone, or yours as package.module:name."),
    ] = "standalone",
    as_json: AsJson = False,
) -> None:
    """Write a home for your own data: files to fill, templates of what to deliver, and how to go on.

    Exit codes: 0 written, 1 the folder holds something or cannot be written, 2 wrong usage.
    """
    from mlife_assets.deployments.new_home import READ_ME, begin_home

    with faults_named():
        written = begin_home(folder.absolute(), first_day=first_day, history_days=history_days, deployment=deployment)
    if as_json:
        print_json({"home": str(folder.absolute()), "written": [str(path) for path in written]})
        return
    console = answer_console()
    for path in written:
        console.print(f"  {path}", soft_wrap=True)
    console.print(f"A home was begun in {folder}. {folder / READ_ME} says how to go on.", soft_wrap=True)
