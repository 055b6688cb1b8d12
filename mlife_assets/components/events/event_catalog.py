"""The event log as a whole: its catalogue, and the check of its integrity.

Concept: no day needs them. The catalogue reads every path, and its check every byte, so they run on request or on a
schedule of their own. A catalogue is dated by the newest day that has begun.
"""

from dataclasses import asdict
from datetime import date
from typing import Any

import dagster as dg
import pyarrow as pa

from mlife_assets.adapters.event_log.catalogue import Catalogue, read_catalogue
from mlife_assets.components.events.landing import GROUP
from mlife_assets.components.graph import keys
from mlife_assets.components.graph.keys import OWNERS
from mlife_assets.components.shown.metadata import table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.windows import add_days
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.deployments.sealing import audit_log
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.sql_tables import EVENT_CATALOG, LAKE_TABLES

OPENED_DAYS = 7
"""Files of so many days before the newest are opened each time, so that a warning stays for several days."""


@dg.asset(
    key=keys.EVENT_CATALOG,
    deps=[keys.MARKET_EVENTS],
    group_name=GROUP,
    owners=OWNERS[GROUP],
    kinds={"parquet"},
    tags={"layer": "raw"},
    description="Contents of the event log, per event type. Its check verifies every byte.",
)
@says_why
def event_catalog(platform: dg.ResourceParam[BoardPorts]) -> dg.MaterializeResult:
    """Count files, rows and days per type, and store them as a table for SQL."""
    catalogue = read_catalogue(platform.event_log, platform.lake, today=_today(platform))
    if catalogue.days:
        records = [_record(one) for one in catalogue.days]
        newest = max(one.day for one in catalogue.days)
        platform.tables.write(EVENT_CATALOG, newest, pa.Table.from_pylist(records, schema=LAKE_TABLES[EVENT_CATALOG]))
    return dg.MaterializeResult(
        metadata={
            "files": sum(one.files for one in catalogue.days),
            "rows": sum(one.rows or 0 for one in catalogue.days),
            "event_types": table(_by_type(catalogue)),
        },
    )


def _today(platform: BoardPorts) -> date | None:
    """Return the last day that can have events: in a simulated world, the day after the newest landed one."""
    if not platform.days.is_simulated:
        return platform.times.today(platform.settings.days.start_date)
    landed = platform.days.newest()
    return None if landed is None else add_days(landed, 1)


def _opened_since(platform: BoardPorts, today: date | None) -> date:
    """Return the day from which on files are opened: that of the previous catalogue, and at least a week back."""
    catalogued = [day for day in platform.tables.days(EVENT_CATALOG) if today is None or day <= today]
    if len(catalogued) < 2:
        return date.min
    return min(catalogued[-2], add_days(catalogued[-1], -OPENED_DAYS))


def _record(day: Any) -> dict[str, Any]:
    return {
        "event_type": day.event_type,
        "version": EVENT_TYPES[day.event_type].version,
        "dt": day.day,
        "files": day.files,
        "rows": day.rows,
    }


def _by_type(catalogue: Catalogue) -> list[dict[str, Any]]:
    rows = []
    for name, kind in EVENT_TYPES.items():
        own = [one for one in catalogue.days if one.event_type == name]
        if own:
            counts = {"files": sum(one.files for one in own), "rows": sum(one.rows or 0 for one in own)}
            reach = {"days": len(own), "first_day": str(own[0].day), "last_day": str(own[-1].day)}
            rows.append({"event_type": name, "version": kind.version, **counts, **reach})
    return rows


@dg.asset_check(
    asset=keys.EVENT_CATALOG,
    description="Green when every path below events/ is of a known type, day and hour and listed, and new files fit.",
)
@says_why
def log_holds_nothing_unknown(platform: dg.ResourceParam[BoardPorts]) -> dg.AssetCheckResult:
    """Name unknown types, misspelled partitions, days to come, files of another schema or not listed."""
    today = _today(platform)
    since = _opened_since(platform, today)
    catalogue = read_catalogue(platform.event_log, platform.lake, today=today, opened_since=since)
    strays = catalogue.strays
    return dg.AssetCheckResult(
        passed=not strays,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "unknown": table([asdict(stray) for stray in strays[:100]]),
            "count": len(strays),
            "opened_since": since.isoformat(),
            "left_unopened": catalogue.unopened,
        },
        description="; ".join(f"{one.key}: {one.problem}" for one in strays[:3]) or None,
    )


@dg.asset_check(asset=keys.EVENT_CATALOG, description="Green when every byte of the event log is as signed.")
@says_why
def event_log_is_intact(platform: dg.ResourceParam[BoardPorts]) -> dg.AssetCheckResult:
    """Verify the whole log against manifests, signed heads, ledger, registry and reports."""
    verification = audit_log(platform.home).verification
    platform.home.services.measure("log_findings", len(verification.findings))
    return dg.AssetCheckResult(
        passed=verification.is_intact,
        metadata={
            "rows": verification.rows,
            "files": verification.files,
            "manifests": verification.manifests,
            "findings": table([asdict(finding) for finding in verification.findings]),
        },
        description=None if verification.is_intact else f"{len(verification.findings)} findings; `mlife log verify`",
    )


ASSETS = [event_catalog]
CHECKS = [log_holds_nothing_unknown, event_log_is_intact]
