"""`mlife sql` and `mlife tables`: tables of a home, asked in SQL and pruned.

Concept: a question of the library has a name; anything else is asked in one's own words. Nothing that is asked changes
what dbt built.

Removed tables are gone, so without --apply they are only named.
"""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlife_assets.cli.homes import board_settings, opened_board, opened_project, project_settings, require_event_log
from mlife_assets.cli.options import AsJson, Home
from mlife_assets.cli.output import answer_console, counted, moment, one_line, print_json, say
from mlife_assets.core.errors import InvalidInputError

if TYPE_CHECKING:
    from mlife_assets.adapters.sql_session import Answer


tables_app = typer.Typer(no_args_is_help=True, help="Tables that days leave in the lake.")


def sql(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A question of the library; without, all are listed.")
    ] = None,
    query: Annotated[
        str | None,
        typer.Option(
            "--query", metavar="TEXT", help="Ask this instead: of marts.*, staging.*, events.<event type>, lake.*."
        ),
    ] = None,
    shows_text: Annotated[
        bool, typer.Option("--text", help="Print the question's SQL, which Athena runs as it is, and ask nothing.")
    ] = False,
    seconds: Annotated[
        float,
        typer.Option("--seconds", min=1, max=10, help="Stop after so long: dbt waits while the warehouse is read."),
    ] = 10,
    rows: Annotated[
        int, typer.Option("--rows", min=1, max=100_000, help="Print so many rows; all are counted.")
    ] = 1_000,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question about a home from its tables: engagement, conversion, fill rate, revenue, MAP over time.

    Exit codes: 0 done, 1 failed, or there is no such question or table.
    """
    from mlife_assets.adapters.sql_session import query_names, read_query

    if query is not None and (name is not None or shows_text):
        raise typer.BadParameter("name a question or ask with --query, not both")
    if shows_text and name is None:
        raise typer.BadParameter("name a question whose text to print")
    if name is None and query is None:
        _print_library([read_query(one) for one in query_names()], as_json)
        return
    if shows_text:
        typer.echo(read_query(str(name)).text, nl=False)
        return
    from mlife_assets.adapters.sql_session import SqlSession

    text = query if query is not None else read_query(str(name)).text
    settings = board_settings(home)
    platform = opened_board(settings)
    answer = SqlSession(platform.home.warehouse, platform.lake, settings.exports.of_dbt()).ask(
        text, seconds=seconds, rows=rows
    )
    _print_answer(answer, as_json)


def _print_library(queries: list[Any], as_json: bool) -> None:
    if as_json:
        print_json({"queries": {one.name: {"question": one.question, "columns": one.columns} for one in queries}})
        return
    width = max(len(one.name) for one in queries)
    say(*(f"{one.name:<{width}}  {one.question}" for one in queries))
    say("`mlife sql NAME` answers one; `mlife sql NAME --text` prints its SQL.")


def _print_answer(answer: Answer, as_json: bool) -> None:
    names, columns = answer.table.column_names, [column.to_pylist() for column in answer.table.columns]
    rows = list(zip(*columns, strict=True))
    if as_json:
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InvalidInputError(
                f"two columns are called {', '.join(twice)}; name each with `as`, or leave out --json"
            )
        records = [dict(zip(names, (_plain(value) for value in row), strict=True)) for row in rows]
        print_json({"columns": names, "rows": records, "row_count": answer.row_count})
        return
    from rich.table import Table

    console = answer_console()
    table = Table(*names, box=None)
    for row in rows:
        table.add_row(*(_shown(value) for value in row))
    console.print(table)
    number = counted(answer.row_count, "row")
    left = f"the first {len(rows):,} of {number}; --rows prints more" if len(rows) < answer.row_count else number
    say(left, style="bold")


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: sums of whole numbers are decimals to DuckDB, bytes are in hex."""
    if isinstance(value, Decimal):
        whole = value == value.to_integral_value()
        return _plain(int(value)) if whole else float(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    return value if value is None or isinstance(value, str | float | date | time) else str(value)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, bytes):
        return value.hex()
    return moment(value) if isinstance(value, datetime) else one_line(str(value))


@tables_app.callback()
def _tables() -> None:
    """Keep `prune` a command of its own while it is the only one."""


@tables_app.command()
def prune(
    keep_days: Annotated[
        int | None,
        typer.Option("--keep-days", metavar="DAYS", help="How many days before the newest stay.", show_default="120"),
    ] = None,
    applies: Annotated[bool, typer.Option("--apply", help="Remove them; without it they are only named.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Remove pairs and scores of days long past, which no later day reads; the event log stays as it is.

    Materializing a day makes its tables again. In a bucket the key needs s3:DeleteObject on the named folders.

    Exit codes: 0 done, 1 failed or nothing has run there.
    """
    from mlife_assets.adapters.clock import SystemClock
    from mlife_assets.adapters.object_store import ObstoreObjectStore
    from mlife_assets.adapters.tables import old_tables
    from mlife_assets.adapters.tables import prune as remove
    from mlife_assets.recruiting.retention_policy import RetentionPolicy

    if project := project_settings(home):
        opened_project(project)
        place, policy = project.places.lake, RetentionPolicy()
    else:
        settings = board_settings(home)
        require_event_log(settings)
        place, policy = settings.places.lake, settings.policies().retention
    policy = policy if keep_days is None else RetentionPolicy(table_days=keep_days)
    found = (remove if applies else old_tables)(ObstoreObjectStore.at(place), policy, SystemClock().now().date())
    if as_json:
        print_json({"is_applied": applies, "keep_days": policy.table_days, "tables": found})
        return
    for name, keys in found.items():
        first, last = (key.split("as_of_date=")[1].partition("/")[0] for key in (keys[0], keys[-1]))
        say(f"{name}: {counted(len(keys), 'day')}, {first} to {last}")
    count = sum(map(len, found.values()))
    were = f"{'was' if count == 1 else 'were'} removed" if applies else "would be removed"
    hint = "; --apply removes them" if count and not applies else ""
    say(f"{counted(count, 'table')} {were}{hint}.", style="bold")
