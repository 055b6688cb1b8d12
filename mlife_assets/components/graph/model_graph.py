"""The part of the graph that one model has: its keys, groups, jobs, and the platform as the model sees it.

Concept: the assets of a model are built from its record. The first model keeps the names from before there were
several; those of another begin with its own name, as does its group.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
import pyarrow as pa
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from mlife_assets.components.graph.partitions import RANGE_IN_ONE_RUN, daily_asset, only_day
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.model import Model
from mlife_assets.core.monitoring.plots import RankingDay
from mlife_assets.core.monitoring.reports import Finding
from mlife_assets.deployments.ports import ModelPorts, Models
from mlife_assets.recruiting.events import JOB_APPLICATIONS

MAX_RUNTIME_TAG = "dagster/max_runtime"
RETRAINING_SECONDS_MAXIMUM = 4 * 3600
"""A retraining takes minutes. One with a lost process would count as running for ever and block the next."""


LARGE_TASK = {"ecs/cpu": "4096", "ecs/memory": "16384"}
"""Size on Fargate of a run that fits models, in 1/1024 of a core and MiB; ignored elsewhere."""
Findings = Callable[[ModelPorts, date, pa.Table], list[Finding]]
Rankings = Callable[[ModelPorts, Sequence[date]], list[RankingDay]]
Require = Callable[[dg.AssetExecutionContext, ModelPorts, date], None]


def nothing_required(context: dg.AssetExecutionContext, platform: ModelPorts, day: date) -> None:
    """Accept every day: where days land in order, they are decided in order."""


@dataclass(frozen=True)
class Special:
    """Further computations of a model, which need more than its rows, such as raw events for recomputing a row.

    Attributes:
        findings: of a day's sample, beside those of its columns; None for none.
        rankings: ranking quality of mature days; None without a ranking.
    """

    findings: Findings | None = None
    rankings: Rankings | None = None


@dataclass(frozen=True)
class ModelGraph:
    """Names of one model in the graph.

    Attributes:
        model: the record.
        mart_group: group of its marts.
        backfill_policy: one run over a range of partitions; None for a run per partition, Dagster's default.
        require_in_order: refuses to decide a day out of order.
        special: what only this model can be asked.
    """

    model: Model
    mart_group: str = "features"
    backfill_policy: dg.BackfillPolicy | None = RANGE_IN_ONE_RUN
    require_in_order: Require = nothing_required
    special: Special = Special()

    @property
    def is_first(self) -> bool:
        """Whether this is the model from before there were several."""
        return self.model.name == JOB_APPLICATIONS

    def key(self, group: str, name: str) -> dg.AssetKey:
        return dg.AssetKey([self.group(group), name])

    def keys(self, group: str, *names: str) -> list[dg.AssetKey]:
        return [self.key(group, name) for name in names]

    def mart(self, name: str) -> dg.AssetKey:
        return dg.AssetKey([self.mart_group, name])

    def group(self, group: str) -> str:
        """Return the model's group in place of `group`."""
        return group if self.is_first else self.model.name

    def daily(self, group: str, layer: str) -> dict[str, Any]:
        return daily_asset(group, layer, self.group(group), self.backfill_policy)

    def named(self, name: str) -> str:
        return name if self.is_first else f"{self.model.name}_{name}"

    def view(self, platform: Models) -> ModelPorts:
        return platform.of_model(self.model.name)

    def kinds(self) -> set[str]:
        return {"lightgbm" if self.model.estimator is None else "scikitlearn"}

    @property
    def label_examples(self) -> dg.AssetKey:
        return self.mart(self.model.label_step.examples)

    @property
    def examples(self) -> Sequence[dg.AssetKey]:
        return [self.mart(name) for name in dict.fromkeys(step.examples for step in self.model.steps)]

    @property
    def learned_examples(self) -> Sequence[dg.AssetKey]:
        """Marts for training: the label's, and those of steps that are known sooner."""
        roles = self.model.roles
        sooner = [one.examples for one in self.model.steps if roles.step_times[one.label] != roles.label_time]
        return [self.mart(name) for name in dict.fromkeys((self.model.label_step.examples, *sooner))]

    @property
    def tables(self) -> Sequence[dg.AssetKey]:
        return [self.mart(name) for name in self.model.row_source.tables]

    @property
    def retrained(self) -> Sequence[dg.AssetKey]:
        """Assets of a retraining, in the model's own groups."""
        return self.keys("model", *RETRAINED)


@dataclass(frozen=True)
class DayRun:
    """A run of a model's asset for one day.

    Attributes:
        context: of Dagster.
        graph, ports: of the model.
        day: that decides.
    """

    context: dg.AssetExecutionContext
    graph: ModelGraph
    ports: ModelPorts
    day: date

    @property
    def kept(self) -> ModelPorts:
        """The ports by which a run reads rows of marts once; see `ModelPorts.in_run`."""
        return self.ports.in_run(self.context.run.run_id)


Metadata = Mapping[str, Any]
DayAsset = Callable[[ModelGraph], dg.AssetsDefinition]


def model_asset(
    group: str,
    *,
    deps: Callable[[ModelGraph], Sequence[dg.AssetKey]],
    kinds: set[str] | Callable[[ModelGraph], set[str]],
    description: str,
    layer: str = "model",
) -> Callable[[Callable[[DayRun], Metadata]], DayAsset]:
    """Decorate what computes a day of any model and returns its metadata; the result makes the asset of one model."""

    def decorate(compute: Callable[[DayRun], Metadata]) -> DayAsset:
        def of_model(graph: ModelGraph) -> dg.AssetsDefinition:
            @dg.asset(
                key=graph.key(group, compute.__name__),
                deps=deps(graph),
                kinds=kinds if isinstance(kinds, set) else kinds(graph),
                description=description,
                **graph.daily(group, layer),
            )
            @says_why
            def asset(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Models]) -> dg.MaterializeResult:
                ports = graph.view(platform)
                run = DayRun(context, graph, ports, only_day(context, ports))
                return dg.MaterializeResult(metadata=compute(run))

            return asset

        return of_model

    return decorate


RETRAINED = (
    "training_set",
    "candidate_model",
    "fold_models",
    "explanation",
    "evaluation",
    "monitoring_reference",
    "champion_model",
)


def model_jobs(graph: ModelGraph, selection: dg.AssetSelection) -> list[UnresolvedAssetJobDefinition]:
    """Return the jobs of a model; `selection` has the assets of a retraining."""
    return [
        dg.define_asset_job(
            graph.named("retraining_job"),
            selection=selection,
            executor_def=dg.in_process_executor,
            description="Train a challenger, evaluate it at the gate, promote or refuse.",
            tags={MAX_RUNTIME_TAG: str(RETRAINING_SECONDS_MAXIMUM), **LARGE_TASK},
        ),
        dg.define_asset_job(
            graph.named("search_job"),
            selection=searched(graph),
            executor_def=dg.in_process_executor,
            description="Search for hyper-parameters; later challengers use the result.",
            tags=LARGE_TASK,
        ),
    ]


def searched(graph: ModelGraph) -> dg.AssetSelection:
    return dg.AssetSelection.assets(graph.key("model", "hyperparameters"))


def retrained(graph: ModelGraph) -> dg.AssetSelection:
    """Return the assets of a retraining, for a model with a group of its own."""
    return dg.AssetSelection.assets(*graph.retrained)


def day_of_model(graph: ModelGraph) -> dg.AssetSelection:
    """Return the daily assets of a model's group: all but retraining and search."""
    return dg.AssetSelection.groups(graph.model.name) - retrained(graph) - searched(graph)
