"""`mlife landing replay`: rows that landing refused, judged again in the home that refused them.

Belongs here: asking for it and printing what came of it. Does not belong here: judging (`adapters.landing`), where
rejections are kept (`adapters.rejected_rows`).

Concept: what was refused can be good later: a newer mlife knows a word or a column, or the time that lay ahead has
come. What enters the log stays there, so without --apply rows are only judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from mlife_assets.cli.landing import event_type_of
from mlife_assets.cli.options import AsJson, Home, open_platform, parse_day, seal, settings_of
from mlife_assets.cli.output import answer_console, counted, one_line, print_json, progress
from mlife_assets.core.errors import NotFoundError

if TYPE_CHECKING:
    from mlife_assets.adapters.event_log import LogFile
    from mlife_assets.adapters.ingest_report import Replayed
    from mlife_assets.adapters.landing import Ingest
    from mlife_assets.adapters.rejected_rows import RejectedFolder
    from mlife_assets.components.platform.resources import Platform
    from mlife_assets.recruiting.late_labels import LateRows


def replay(
    day: Annotated[
        date | None,
        typer.Option(
            "--day", parser=parse_day, metavar="YYYY-MM-DD", help="Day they were delivered for.", show_default="all"
        ),
    ] = None,
    event_type: Annotated[
        str | None,
        typer.Option("--type", parser=event_type_of, metavar="TYPE", help="Their event type.", show_default="all"),
    ] = None,
    applies: Annotated[
        bool, typer.Option("--apply", help="Take what is good now into the event log; without it nothing is written.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Judge the rows and files again that landing refused, and say which are good now.

    Rows that are taken count as known since the newest day ran, so what was built before stays as it is. Which labels
    they moved that were open is reported with --apply.

    Exit codes: 0 judged, 1 failed or nothing was refused there.
    """
    from mlife_assets.components.events.late_labels import late_labels

    platform = open_platform(settings_of(home))
    folders = _folders(platform, day, event_type)
    with progress("judging rejected rows"):
        replayed, late_files = _replayed(platform, folders, applies=applies)
    if applies:
        seal(platform)
    late = late_labels(platform.event_log, late_files, platform.policies.label)
    appended = sum(one.appended for one in replayed)
    if as_json:
        found = {"replayed": [asdict(one) for one in replayed], "late": [asdict(one) for one in late]}
        print_json({"is_applied": applies, "appended": appended, **found})
        return
    console = answer_console()
    for one in replayed:
        for line in _lines(one, applies=applies):
            console.print(line, soft_wrap=True)
    for changed in late:
        console.print(_late_line(changed), soft_wrap=True)
    were = f"{'was' if appended == 1 else 'were'} taken" if applies else "would be taken"
    hint = "; --apply takes them" if appended and not applies else ""
    console.print(f"{counted(appended, 'row')} {were}{hint}.", style="bold", soft_wrap=True)


def _folders(platform: Platform, day: date | None, event_type: str | None) -> list[RejectedFolder]:
    """Return which rejections are asked for. Raises NotFoundError when there are none."""
    from mlife_assets.adapters.rejected_rows import RejectedRows

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
    platform: Platform, folders: Sequence[RejectedFolder], *, applies: bool
) -> tuple[list[Replayed], set[LogFile]]:
    """Judge folders again, oldest first, and return which files of the log hold rows that were taken in late.

    All but those of the newest day are judged as of one time, by one ingest.
    """
    from mlife_assets.core.windows import add_days

    newest = platform.newest_landed_day()
    ingests: dict[bool, Ingest] = {}
    replayed = []
    for folder in folders:
        day = add_days(folder.day, 1)
        is_late = newest is not None and day < newest
        if is_late not in ingests:
            ingests[is_late] = platform.ingest_at(day)
        replayed.append(ingests[is_late].replay(folder, applies=applies))
    return replayed, {file for ingest in ingests.values() for file in ingest.late_files}


def _lines(replayed: Replayed, *, applies: bool) -> Iterator[str]:
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
    """Return what rows changed that came late."""
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
