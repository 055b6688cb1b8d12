"""A model over the tables of somebody else's project, as a Dagster component.

Concept: a project declares in `defs.yaml` which of its assets deliver examples and rows to score. What it gets is the
chain that every model of mlife has. Instances of a project share one resource, the `platform`, since Dagster merges
definitions only where a resource is the same object. Dagster's own scaffolder writes `attributes: {}`, which does not
load; ours writes every attribute that is needed, with a comment.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
from dagster.components.core.component_tree import ComponentTree
from pydantic import Field

from mlife_assets.components import own_tables
from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.graph.model_jobs import model_jobs, retrained, searched
from mlife_assets.components.graph.retrain_sensor import build_retrain_sensor
from mlife_assets.components.graph.run_requests import RETRAINING_JOB
from mlife_assets.components.model_chain import chain_assets, chain_checks, entity_assets, entity_checks
from mlife_assets.components.monitoring.special import Special
from mlife_assets.components.own_tables import daily_schedule, in_order
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.own_model import OwnColumns, OwnModel, Stated, own_model
from mlife_assets.core.own_rows import EXAMPLES, ROWS
from mlife_assets.core.quoting import quoted
from mlife_assets.deployments.project_ports import ProjectHome
from mlife_assets.home_settings import ProjectSettings
from mlife_assets.recruiting.events import JOB_APPLICATIONS

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
    """Writes a `defs.yaml` whose attributes are there and explained."""

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
    """Which column of the tables is what."""

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
    row_id: str = Field(default="", description="What no two examples of a day share; without it: the entity.")
    rule: str = Field(
        default="", description="Feature by which is decided today, higher first: what a model must beat."
    )


@dg.scaffold_with(ConversionModelScaffolder)
class ConversionModel(dg.Component, dg.Model, dg.Resolvable):
    """A model of an outcome: trained, judged by a gate, monitored, retrained on drift, and scored every day.

    Takes two daily-partitioned assets of the project: examples with known outcomes, and rows to score.
    """

    name: str = Field(description="Name of the model, first part of its asset keys: lower-case words and underscores.")
    title: str = Field(description="What the model answers.")
    outcome: str = Field(description="What is predicted, in words that finish `the chance that`.")
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
            InvalidInputError: an attribute cannot be; names the file, the attribute, the bound and the remedy.
        """
        place = str(context.path / FILE)
        try:
            own = self._own_model()
            platform = platform_of(context.component_tree, Path(context.project_root), self.home)
            _whole("end_offset", self.end_offset, 0, 1)
            platform.declare(own, place)
        except InvalidInputError as error:
            raise InvalidInputError(f"{place}, attributes.{error}") from error
        return self._definitions(own, platform)

    def _own_model(self) -> OwnModel:
        if self.name == JOB_APPLICATIONS:
            raise InvalidInputError(f"name: {self.name} is the name of mlife's own first model; choose another")
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

    def _definitions(self, own: OwnModel, platform: ProjectHome) -> dg.Definitions:
        upstream = {EXAMPLES: _key(self.examples), ROWS: _key(self.rows)}
        ordered = in_order(upstream[EXAMPLES], own.start_date)
        graph = ModelGraph(own.model, own.model.name, backfill_policy=None, require_in_order=ordered)
        jobs = model_jobs(graph, retrained(graph))
        retraining = next(job for job in jobs if job.name == graph.named(RETRAINING_JOB))
        assets = [
            *own_tables.build_assets(graph, own.rows, upstream),
            *chain_assets(graph, Special()),
            *entity_assets(graph),
        ]
        daily = dg.define_asset_job(
            graph.named("daily_job"),
            selection=dg.AssetSelection.assets(*(asset.key for asset in assets)) - retrained(graph) - searched(graph),
            executor_def=dg.in_process_executor,
            description="One day: take in what was delivered, monitor and decide, score.",
        )
        return dg.Definitions(
            assets=self._as_declared(assets),
            asset_checks=[*own_tables.build_checks(graph), *chain_checks(graph), *entity_checks(graph)],
            jobs=[daily, *jobs],
            schedules=[daily_schedule(graph, daily, start_date=own.start_date, end_offset=self.end_offset)],
            sensors=[build_retrain_sensor(graph, retraining)],
            resources={"platform": platform},
        )

    def _as_declared(self, assets: list[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
        """Return assets with the partitions and owners of the project."""
        daily = dg.DailyPartitionsDefinition(start_date=self.start_date, end_offset=self.end_offset)

        def of_project(spec: dg.AssetSpec) -> dg.AssetSpec:
            return spec.replace_attributes(partitions_def=daily, owners=self.owners)

        return [asset.map_asset_specs(of_project) for asset in assets]


@dataclass(frozen=True)
class _Loaded:
    """The platform of a project, for as long as one load of it lasts."""

    tree: ComponentTree
    platform: ProjectHome


_LOADED: dict[Path, _Loaded] = {}


def platform_of(tree: ComponentTree, root: Path, home: str | None) -> ProjectHome:
    """Return the one platform of the load that `tree` stands for, made when first asked for.

    Raises:
        InvalidInputError: another instance of the project has another home, or a bucket cannot be read.
    """
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
    """Return a whole number as it is stated. Of fields that pydantic takes as whole, true would be 1 and 1.0, too."""
    if type(value) is not int or not lowest <= value <= highest:
        raise InvalidInputError(f"{attribute}: it is {quoted(value)}; write a whole number from {lowest} to {highest}")
    return value


def _day(attribute: str, value: Any) -> date:
    """Return a day as it is stated. Dagster reads `20260103` as a number, also where it is quoted."""
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError):
        day = None
    if day is None or value != day.isoformat():
        raise InvalidInputError(f"{attribute}: it is {quoted(value)}; write a day as YYYY-MM-DD, in quotes")
    return day
