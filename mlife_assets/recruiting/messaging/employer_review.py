"""Employer review: whose jobs wait until somebody has looked at them.

Belongs here: which employers wait, from when they were first seen and what was decided. Does not belong here: the words
of a job (`job_wordings`), recording a decision (`messaging.events`).

Concept: rules catch known tricks, a person catches new ones. An employer that nobody has seen before waits for a
decision or for the days of the policy; one that was refused waits for ever. The last decision counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

APPROVED = "approved"
REFUSED = "refused"
VERDICTS = (APPROVED, REFUSED)

EMPLOYER_IN_REVIEW = "employer_in_review"
EMPLOYER_REFUSED = "employer_refused"


def withheld_employers(
    first_seen: Mapping[str, date], verdicts: Mapping[str, str], *, policy: MessagingPolicy, as_of: date
) -> dict[str, str]:
    """Return employer id -> why no job of theirs is texted on a day, ordered by id.

    Args:
        first_seen: day on which each employer's first job reached us.
        verdicts: the last decision about employers that were reviewed, `approved` or `refused`.
        policy: for how many days a new employer waits; 0 is not at all.
        as_of: partition day.
    """
    withheld: dict[str, str] = {}
    for employer_id in sorted({*first_seen, *verdicts}):
        verdict, seen = verdicts.get(employer_id), first_seen.get(employer_id, as_of)
        if verdict == REFUSED:
            withheld[employer_id] = EMPLOYER_REFUSED
        elif verdict != APPROVED and as_of < add_days(seen, policy.first_seen_employer_days):
            withheld[employer_id] = EMPLOYER_IN_REVIEW
    return withheld
