"""What is printed where.

Belongs here: consoles, JSON, progress. Does not belong here: what a command has to say.

Concept: stdout holds the answer, either for people or as one JSON document; progress and errors go to stderr. Progress
is a bar where a person looks, and a line every few seconds in a file or a pipe, so that a log shows what takes long.
Text from data is never markup; text from strangers is printed on one line, printable characters only.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from typing import Any

import typer
from rich.console import Console

PLAIN_WIDTH = 160
SECONDS_BETWEEN_LINES = 10.0


def answer_console() -> Console:
    """Return the console of stdout; wide when it is no terminal, so that ids are not cut."""
    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=PLAIN_WIDTH)


def side_console() -> Console:
    """Return the console of stderr."""
    return Console(stderr=True, highlight=False, markup=False)


def print_json(document: Mapping[str, Any]) -> None:
    """Print one JSON document: keys sorted, dates in ISO 8601."""
    import orjson

    options = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    typer.echo(orjson.dumps(dict(document), option=options).decode(), nl=False)


def one_line(text: str) -> str:
    """Return a stranger's words on one line, with what a terminal would obey escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(text.split()))


def counted(number: int, what: str) -> str:
    """Return a number of things in words, such as "1 row" or "2,000 rows"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def moment(value: datetime) -> str:
    """Return an instant as people read it, to the second, in UTC."""
    return f"{value:%Y-%m-%d %H:%M:%S}Z"


@contextmanager
def progress(
    description: str, total: int | None = None, console: Console | None = None
) -> Iterator[Callable[[], None]]:
    """Show progress while inside; yields what to call after each of `total` steps. None: only time passes.

    Args:
        description: what goes on.
        total: how many steps there are.
        console: where a bar is drawn: the one that is printed on meanwhile, by default stderr.
    """
    with _shown(description, console or side_console(), is_counted=total is not None, total=total) as show:
        steps = count(1)
        if total is not None:
            show(0, total)
        yield lambda: show(next(steps), total)


@contextmanager
def counted_progress(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show progress while inside; yields what to call with (done, in all). Nothing shows before the first."""
    with _shown(description, side_console(), is_counted=True, total=None) as show:
        yield show


@contextmanager
def _shown(
    description: str, console: Console, *, is_counted: bool, total: int | None
) -> Iterator[Callable[[int, int | None], None]]:
    """Draw a bar where nothing else writes into it, as `mlife ... | tee log` would; elsewhere write lines."""
    if not (console.is_terminal and answer_console().is_terminal):
        with _lines(description, is_counted=is_counted) as show:
            yield show
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    counted = (BarColumn(), MofNCompleteColumn()) if is_counted else ()
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), *counted, TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(description, total=total, visible=not is_counted)
        yield lambda done, among: bar.update(task, completed=done, total=among, visible=True)


@contextmanager
def _lines(description: str, *, is_counted: bool) -> Iterator[Callable[[int, int | None], None]]:
    """Write a line on stderr every few seconds while inside, from a thread; nothing when it is over sooner."""
    line = "" if is_counted else description
    started, ended = time.monotonic(), threading.Event()

    def show(done: int, total: int | None) -> None:
        nonlocal line
        line = f"{description}: {done} of {total}" if is_counted else description

    def write() -> None:
        while not ended.wait(SECONDS_BETWEEN_LINES):
            if line:
                typer.echo(f"{line}, {time.monotonic() - started:.0f} s", err=True)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield show
    finally:
        ended.set()
        writer.join()
