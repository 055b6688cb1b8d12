"""The jobs that a mail may offer, and those that it may not.

Belongs here: applying the rules of strangers' words and the employer review to jobs. Does not belong here: the rules
(`messaging.job_wordings`, `messaging.employer_review`), who gets which job, layout (`digest`).

Concept: the rules are those of texts. A mail has room for a longer title, but for no trick that a text would refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.messaging.job_wordings import UNWRITABLE, RefusedJob, refusal
from mlife_assets.recruiting.messaging.segments import to_gsm7
from mlife_assets.recruiting.messaging.templates import pay_words
from mlife_assets.recruiting.messaging_policy import MessagingPolicy


@dataclass(frozen=True)
class Offer:
    """What a mail says of a job to everybody: title, pay as written, employer and place, which may be empty."""

    job_id: str
    title: str
    pay: str
    employer_name: str = ""
    place: str = ""


def offer_jobs(
    jobs: pa.Table, policy: MessagingPolicy, *, withheld_employers: Mapping[str, str] | None = None
) -> tuple[dict[str, Offer], tuple[RefusedJob, ...]]:
    """Return the offer of every job that may be in a mail, and the jobs that may not, ordered by job.

    Args:
        jobs: `plan.JOB_COLUMNS`; optional `metro_name` and `employer_id`.
        policy: the brand and the refused phrases.
        withheld_employers: employer id -> reason (`employer_review.withheld_employers`); their jobs are refused.
    """
    offers: dict[str, Offer] = {}
    refused: list[RefusedJob] = []
    withheld = withheld_employers or {}
    for job in jobs.sort_by("job_id").to_pylist():
        found = refusal(job, policy, withheld)
        if found is not None:
            refused.append(RefusedJob(job["job_id"], *found))
            continue
        try:
            offers[job["job_id"]] = _offer(job)
        except InvalidInputError as error:
            refused.append(RefusedJob(job["job_id"], UNWRITABLE, str(error)))
    return offers, tuple(refused)


def _offer(job: Mapping[str, object]) -> Offer:
    title, employer_name, place = (
        " ".join(str(job.get(name) or "").split()) for name in ("title", "employer_name", "metro_name")
    )
    if not title:
        raise InvalidInputError("title is empty; a mail needs it")
    for words in (title, employer_name):
        to_gsm7(words)  # what no text can say is no job title: emoji, other scripts
    pay = job["pay_usd_per_hour"]
    return Offer(
        str(job["job_id"]), title, pay_words(float(pay) if isinstance(pay, int | float) else 0.0), employer_name, place
    )
