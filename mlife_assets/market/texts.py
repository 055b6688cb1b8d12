"""Texts as the market sees them: who got which job on the phone, and when.

Belongs here: the table of texts of one day, reading the platform's delivered messages into it. Does not belong here:
choosing whom to text (`history` before the platform, the platform afterwards).

Concept: the market learns of a text only by its delivery, like a person does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.market.outcomes import ID_TYPE
from mlife_assets.market.population import MICROSECONDS_PER_DAY, Population, epoch_us
from mlife_assets.market.vacancies import Vacancies, job_ids
from mlife_assets.recruiting.events import TIMESTAMP

DELIVERED_SCHEMA = pa.schema(
    [("message_id", pa.string()), ("user_id", pa.string()), ("job_id", pa.string()), ("sent_at", TIMESTAMP)]
)
"""What the platform reports of the texts that were delivered on a day. Of a mail it reports each job, with its
`POSITION`, which a text has not."""
POSITION = "position"


@dataclass(frozen=True)
class Texts:
    """n texts of one day.

    Attributes:
        message_ids: ids.
        person, job: row numbers.
        sent_us: when, microseconds since 1970.
        is_delivered: whether the handset got it.
        is_explore: whether the job was a random near one.
        propensity: probability of this slice and job.
    """

    message_ids: np.ndarray
    person: np.ndarray
    job: np.ndarray
    sent_us: np.ndarray
    is_delivered: np.ndarray
    is_explore: np.ndarray
    propensity: np.ndarray

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.person)


def no_texts() -> Texts:
    """Return an empty table."""
    numbers, flags = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
    return Texts(np.zeros(0, dtype=ID_TYPE), numbers, numbers, numbers, flags, flags, np.zeros(0))


def rows_of(known: np.ndarray, ids: np.ndarray, column: str) -> np.ndarray:
    """Return the positions of `ids` among the ascending `known` ids. Raises InvalidInputError for an unknown one."""
    at = np.minimum(np.searchsorted(known, ids), max(0, len(known) - 1))
    unknown = np.flatnonzero(known[at] != ids) if len(known) else np.arange(len(ids))
    if len(unknown):
        row = int(unknown[0])
        raise InvalidInputError(f"{column} {str(ids[row])!r} in row {row} is not of this market; pass its own ids")
    return at.astype(np.int64)


def delivered_texts(table: pa.Table, people: Population, jobs: Vacancies, day: date) -> Texts:
    """Return the platform's delivered messages of `day` as texts, ordered by time and id.

    Args:
        table: columns of `DELIVERED_SCHEMA`; others are ignored, and rows with a `POSITION` are left out.
        people, jobs: the world.
        day: the UTC day on which all of them were sent.

    Raises:
        InvalidInputError: a column is missing or null, an id is unknown or repeated, `sent_at` is of another day.
    """
    missing = [name for name in DELIVERED_SCHEMA.names if name not in table.column_names]
    if missing:
        raise InvalidInputError(f"delivered_messages lacks {', '.join(missing)}; pass {DELIVERED_SCHEMA.names}")
    if POSITION in table.column_names:
        table = table.filter(pc.is_null(table[POSITION]))
    plain = table.select(DELIVERED_SCHEMA.names).cast(DELIVERED_SCHEMA)
    if any(column.null_count for column in plain.columns):
        raise InvalidInputError("delivered_messages holds a null; drop or complete the row")
    if len(pc.unique(plain["message_id"])) != plain.num_rows:
        raise InvalidInputError("delivered_messages repeats a message_id; pass each delivered message once")
    sent = plain["sent_at"].cast(pa.int64()).to_numpy()
    outside = np.flatnonzero(sent // MICROSECONDS_PER_DAY != epoch_us(day) // MICROSECONDS_PER_DAY)
    if len(outside):
        raise InvalidInputError(f"sent_at in row {outside[0]} is not on {day}; pass the messages of that UTC day only")
    names = {name: np.array(plain[name].to_pylist(), dtype=str) for name in ("message_id", "user_id", "job_id")}
    person = rows_of(people.user_ids, names["user_id"], "user_id") if plain.num_rows else np.zeros(0, dtype=np.int64)
    known_jobs = job_ids(np.arange(len(jobs)))
    job = rows_of(known_jobs, names["job_id"], "job_id") if plain.num_rows else np.zeros(0, dtype=np.int64)
    order = np.lexsort((names["message_id"], sent))
    count = len(order)
    return Texts(
        names["message_id"].astype(ID_TYPE)[order],
        person[order],
        job[order],
        sent[order],
        np.ones(count, dtype=bool),
        np.zeros(count, dtype=bool),
        np.ones(count),
    )
