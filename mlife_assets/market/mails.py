"""Mails as the market sees them: who asks for them, who was shown which job in one, who clicks.

Belongs here: consent to mails, reading the platform's delivered mails, what follows from opening one. Does not belong
here: texts, addresses (`mail_addresses`), sending.

Concept: a mail is a short page: whoever opens it looks at its jobs from the top, as on the site. Nobody reports that it
was opened. An outcome names the message and the place in it, so a mail may have several; the exporter says the message.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.ids import unit_interval
from mlife_assets.market.mail_addresses import mail_address
from mlife_assets.market.outcomes import ID_TYPE
from mlife_assets.market.population import Population
from mlife_assets.market.texts import POSITION, delivered_texts
from mlife_assets.market.vacancies import Vacancies
from mlife_assets.market.world import MarketConfig

PLACE = "."
READING_US = 20_000_000
"""From one job of a mail to the next."""


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
        """Return the number of jobs in mails."""
        return len(self.person)


def asks_for_mails(config: MarketConfig, user_id: str) -> bool:
    """Return whether somebody agreed to mails when signing up, which takes an address."""
    draw = unit_interval(config.seed, "mail_consent", user_id)
    return draw < config.calibration.mail_consent_share and mail_address(config.seed, user_id) is not None


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
