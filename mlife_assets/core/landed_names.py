"""Names in a landing folder: which are taken, which are left alone, and how each is shown.

Belongs here: judging names, the records of what was found, the port that finds it. Does not belong here: looking into
folders (an adapter).

Concept: a name is a stranger's text. It is shown with whatever cannot be printed escaped, and a file is taken only when
its name needs no escaping, so that a source in a report is a name that can be typed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from mlife_assets.core.validation import FileFault, Reason

NAME_LENGTH_MAXIMUM = 200
_DAY_FOLDER = re.compile(r"dt=(\d{4}-\d{2}-\d{2})", re.ASCII)
_UNFINISHED = re.compile(r".+#\d+")
"""What the object store leaves of a write that was killed."""


@dataclass(frozen=True)
class Delivery:
    """A file, or what stands in its place, in the folder of an event type and a day.

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
    """Something that is left alone; `is_expected` when that is the use of its name (`_SUCCESS`, `.part`)."""

    source: str
    why: str
    is_expected: bool


@dataclass(frozen=True)
class LandedDay:
    """What lies in landing for a day: deliveries by source, and what is left alone."""

    deliveries: tuple[Delivery, ...]
    ignored: tuple[IgnoredFile, ...]


class Landing(Protocol):
    """The port of where exporters leave files, read without trust: a folder, or a bucket."""

    def look(self, day: date) -> LandedDay:
        """Return what lies there for `day`, refused and ignored things included, and what belongs to no day."""
        ...

    def read(self, source: str, maximum_bytes: int) -> bytes | FileFault:
        """Return the bytes of a delivery without a fault, or why it is not to be read."""
        ...


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
    """Return why a name is left alone by convention, None when it is not."""
    if name.startswith(("_", ".")):
        return "names that start with _ or . are left alone"
    if _UNFINISHED.fullmatch(name):
        return "the file was never finished"
    return None
