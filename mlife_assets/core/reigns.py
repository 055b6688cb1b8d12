"""Reigns: which version of a model served from when on.

Belongs here: the fold of promotions and rollbacks. Does not belong here: reading or recording them
(`adapters.model_registry`), whether a version may be promoted (`training.gate`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

PROMOTED, ROLLED_BACK = "model_promoted", "model_rolled_back"
REIGN_EVENTS = (PROMOTED, ROLLED_BACK)
_SAID = ("model_version", "previous_version", "actor", "reason")


@dataclass(frozen=True)
class Reign:
    """One change of the champion.

    Attributes:
        model_version: who serves from `since` on.
        previous_version: who served before; None at first.
        since: when it was known.
        kind: `promoted` or `rolled_back`.
        actor: who did it.
        reason: why.
    """

    model_version: str
    previous_version: str | None
    since: datetime
    kind: str
    actor: str
    reason: str


def reigns_of(events: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[Reign]:
    """Return all changes of one model's champion, oldest first, from the rows of each of `REIGN_EVENTS`."""
    found = [
        Reign(since=row["observed_at"], kind=name.removeprefix("model_"), **{said: row[said] for said in _SAID})
        for name, rows in events.items()
        for row in rows
    ]
    return sorted(found, key=lambda reign: (reign.since, reign.kind, reign.model_version))


def standing(history: Sequence[Reign]) -> list[str]:
    """Return the champions that were never rolled back, oldest first; the last one serves."""
    versions: list[str] = []
    for reign in history:
        if reign.kind == "rolled_back" and reign.model_version in versions:
            place = len(versions) - 1 - versions[::-1].index(reign.model_version)
            del versions[place + 1 :]
        else:
            versions.append(reign.model_version)
    return versions


def anchor_of(history: Sequence[Reign], not_inferior: Collection[str]) -> str | None:
    """Return the version from which the losses of a chain of promotions are counted: the last that won, or the first.

    Args:
        history: all changes of the champion, oldest first.
        not_inferior: versions that were promoted as not inferior; all others won, or were put there by a person.
    """
    versions = standing(history)
    return next((one for one in reversed(versions) if one not in not_inferior), versions[0] if versions else None)
