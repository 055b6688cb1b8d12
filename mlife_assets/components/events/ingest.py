"""The ingest of a partition: when what lies in landing counts as known.

Belongs here: wiring an ingest for a day. Does not belong here: taking files (`adapters.landing`).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.adapters.landing import Ingest
from mlife_assets.core.windows import day_start, run_time

if TYPE_CHECKING:
    from mlife_assets.components.platform.resources import Platform


def ingest_of_day(platform: Platform, day: date, newest: date) -> Ingest:
    """Return the ingest of partition `day`, `newest` being the last day that was landed.

    What arrives after later days were landed is known only since then, and what arrives after the day itself was
    scored only since it ran: its logged feature rows hold without it.
    """
    now = run_time(newest)
    not_before: datetime | None = now
    if newest <= day:
        was_scored = bool(platform.event_log.files("prediction", start=day, end=day))
        now, not_before = day_start(day), run_time(day) if was_scored else None
    return Ingest(
        platform.landed,
        platform.lake,
        SimulatedClock(now),
        cage=platform.cage,
        policy=platform.policies.landing,
        not_before=not_before,
        log=platform.event_log,
    )
