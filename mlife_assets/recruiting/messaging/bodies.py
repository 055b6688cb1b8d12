"""Bodies: what a message says, by channel.

Belongs here: which channel says it how, the texts. Does not belong here: the wording of a text (`templates`), mails.

Concept: whatever a channel sends is one string, so plan, digest, approval and ledger bind all of it. The same jobs give
the same body at any time: that is how a stored plan is held against the facts of its jobs before it is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.application import Application, Channel
from mlife_assets.recruiting.messaging.links import DEFAULT_BASE
from mlife_assets.recruiting.messaging.templates import Wording


class Bodies(Protocol):
    """Writes the messages of one application on one day."""

    def __call__(self, message_id: str, job_ids: Sequence[str]) -> str:
        """Return the body of a message about jobs that have a wording, best first."""
        ...


@dataclass(frozen=True)
class OfferedJobs:
    """What the messages of an application on one day are written from.

    Attributes:
        application: whose they are.
        jobs: facts of all jobs, one row each.
        worded: wordings of the jobs that may be offered.
        link_key: of link tokens.
        link_base: what precedes them.
    """

    application: Application
    jobs: pa.Table
    worded: Mapping[str, Wording]
    link_key: bytes = field(repr=False)
    link_base: str = DEFAULT_BASE


def text_bodies(offered: OfferedJobs) -> Bodies:
    """Return what writes texts: the wording of the one job, with the link of the message."""

    def body(message_id: str, job_ids: Sequence[str]) -> str:
        (job_id,) = job_ids
        return offered.worded[job_id].body(message_id)

    return body


RENDERERS: dict[Channel, Callable[[OfferedJobs], Bodies]] = {Channel.SMS: text_bodies}
"""Who writes what a channel sends."""


def bodies_of(offered: OfferedJobs) -> Bodies:
    """Return what writes an application's messages. Raises InvalidInputError when its channel has no renderer."""
    application = offered.application
    if application.channel not in RENDERERS:
        raise InvalidInputError(
            f"nothing writes what {application.name} sends by {application.channel}; add a renderer to bodies.RENDERERS"
        )
    return RENDERERS[application.channel](offered)
