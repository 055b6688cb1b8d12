"""Bodies: the content of a message, by channel.

Concept: every channel sends one string, so plan, digest, approval and ledger bind all of it. The same jobs give
the same body at any time: that is how a stored plan is held against the facts of its jobs before it is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeAlias

import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.application import Application, Channel
from mlife_assets.recruiting.ids import DEFAULT_BASE
from mlife_assets.recruiting.mail.letterhead import Letterhead
from mlife_assets.recruiting.messaging.employer_review import EmployerReviews
from mlife_assets.recruiting.messaging.job_wordings import RefusedJob, word_jobs


@dataclass(frozen=True)
class Message:
    """One message to be written: its id, the account that it is for, its jobs, best first."""

    message_id: str
    user_id: str
    job_ids: tuple[str, ...]


Bodies: TypeAlias = Callable[[Sequence[Message]], list[str]]
"""Writes messages of one application on one day, one body each. Each of their jobs is among the offers."""

Offers: TypeAlias = tuple[Mapping[str, Any], tuple[RefusedJob, ...]]
"""A channel's wording of each job that it may offer, and the jobs whose own words it may not use."""


@dataclass(frozen=True)
class Stamps:
    """Sender and keys of a deployment's messages: the keys sign links and tokens that lead back to them.

    Attributes:
        link_key: of link tokens.
        link_base: what precedes those of texts.
        mail_key: of unsubscribe tokens; only mails need it.
        letterhead: who sends mails.
    """

    link_key: bytes = field(repr=False)
    link_base: str = DEFAULT_BASE
    mail_key: bytes = field(default=b"", repr=False)
    letterhead: Letterhead = field(default_factory=Letterhead)


@dataclass(frozen=True)
class OfferedJobs:
    """Inputs of writing an application's messages of one day.

    Attributes:
        application: their sender.
        as_of: partition day.
        users: facts of people, one row each; texts need none.
        jobs: facts of all jobs, one row each.
        offers: the channel's words for jobs that may be offered.
        stamps: sender marks.
    """

    application: Application
    as_of: date
    users: pa.Table
    jobs: pa.Table
    offers: Mapping[str, Any]
    stamps: Stamps


def text_offers(jobs: pa.Table, application: Application, stamps: Stamps, reviews: EmployerReviews) -> Offers:
    """Return the wordings of texts."""
    key, base = stamps.link_key, stamps.link_base
    return word_jobs(jobs, application.policy, link_key=key, link_base=base, reviews=reviews)


def text_bodies(offered: OfferedJobs) -> Bodies:
    """Return the writer of texts: the wording of the one job, with the link of the message."""

    def bodies(messages: Sequence[Message]) -> list[str]:
        return [offered.offers[job_id].body(one.message_id) for one in messages for (job_id,) in (one.job_ids,)]

    return bodies


def _mail_offers(jobs: pa.Table, application: Application, stamps: Stamps, reviews: EmployerReviews) -> Offers:
    from mlife_assets.recruiting.messaging.email_digest.digest import offer_jobs

    del stamps
    return offer_jobs(jobs, application.policy, reviews=reviews)


def _mail_bodies(offered: OfferedJobs) -> Bodies:
    from mlife_assets.recruiting.messaging.email_digest.digest import DigestWriter, pair_facts

    def bodies(messages: Sequence[Message]) -> list[str]:
        pairs = [(message.user_id, job_id) for message in messages for job_id in message.job_ids]
        writer = DigestWriter(
            offered.application.name,
            offered.as_of,
            offered.stamps.letterhead,
            offered.offers,
            pair_facts(pairs, offered.users, offered.jobs),
            offered.stamps.link_key,
            offered.stamps.mail_key,
        )
        return [writer(message.message_id, message.user_id, message.job_ids) for message in messages]

    return bodies


@dataclass(frozen=True)
class Renderer:
    """How a channel speaks: of jobs to everybody, and to one person; whether it needs facts of people for that."""

    offers: Callable[[pa.Table, Application, Stamps, EmployerReviews], Offers]
    bodies: Callable[[OfferedJobs], Bodies]
    needs_people: bool = False


RENDERERS: dict[Channel, Renderer] = {
    Channel.SMS: Renderer(text_offers, text_bodies),
    Channel.EMAIL: Renderer(_mail_offers, _mail_bodies, needs_people=True),
}
"""Renderer of each channel."""


def renderer_of(application: Application) -> Renderer:
    """Return what writes an application's messages. Raises InvalidInputError when its channel has no renderer."""
    if application.channel not in RENDERERS:
        raise InvalidInputError(
            f"nothing writes what {application.name} sends by {application.channel}; add a renderer to bodies.RENDERERS"
        )
    return RENDERERS[application.channel]


def offers_of(jobs: pa.Table, application: Application, stamps: Stamps, reviews: EmployerReviews) -> Offers:
    """Return an application's wording of each job that it may offer, and the jobs whose own words it may not use.

    Args:
        jobs: `plan.JOB_COLUMNS`; optional `employer_id`, `job_occupation_group` and `job_metro_code`.
        application: whose channel and policy say what may be offered, and how.
        stamps: who sends.
        reviews: whose words may be sent.
    """
    return renderer_of(application).offers(jobs, application, stamps, reviews)


def bodies_of(offered: OfferedJobs) -> Bodies:
    """Return what writes an application's messages. Raises InvalidInputError when its channel has no renderer."""
    return renderer_of(offered.application).bodies(offered)
