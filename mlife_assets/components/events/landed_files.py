"""Which landed days still have to be looked up: what the sensor of landed files keeps between two ticks.

Belongs here: the days whose files are known to be ingested, the cursor. Does not belong here: reading ingest
reports, requests (`sensors`).

Concept: a sensor ticks for ever, so it must not read every day that ever ran. The cursor says up to which day every
file was ingested, which days are still open, and what the ingested files were. While those files are the same, only
open and new days are looked up. When a file is added, every day is looked up again, once; the same happens when the
cursor is lost or cannot be read. No file is ever missed.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from mlife_assets.core.ids import digest

Landed = Mapping[date, Sequence[str]]
"""Partition day -> the keys of its landed files."""


@dataclass(frozen=True)
class IngestedFiles:
    """Days until `until`, but for `open_days`, were ingested when their files had this digest."""

    until: date
    open_days: frozenset[date]
    files: str

    def days_to_look_up(self, landed: Landed) -> list[date]:
        """Return the days whose files may not be ingested, oldest first."""
        settled = {day for day in landed if day <= self.until and day not in self.open_days}
        is_same = _digest(landed, settled) == self.files
        return sorted(day for day in landed if not is_same or day not in settled)

    def to_cursor(self) -> str:
        """Return the text that `from_cursor` reads."""
        open_days = sorted(day.isoformat() for day in self.open_days)
        return json.dumps({"files": self.files, "open": open_days, "until": self.until.isoformat()})


def ingested_files(landed: Landed, open_days: Collection[date]) -> IngestedFiles:
    """Return that all days of `landed` but `open_days` were ingested as they are."""
    settled = {day for day in landed if day not in open_days}
    return IngestedFiles(max(landed, default=date.min), frozenset(open_days), _digest(landed, settled))


def from_cursor(text: str | None) -> IngestedFiles:
    """Return what a cursor says; that nothing is known where there is none, or one of another form."""
    try:
        record = json.loads(text or "{}")
        days = [date.fromisoformat(day) for day in (record["until"], *record["open"])]
        return IngestedFiles(days[0], frozenset(days[1:]), str(record["files"]))
    except (ValueError, KeyError, TypeError):
        return IngestedFiles(date.min, frozenset(), "")


def _digest(landed: Landed, days: Collection[date]) -> str:
    return digest([key for day in sorted(days) for key in sorted(landed[day])])
