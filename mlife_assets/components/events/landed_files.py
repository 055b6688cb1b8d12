"""Which landed days still have to be looked up: what the sensor of landed files keeps between two ticks.

Belongs here: the days whose files are known to be ingested, the cursor. Does not belong here: reading ingest
reports, requests (`sensors`).

Concept: a sensor ticks for ever, so it must not look at every day that ever ran. Files come late by hours or days, so a
tick looks at the newest days; at the older ones, whose files are nearly all there, it looks once an hour, or when the
cursor was lost or cannot be read, and then at those that are open. The cursor says of newest and of older days up to
which one every file was ingested, which are still open, and what the ingested files were. While those files are the
same, the ingest reports of open and new days alone are read; otherwise those of all, once. No file is ever missed: one
of an older day is seen later, by an hour at most.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from mlife_assets.core.ids import digest

RECENT_DAYS = 31
"""Days that every tick looks at: an exporter that was down, or sends a month again, is seen at once."""
OLDER_LOOKED_AT_EVERY = timedelta(hours=1)
"""What comes later than that was waited for longer than an hour."""

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

    def to_record(self) -> dict[str, Any]:
        """Return what `_from_record` reads."""
        open_days = sorted(day.isoformat() for day in self.open_days)
        return {"files": self.files, "open": open_days, "until": self.until.isoformat()}


NOTHING = IngestedFiles(date.min, frozenset(), "")
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class LandedCursor:
    """What is known of the newest days, and of the older ones since they were looked at."""

    recent: IngestedFiles = NOTHING
    older: IngestedFiles = NOTHING
    older_looked_at: datetime = NEVER

    def is_older_due(self, now: datetime) -> bool:
        """Return whether the older days are to be looked at; also where the clock was put back."""
        return not timedelta(0) <= now - self.older_looked_at < OLDER_LOOKED_AT_EVERY

    def to_text(self) -> str:
        """Return the text that `from_cursor` reads."""
        at = self.older_looked_at.isoformat()
        return json.dumps({"at": at, "older": self.older.to_record(), "recent": self.recent.to_record()})


def ingested_files(landed: Landed, open_days: Collection[date]) -> IngestedFiles:
    """Return that all days of `landed` but `open_days` were ingested as they are."""
    settled = {day for day in landed if day not in open_days}
    return IngestedFiles(
        max(landed, default=date.min), frozenset(landed).intersection(open_days), _digest(landed, settled)
    )


def from_cursor(text: str | None) -> LandedCursor:
    """Return what a cursor says; that nothing is known where there is none, or one of another form."""
    try:
        record = json.loads(text or "{}")
        at = datetime.fromisoformat(record["at"]).astimezone(UTC)
        return LandedCursor(_from_record(record["recent"]), _from_record(record["older"]), at)
    except (ValueError, KeyError, TypeError, OverflowError):
        return LandedCursor()


def _from_record(record: Mapping[str, Any]) -> IngestedFiles:
    days = [date.fromisoformat(day) for day in (record["until"], *record["open"])]
    return IngestedFiles(days[0], frozenset(days[1:]), str(record["files"]))


def _digest(landed: Landed, days: Collection[date]) -> str:
    return digest([key for day in sorted(days) for key in sorted(landed[day])])
