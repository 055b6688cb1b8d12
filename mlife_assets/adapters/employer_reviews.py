"""Reviews of employers in the event log.

Concept: a decision records the employer's reviewed name, since names and dates in a file can be anything. Results are a
fold over the log, so a rebuilt home gives the same. People review employers; in a simulated market this happens
automatically before the plan of the day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.ports import EventLog
from mlife_assets.core.quoting import quoted
from mlife_assets.core.windows import day_start, run_time
from mlife_assets.recruiting.messaging.employer_review import (
    APPROVED,
    EMPLOYER_IN_REVIEW,
    EMPLOYER_REFUSED,
    REFUSED,
    Decision,
    EmployerReviews,
    reviews_of,
)
from mlife_assets.recruiting.messaging.events import employer_review_events

WRITER = "reviewer"
NAMED_MAXIMUM = 3


def _posted(log: EventLog, day: date, *columns: str) -> pa.Table:
    """Return jobs known before `day` began, in order of arrival."""
    posted = log.read("job_posted", columns=["job_id", "employer_id", "observed_at", *columns])
    known = posted.filter(pc.less(posted["observed_at"], pa.scalar(day_start(day), posted["observed_at"].type)))
    return known.sort_by([("observed_at", "ascending"), ("job_id", "ascending")])


def _newest(log: EventLog, day: date) -> dict[str, dict[str, Any]]:
    """Return employer id -> its newest job, ordered by id."""
    columns = ("employer_name", "title", "observed_at")
    groups = _posted(log, day, *columns[:2]).group_by("employer_id", use_threads=False)
    last = [(name, "last", pc.ScalarAggregateOptions(skip_nulls=False)) for name in columns]
    newest = groups.aggregate(last).rename_columns(["employer_id", *columns])
    return {row["employer_id"]: row for row in newest.sort_by("employer_id").to_pylist()}


def _decisions(log: EventLog) -> list[Decision]:
    rows = log.read("employer_reviewed").sort_by("observed_at").to_pylist()
    return [Decision(row["employer_id"], row["employer_name"], row["verdict"], row["observed_at"]) for row in rows]


def reviews_on(log: EventLog, day: date, jobs: pa.Table, *, until: datetime) -> EmployerReviews:
    return replace(reviews_of(_decisions(log), until=until), occupation_codes=_Codes(log, day, jobs))


@dataclass(frozen=True, eq=False)
class _Codes(Mapping[str, str]):
    """Job id -> SOC code. It reads all postings, so only when a first job is offered by a label."""

    log: EventLog
    day: date
    jobs: pa.Table

    @cached_property
    def _codes(self) -> dict[str, str]:
        posted = _posted(self.log, self.day, "occupation_code")
        listed = posted.filter(pc.is_in(posted["job_id"], value_set=self.jobs["job_id"].combine_chunks()))
        return dict(zip(listed["job_id"].to_pylist(), listed["occupation_code"].to_pylist(), strict=True))

    def __getitem__(self, job_id: str) -> str:
        return self._codes[job_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._codes)

    def __len__(self) -> int:
        return len(self._codes)


def unapproved_employers(log: EventLog, day: date) -> list[dict[str, Any]]:
    """Return employers without an approval of their present name, each with its newest job."""
    known = reviews_of(_decisions(log), until=datetime.max.replace(tzinfo=UTC))
    return [
        {
            "employer_id": employer_id,
            "reason": EMPLOYER_REFUSED if employer_id in known.refused else EMPLOYER_IN_REVIEW,
            "employer_name": row["employer_name"],
            "newest_title": row["title"],
            "newest_job_seen": row["observed_at"].date(),
        }
        for employer_id, row in _newest(log, day).items()
        if not known.is_approved(row)
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
    name: str | None = None,
) -> dict[str, str]:
    """Record a decision about employers under `name`, else the newest; return the changes.

    Raises NotFoundError without a job under it before `day`, InvalidInputError on approving one of several names.
    """
    posted = _posted(log, day, "employer_name")
    names = defaultdict[str, list[str]](list)
    for row in posted.filter(pc.is_in(posted["employer_id"], pa.array(employer_ids, pa.string()))).to_pylist():
        names[row["employer_id"]].append(row["employer_name"])
    unknown = [one for one in employer_ids if one not in names]
    if unknown:
        raise NotFoundError(f"no employer {unknown[0]!r} is known; `mlife messages employers` lists those that wait")
    known = reviews_of(_decisions(log), until=datetime.max.replace(tzinfo=UTC))
    for one, called in names.items():
        new = [other for other in dict.fromkeys(called) if (one, other) not in known.approved]
        if name is not None and name not in called:
            raise NotFoundError(f"no job of employer {one!r} names it {quoted(name)}; the newest: {quoted(called[-1])}")
        if name is None and verdict == APPROVED and called[-1] in new and len(new) > 1:
            few = ", ".join(map(quoted, new[-NAMED_MAXIMUM:]))
            raise InvalidInputError(
                f"nobody approved {len(new)} names of employer {one!r}: {few}; say by --name which you looked at"
            )
    chosen = {one: name or names[one][-1] for one in employer_ids}
    done = known.refused if verdict == REFUSED else {one for one, its in chosen.items() if (one, its) in known.approved}
    changed = {one: its for one, its in chosen.items() if one not in done}
    _record(log, changed, verdict, actor=actor, reason=reason, now=now)
    return changed


def review_simulated_employers(log: EventLog, day: date) -> None:
    """Approve the employers of a simulated market with jobs from before `day`, by present name, unless refused."""
    known = reviews_of(_decisions(log), until=datetime.max.replace(tzinfo=UTC))
    posted = {one: row for one, row in _newest(log, day).items() if one not in known.refused}
    new = {one: row["employer_name"] for one, row in posted.items() if not known.is_approved(row)}
    reason = "an employer of the simulated market"
    _record(log, new, APPROVED, actor="simulated_reviewer", reason=reason, now=run_time(day))


def _record(log: EventLog, names: Mapping[str, str], verdict: str, **why: Any) -> None:
    if names:
        log.append("employer_reviewed", employer_review_events(names, verdict, **why), writer=WRITER)
