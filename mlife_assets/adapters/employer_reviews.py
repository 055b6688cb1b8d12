"""Reviews of employers in the event log.

Belongs here: reading names and decisions, recording decisions. Does not belong here: what they come to
(`recruiting.messaging.employer_review`).

Concept: a name is seen when its first job reached us, not when it says that it was posted: a date can be written back.
Names and decisions are folds over the log, so a rebuilt home says the same. People review employers; those of a
simulated market are reviewed when they land, since nobody is there to do it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.ports import EventLog
from mlife_assets.core.windows import day_start, run_time
from mlife_assets.recruiting.messaging.employer_review import (
    APPROVED,
    EMPLOYER_IN_REVIEW,
    EMPLOYER_REFUSED,
    Decision,
    EmployerReviews,
    reviews_of,
)
from mlife_assets.recruiting.messaging.events import employer_review_event

WRITER = "reviewer"


def _posted(log: EventLog, day: date, *columns: str) -> pa.Table:
    """Return jobs that reached us before `day` began."""
    posted = log.read("job_posted", columns=["employer_id", "employer_name", "observed_at", *columns])
    return posted.filter(pc.less(posted["observed_at"], pa.scalar(day_start(day), posted["observed_at"].type)))


def _first_named(posted: pa.Table) -> dict[tuple[str, str], datetime]:
    """Return (employer id, name) -> when its first job reached us."""
    first = posted.group_by(["employer_id", "employer_name"]).aggregate([("observed_at", "min")]).to_pylist()
    return {(row["employer_id"], row["employer_name"]): row["observed_at_min"] for row in first}


def _decisions(log: EventLog) -> list[Decision]:
    decided = log.read("employer_reviewed", columns=["employer_id", "verdict", "observed_at"])
    rows = decided.sort_by("observed_at").to_pylist()
    return [Decision(row["employer_id"], row["verdict"], row["observed_at"]) for row in rows]


def reviews_on(log: EventLog, day: date, jobs: pa.Table, *, until: datetime) -> EmployerReviews:
    """Return what reviews come to for the jobs of a day, of which approvals count `until` an instant."""
    posted = _posted(log, day, "job_id", "occupation_code")
    found = reviews_of(_first_named(posted), _decisions(log), until=until)
    listed = posted.filter(pc.is_in(posted["job_id"], value_set=jobs["job_id"].combine_chunks())).sort_by("observed_at")
    codes = dict(zip(listed["job_id"].to_pylist(), listed["occupation_code"].to_pylist(), strict=True))
    return replace(found, occupation_codes=codes)


def unapproved_employers(log: EventLog, day: date) -> list[dict[str, object]]:
    """Return the employers that nobody approved as they are called now: why, since when, and their newest job."""
    posted, decisions = _posted(log, day, "job_id", "title"), _decisions(log)
    first = _first_named(posted)
    latest = max((decision.at for decision in decisions), default=day_start(day))
    known = reviews_of(first, decisions, until=latest)
    newest = {
        row["employer_id"]: row
        for row in posted.sort_by([("observed_at", "ascending"), ("job_id", "ascending")]).to_pylist()
    }
    return [
        {
            "employer_id": employer_id,
            "reason": EMPLOYER_REFUSED if employer_id in known.refused else EMPLOYER_IN_REVIEW,
            "first_seen": first[employer_id, row["employer_name"]].date(),
            "employer_name": row["employer_name"],
            "newest_title": row["title"],
        }
        for employer_id, row in sorted(newest.items())
        if employer_id in known.refused or not known.is_approved(row)
    ]


def review_employers(
    log: EventLog,
    employer_ids: Sequence[str],
    verdict: str,
    *,
    day: date,
    actor: str,
    reason: str,
    now: datetime,
) -> list[str]:
    """Record a decision about employers; return those for whom it is not the present one already.

    Raises:
        NotFoundError: no job of one of them has reached us before `day`; nothing is recorded.
    """
    named = dict[str, datetime]()
    for (employer, _), seen in _first_named(_posted(log, day)).items():
        named[employer] = max(seen, named.get(employer, seen))
    unknown = [one for one in employer_ids if one not in named]
    if unknown:
        raise NotFoundError(f"no employer {unknown[0]!r} is known; `mlife messages employers` lists those that wait")
    last = {decision.employer_id: decision for decision in _decisions(log)}
    changed = [
        one
        for one in dict.fromkeys(employer_ids)
        if one not in last or last[one].verdict != verdict or last[one].at < named[one]
    ]
    _record(log, changed, verdict, actor=actor, reason=reason, now=now)
    return changed


def review_simulated_employers(log: EventLog, day: date) -> None:
    """Approve the employers of a simulated market that reached us before `day` and that nobody decided about."""
    decided = {decision.employer_id for decision in _decisions(log)}
    new = sorted({employer for employer, _ in _first_named(_posted(log, day))} - decided)
    reason = "an employer of the simulated market"
    _record(log, new, APPROVED, actor="simulated_reviewer", reason=reason, now=run_time(day))


def _record(log: EventLog, employers: Sequence[str], verdict: str, *, actor: str, reason: str, now: datetime) -> None:
    events = [employer_review_event(one, verdict, actor=actor, reason=reason, now=now) for one in employers]
    if events:
        log.append("employer_reviewed", pa.concat_tables(events), writer=WRITER)
