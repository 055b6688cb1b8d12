"""Files that somebody names one by one, looked at as landing would look at them.

Concept: a file that is to be delivered may lie anywhere. Its last two folders say what it is, as they do in landing,
or whoever asks says so. Names, links and sizes are judged by the code of the landing folder, so that nothing is fine
here and refused there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mlife_assets.adapters.landing_folder import LINK, LandingFolder, look_at_file
from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.landed_names import (
    Delivery,
    IgnoredFile,
    LandedDay,
    day_of_folder,
    hidden_reason,
    shown_name,
)
from mlife_assets.core.validation import FileFault


@dataclass(frozen=True)
class GivenFile:
    """A file and what it is delivered as.

    Attributes:
        path: where it lies, as it was named.
        event_type: as the name of its folder says it, or whoever asked.
        day: of landing.
        is_laid: its last two folders are those of landing, so they are looked at too.
    """

    path: Path
    event_type: str
    day: date
    is_laid: bool

    @property
    def source(self) -> str:
        """Return the key that it has in landing."""
        return f"{shown_name(self.event_type)}/dt={self.day}/{shown_name(self.whole.name)}"

    @property
    def whole(self) -> Path:
        """Return the absolute path; links in it are kept."""
        return self.path.absolute()


def given_file(path: Path, *, event_type: str | None = None, day: date | None = None) -> GivenFile:
    """Return what a file is delivered as: what is given, else what its last two folders say.

    Raises:
        NotFoundError: there is no such file.
        InvalidInputError: nothing says what it is.
    """
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
        """Take files, each once.

        Raises:
            InvalidInputError: two of them would have one name in landing, so only one can be delivered.
        """
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
        """Return the days of the files, oldest first."""
        return sorted({file.day for file in self._files.values()})

    def of_day(self, day: date) -> list[GivenFile]:
        """Return the files of a day, by source."""
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
        """Return the bytes of a file without a fault, or why it is not to be read."""
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
