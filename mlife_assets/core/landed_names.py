"""Names in a landing folder: rules for accepting, ignoring and displaying them.

Concept: a name is a stranger's text. Unprintable characters are shown escaped, and a file is taken only when its name
needs no escaping, so that a source in a report is a name that can be typed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from mlife_assets.core.validation import FileFault, Reason

NAME_LENGTH_MAXIMUM = 200
_DAY_FOLDER = re.compile(r"dt=(\d{4}-\d{2}-\d{2})", re.ASCII)
_UNFINISHED = re.compile(r".+#\d+")
"""Left in the object store by a killed write."""
NO_EVENT_TYPE = "it is no folder of an event type"
NO_DAY = "it is no folder of a day, dt=YYYY-MM-DD"
NESTED = "files lie directly in the folder of a day; move it up"
IGNORED_MAXIMUM = 200
"""Maximum of ignored entries of one kind and day that are listed singly."""


@dataclass(frozen=True)
class Delivery:
    """An entry, usually a file, in the folder of an event type and a day.

    Attributes:
        event_type: name of the first folder, printable.
        source: `<event_type>/dt=<day>/<name>`, printable; the key of the file when there is no fault.
        fault: why it is not read; None for a file that is to be read.
    """

    event_type: str
    source: str
    fault: FileFault | None = None


@dataclass(frozen=True)
class IgnoredFile:
    """An ignored entry; `is_expected` when its name conventionally means that (`_SUCCESS`, `.part`)."""

    source: str
    why: str
    is_expected: bool


@dataclass(frozen=True)
class LandedDay:
    """The landing folder of a day: deliveries by source, and ignored entries."""

    deliveries: tuple[Delivery, ...]
    ignored: tuple[IgnoredFile, ...]


class Landing(Protocol):
    """Port for reading delivered files, which are not trusted."""

    def look(self, day: date) -> LandedDay:
        """Return the entries for `day`, with refused and ignored ones and those that belong to no day."""

    def read(self, source: str, maximum_bytes: int) -> bytes | FileFault:
        """Return the bytes of a faultless delivery, or the fault found while reading."""


class LandingArea(Landing, Protocol):
    """Port of the place where exporters leave files: a folder or a bucket."""

    def delivered(self, days: Collection[date]) -> dict[date, list[str]]:
        """Return deliveries by day, for those of `days` that have any."""


def shown_name(name: str) -> str:
    """Return a name for people: printable, and cut only where it is longer than any that is taken."""
    printable = name if name.isprintable() else ascii(name)[1:-1]
    return printable if len(printable) <= NAME_LENGTH_MAXIMUM else printable[:NAME_LENGTH_MAXIMUM] + "…"


def name_fault(name: str) -> FileFault | None:
    """Return why a file or folder of this name is refused, None when it is not."""
    if not name.isprintable():
        return FileFault(Reason.UNSAFE_NAME, "the name holds characters that cannot be printed; rename it")
    if len(name) > NAME_LENGTH_MAXIMUM:
        return FileFault(Reason.UNSAFE_NAME, f"the name has more than {NAME_LENGTH_MAXIMUM} characters; rename it")
    return None


def folder_of_day(day: date) -> str:
    """Return the only name of the folder of a day."""
    return f"dt={day.isoformat()}"


def day_of_folder(name: str) -> date | None:
    """Return the day of a folder `dt=YYYY-MM-DD`, None for another name."""
    found = _DAY_FOLDER.fullmatch(name)
    try:
        return None if found is None else date.fromisoformat(found[1])
    except ValueError:
        return None


def hidden_reason(name: str) -> str | None:
    """Return why a name is ignored by convention; None if it is not."""
    if name.startswith(("_", ".")):
        return "names that start with _ or . are left alone"
    if _UNFINISHED.fullmatch(name):
        return "the file was never finished"
    return None


def ignored_file(source: str, name: str, why: str) -> IgnoredFile:
    """Return an entry ignored because of its name, or else because of `why`."""
    hidden = hidden_reason(name)
    return IgnoredFile(source, hidden or why, is_expected=hidden is not None)


def bounded(entries: Sequence[IgnoredFile]) -> tuple[IgnoredFile, ...]:
    """Return the first entries, and one that counts the others."""
    more = len(entries) - IGNORED_MAXIMUM
    if more <= 0:
        return tuple(entries)
    is_expected = all(entry.is_expected for entry in entries)
    return (*entries[:IGNORED_MAXIMUM], IgnoredFile(f"{more} more", "not listed one by one", is_expected))


def too_large(maximum_bytes: int) -> FileFault:
    """Return the fault of a file with more bytes than the limit."""
    return FileFault(Reason.TOO_LARGE, f"the file has more than {maximum_bytes} bytes; split the export")
