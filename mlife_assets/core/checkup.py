"""Results of checking a deployment, each fault with its remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from mlife_assets.core.errors import MlifeError

SKEW_MAXIMUM = timedelta(minutes=1)
SKEW_WHILE_SENDING = timedelta(minutes=5)
"""Tolerated clock difference, or delay behind the newest send, while sending: hosts never agree to the second."""


@dataclass(frozen=True)
class Finding:
    """Result for one part.

    Attributes:
        part: name of the part in the settings.
        says: its state.
        remedy: what to do; empty if nothing is wrong.
    """

    part: str
    says: str
    remedy: str = ""

    @property
    def is_fault(self) -> bool:
        """Return whether something must be done."""
        return bool(self.remedy)


def clock_finding(part: str, apart: timedelta) -> Finding:
    """Return the finding for the smallest possible difference between a part's clock and this machine's."""
    if apart <= SKEW_MAXIMUM:
        return Finding(part, "its clock agrees with this machine's")
    return Finding(
        part,
        f"its clock and this machine's are {apart.total_seconds():.0f} seconds apart",
        "set this machine's clock by NTP: days and delays are counted by it",
    )


@contextmanager
def faults_found(part: str, found: list[Finding]) -> Iterator[None]:
    """Add an mlife error to `found` as a fault of the part, so that the other parts are still checked."""
    try:
        yield
    except MlifeError as error:
        says, _, remedy = str(error).removeprefix(f"{part}: ").rpartition("; ")
        found.append(Finding(part, says or "it failed", remedy or str(error)))
