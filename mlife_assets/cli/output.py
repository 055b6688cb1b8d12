"""What is printed where.

Belongs here: consoles, JSON, progress. Does not belong here: what a command has to say.

Concept: stdout holds the answer, either for people or as one JSON document; progress and errors go to stderr, progress
only when that is a terminal. Text from data is never markup; strangers' words are one printable line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import typer
from rich.console import Console

PLAIN_WIDTH = 160


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


def moment(value: datetime) -> str:
    """Return an instant as people read it, to the second, in UTC."""
    return f"{value:%Y-%m-%d %H:%M:%S}Z"


@contextmanager
def progress(description: str, total: int | None = None) -> Iterator[Callable[[], None]]:
    """Show progress on stderr while inside; yields what to call after each of `total` steps. None: only time passes."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = side_console()
    counted = () if total is None else (BarColumn(), MofNCompleteColumn())
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), *counted, TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(description, total=total)
        yield lambda: shown.advance(task)


@contextmanager
def counted_progress(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show progress on stderr while inside; yields what to call with (done, in all). Nothing shows before the first."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = side_console()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(description, total=None, visible=False)
        yield lambda done, total: shown.update(task, completed=done, total=total, visible=True)
