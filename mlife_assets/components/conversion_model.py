"""A model over the tables of a user project, as a Dagster component.

Concept: a project declares in `defs.yaml` which of its assets deliver examples and rows to score. It gets the chain of
assets that every model of mlife has. Instances of a project share one resource, the `platform`, since Dagster merges
definitions only where a resource is the same object. Dagster's own scaffolder writes `attributes: {}`, which does not
load; ours writes every required attribute with a comment.
"""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._record import record
from dagster.components.core.component_tree import ComponentTree
from pydantic import Field

from mlife_assets.adapters.ingest_report import Outcome, type_report
from mlife_assets.adapters.marts import delivered_table, with_terms
from mlife_assets.components.graph.model_graph import ModelGraph, Require, model_jobs, retrained, searched
from mlife_assets.components.graph.partitions import checked_days, days_to_land
from mlife_assets.components.graph.retrain_sensor import build_retrain_sensor
from mlife_assets.components.graph.run_requests import RETRAINING_JOB
from mlife_assets.components.model.retrain_decision import decision_rows
from mlife_assets.components.model_chain import chain_assets, chain_checks, entity_assets, entity_checks
from mlife_assets.components.shown.metadata import table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.due_days import day_to_run_first
from mlife_assets.core.errors import InvalidInputError, NotFoundError, UpstreamMismatchError
from mlife_assets.core.own_model import OwnColumns, OwnModel, Stated, own_model
from mlife_assets.core.own_rows import EXAMPLES, ROWS, Judged, OwnRows, judge_examples, judge_rows
from mlife_assets.core.quoting import quoted
from mlife_assets.core.windows import RUN_HOUR_UTC, add_days
from mlife_assets.deployments.ports import ModelPorts, Models
from mlife_assets.deployments.project_ports import ProjectHome, ingest_report_of
from mlife_assets.home_settings import ProjectSettings
from mlife_assets.recruiting.events import JOB_APPLICATIONS

GROUP = "features"
SAID = "true"
EMPTY_TAG = "mlife/empty_is_meant"
"""Tag of a run that may replace a day's rows by an empty table."""
Judge = Callable[[pa.Table, OwnRows, date], Judged]
JUDGES: Mapping[str, Judge] = {EXAMPLES: judge_examples, ROWS: judge_rows}
DESCRIPTIONS = {
    EXAMPLES: "Examples whose outcome became known for good by the morning of the day, as the project delivers them.",
    ROWS: "Rows to score on the day, as the project delivers them.",
}
SKIP_TAG = "mlife/skips_earlier_days"
"""Tag of a run that decides although earlier days never will be decided."""
FILE = "defs.yaml"
MATURITY_DAYS_MAXIMUM = 366
TEMPLATE = """type: {type_name}
attributes:
  # Lower-case words joined by underscores: the group, and the first part of every asset key.
  name: {name}
  title: Who converts
  # Finishes the sentence "the chance that".
  outcome: a person converts
  # Two daily-partitioned assets of this project. Partition D of the examples holds the rows whose outcome became
  # known for good by the morning of D; partition D of the rows holds those to score on D.
  examples: {name}_examples
  rows: {name}_rows
  start_date: "2026-01-01"
  # As the partitions of the two assets have it. 1: today has a partition, so that a row is scored on its day. 0: it has
  # one tomorrow.
  end_offset: 1
  # After so many days every label of a day is final; with a column `label_time` a row may say an earlier day.
  maturity_days: 7
  columns:
    entity: person_id
    time: day
    label: is_converted
    features: [visits_7d]
    categoricals: []
  # Policies are mlife's own unless fields are stated, for example:
  # promotion:
  #   gate_weeks: 2
"""


class ConversionModelScaffolder(dg.Scaffolder):
    """Writes a `defs.yaml` with required attributes and comments."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        """Write the file. Raises InvalidInputError for another format than YAML, and for a file of another instance."""
        if request.scaffold_format != "yaml":
            raise InvalidInputError(f"format: it is {request.scaffold_format}; a ConversionModel is declared in YAML")
        if request.append:
            raise InvalidInputError(
                f"{request.target_path} declares something already; scaffold each ConversionModel into a folder of its "
                "own"
            )
        name = request.target_path.name.lower().replace("-", "_")
        text = TEMPLATE.format(type_name=request.type_name, name=name)
        (request.target_path / FILE).write_text(text, encoding="utf-8")


class ConversionColumns(dg.Model, dg.Resolvable):
    """Roles of the tables' columns."""

    entity: str = Field(description="Whom a row is about; text or a whole number, kept as text.")
    time: str = Field(
        description="Day of the example, UTC. Rows to score need no such column: their partition says it."
    )
    label: str = Field(description="Whether it happened: true or false, 1 or 0.")
    features: list[str] = Field(default_factory=list, description="Numbers that a model may see; may be missing.")
    categoricals: list[str] = Field(default_factory=list, description="Text that a model may see; may be missing.")
    label_time: str = Field(
        default="", description="First day as of which the label is final; without it: maturity_days and a day later."
    )
    row_id: str = Field(default="", description="Column that is unique within a day; without it: the entity.")
    rule: str = Field(
        default="", description="Feature that decides today, higher first: the baseline that a model must beat."
    )


@dg.scaffold_with(ConversionModelScaffolder)
class ConversionModel(dg.Component, dg.Model, dg.Resolvable):
    """A model of an outcome: trained, judged by a gate, monitored, retrained on drift, and scored every day.

    Takes two daily-partitioned assets of the project: examples with known outcomes, and rows to score.
    """

    name: str = Field(description="Name of the model, first part of its asset keys: lower-case words and underscores.")
    title: str = Field(description="Question that the model answers.")
    outcome: str = Field(description="Predicted outcome, in words that finish `the chance that`.")
    examples: str = Field(description="Asset that delivers examples: partition D, those known for good by D.")
    rows: str = Field(description="Asset that delivers the rows to score: partition D, those of D.")
    columns: ConversionColumns
    maturity_days: Any = Field(description="Days after the example's day until every label of that day is final.")
    start_date: Any = Field(description="First partition, as the two assets have it: YYYY-MM-DD.")
    end_offset: Any = Field(
        default=1, description="As the two assets have it: 1 where today has a partition, 0 where it has one tomorrow."
    )
    home: str | None = Field(default=None, description="Folder of what mlife keeps; MLIFE_HOME, or var/mlife.")
    owners: list[str] = Field(default_factory=list, description="Owners of the assets.")
    training: dict[str, Any] = Field(default_factory=dict, description="Fields of TrainingPolicy.")
    promotion: dict[str, Any] = Field(default_factory=dict, description="Fields of PromotionPolicy.")
    monitoring: dict[str, Any] = Field(default_factory=dict, description="Fields of MonitoringPolicy.")
    retrain: dict[str, Any] = Field(default_factory=dict, description="Fields of RetrainPolicy.")
    watched: dict[str, list[str]] = Field(
        default_factory=dict, description="Columns that are watched otherwise: unalarmed, ranged, residual, never_zero."
    )
    words: dict[str, str] = Field(default_factory=dict, description="What features mean, by name.")

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the assets, checks, jobs and sensor of the model.

        Raises:
            InvalidInputError: an attribute is invalid; names the file, the attribute, the bound and the remedy.
        """
        place = str(context.path / FILE)
        try:
            own = self._own_model()
            platform = platform_of(context.component_tree, Path(context.project_root), self.home)
            _whole("end_offset", self.end_offset, 0, 1)
            platform.declare(own, place)
        except InvalidInputError as error:
            raise InvalidInputError(f"{place}, attributes.{error}") from error
        return self._definitions(own, platform, place)

    def _own_model(self) -> OwnModel:
        if self.name == JOB_APPLICATIONS:
            raise InvalidInputError(f"name: {self.name} is the name of mlife's own first model; choose another")
        if _key(self.examples) == _key(self.rows):
            raise InvalidInputError(
                f"rows: it is {self.rows}, as examples is; name the asset that delivers rows to score on their day"
            )
        named = self.columns
        return own_model(
            name=self.name,
            title=self.title,
            outcome=self.outcome,
            source=f"{self.examples} of this project",
            columns=OwnColumns(
                entity=named.entity,
                time=named.time,
                label=named.label,
                features=tuple(named.features),
                categoricals=tuple(named.categoricals),
                label_time=named.label_time,
                row_id=named.row_id,
                rule=named.rule,
            ),
            maturity_days=_whole("maturity_days", self.maturity_days, 1, MATURITY_DAYS_MAXIMUM),
            start_date=_day("start_date", self.start_date),
            stated=Stated(
                training=self.training,
                promotion=self.promotion,
                monitoring=self.monitoring,
                retrain=self.retrain,
                watched={key: tuple(names) for key, names in self.watched.items()},
                words=self.words,
            ),
        )

    def _definitions(self, own: OwnModel, platform: ProjectHome, place: str) -> dg.Definitions:
        upstream = {EXAMPLES: _key(self.examples), ROWS: _key(self.rows)}
        ordered = in_order(upstream[EXAMPLES], own.start_date)
        graph = ModelGraph(own.model, own.model.name, backfill_policy=None, require_in_order=ordered)
        jobs = model_jobs(graph, retrained(graph))
        retraining = next(job for job in jobs if job.name == graph.named(RETRAINING_JOB))
        assets = [
            *build_assets(graph, own.rows, upstream),
            *chain_assets(graph),
            *entity_assets(graph),
        ]
        daily = dg.define_asset_job(
            graph.named("daily_job"),
            selection=OfAgreedDays(
                chosen=dg.AssetSelection.assets(*(asset.key for asset in assets)) - retrained(graph) - searched(graph),
                delivers={name: key.to_user_string() for name, key in upstream.items()},
                start_date=own.start_date.isoformat(),
                end_offset=self.end_offset,
                place=place,
            ),
            executor_def=dg.in_process_executor,
            description="One day: take in deliveries, monitor and decide, score.",
        )
        return dg.Definitions(
            assets=self._as_declared(assets),
            asset_checks=[*build_checks(graph), *chain_checks(graph), *entity_checks(graph)],
            jobs=[daily, *jobs],
            schedules=[daily_schedule(graph, daily, start_date=own.start_date, end_offset=self.end_offset)],
            sensors=[build_retrain_sensor(graph, retraining)],
            resources={"platform": platform},
        )

    def _as_declared(self, assets: list[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
        """Return assets with the project's partitions and owners."""
        daily = dg.DailyPartitionsDefinition(start_date=self.start_date, end_offset=self.end_offset)

        def of_project(spec: dg.AssetSpec) -> dg.AssetSpec:
            return spec.replace_attributes(partitions_def=daily, owners=self.owners)

        return [asset.map_asset_specs(of_project) for asset in assets]


@record(checked=False)
class OfAgreedDays(dg.AssetSelection):
    """Assets of a daily job; loading it fails if the partitions of the project's assets are others than declared."""

    chosen: dg.AssetSelection
    delivers: Mapping[str, str]
    start_date: str
    end_offset: int
    place: str

    def resolve_inner(
        self,
        asset_graph: BaseAssetGraph[Any],
        allow_missing: bool,
    ) -> AbstractSet[dg.AssetKey]:
        """Return the chosen assets, once the whole project is known."""
        for name, asset in self.delivers.items():
            key = _key(asset)
            theirs = asset_graph.get(key).partitions_def if asset_graph.has(key) else None
            if not isinstance(theirs, dg.TimeWindowPartitionsDefinition):
                continue
            first = theirs.start.date().isoformat()
            for attribute, stated, found in (
                ("start_date", self.start_date, first),
                ("end_offset", self.end_offset, theirs.end_offset),
            ):
                if stated != found:
                    raise InvalidInputError(
                        f"{self.place}, attributes.{attribute}: it is {stated}, but the partitions of {asset}, which "
                        f"{name} names, have {found}; write that"
                    )
        return self.chosen.resolve_inner(asset_graph, allow_missing)


@dataclass(frozen=True)
class _Loaded:
    """The platform of a project during one load."""

    tree: ComponentTree
    platform: ProjectHome


_LOADED: dict[Path, _Loaded] = {}


def platform_of(tree: ComponentTree, root: Path, home: str | None) -> ProjectHome:
    """Return the platform of the load of `tree`, created on first use."""
    settings = ProjectSettings.below(root, home)
    known = _LOADED.get(root)
    if known is None or known.tree is not tree:
        if settings.lake is not None:
            from mlife_assets.deployments.places import require_places_are_there

            require_places_are_there(settings)
        known = _LOADED[root] = _Loaded(tree, ProjectHome(settings=settings))
    other = known.platform.settings.home
    if other != settings.home:
        raise InvalidInputError(
            f"home: it is {settings.home}, but another instance of this project has {other}; give all of them one home"
        )
    return known.platform


def _key(name: str) -> dg.AssetKey:
    return dg.AssetKey.from_user_string(name)


def _whole(attribute: str, value: Any, lowest: int, highest: int) -> int:
    """Return a stated whole number. Pydantic alone would also accept true and 1.0 as 1."""
    if type(value) is not int or not lowest <= value <= highest:
        raise InvalidInputError(f"{attribute}: it is {quoted(value)}; write a whole number from {lowest} to {highest}")
    return value


def _day(attribute: str, value: Any) -> date:
    """Return a stated day. Dagster reads `20260103` as a number, even if quoted."""
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError):
        day = None
    if day is None or value != day.isoformat():
        raise InvalidInputError(f"{attribute}: it is {quoted(value)}; write a day as YYYY-MM-DD, in quotes")
    return day


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
    """Store the valid rows of a delivered table and report the others.

    Raises:
        InvalidInputError: no row is valid, the day has rows already, and the table is not marked as meant.
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
    """Return the number of accepted rows of a day, and a sentence per reason of rejection."""
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
        """Store the delivery of the project's asset for the day."""
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
    return [_check(graph, name) for name in JUDGES]


def _check(graph: ModelGraph, name: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=graph.mart(name),
        name="every_row_is_as_declared",
        description="Green when no row was refused. An error when all were: then the declaration is at fault.",
    )
    @says_why
    def check(context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Models]) -> dg.AssetCheckResult:
        """Repeat the refusals."""
        ports, days = graph.view(platform), checked_days(context)
        found = [refusals_of(ports, name, day) for day in days]
        reports = [ports.model_tables.read_report(ingest_report_of(name), day) for day in days]
        refused_rows = sum(count for one in reports for types in one["types"] for count in types["rejected"].values())
        is_nothing_left = not any(accepted for accepted, _ in found)
        return dg.AssetCheckResult(
            passed=not any(refused for _, refused in found),
            severity=dg.AssetCheckSeverity.ERROR if is_nothing_left else dg.AssetCheckSeverity.WARN,
            description=" ".join(sentence for _, refused in found for sentence in refused) or None,
            metadata={
                "day": days[-1].isoformat(),
                "accepted_rows": sum(accepted for accepted, _ in found),
                "refused_rows": refused_rows,
            },
        )

    return check


def in_order(upstream: dg.AssetKey, start_date: date) -> Require:
    """Return the check that refuses a day out of order; `upstream` delivers the examples, from `start_date` on."""

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
    """Return partition keys as days, ignoring keys of other kinds."""
    found = set()
    for key in keys:
        with suppress(ValueError):
            found.add(date.fromisoformat(key))
    return found


def daily_schedule(
    graph: ModelGraph, job: UnresolvedAssetJobDefinition, *, start_date: date, end_offset: int
) -> dg.ScheduleDefinition:
    """Return the schedule of a daily job, with partitions from `start_date` to `end_offset`."""

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
