"""`mlife landing`: what to deliver, and whether it would be taken.

Concept: people who deliver files have no home and need not run anything. Templates and checks work on files alone and
write nothing.

Refused rows can be good later: a newer mlife knows a word or a column, or a time that lay ahead has come. Rows of
the log stay there, so without --apply refused rows are only judged again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlife_assets.cli.homes import open_board, seal
from mlife_assets.cli.options import A_DAY, AsJson, Home
from mlife_assets.cli.output import ExitCode, counted, one_line, print_json, progress, say
from mlife_assets.core.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from mlife_assets.adapters.event_log import LogFile
    from mlife_assets.adapters.ingest_report import RejectedFolder, Replayed
    from mlife_assets.adapters.landing import Ingest
    from mlife_assets.adapters.landing_check import CheckedFile, GivenFile
    from mlife_assets.deployments.board_ports import BoardPorts
    from mlife_assets.recruiting.late_labels import LateRows

landing_app = typer.Typer(no_args_is_help=True, help="Deliver your own events: what files hold, and a check of them.")

SHOWN_ROWS = 10


class Format(StrEnum):
    """What can be written of an event type."""

    PARQUET = "parquet"
    JSONL = "jsonl"
    SCHEMA = "schema"


def event_type_of(text: str) -> str:
    """Return an event type that is landed. Raises typer.BadParameter on another, with those that are."""
    from mlife_assets.recruiting.events import MARKET_EVENT_TYPES

    if text not in MARKET_EVENT_TYPES:
        raise typer.BadParameter(f"{one_line(text)!r} is not landed; use one of {', '.join(MARKET_EVENT_TYPES)}")
    return text


@landing_app.command()
def template(
    folder: Annotated[Path, typer.Argument(help="Folder to write into; a file that is there is never overwritten.")],
    event_types: Annotated[
        list[str] | None,
        typer.Option(
            "--type", parser=event_type_of, metavar="TYPE", help="One event type; again for more.", show_default="all"
        ),
    ] = None,
    formats: Annotated[
        list[Format] | None,
        typer.Option(
            "--format",
            help="schema: JSON Schema of a row; parquet: an empty file and an example; jsonl: the example as text.",
            show_default="all",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write, for each event type that others deliver, its schema, an empty Parquet file and a few example rows.

    Exit codes: 0 written, 1 failed or a file is there already, 2 wrong usage.
    """
    from mlife_assets.adapters.landing_templates import PLACING, Kind, naming, write_templates
    from mlife_assets.recruiting.events import MARKET_EVENT_TYPES
    from mlife_assets.recruiting.policies import Policies
    from mlife_assets.settings import DBT_PROJECT_FOLDER

    chosen = list(dict.fromkeys(event_types or MARKET_EVENT_TYPES))
    kinds = [Kind(one) for one in formats or Format]
    written = write_templates(folder, chosen, kinds, dbt_project=DBT_PROJECT_FOLDER)
    name_rule = naming(Policies().landing)
    if as_json:
        files = [{"event_type": one.event_type, "format": one.kind, "file": str(one.path)} for one in written]
        print_json({"files": files, "naming": name_rule, "placing": PLACING})
        return
    what = f"{counted(len(written), 'file')} of {counted(len(chosen), 'event type')}"
    say(f"Written to {folder}: {what}.")
    for event_type in chosen:
        names = ", ".join(str(one.path.relative_to(folder)) for one in written if one.event_type == event_type)
        say(f"  {names}")
    say(name_rule, PLACING)
    say("Landing takes Parquet alone: a .jsonl file is to be read. `mlife landing check` tries your files.")


@landing_app.command()
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILES...", help="Files that are to be delivered.")],
    day: Annotated[
        date | None,
        typer.Option(
            "--day",
            **A_DAY,
            help="Day they are delivered for.",
            show_default="of the folder dt=YYYY-MM-DD that a file lies in",
        ),
    ] = None,
    event_type: Annotated[
        str | None,
        typer.Option(
            "--type",
            parser=event_type_of,
            metavar="TYPE",
            help="Their event type.",
            show_default="the folder above that",
        ),
    ] = None,
    rows: Annotated[
        int, typer.Option("--rows", min=0, metavar="N", help="Refused rows to list per file.")
    ] = SHOWN_ROWS,
    as_json: AsJson = False,
) -> None:
    """Judge files as the ingest would, before they are delivered in time; needs no home and writes nothing.

    Whether an event is in the log already is known to a home alone, so that is not looked at.

    Exit codes: 0 every row would be accepted, 1 a row or a file would not, 2 wrong usage.
    """
    from mlife_assets.adapters.cage import DecodingCage
    from mlife_assets.adapters.landing_check import check_files
    from mlife_assets.recruiting.policies import Policies

    policy = Policies().landing
    given = _given(files, event_type, day)
    cage = DecodingCage(policy)
    try:
        with progress("checking files"):
            checked = check_files(given, policy=policy, cage=cage, shown=rows)
    finally:
        cage.close()
    if as_json:
        print_json(_document(checked))
    else:
        for one in checked:
            say(*_lines(one))
        say(_sum(checked), style="bold")
    if not all(one.is_accepted for one in checked):
        raise typer.Exit(ExitCode.FAILED)


def _given(files: list[Path], event_type: str | None, day: date | None) -> list[GivenFile]:
    """Return the files with event type and day. Raises typer.BadParameter where these are unknown."""
    from mlife_assets.adapters.landing_check import GivenFiles, given_file

    try:
        given = [given_file(path, event_type=event_type, day=day) for path in files]
        GivenFiles(given)
    except (InvalidInputError, NotFoundError) as error:
        raise typer.BadParameter(str(error)) from error
    return given


def _lines(checked: CheckedFile) -> Iterator[str]:
    """Yield what there is to say of a file."""
    name = one_line(str(checked.file.path))
    what = f"{one_line(checked.file.event_type)} of {checked.file.day}"
    if checked.refusal is not None:
        yield f"{name}: {what}, not taken"
        yield f"  {checked.refusal_reason}: {checked.refusal}"
    else:
        size = f"{checked.size or 0:,} bytes"
        yield f"{name}: {what}, {size}, {counted(checked.accepted, 'row')} accepted, {checked.rejected:,} rejected"
    for one in checked.rejections:
        yield f"  row {one.row}, {one.field}: {one.reason}: {one.detail}"
    if (more := checked.rejected - len(checked.rejections)) > 0:
        yield f"  and {more:,} more; --rows lists them"
    if checked.extra_columns:
        yield f"  dropped, as the contract has no such column: {', '.join(map(one_line, checked.extra_columns))}"


def _sum(checked: list[CheckedFile]) -> str:
    accepted, rejected = sum(one.accepted for one in checked), sum(one.rejected for one in checked)
    refused = sum(one.refusal is not None for one in checked)
    return (
        f"{counted(len(checked), 'file')}: {counted(accepted, 'row')} would be accepted, {rejected:,} rejected; "
        f"{counted(refused, 'file')} would not be taken. Rows count from 0."
    )


def _document(checked: list[CheckedFile]) -> dict[str, Any]:
    return {
        "is_accepted": all(one.is_accepted for one in checked),
        "accepted": sum(one.accepted for one in checked),
        "rejected": sum(one.rejected for one in checked),
        "files": [
            {
                "file": one_line(str(one.file.path)),
                "event_type": one_line(one.file.event_type),
                "day": one.file.day,
                "source": one.file.source,
                "bytes": one.size,
                "is_accepted": one.is_accepted,
                "is_name_taken": one.is_name_taken,
                "is_size_taken": one.is_size_taken,
                "accepted": one.accepted,
                "rejected": one.rejected,
                "rejected_by_reason": one.by_reason,
                "rejections": [asdict(entry) for entry in one.rejections],
                "more": one.rejected - len(one.rejections),
                "refusal": None if one.refusal is None else {"reason": one.refusal_reason, "detail": one.refusal},
                "extra_columns": list(one.extra_columns),
            }
            for one in checked
        ],
    }


def replay(
    day: Annotated[
        date | None, typer.Option("--day", **A_DAY, help="Day they were delivered for.", show_default="all")
    ] = None,
    event_type: Annotated[
        str | None,
        typer.Option("--type", parser=event_type_of, metavar="TYPE", help="Their event type.", show_default="all"),
    ] = None,
    applies: Annotated[
        bool, typer.Option("--apply", help="Add rows that are good now to the event log; else nothing is written.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Judge the rows and files again that landing refused, and say which are good now.

    Accepted rows count as known since the newest day ran, so earlier results stay as they are. --apply reports the
    labels that they changed.

    Exit codes: 0 judged, 1 failed or nothing was refused there.
    """
    from mlife_assets.components.events.event_history import late_labels

    platform = open_board(home)
    folders = _folders(platform, day, event_type)
    with progress("judging rejected rows"):
        replayed, late_files = _replayed(platform, folders, applies=applies)
    if applies:
        seal(platform.of_model())
    late = late_labels(platform.event_log, late_files, platform.policies.label)
    appended = sum(one.appended for one in replayed)
    if as_json:
        found = {"replayed": [asdict(one) for one in replayed], "late": [asdict(one) for one in late]}
        print_json({"is_applied": applies, "appended": appended, **found})
        return
    for one in replayed:
        say(*_replay_lines(one, applies=applies))
    for changed in late:
        say(_late_line(changed))
    were = f"{'was' if appended == 1 else 'were'} taken" if applies else "would be taken"
    hint = "; --apply takes them" if appended and not applies else ""
    say(f"{counted(appended, 'row')} {were}{hint}.", style="bold")


def _folders(platform: BoardPorts, day: date | None, event_type: str | None) -> list[RejectedFolder]:
    """Return the rejections that the options select. Raises NotFoundError when there are none."""
    from mlife_assets.adapters.ingest_report import RejectedRows

    found = [
        folder
        for folder in RejectedRows(platform.lake).folders()
        if day in (None, folder.day) and event_type in (None, folder.name)
    ]
    if not found:
        what = " ".join(["nothing", *([f"of {event_type}"] if event_type else []), "was refused"])
        chosen = "; without --day and --type everything is judged that was" if day or event_type else ""
        raise NotFoundError(f"{what} {f'on {day}' if day else 'in this home'}{chosen}")
    return found


def _replayed(
    platform: BoardPorts, folders: Sequence[RejectedFolder], *, applies: bool
) -> tuple[list[Replayed], set[LogFile]]:
    """Judge folders again, oldest first, and return which files of the log hold rows that were taken in late.

    All but those of the newest day are judged as of one time, by one ingest.
    """
    from mlife_assets.core.windows import add_days

    newest = platform.days.newest()
    ingests: dict[bool, Ingest] = {}
    replayed = []
    for folder in folders:
        day = add_days(folder.day, 1)
        is_late = newest is not None and day < newest
        if is_late not in ingests:
            ingests[is_late] = platform.home.intake.ingest_at(day)
        replayed.append(ingests[is_late].replay(folder, applies=applies))
    return replayed, {file for ingest in ingests.values() for file in ingest.late_files}


def _replay_lines(replayed: Replayed, *, applies: bool) -> Iterator[str]:
    """Yield what there is to say of a day and a type."""
    from mlife_assets.core.validation import Reason

    report, refused = replayed.report, sum(replayed.report.rejected.values())
    repeats = report.rejected.get(Reason.DUPLICATE_EVENT_ID.value, 0)
    taken = f"{counted(replayed.appended, 'row')} {'taken' if applies else 'good now'}"
    known, refused = report.accepted - replayed.appended + repeats, refused - repeats
    yield f"{report.event_type} of {replayed.day}: {taken}, {known:,} in the log already, {refused:,} still refused"
    shown = [one for one in report.examples if one.reason != Reason.DUPLICATE_EVENT_ID]
    for one in shown:
        where = "the whole file" if one.row < 0 else f"row {one.row}"
        named = where if one.field is None else f"{where}, {one.field}"
        yield f"  {one_line(one.source)}, {named}: {one.reason}: {one.detail}"
    if (more := refused - len(shown)) > 0:
        yield f"  and {more:,} more of these reasons"


def _late_line(late: LateRows) -> str:
    """Return a sentence on the changes by late rows."""
    from mlife_assets.recruiting.late_labels import EXPOSURE, WINDOWS

    came = f"{late.event_type}: {counted(late.rows, 'row')} came late, of {_days(late.first_day, late.last_day)}"
    if late.event_type not in (EXPOSURE, *WINDOWS):
        return f"{came}; no label is made of them"
    thing, done = ("exposure", "added") if late.event_type == EXPOSURE else ("label", "moved")
    shown = f" (shown {_days(late.first_exposure_day, late.last_exposure_day)})" if late.moved else ""
    final = f" ({late.too_late:,} because the label was final)" if late.too_late else ""
    rest = counted(late.rows - late.moved, "row")
    return f"{came}; {counted(late.moved, thing)} {done}{shown}, {rest} {done} none{final}"


def _days(first: date | None, last: date | None) -> str:
    return f"{first}" if first == last else f"{first} to {last}"
