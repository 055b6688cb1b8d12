"""Streams of output, progress, and exit codes.

Concept: stdout holds the answer, either for people or as one JSON document; progress and errors go to stderr. Progress
is a bar where a person looks, and a line every few seconds in a file or a pipe, so that a log shows what takes long.
It says the step, of how many, and about how long the rest takes, as soon as something done says how fast it goes.
Text from data is never markup; text from strangers is printed on one line, printable characters only.

An error that mlife raises on purpose says what to do, so it is printed as one sentence without a traceback, as are
errors of the disk and a missing extra. Any other exception is a defect and keeps its traceback. A blocked day has a
code of its own, because nothing failed: the governor refused to act on unsound data.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import IntEnum
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

import typer
from typer.core import TyperGroup

from mlife_assets.core.disk_faults import disk_error
from mlife_assets.core.errors import InvalidInputError, MlifeError
from mlife_assets.core.extras import missing_extra

if TYPE_CHECKING:
    from rich.console import Console


_LOGGER = logging.getLogger(__name__)
OF_THE_COMMAND_LINE = ("typer", "click")
"""Whose exceptions end a command: an exit code, wrong usage, Ctrl-C. Which package has them differs by release."""
PLAIN_WIDTH = 160
SECONDS_BETWEEN_LINES = 10.0


def answer_console() -> Console:
    """Return the console of stdout; wide when it is no terminal, so that ids are not cut."""
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=PLAIN_WIDTH)


def side_console() -> Console:
    """Return the console of stderr."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False)


def say(*lines: str, style: str = "") -> None:
    """Print each line of an answer; a terminal wraps it."""
    console = answer_console()
    for line in lines:
        console.print(line, style=style, soft_wrap=True)


def say_field(name: str, value: object, style: str = "") -> None:
    """Print a line of a list of facts."""
    say(f"{name:<11}{value}", style=style)


def say_aside(*lines: str) -> None:
    """Print each line on stderr, beside the answer."""
    console = side_console()
    for line in lines:
        console.print(line, soft_wrap=True)


def print_json(document: Mapping[str, Any]) -> None:
    """Print one JSON document: keys sorted, dates in ISO 8601."""
    import orjson

    options = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    typer.echo(orjson.dumps(dict(document), option=options).decode(), nl=False)


class Shown(Protocol):
    """An answer of `mlife_assets.studies`."""

    @property
    def lines(self) -> tuple[str, ...]:
        """It in words."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as values of JSON."""


def print_answer(answer: Shown, *, as_json: bool = False) -> None:
    """Print an answer: its lines, or one JSON document."""
    if as_json:
        print_json(answer.as_dict())
        return
    say(*answer.lines)


def one_line(text: str) -> str:
    """Return a stranger's words on one line, with control characters escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(text.split()))


def counted(number: int, what: str) -> str:
    """Return a number of things in words, such as "1 row" or "2,000 rows"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def moment(value: datetime) -> str:
    """Return an instant as people read it, to the second, in UTC."""
    return f"{value:%Y-%m-%d %H:%M:%S}Z"


class Pace:
    """How far something is: a share of its work is done at a time, and the rest goes at the pace so far."""

    def __init__(self, description: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin now. `clock` is in seconds."""
        self._clock = clock
        self.description, self.steps = description, ""
        self.started = self._begun = clock()
        self.done, self._at_most, self._seconds_per_share = 0.0, 0.0, 0.0

    def begin(self, description: str, done: float, share: float) -> None:
        """Begin a step: `done` of the whole work lies behind it, and it is expected to be `share` of the work."""
        self._begun = self._clock()
        self.description, self.done, self._at_most = description, done, done + share
        self._seconds_per_share = (self._begun - self.started) / done if done else 0.0

    @property
    def share(self) -> float:
        """Return the share of the work that is done, by the clock within a step; never more than the step's end."""
        if not self._seconds_per_share:
            return self.done
        return min(self._at_most, self.done + (self._clock() - self._begun) / self._seconds_per_share)

    @property
    def seconds_left(self) -> float | None:
        """Return the remaining time at the pace so far; None before anything is done."""
        return (1 - self.share) * self._seconds_per_share if self._seconds_per_share else None

    @property
    def line(self) -> str:
        """Return activity, step, elapsed time and remaining time, for people."""
        left = self.seconds_left
        steps = f": {self.steps}" if self.steps else ""
        rest = "" if left is None else f", {_about(left)} left"
        return f"{self.description}{steps}, {self._clock() - self.started:.0f} s{rest}"


def _about(seconds: float) -> str:
    return f"about {seconds / 60:.0f} min" if seconds >= 90 else f"about {max(5, 5 * round(seconds / 5))} s"


@contextmanager
def progress(
    description: str, total: int | None = None, console: Console | None = None
) -> Iterator[Callable[[], None]]:
    """Show progress while inside; yields what to call after each of `total` steps. None: only time passes.

    Args:
        description: the activity.
        total: how many steps there are.
        console: where a bar is drawn: the one that is printed on meanwhile, by default stderr.
    """
    pace = Pace(description)
    with _shown(pace, console or side_console()):
        if total is None:
            yield lambda: None
            return
        steps = count(1)
        _count(pace, 0, total)
        yield lambda: _count(pace, next(steps), total)


@contextmanager
def counted_progress(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show progress while inside; yields what to call with (done, in all). Nothing shows before the first."""
    pace = Pace(description)
    with _shown(pace, side_console(), waits=True):
        yield lambda done, total: _count(pace, done, total)


@contextmanager
def staged_progress(
    stages: Sequence[tuple[str, float]], console: Console | None = None
) -> Iterator[Callable[[], None]]:
    """Show progress while inside; yields what to call when the next stage begins, the first one included.

    Args:
        stages: name and expected duration of each, in any unit: only ratios count.
        console: where a bar is drawn: the one that is printed on meanwhile, by default stderr.
    """
    whole, done = sum(weight for _, weight in stages), 0.0
    numbered = iter(enumerate(stages, start=1))
    pace = Pace("")

    def begin_next() -> None:
        nonlocal done
        number, (description, weight) = next(numbered)
        pace.steps = f"step {number} of {len(stages)}"
        pace.begin(description, done / whole, weight / whole)
        done += weight

    with _shown(pace, console or side_console(), waits=True):
        yield begin_next


def _count(pace: Pace, done: int, total: int) -> None:
    pace.steps, of_all = f"{done} of {total}", max(total, 1)
    pace.begin(pace.description, done / of_all, 1 / of_all)


@contextmanager
def _shown(pace: Pace, console: Console, *, waits: bool = False) -> Iterator[None]:
    """Draw a bar where nothing else writes into it, as `mlife ... | tee log` would; elsewhere write lines.

    One that `waits` shows nothing before its first step is known.
    """
    if not (console.is_terminal and answer_console().is_terminal):
        with _lines(pace, waits=waits):
            yield
        return
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task
    from rich.table import Column
    from rich.text import Text

    class Words(ProgressColumn):
        def render(self, task: Task) -> Text:  # noqa: ARG002  there is one task
            return Text("" if waits and not pace.steps else pace.line)

    class Bar(BarColumn):
        def render(self, task: Task) -> Any:
            task.completed = pace.share
            return super().render(task) if pace.steps else Text("")

    words = Words(table_column=Column(no_wrap=True))  # where there is little room, the bar is shorter
    with Progress(SpinnerColumn(), Bar(), words, console=console, transient=True) as bar:
        bar.add_task("", total=1.0)
        yield


@contextmanager
def _lines(pace: Pace, *, waits: bool) -> Iterator[None]:
    """Write a line on stderr every few seconds while inside, from a thread; nothing when it is over sooner."""
    ended = threading.Event()

    def write() -> None:
        while not ended.wait(SECONDS_BETWEEN_LINES):
            if pace.steps or not waits:
                typer.echo(pace.line, err=True)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()


class ExitCode(IntEnum):
    """Exit codes; 2 and 130 follow custom."""

    OK = 0
    FAILED = 1
    USAGE = 2
    BLOCKED = 3
    REFUSED = 4
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.FAILED: "failed, or damage was found",
    ExitCode.USAGE: "wrong usage",
    ExitCode.BLOCKED: "the governor blocked the day, so nothing was scored or sent",
    ExitCode.REFUSED: "done, and the verdict is not the one that was required",
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C",
}
EXIT_CODES = "\b\n" + "\n".join(["Exit codes:", *(f"{code:<3}  {meaning}" for code, meaning in MEANINGS.items())])
"""For the end of a help text, where `\\b` keeps the lines of a paragraph."""
HELP_WIDTH = 120


class Commands(TyperGroup):
    """A group of commands; its help shows the whole first sentence of each."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands, by the panel that they name."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            if (one := self.get_command(ctx, name)) is not None and not one.hidden:
                panel = getattr(one, "rich_help_panel", None)
                rows = panels.setdefault(panel if isinstance(panel, str) else "Commands", [])
                rows.append((name, one.get_short_help_str(limit=1_000)))
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl(rows)


class MlifeGroup(Commands):
    """A group of commands that prints errors on purpose in one sentence, on stderr."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; raises typer.Exit with FAILED after an MlifeError, and after errors of the disk."""
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
        field = [part for part in first["loc"] if isinstance(part, str)][-1]
        name = field if field.isupper() else f"MLIFE_{field.upper()}"
        raise InvalidInputError(f"{name}: {message}; correct the environment variable") from error
