"""What a look at a deployment found: what is as it must be, and what to do about the rest.

Belongs here: the record. Does not belong here: looking (`adapters.store_checkup`, `cli.doctor`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mlife_assets.core.errors import MlifeError


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


@contextmanager
def faults_found(part: str, found: list[Finding]) -> Iterator[None]:
    """Add an error of mlife to `found`, as the fault of a part: the other parts are looked at all the same."""
    try:
        yield
    except MlifeError as error:
        says, _, remedy = str(error).rpartition("; ")
        found.append(Finding(part, says or "it failed", remedy or str(error)))
