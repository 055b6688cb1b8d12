"""The wordings of a day's jobs: what each text will say, and which jobs get none and why.

Belongs here: applying the wording rules and the employer review to jobs. Does not belong here: the rules
(`wording_rules`, `employer_review`), the body (`templates`), who is texted (`plan`).

Concept: a job without a wording cannot be planned, so a refusal cannot be forgotten further down. Every refusal has a
reason that can be counted and says which field it found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.quoting import quoted
from mlife_assets.recruiting.link_tokens import DEFAULT_BASE
from mlife_assets.recruiting.messaging.templates import Wording, wording
from mlife_assets.recruiting.messaging.wording_rules import broken_rules
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

UNWRITABLE = "unwritable"
_STRANGERS_WORDS = ("title", "employer_name")


@dataclass(frozen=True)
class RefusedJob:
    """A job that nobody is texted about.

    Attributes:
        job_id: the job.
        reason: a rule of `wording_rules`, a reason of `employer_review`, or `unwritable`.
        why: the field and what was found in it, for people.
    """

    job_id: str
    reason: str
    why: str


def word_jobs(
    jobs: pa.Table,
    policy: MessagingPolicy,
    *,
    link_key: bytes,
    link_base: str = DEFAULT_BASE,
    withheld_employers: Mapping[str, str] | None = None,
) -> tuple[dict[str, Wording], tuple[RefusedJob, ...]]:
    """Return the wording of every job that has one, and those that have none, ordered by job.

    Args:
        jobs: `plan_inputs.JOB_COLUMNS`; optional `metro_name` and `employer_id`.
        policy: the brand and the refused phrases.
        link_key: of the links' tokens.
        link_base: what precedes them.
        withheld_employers: employer id -> reason (`employer_review.withheld_employers`); their jobs are refused.
    """
    worded: dict[str, Wording] = {}
    refused: list[RefusedJob] = []
    withheld = withheld_employers or {}
    for job in jobs.sort_by("job_id").to_pylist():
        found = refusal(job, policy, withheld)
        if found is not None:
            refused.append(RefusedJob(job["job_id"], *found))
            continue
        try:
            worded[job["job_id"]] = wording(
                brand=policy.brand,
                title=job["title"] or "",
                pay_usd_per_hour=job["pay_usd_per_hour"] or 0.0,
                link_key=link_key,
                employer_name=job["employer_name"],
                metro_name=job.get("metro_name"),
                link_base=link_base,
            )
        except InvalidInputError as error:
            refused.append(RefusedJob(job["job_id"], UNWRITABLE, str(error)))
    return worded, tuple(refused)


def refusal(job: Mapping[str, object], policy: MessagingPolicy, withheld: Mapping[str, str]) -> tuple[str, str] | None:
    """Return why nobody is sent a job and the words for people, None when it may go out; whatever the channel."""
    for field in _STRANGERS_WORDS:
        text = str(job[field] or "")
        rules = broken_rules(text, policy.brand, policy.refused_phrases)
        if rules:
            return rules[0], f"{field} {quoted(text)} breaks {', '.join(rules)}"
    reason = withheld.get(str(job.get("employer_id")))
    return None if reason is None else (reason, f"employer {job.get('employer_id')} waits or was refused")


def refusal_counts(refused: Iterable[RefusedJob]) -> dict[str, int]:
    """Return how many jobs were refused, by reason, in the order of the reasons' names."""
    return dict(sorted(Counter(job.reason for job in refused).items()))
