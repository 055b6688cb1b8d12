"""Clicks, applications and hires on their way: what will happen, and when.

Belongs here: the table of outcomes and the choice of those that are due. Does not belong here: drawing them
(`behaviour`), bookkeeping of jobs (`simulation`).

Concept: an outcome is drawn with its exposure but happens later; until then it waits in a queue that is part of the
state. It keeps the id of the exposure that caused it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

CLICK, APPLY, HIRE = 0, 1, 2
KINDS = ("click", "apply", "hire")
ID_TYPE = "<U32"
"""Wide enough for a message id and a place."""


@dataclass(frozen=True)
class Outcomes:
    """n outcomes.

    Attributes:
        kind: CLICK, APPLY or HIRE, int64.
        moment_us: when, microseconds since 1970.
        person, job: row numbers.
        is_text: whether the exposure was a message: a text or a job of a mail.
        exposure_id: impression event id or message id; of a mail with the place of the job.
        due_day: day since 1970 whose export shows it.
    """

    kind: np.ndarray
    moment_us: np.ndarray
    person: np.ndarray
    job: np.ndarray
    is_text: np.ndarray
    exposure_id: np.ndarray
    due_day: np.ndarray

    def __len__(self) -> int:
        """Return the number of outcomes."""
        return len(self.kind)

    def take(self, rows: np.ndarray) -> Outcomes:
        """Return the rows selected by numbers or by a mask."""
        return Outcomes(*(getattr(self, field.name)[rows] for field in fields(Outcomes)))

    def in_order(self) -> Outcomes:
        """Return the rows by time; ties by kind and exposure."""
        return self.take(np.lexsort((self.exposure_id, self.kind, self.moment_us)))


def no_outcomes() -> Outcomes:
    """Return an empty table."""
    nothing = np.zeros(0, dtype=np.int64)
    return outcomes(CLICK, nothing, nothing, nothing, nothing, nothing)


def outcomes(
    kind: int, moment_us: np.ndarray, person: np.ndarray, job: np.ndarray, is_text: np.ndarray, exposure_id: np.ndarray
) -> Outcomes:
    """Return outcomes of one kind, not yet due."""
    count = len(moment_us)
    return Outcomes(
        np.full(count, kind, dtype=np.int64),
        moment_us.astype(np.int64),
        person.astype(np.int64),
        job.astype(np.int64),
        is_text.astype(bool),
        exposure_id.astype(ID_TYPE),
        np.zeros(count, dtype=np.int64),
    )


def joined(parts: list[Outcomes]) -> Outcomes:
    """Return all rows of `parts`, in their order."""
    return Outcomes(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Outcomes)))


def rank_within(values: np.ndarray) -> np.ndarray:
    """Return for each row how many rows before it hold the same value, int64 (n,)."""
    if len(values) == 0:
        return np.zeros(0, dtype=np.int64)
    order = np.argsort(values, kind="stable")
    arranged = values[order]
    starts = np.flatnonzero(np.r_[True, arranged[1:] != arranged[:-1]])
    within = np.arange(len(values)) - np.repeat(starts, np.diff(np.r_[starts, len(values)]))
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[order] = within
    return ranks
