"""Clocks: the only sources of the present.

Concept: the embedded world runs in simulated time, which its driver sets and which never runs backwards.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from mlife_assets.core.errors import InvalidInputError


class SystemClock:
    """The time of the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class FileClock:
    """The present from a text file, such as `2026-06-02T18:00:00+00:00`: trials move several processes at once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        """Return the instant in the file, aware, in UTC. Raises InvalidInputError if it holds none."""
        try:
            return _utc(datetime.fromisoformat(self._path.read_text(encoding="utf-8").strip()))
        except (OSError, ValueError) as error:
            raise InvalidInputError(
                f"MLIFE_CLOCK_FILE: {self._path} says no instant ({type(error).__name__}); write one such as "
                "2026-06-02T18:00:00+00:00 to it, or unset the variable"
            ) from error


class SimulatedClock:
    """A clock that stands still until it is set."""

    def __init__(self, start: datetime) -> None:
        self._now = _utc(start)

    def now(self) -> datetime:
        return self._now

    def set(self, now: datetime) -> None:
        """Move to `now`. Raises `InvalidInputError` when it is naive or before the present."""
        moment = _utc(now)
        if moment < self._now:
            raise InvalidInputError(
                f"the clock stands at {self._now.isoformat()} and cannot go back to {moment.isoformat()}; "
                "start a new SimulatedClock for an earlier time"
            )
        self._now = moment


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise InvalidInputError(f"time {moment.isoformat()} has no zone; pass an aware datetime in UTC")
    return moment.astimezone(UTC)
