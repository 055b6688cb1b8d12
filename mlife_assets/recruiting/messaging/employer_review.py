"""Employer review: whose words people may read.

Concept: rules catch known tricks, a person catches new ones. Until somebody has approved an employer, its jobs are
offered by labels of ours; time approves nobody. An approval covers the name that was looked at, so that nobody changes
it afterwards. A refusal ends all approvals before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime

APPROVED = "approved"
REFUSED = "refused"
VERDICTS = (APPROVED, REFUSED)

EMPLOYER_IN_REVIEW = "employer_in_review"
EMPLOYER_REFUSED = "employer_refused"


@dataclass(frozen=True)
class Decision:
    """What somebody decided about an employer, when, and under which name; None is under no name."""

    employer_id: str
    employer_name: str | None
    verdict: str
    at: datetime


@dataclass(frozen=True)
class EmployerReviews:
    """What reviews come to on a day.

    Attributes:
        approved: (employer id, name) whose words may be sent.
        refused: employers whose jobs are offered to nobody.
        occupation_codes: job id -> SOC code, of jobs that are offered by a label.
    """

    approved: Set[tuple[str, str]] = frozenset()
    refused: Set[str] = frozenset()
    occupation_codes: Mapping[str, str] = field(default_factory=dict)

    def is_approved(self, job: Mapping[str, object]) -> bool:
        """Return whether the words of a job's employer may be sent."""
        return (str(job.get("employer_id")), str(job.get("employer_name"))) in self.approved


def reviews_of(decisions: Iterable[Decision], *, until: datetime) -> EmployerReviews:
    """Return the verdict that follows from the decisions.

    Args:
        decisions: in the order in which they were made. A refusal counts at once.
        until: when words of the day are chosen; an approval that comes later holds from the next day on, so that a
            plan is worded the same whenever it is looked at.
    """
    names, last = defaultdict[str, set[str]](set), dict[str, str]()
    for decision in decisions:
        if decision.verdict == REFUSED:
            last[decision.employer_id] = REFUSED
        if decision.at > until:
            continue
        last[decision.employer_id] = decision.verdict
        if decision.verdict == REFUSED:
            names[decision.employer_id].clear()
        elif decision.employer_name is not None:
            names[decision.employer_id].add(decision.employer_name)
    approved = frozenset((employer, name) for employer, found in names.items() for name in found)
    return EmployerReviews(approved, frozenset(one for one, verdict in last.items() if verdict == REFUSED))
