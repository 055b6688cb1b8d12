"""Reviews of employers, as tests need them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from mlife_assets.recruiting.events import EMBEDDING_SIZE, EVENT_TYPES, TIMESTAMP
from mlife_assets.recruiting.messaging.employer_review import EmployerReviews


def everybody_approved(jobs: pa.Table) -> EmployerReviews:
    """Return reviews by which the employer of each job is approved as it is called."""
    return EmployerReviews(
        frozenset((str(job.get("employer_id")), str(job.get("employer_name"))) for job in jobs.to_pylist())
    )


def postings(rows: Iterable[Mapping[str, Any]], *, observed: datetime) -> pa.Table:
    """Return `job_posted` events of which `rows` say something; the rest is filled in."""
    schema = EVENT_TYPES["job_posted"].schema
    fill = {pa.string(): "x", pa.float64(): 10.0, pa.int64(): 1, TIMESTAMP: observed.astimezone(UTC)}
    blank = {one.name: fill.get(one.type, [0.0] * EMBEDDING_SIZE) for one in schema}
    given = [dict(row) for row in rows]
    return pa.Table.from_pylist(
        [
            {
                **blank, "event_id": f"evt_{row['job_id']}_{observed:%Y%m%d%H}",
                "expires_at": observed + timedelta(days=30), "occupation_code": "29-1141", "occupation_group": "29",
                "shift": "day", "metro_code": "12420",
            }
            | row
            for row in given
        ],
        schema=schema,
    )  # fmt: skip
