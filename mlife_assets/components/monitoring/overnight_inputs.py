"""What the overnight rules read: the users of a day beside those of the last sound day, and how usual nights went.

Belongs here: choosing the day to compare with, reading users, the usual shares. Does not belong here: the rules
(`recruiting.overnight`).

Concept: a day is compared with the last day that was sound, not with the day before, so a fault stays a fault on its
second day. What a usual night changes is taken from the reports of sound nights, and computed where there is none yet.
"""

from collections import defaultdict
from collections.abc import Collection
from datetime import date

import pyarrow as pa

from mlife_assets.components.monitoring.quality_gate import quarantined_days
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.monitoring.quality import REPORT
from mlife_assets.core.monitoring.reports import Finding
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.overnight import CHANGED_METHOD, SNAPSHOT_COLUMNS, changed_shares, overnight_findings

USUAL_NIGHTS = 7
LAST_SOUND_DAYS = 14
"""After so many faulty days in a row there is nothing recent to compare with."""
REACH_DAYS = LAST_SOUND_DAYS + USUAL_NIGHTS


def overnight_day_findings(platform: Platform, day: date) -> list[Finding]:
    """Return how the users of a day differ from those of the last sound day; nothing where there is no such day."""
    faulty = frozenset(quarantined_days(platform, [add_days(day, -back) for back in range(1, REACH_DAYS + 1)]))
    for back in range(1, LAST_SOUND_DAYS + 1):
        sound = add_days(day, -back)
        before = _users(platform, sound) if sound not in faulty else None
        if before is not None and before.num_rows:
            usual = _usual_nights(platform, sound, faulty)
            return overnight_findings(before, _users(platform, day), usual, platform.model.monitoring)
    return []


def _users(platform: Platform, day: date) -> pa.Table:
    return platform.warehouse.read("user_features", as_of=day, columns=SNAPSHOT_COLUMNS)


def _usual_nights(platform: Platform, last: date, faulty: Collection[date]) -> dict[str, list[float]]:
    """Return attribute -> changed shares of the sound nights up to `last`."""
    usual: dict[str, list[float]] = defaultdict(list)
    for back in range(USUAL_NIGHTS):
        night, previous = add_days(last, -back), add_days(last, -back - 1)
        if night in faulty or previous in faulty:
            continue
        for name, share in _night(platform, previous, night).items():
            usual[name].append(share)
    return usual


def _night(platform: Platform, previous: date, night: date) -> dict[str, float]:
    """Return the shares that the report of a night found, else what the users of both days say."""
    try:
        report = platform.read_monitoring_report(REPORT, night)
    except NotFoundError:
        report = None
    found = [finding for finding in (report.findings if report else ()) if finding.method == CHANGED_METHOD]
    if found:
        return {finding.column: finding.statistic for finding in found}
    before, after = _users(platform, previous), _users(platform, night)
    return changed_shares(before, after) if before.num_rows and after.num_rows else {}
