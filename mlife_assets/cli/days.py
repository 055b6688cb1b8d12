"""`mlife days`: a range of days in a project of one's own, in order."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from mlife_assets.cli.homes import project_root
from mlife_assets.cli.options import A_DAY, AsJson
from mlife_assets.cli.output import answer_console, print_json, side_console
from mlife_assets.core.errors import InvalidInputError


def days(
    first: Annotated[date, typer.Option("--from", **A_DAY, help="The first day.")],
    last: Annotated[date, typer.Option("--to", **A_DAY, help="The last day.")],
    model: Annotated[
        str | None, typer.Option("--model", help="Which model.", show_default="the only one of the project")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the daily job of each day in order in your Dagster project, with the retrainings that the days ask for.

    It loads your code. Your two assets have to be materialized for these days. Runs are recorded in your
    instance; the same command again goes on where one failed.

    Exit codes: 0 done, 1 a run failed.
    """
    root = project_root(Path.cwd())
    if root is None:
        raise InvalidInputError(f"{Path.cwd()} is in no Dagster project; call it in the folder of yours")
    from mlife_assets.components.project_history import live_days

    console = side_console() if as_json else answer_console()
    found = []
    for day, verdict, champion in live_days(root, model, first, last):
        found.append({"day": day, "verdict": verdict, "champion": champion})
        console.print(f"{day}  {verdict:<8} {champion or 'no model serves yet'}", soft_wrap=True, highlight=False)
    if as_json:
        print_json({"days": found})
