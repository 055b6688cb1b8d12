"""Dry run of an ingest on files that are not delivered yet.

Concept: nothing is judged here. The ingest itself runs, day by day, into a lake in memory that is thrown away, on the
morning on which each day is landed when it is delivered in time. So a verdict is that of the ingest, but for what only
a home knows: ids that its log holds already.

A given file may lie anywhere: its last two folders, or the caller, name event type and day. Names, links and sizes are
judged by the code of the landing folder, so that nothing is fine here and refused there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow.compute as pc
from obstore.store import MemoryStore

from mlife_assets.adapters.cage import DecodingCage
from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.ingest_report import Outcome
from mlife_assets.adapters.landing import Ingest
from mlife_assets.adapters.landing_areas import LINK, LandingFolder, look_at_file
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.landed_names import (
    Delivery,
    IgnoredFile,
    LandedDay,
    day_of_folder,
    hidden_reason,
    name_fault,
    shown_name,
)
from mlife_assets.core.policies import LandingPolicy
from mlife_assets.core.validation import WHOLE_FILE, FileFault, Reason, rejected_file
from mlife_assets.core.windows import add_days, day_start


@dataclass(frozen=True)
class GivenFile:
    """A file with event type and day; `is_laid` if its last two folders are those of landing."""

    path: Path
    event_type: str
    day: date
    is_laid: bool

    @property
    def source(self) -> str:
        return f"{shown_name(self.event_type)}/dt={self.day}/{shown_name(self.whole.name)}"

    @property
    def whole(self) -> Path:
        return self.path.absolute()


def given_file(path: Path, *, event_type: str | None = None, day: date | None = None) -> GivenFile:
    """Return a file with the given event type and day, else its folders'. Raises NotFoundError or InvalidInputError."""
    whole = path.absolute()
    if not os.path.lexists(whole):
        raise NotFoundError(f"there is no file {shown_name(str(path))}; name one that exists")
    found = day_of_folder(whole.parent.name)
    found_type = whole.parent.parent.name if found is not None else None
    wanted_type, wanted_day = event_type or found_type, day or found
    if wanted_type is None or wanted_day is None:
        raise InvalidInputError(
            f"{shown_name(str(path))} does not lie in a folder <event type>/dt=YYYY-MM-DD; lay it there, or say "
            "--type and --day"
        )
    return GivenFile(path, wanted_type, wanted_day, is_laid=event_type is None and day is None)


class GivenFiles:
    """`landed_names.Landing` over files that somebody named."""

    def __init__(self, files: Sequence[GivenFile]) -> None:
        """Take files, each once. Raises InvalidInputError if two of them would have one name in landing."""
        self._files: dict[str, GivenFile] = {}
        for file in files:
            other = self._files.setdefault(file.source, file)
            if other.whole != file.whole:
                raise InvalidInputError(
                    f"{shown_name(str(file.path))} and {shown_name(str(other.path))} would both be {file.source}; "
                    "rename one"
                )

    @property
    def days(self) -> list[date]:
        return sorted({file.day for file in self._files.values()})

    def of_day(self, day: date) -> list[GivenFile]:
        return sorted((file for file in self._files.values() if file.day == day), key=lambda file: file.source)

    def look(self, day: date) -> LandedDay:
        """Return what landing would find for `day` if exactly these files lay there."""
        deliveries: list[Delivery] = []
        ignored: list[IgnoredFile] = []
        for file in self.of_day(day):
            found, left_alone = _look(file)
            deliveries += found
            ignored += left_alone[:1]
        return LandedDay(tuple(deliveries), tuple(ignored))

    def read(self, source: str, maximum_bytes: int) -> bytes | FileFault:
        path = self._files[source].whole
        return LandingFolder(path.parent).read(path.name, maximum_bytes)


def _look(file: GivenFile) -> tuple[list[Delivery], list[IgnoredFile]]:
    """Return what landing would say of a file, by its own source."""
    if file.is_laid:
        of_type = file.whole.parent.parent
        if (why := hidden_reason(of_type.name)) is not None:
            return [], [IgnoredFile(file.source, why, is_expected=True)]
        if of_type.is_symlink():
            return [], [IgnoredFile(file.source, "links are never followed", is_expected=False)]
        if file.whole.parent.is_symlink():
            return [Delivery(shown_name(file.event_type), file.source, LINK)], []
    try:
        folder = os.open(file.whole.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise InvalidInputError(
            f"{shown_name(str(file.whole.parent))} cannot be opened ({error.strerror}); grant read"
        ) from error
    try:
        found, left_alone = look_at_file(folder, file.whole.name, file.event_type, file.source.rpartition("/")[0])
    finally:
        with suppress(OSError):
            os.close(folder)
    return found, [IgnoredFile(file.source, entry.why, entry.is_expected) for entry in left_alone]


@dataclass(frozen=True)
class Rejection:
    """Why a row would be refused: its index in the file, from 0, the column and what to do."""

    row: int
    event_id: str | None
    reason: str
    field: str | None
    detail: str


@dataclass(frozen=True)
class CheckedFile:
    """The result of a dry run for one file.

    `refusal` says why the whole file would be refused or left alone, None when its rows are judged one by one;
    `refusal_reason` is as reports name it, `ignored` when left alone. `size` is None unless it is a regular file.
    """

    file: GivenFile
    size: int | None
    accepted: int
    rejected: int
    by_reason: dict[str, int]
    rejections: tuple[Rejection, ...]
    refusal: str | None
    refusal_reason: str | None
    extra_columns: tuple[str, ...]
    is_name_taken: bool
    is_size_taken: bool

    @property
    def is_accepted(self) -> bool:
        return self.refusal is None and not self.rejected


IGNORED = "ignored"
FIRST_CHECKED, LAST_CHECKED = 1970, 9998
"""Years of an export's day: the log begins with the first and names years with four digits."""


def check_files(
    files: Sequence[GivenFile], *, policy: LandingPolicy, cage: DecodingCage, shown: int
) -> list[CheckedFile]:
    """Return what would become of files delivered in time, by day and name, each with `shown` rejections."""
    landing = GivenFiles(files)
    lake = ObstoreObjectStore(MemoryStore())
    log = ParquetEventLog(lake)
    checked: list[CheckedFile] = []
    for day in landing.days:
        ingest = Ingest(landing, lake, _morning_after(day), cage=cage, policy=policy, log=log)
        landed = landing.look(day)
        found = {
            source: outcome for _, outcomes in ingest.outcomes(day, landed.deliveries) for source, outcome in outcomes
        }
        ignored = {entry.source: entry.why for entry in landed.ignored}
        for file in landing.of_day(day):
            outcome = found.get(file.source)
            checked.append(_checked(file, outcome, ignored.get(file.source, ""), policy, shown))
    return checked


def _morning_after(day: date) -> SimulatedClock:
    """Return the clock of an ingest that lands `day` when it is due."""
    if not FIRST_CHECKED <= day.year <= LAST_CHECKED:
        raise InvalidInputError(
            f"{day} is no day of an export; name one of the years {FIRST_CHECKED} to {LAST_CHECKED}"
        )
    return SimulatedClock(day_start(add_days(day, 1)))


def _checked(
    file: GivenFile, outcome: Outcome | None, why_ignored: str, policy: LandingPolicy, shown: int
) -> CheckedFile:
    found = file.path.lstat()
    size = found.st_size if stat.S_ISREG(found.st_mode) else None
    name = file.whole.name
    refused = rejected_file(Reason.NOT_A_FILE, why_ignored) if outcome is None else outcome.rejected
    whole = refused.filter(pc.equal(refused["row"], WHOLE_FILE)).to_pylist()
    rows = refused.slice(0, 0) if whole else refused
    refusal_reason = (IGNORED if outcome is None else whole[0]["reason"]) if whole else None
    return CheckedFile(
        file=file,
        size=size,
        accepted=0 if outcome is None else outcome.accepted,
        rejected=rows.num_rows,
        by_reason=dict(sorted((one["values"], one["counts"]) for one in pc.value_counts(rows["reason"]).to_pylist())),
        rejections=tuple(Rejection(**row) for row in rows.drop_columns(["raw"]).slice(0, shown).to_pylist()),
        refusal=whole[0]["detail"] if whole else None,
        refusal_reason=refusal_reason,
        extra_columns=() if outcome is None else outcome.extra_columns,
        is_name_taken=hidden_reason(name) is None and name_fault(name) is None,
        is_size_taken=size is None or size <= policy.maximum_file_bytes,
    )
