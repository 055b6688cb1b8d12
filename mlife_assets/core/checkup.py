"""What a look at a deployment found: what is as it must be, and what to do about the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from mlife_assets.core.errors import MlifeError

SKEW_MAXIMUM = timedelta(minutes=1)
SKEW_WHILE_SENDING = timedelta(minutes=5)
"""How far a clock may be off, or behind what was sent, while something is sent: hosts never agree to the second."""


@dataclass(frozen=True)
class Finding:
    """What was found of one part.

    Attributes:
        part: what was looked at, as settings name it.
        says: what is so.
        remedy: what to do; empty where nothing is wrong.
    """

    part: str
    says: str
    remedy: str = ""

    @property
    def is_fault(self) -> bool:
        """Return whether something has to be done."""
        return bool(self.remedy)


def clock_finding(part: str, apart: timedelta) -> Finding:
    """Return what follows from how far at least the clock of a part and that of this machine are apart."""
    if apart <= SKEW_MAXIMUM:
        return Finding(part, "its clock agrees with this machine's")
    return Finding(
        part,
        f"its clock and this machine's are {apart.total_seconds():.0f} seconds apart",
        "set this machine's clock by NTP: days and delays are counted by it",
    )


@contextmanager
def faults_found(part: str, found: list[Finding]) -> Iterator[None]:
    """Add an error of mlife to `found`, as the fault of a part: the other parts are looked at all the same."""
    try:
        yield
    except MlifeError as error:
        says, _, remedy = str(error).removeprefix(f"{part}: ").rpartition("; ")
        found.append(Finding(part, says or "it failed", remedy or str(error)))
