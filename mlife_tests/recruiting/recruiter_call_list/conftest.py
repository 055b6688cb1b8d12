"""Jobs, people and lists of calls."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from mlife_assets.recruiting.policies import CallPolicy
from mlife_assets.recruiting.recruiter_call_list.call_list import CallCandidate, CalledJob, CallList, build_call_list

JOBS = {
    "job_1": CalledJob("job_1", "Forklift Operator", "$21.50/hr", "Lakeside Logistics", "Chicago, IL", openings=2),
    "job_2": CalledJob("job_2", "Cook", "$18/hr", openings=1),
}


@pytest.fixture
def made() -> Callable[..., CallList]:
    """Return what makes a list; everybody agreed unless it is said otherwise."""

    def make(candidates: list[CallCandidate], **other: object) -> CallList:
        jobs = other.pop("jobs", JOBS)
        arguments = {
            "policy": CallPolicy(("Ann", "Bob"), calls_per_recruiter=2, calls_per_opening=2),
            "as_of": date(2026, 6, 1),
            "consented": {one.user_id for one in candidates},
            "holdout": set(),
            "suppressed": set(),
        }
        return build_call_list(candidates, jobs, **{**arguments, **other})

    return make


@pytest.fixture
def pair() -> Callable[..., CallCandidate]:
    """Return what makes the pair of the n-th person, whose account and person are one unless another is named."""

    def make(
        number: int, job_id: str, probability: float, *why: str, person: str = "", absence: str = ""
    ) -> CallCandidate:
        user_id = f"usr_{number:07d}"
        return CallCandidate(user_id, person or user_id, job_id, probability, why, absence)

    return make
