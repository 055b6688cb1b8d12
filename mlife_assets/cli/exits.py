"""Exit codes, and errors as people see them.

Concept: an error that mlife raises on purpose says what to do, so it is printed as one sentence without a traceback.
Errors of the disk are printed the same way, and so is a package of an extra that is not installed. Any other exception
is a defect and keeps its traceback. A blocked day has a code of its own, because nothing failed: the governor refused
to act on unsound data.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import typer
from typer.core import TyperGroup

from mlife_assets.core.disk_faults import disk_error
from mlife_assets.core.errors import InvalidInputError, MlifeError
from mlife_assets.core.extras import missing_extra

_LOGGER = logging.getLogger(__name__)
OF_THE_COMMAND_LINE = ("typer", "click")
"""Whose exceptions end a command: an exit code, wrong usage, Ctrl-C. Which package has them differs by release."""


class ExitCode(IntEnum):
    """What the shell gets; 2 and 130 are so by custom."""

    OK = 0
    FAILED = 1
    USAGE = 2
    BLOCKED = 3
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "failed, or damage was found",
    ExitCode.USAGE: "wrong usage",
    ExitCode.BLOCKED: "the governor blocked the day, so nothing was scored or sent",
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C",
}
EXIT_CODES = "\b\n" + "\n".join(["Exit codes:", *(f"{code:<3}  {meaning}" for code, meaning in MEANINGS.items())])
"""For the end of a help text, where `\\b` keeps the lines of a paragraph."""
HELP_WIDTH = 120


class Commands(TyperGroup):
    """A group of commands; its help shows the whole first sentence of each."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        shown = ((name, one) for name, one in found if one is not None and not one.hidden)
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(limit=1_000)) for name, one in shown])


class MlifeGroup(Commands):
    """A group of commands that prints errors on purpose in one sentence, on stderr."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; raises typer.Exit with FAILED after an MlifeError, and after what the disk refuses."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            if type(error).__module__.partition(".")[0] in OF_THE_COMMAND_LINE:
                raise
            if isinstance(error, MlifeError):
                shown: MlifeError | None = error
            else:
                shown = missing_extra(error) if isinstance(error, ImportError) else disk_error("a file", error)
            if _logs_json():
                _LOGGER.error("%s", shown or "a defect of mlife", exc_info=error if shown is None else None)
            elif shown is None:
                raise
            else:
                typer.echo(f"mlife: {shown}", err=True)
            raise typer.Exit(ExitCode.FAILED) from error


def _logs_json() -> bool:
    """Return whether errors are lines of JSON; the environment may say so and be wrong otherwise."""
    from pydantic import ValidationError

    from mlife_assets.adapters.json_logs import log_as_json
    from mlife_assets.home_settings import LogSettings

    try:
        is_json = LogSettings().log_format == "json"
    except ValidationError:
        return False
    if is_json:
        log_as_json()
    return is_json


@contextmanager
def faults_named() -> Iterator[None]:
    """Raise InvalidInputError where settings refuse a value; it names the variable and does not repeat the value."""
    from pydantic import ValidationError

    try:
        yield
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:  # of several fields: the message names them and the remedy
            raise InvalidInputError(message) from error
        field = "_".join(str(part) for part in first["loc"])
        name = field if field.isupper() else f"MLIFE_{field.upper()}"
        raise InvalidInputError(f"{name}: {message}; correct the environment variable") from error
