"""Employers: who is new to us, what was decided about them, whose jobs wait today.

Belongs here: reading first sightings and decisions from the event log, recording a decision. Does not belong here: the
rule (`recruiting.messaging.employer_review`).

Concept: an employer is seen when its first job reached us, not when it says that it was posted: a date can be written
back. Sightings and decisions are folds over the log, so a rebuilt home waits for the same employers.
"""

from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.windows import day_start
from mlife_assets.recruiting.messaging.employer_review import withheld_employers
from mlife_assets.recruiting.messaging.events import employer_review_event

WRITER = "reviewer"


def first_seen(platform: Platform, day: date) -> dict[str, date]:
    """Return employer id -> day on which its first job reached us, of those known before `day` began."""
    posted = platform.event_log.read("job_posted", columns=["employer_id", "observed_at"])
    known = posted.filter(pc.less(posted["observed_at"], pa.scalar(day_start(day), posted["observed_at"].type)))
    first = known.group_by("employer_id").aggregate([("observed_at", "min")])
    days = pc.cast(pc.floor_temporal(first["observed_at_min"], unit="day"), pa.date32()).to_pylist()
    return dict(zip(first["employer_id"].to_pylist(), days, strict=True))


def newest_jobs(platform: Platform, day: date) -> dict[str, dict[str, str]]:
    """Return employer id -> its name and a title, of the job that reached us last before `day` began."""
    columns = ["employer_id", "observed_at", "job_id", "employer_name", "title"]
    posted = platform.event_log.read("job_posted", columns=columns)
    known = posted.filter(pc.less(posted["observed_at"], pa.scalar(day_start(day), posted["observed_at"].type)))
    in_order = known.sort_by([("observed_at", "ascending"), ("job_id", "ascending")]).to_pylist()
    return {
        row["employer_id"]: {"employer_name": row["employer_name"], "newest_title": row["title"]} for row in in_order
    }


def verdicts(platform: Platform) -> dict[str, str]:
    """Return employer id -> the last decision about it."""
    decided = platform.event_log.read("employer_reviewed", columns=["employer_id", "verdict", "observed_at"])
    in_order = decided.sort_by("observed_at")
    return dict(zip(in_order["employer_id"].to_pylist(), in_order["verdict"].to_pylist(), strict=True))


def withheld_on(platform: Platform, day: date) -> dict[str, str]:
    """Return employer id -> why none of its jobs is texted on a day."""
    policy = platform.application.policy
    return withheld_employers(first_seen(platform, day), verdicts(platform), policy=policy, as_of=day)


def review_employer(
    platform: Platform, employer_id: str, verdict: str, *, day: date, actor: str, reason: str, now: datetime
) -> bool:
    """Record a decision about an employer. Returns False when it is the present one already.

    Raises:
        NotFoundError: no job of that employer has reached us before `day`.
    """
    if employer_id not in first_seen(platform, day):
        raise NotFoundError(f"no employer {employer_id!r} is known; `mlife messages employers` lists those that wait")
    if verdicts(platform).get(employer_id) == verdict:
        return False
    event = employer_review_event(employer_id, verdict, actor=actor, reason=reason, now=now)
    platform.event_log.append("employer_reviewed", event, writer=WRITER)
    return True
