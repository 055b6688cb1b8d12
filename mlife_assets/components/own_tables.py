"""The tables that a project's own assets deliver day by day: examples, and rows to score.

Concept: the assets upstream come as Dagster inputs, through the IO manager of the project, one partition a run: what a
range of partitions looks like is each IO manager's own business. A row that is not as declared is refused and counted,
and the others are taken: accepted + rejected = delivered. Materializing a day again replaces it, but never rows by
none: they may have been learned from. The table is written before the report that says that it is there, so that a day
on which a run stopped between them has not landed, and running it again heals it.

Dagster may run a backfill side by side and in any order, and a day decides on what the days before decided. So a day
that comes too early is refused. Partitions of the upstream asset count as well as what was taken in: the first run of a
backfill finds nothing taken in. The schedule runs at 18:00 UTC for the newest partition: today's where partitions begin
with their day (`end_offset` 1), else yesterday's.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, date
from typing import Any

import dagster as dg
import pyarrow as pa
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from mlife_assets.adapters.ingest_report import Outcome, type_report
from mlife_assets.adapters.table_marts import delivered_table, with_terms
from mlife_assets.components.graph.model_graph import ModelGraph, Require
from mlife_assets.components.graph.partitions import checked_days, days_to_land
from mlife_assets.components.model.retrain_decision import decision_rows
from mlife_assets.components.shown.metadata import table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.due_days import day_to_run_first
from mlife_assets.core.errors import InvalidInputError, NotFoundError, UpstreamMismatchError
from mlife_assets.core.own_rows import EXAMPLES, ROWS, Judged, OwnRows, judge_examples, judge_rows
from mlife_assets.core.windows import RUN_HOUR_UTC, add_days
from mlife_assets.deployments.ports import ModelPorts, Models
from mlife_assets.deployments.project_ports import ingest_report_of

GROUP = "features"
SAID = "true"
EMPTY_TAG = "mlife/empty_is_meant"
"""Tag of a run that may replace rows of a day by none."""
Judge = Callable[[pa.Table, OwnRows, date], Judged]
JUDGES: Mapping[str, Judge] = {EXAMPLES: judge_examples, ROWS: judge_rows}
DESCRIPTIONS = {
    EXAMPLES: "Examples whose outcome became known for good by the morning of the day, as the project delivers them.",
    ROWS: "Rows to score on the day, as the project delivers them.",
}
SKIP_TAG = "mlife/skips_earlier_days"
"""Tag of a run that decides although earlier days were not decided, and never will be."""


def take_in(
    platform: ModelPorts,
    own: OwnRows,
    name: str,
    day: date,
    delivered: pa.Table,
    source: str,
    *,
    is_empty_meant: bool = False,
) -> Judged:
    """Keep what is as declared of a delivered table, and report what is not.

    Raises:
        InvalidInputError: nothing of it can be taken, there are rows of the day, and it is not said to be meant.
    """
    judged = JUDGES[name](delivered, own, day)
    if not judged.accepted.num_rows and not is_empty_meant and (kept := _kept(platform, name, day)):
        why = judged.rejected["detail"][0].as_py() if judged.rejected.num_rows else "it has no rows"
        raise InvalidInputError(
            f"nothing of what {source} delivered for {day} can be taken ({why}), and {platform.model_name}/{name} has "
            f"{kept:,} rows of that day, which may have been learned from: they stay; deliver the day again, or launch "
            f"the run with the tag {EMPTY_TAG}: {SAID} if it has no rows"
        )
    platform.model_tables.write(name, day, with_terms(judged.accepted, own.terms(name)))
    outcome = Outcome(judged.accepted.num_rows, judged.rejected, judged.extra_columns)
    report = {"day": day, "types": [asdict(type_report(name, [(source, outcome)]))]}
    platform.model_tables.write_report(ingest_report_of(name), day, report)
    return judged


def _kept(platform: ModelPorts, name: str, day: date) -> int:
    try:
        return platform.model_tables.read(name, day).num_rows
    except NotFoundError:
        return 0


def refusals_of(platform: ModelPorts, name: str, day: date) -> tuple[int, list[str]]:
    """Return how many rows of a day were accepted, and a sentence per reason for which others were not."""
    report = platform.model_tables.read_report(ingest_report_of(name), day)
    accepted, found = 0, []
    for entry in report["types"]:
        accepted += entry["accepted"]
        for reason, count in entry["rejected"].items():
            example = next(one for one in entry["examples"] if one["reason"] == reason)
            if example["row"] < 0:
                found.append(f"The table of {day} has no rows and was refused as {reason}: {example['detail']}.")
                continue
            found.append(
                f"{count:,} rows of {day} were refused as {reason}, the first in row {example['row']}: "
                f"{example['detail']}."
            )
    return accepted, found


def build_assets(graph: ModelGraph, own: OwnRows, upstream: Mapping[str, dg.AssetKey]) -> list[dg.AssetsDefinition]:
    """Return the assets that take in the tables of one model; `upstream` is what delivers each."""
    return [_asset(graph, own, name, upstream[name]) for name in JUDGES]


def _asset(graph: ModelGraph, own: OwnRows, name: str, upstream: dg.AssetKey) -> dg.AssetsDefinition:
    source = upstream.to_user_string()

    @dg.asset(
        key=graph.mart(name),
        ins={"delivered": dg.AssetIn(key=upstream)},
        kinds={"parquet"},
        **graph.daily(GROUP, "features"),
        description=DESCRIPTIONS[name],
    )
    @says_why
    def take_in_day(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Models], delivered: Any
    ) -> dg.MaterializeResult:
        """Take what the project's asset delivered for the day."""
        day = _only_partition(context)
        rows = delivered_table(delivered, source)
        is_empty_meant = context.run.tags.get(EMPTY_TAG) == SAID
        judged = take_in(graph.view(platform), own, name, day, rows, source, is_empty_meant=is_empty_meant)
        _, refused = refusals_of(graph.view(platform), name, day)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": judged.accepted.num_rows,
                "delivered": rows.num_rows,
                "refused": judged.rejected.num_rows,
                "why_refused": table([{"reason": one} for one in refused]),
                "not_asked_for": ", ".join(judged.extra_columns) or "none",
            }
        )

    return take_in_day


def _only_partition(context: dg.AssetExecutionContext) -> date:
    covered = days_to_land(context)
    if len(covered) != 1:
        raise InvalidInputError(
            f"{context.asset_key.to_user_string()} takes in one day a run, but this run covers {covered[0]} to "
            f"{covered[-1]}; launch it for one partition"
        )
    return covered[0]


def build_checks(graph: ModelGraph) -> list[dg.AssetChecksDefinition]:
    """Return what is checked of the tables of one model."""
    return [_check(graph, name) for name in JUDGES]


def _check(graph: ModelGraph, name: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=graph.mart(name),
        name="every_row_is_as_declared",
        description="Green when no row was refused. An error when all were: then the declaration is what is wrong.",
    )
    @says_why
    def check(context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Models]) -> dg.AssetCheckResult:
        """Repeat what was refused."""
        found = [refusals_of(graph.view(platform), name, day) for day in checked_days(context)]
        is_nothing_left = not any(accepted for accepted, _ in found)
        return dg.AssetCheckResult(
            passed=not any(refused for _, refused in found),
            severity=dg.AssetCheckSeverity.ERROR if is_nothing_left else dg.AssetCheckSeverity.WARN,
            description=" ".join(sentence for _, refused in found for sentence in refused) or None,
        )

    return check


def in_order(upstream: dg.AssetKey, start_date: date) -> Require:
    """Return what refuses a day before its time; `upstream` delivers the examples, from `start_date` on."""

    def require(context: dg.AssetExecutionContext, platform: ModelPorts, day: date) -> None:
        if context.run.tags.get(SKIP_TAG) == SAID:
            return
        theirs = _days(context.instance.get_materialized_partitions(upstream))
        taken_in = set(platform.model_tables.report_days(ingest_report_of(EXAMPLES)))
        delivered = [one for one in theirs | taken_in if one >= start_date]
        decided = [row["as_of_date"] for row in decision_rows(platform)]
        first = day_to_run_first(day, delivered, decided)
        if first is not None:
            name = platform.model_name
            raise UpstreamMismatchError(
                f"{day} cannot be decided: days run in order, and {first} was not decided yet; run {name}_daily_job "
                f"for {first} first, and for each day until {day}, or launch this run with the tag {SKIP_TAG}: {SAID} "
                "to begin here"
            )

    return require


def _days(keys: Iterable[str]) -> set[date]:
    """Return partitions as days; an asset that has others beside them says nothing by those."""
    found = set()
    for key in keys:
        with suppress(ValueError):
            found.add(date.fromisoformat(key))
    return found


def daily_schedule(
    graph: ModelGraph, job: UnresolvedAssetJobDefinition, *, start_date: date, end_offset: int
) -> dg.ScheduleDefinition:
    """Return the schedule of a daily job, whose partitions begin with `start_date` and end as `end_offset` says."""

    @dg.schedule(
        name=graph.named("daily_schedule"),
        job=job,
        cron_schedule=f"0 {RUN_HOUR_UTC} * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="The daily job for the newest partition. Off until it is turned on.",
    )
    def newest_day(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Ask for the newest day."""
        newest = add_days(context.scheduled_execution_time.astimezone(UTC).date(), end_offset - 1)
        if newest < start_date:
            return dg.SkipReason(f"The first partition is {start_date}.")
        return dg.RunRequest(run_key=newest.isoformat(), partition_key=newest.isoformat())

    return newest_day
