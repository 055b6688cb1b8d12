"""Raw events: landing and validation.

Concept: partition D lands the deliveries of day D - 1. Bad rows are kept with their reasons and warned about; they
never stop the day.
"""

from collections import defaultdict
from dataclasses import asdict, replace
from datetime import date
from typing import Any

import dagster as dg

from mlife_assets.adapters.home_files import require_restored
from mlife_assets.components.events.event_history import late_labels
from mlife_assets.components.graph import keys
from mlife_assets.components.graph.partitions import (
    checked_days,
    daily_asset,
    days,
    days_to_land,
)
from mlife_assets.components.shown.metadata import table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.validation import WHOLE_FILE
from mlife_assets.core.windows import add_days
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.deployments.landed_days import INGEST_REPORT, require_due, require_previous
from mlife_assets.deployments.sealing import seal

GROUP = "events"


@dg.asset(
    key=keys.MARKET_EVENTS,
    kinds={"parquet"},
    description="Events that exporters delivered the day before, validated and appended to the event log.",
    **daily_asset(GROUP, "raw"),
)
@says_why
def market_events(context: dg.AssetExecutionContext, platform: dg.ResourceParam[BoardPorts]) -> dg.MaterializeResult:
    """Land each day's files; a range lands its days in order.

    Raises:
        GateClosedError: a restore of the home has not ended.
        UpstreamMismatchError: the day before has not landed, since days run in order; or the last day is not due.
    """
    require_restored(platform.settings.private_folder)
    covered = days_to_land(context)
    require_previous(platform.settings.days, platform.tables.report_days(INGEST_REPORT), covered[0])
    require_due(platform.deployment.times, covered[-1])
    platform.home.messengers.outbox.heal()
    accepted = rejected = 0
    ignored: list[dict[str, Any]] = []
    late: list[dict[str, Any]] = []
    by_type: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for day in covered:
        landing_day = add_days(day, -1)
        platform.home.intake.deliver(landing_day)
        ingest = platform.home.intake.ingest_at(day)
        report = ingest.ingest(landing_day)
        try:
            report = replace(report, late=late_labels(platform.event_log, ingest.late_files, platform.policies.label))
        except IntegrityError as error:  # a damaged old file must not stop new ones
            report = replace(report, late=None)
            context.log.warning("%s: nobody knows which labels late rows moved: %s", landing_day, error)
        platform.tables.write_report(INGEST_REPORT, day, asdict(report))
        for entry in report.types:
            by_type[entry.event_type][0] += entry.accepted
            by_type[entry.event_type][1] += sum(entry.rejected.values())
        accepted, rejected = accepted + report.accepted, rejected + report.rejected
        ignored += [{"landing_day": landing_day.isoformat(), **asdict(entry)} for entry in report.ignored]
        late += [{"landing_day": landing_day.isoformat(), **asdict(changed)} for changed in report.late or ()]
        context.log.info(
            "%s: %d rows accepted, %d rejected, %d files ignored",
            landing_day,
            report.accepted,
            report.rejected,
            len(report.ignored),
        )
    seal(platform.home)
    rows = [{"event_type": name, "accepted": a, "rejected": r} for name, (a, r) in sorted(by_type.items())]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": accepted,
            "rejected_rows": rejected,
            "by_type": table(rows),
            "ignored_files": table(ignored),
            **({"late_rows": table(late)} if late else {}),
        }
    )


def _rejections(platform: BoardPorts, covered: list[date]) -> list[dict[str, Any]]:
    """Return one record per (day, event type, reason) with an example."""
    rows = []
    for day, report in _reports(platform, covered):
        for entry in report["types"]:
            for reason, count in entry["rejected"].items():
                example = next((e for e in entry["examples"] if e["reason"] == reason), None)
                rows.append(
                    {
                        "as_of_date": day.isoformat(),
                        "event_type": entry["event_type"],
                        "reason": reason,
                        "rows": count,
                        "example_file": example["source"] if example else None,
                        "example_row": example["row"] if example else None,
                        "field": example["field"] if example else None,
                        "what_to_do": example["detail"] if example else None,
                    }
                )
    return rows


def _refused_files(platform: BoardPorts, covered: list[date]) -> list[dict[str, Any]]:
    """Return one record per file that was refused as a whole or ignored."""
    rows = []
    for day, report in _reports(platform, covered):
        of_day = day.isoformat()
        for entry in report["types"]:
            rows += [
                {"as_of_date": of_day, "file": e["source"], "why": e["reason"], "what_to_do": e["detail"]}
                for e in entry["examples"]
                if e["row"] == WHOLE_FILE
            ]
        rows += [
            {"as_of_date": of_day, "file": left["source"], "why": "ignored", "what_to_do": left["why"]}
            for left in report.get("ignored", ())
        ]
    return rows


def _unexpected(platform: BoardPorts, covered: list[date]) -> list[str]:
    """Return the sources of ignored files whose name does not mark them as such."""
    return [
        left["source"]
        for _, report in _reports(platform, covered)
        for left in report.get("ignored", ())
        if not left["is_expected"]
    ]


def _reports(platform: BoardPorts, covered: list[date]) -> list[tuple[date, dict[str, Any]]]:
    return [(day, platform.tables.read_report(INGEST_REPORT, day)) for day in covered]


@dg.asset(
    key=keys.REJECTED_EVENTS,
    deps=[keys.MARKET_EVENTS],
    kinds={"parquet"},
    description="Rows and files that were refused, by reason, kept below `rejected/` until they are replayed.",
    **daily_asset(GROUP, "raw"),
)
@says_why
def rejected_events(context: dg.AssetExecutionContext, platform: dg.ResourceParam[BoardPorts]) -> dg.MaterializeResult:
    """Summarise the rows and files that each day's ingest refused."""
    rows = _rejections(platform, days(context, platform.of_model()))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(row["rows"] for row in rows),
            "rejections": table(rows),
            "files_not_taken": table(_refused_files(platform, days(context, platform.of_model()))),
        }
    )


@dg.asset_check(
    asset=keys.REJECTED_EVENTS, description="Green when everything that landed was accepted; else a warning."
)
@says_why
def every_landed_row_is_accepted(
    context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[BoardPorts]
) -> dg.AssetCheckResult:
    """Warn about refused rows and files, and about files that lie where none should, with the reasons."""
    covered = checked_days(context)
    rows, left_alone = _rejections(platform, covered), _unexpected(platform, covered)
    reasons = [f"{row['rows']} {row['event_type']} rows: {row['reason']}" for row in rows[:5]]
    reasons += [f"{source}: left alone" for source in left_alone[:5]]
    return dg.AssetCheckResult(
        passed=not rows and not left_alone,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "rejected_rows": sum(row["rows"] for row in rows),
            "rejections": table(rows),
            "files_not_taken": table(_refused_files(platform, covered)),
        },
        description="; ".join(reasons) or None,
    )


ASSETS = [market_events, rejected_events]
CHECKS = [every_landed_row_is_accepted]
