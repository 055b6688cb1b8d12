"""Texts and mails as the market sees them: who was shown which job, and when; who asks for mails and clicks in them.

Concept: the market learns of a text only by its delivery, like a person does. A mail is a short page: a reader who
opens it looks at its jobs from the top, as on the site. Nobody reports that it was opened. An outcome names the message
and the place in it, so a mail may have several; the exporter says the message.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.ids import unit_interval
from mlife_assets.market.behaviour import ID_TYPE
from mlife_assets.market.population import MICROSECONDS_PER_DAY, Population, epoch_us
from mlife_assets.market.private_files import mail_address
from mlife_assets.market.vacancies import Vacancies, job_ids
from mlife_assets.market.world import MarketConfig
from mlife_assets.recruiting.events import TIMESTAMP

DELIVERED_SCHEMA = pa.schema(
    [("message_id", pa.string()), ("user_id", pa.string()), ("job_id", pa.string()), ("sent_at", TIMESTAMP)]
)
"""The platform's report of the texts delivered on a day. A mail has a row for each job, with its
`POSITION`, which a text has not."""
POSITION = "position"

PLACE = "."
READING_US = 20_000_000
"""From one job of a mail to the next."""


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
        return len(self.person)


def no_texts() -> Texts:
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


@dataclass(frozen=True)
class MailItems:
    """The n jobs in the mails of one day, ordered by time, mail and place.

    Attributes:
        exposure_ids: message id and place.
        mail: number of the mail, from 0.
        person, job: row numbers.
        position: place in the mail, from 1.
        sent_us: when, microseconds since 1970.
    """

    exposure_ids: np.ndarray
    mail: np.ndarray
    person: np.ndarray
    job: np.ndarray
    position: np.ndarray
    sent_us: np.ndarray

    def __len__(self) -> int:
        return len(self.person)


def asks_for_mails(config: MarketConfig, user_id: str) -> bool:
    """Return whether a user has an address and agreed to mails when signing up."""
    draw = unit_interval(config.seed, "mail_consent", user_id)
    return draw < config.calibration.people.mail_consent_share and mail_address(config.seed, user_id) is not None


def message_of(exposure_id: str) -> str:
    """Return the message that an exposure was in, whichever place it had."""
    return exposure_id.partition(PLACE)[0]


def delivered_mails(table: pa.Table | None, people: Population, jobs: Vacancies, day: date) -> MailItems:
    """Return the jobs in the platform's delivered mails of `day`.

    Args:
        table: see `texts.DELIVERED_SCHEMA`; rows with a `position` are jobs of mails. None is an empty one.
        people, jobs: the world.
        day: the UTC day on which all of them were sent.

    Raises:
        InvalidInputError: as `texts.delivered_texts`, or a place below 1.
    """
    if table is None or POSITION not in table.column_names:
        table = pa.table({name: pa.array([], pa.string()) for name in ("message_id", "user_id", "job_id")})
        table = table.append_column("sent_at", pa.array([], pa.timestamp("us", "UTC")))
        table = table.append_column(POSITION, pa.array([], pa.int64()))
    items = table.filter(pc.is_valid(table[POSITION]))
    places = items[POSITION].to_pylist()
    if wrong := [row for row, place in enumerate(places) if place < 1]:
        raise InvalidInputError(f"position in row {wrong[0]} of the mails is {places[wrong[0]]}; count from 1")
    ids = [f"{key}{PLACE}{place}" for key, place in zip(items["message_id"].to_pylist(), places, strict=True)]
    column = items.column_names.index("message_id")
    named = items.set_column(column, "message_id", pa.array(ids, pa.string())).drop_columns([POSITION])
    shown = delivered_texts(named, people, jobs, day)
    messages = np.array([message_of(one) for one in shown.message_ids.tolist()], dtype=ID_TYPE)
    position = np.array([int(one.partition(PLACE)[2]) for one in shown.message_ids.tolist()], dtype=np.int64)
    order = np.lexsort((position, messages, shown.sent_us))
    is_next = np.ones(len(order), dtype=bool)
    is_next[1:] = messages[order][1:] != messages[order][:-1]
    return MailItems(
        shown.message_ids[order],
        np.cumsum(is_next) - 1,
        shown.person[order],
        shown.job[order],
        position[order],
        shown.sent_us[order],
    )
