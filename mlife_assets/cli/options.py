"""Options that commands share, and their values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from mlife_assets.core.quoting import quoted
from mlife_assets.recruiting.kept_words import kept_words

OPERATOR = "operator"

Home = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="PATH",
        help="Folder that holds everything mlife wrote.",
        show_default="var/demo; in a Dagster project its var/mlife",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, keys sorted, nothing else.")]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Which model.",
        show_default="job_applications; in a Dagster project its only one",
    ),
]
ApplicationName = Annotated[
    str, typer.Option("--application", metavar="NAME", help="Which application.", show_default="job_of_the_day")
]


def _kept(name: str) -> Callable[[str], str]:
    def keep(text: str) -> str:
        return kept_words(name, text)

    return keep


Reason = Annotated[
    str,
    typer.Option("--reason", metavar="TEXT", callback=_kept("--reason"), help="Why; kept in the event log for ever."),
]
Actor = Annotated[
    str, typer.Option("--actor", metavar="NAME", callback=_kept("--actor"), help="Who; kept in the event log for ever.")
]


def parse_day(text: str) -> date:
    """Return the day that an option names. Raises typer.BadParameter on anything but YYYY-MM-DD."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{quoted(text)} is not a day; write YYYY-MM-DD") from error


A_DAY: dict[str, Any] = {"parser": parse_day, "metavar": "YYYY-MM-DD"}
"""Of an option that names a day."""
