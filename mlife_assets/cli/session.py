"""What every command needs: the deployment, the present, and where to print.

Belongs here: opening a home, output as text or JSON. Does not belong here: any command.

Concept: with `--json` stdout holds one JSON document and nothing else; prose and progress go to stderr. In the
embedded world the present is the night after the newest lived day, so what a person does now is recorded after what
was lived.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from mlife_assets.settings import Settings

if TYPE_CHECKING:
    from mlife_assets.defs.resources import Platform

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder of the deployment; by default MLIFE_HOME, else var/demo.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, prose on stderr.")]
ActorOption = Annotated[str, typer.Option("--actor", help="Who does it; recorded for ever.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; recorded for ever.")]

AFTER_THE_DAY = timedelta(hours=5)


@dataclass(frozen=True)
class Session:
    """One invocation.

    Attributes:
        settings: of the deployment.
        console: for people; stderr when JSON is asked for.
        is_json: whether stdout is for a machine.
    """

    settings: Settings
    console: Console
    is_json: bool

    @property
    def platform(self) -> Platform:
        """Return the ports of the deployment."""
        from mlife_assets.defs.resources import Platform

        return Platform(settings=self.settings, policies=self.settings.policies())

    def answer(self, document: Any) -> None:
        """Print `document` as JSON with sorted keys when that was asked for."""
        if self.is_json:
            import orjson

            options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
            typer.echo(orjson.dumps(document, option=options).decode())

    def tell(self, text: str = "", style: str = "") -> None:
        """Print a line for people."""
        self.console.print(text, style=style, highlight=False, soft_wrap=True, markup=False)


def open_session(home: Path | None, is_json: bool, **changes: Any) -> Session:
    """Return the session of a command; `changes` are settings that the command decides."""
    if home is not None:
        changes["home"] = home.absolute()
    return Session(Settings(**changes), Console(stderr=is_json), is_json)


def newest_day(platform: Platform) -> date | None:
    """Return the newest day that has a decision; None before the first."""
    days = platform.event_log.read("retrain_decided", columns=["as_of_date"])["as_of_date"].to_pylist()
    return max(days, default=None)


def present(platform: Platform) -> datetime:
    """Return when something done now is recorded: after everything of the newest lived day, or of history."""
    from mlife_assets.core.windows import add_days, run_time

    day = newest_day(platform) or add_days(platform.settings.first_lived_date, -1)
    return run_time(day) + AFTER_THE_DAY
