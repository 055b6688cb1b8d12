"""A home of one model whose marts are a market in memory: the product's own assets run there, day by day.

Concept: reports, governor, fits, folds, gate, promotions and references are the assets of `model_chain`, run by
Dagster with ports of a folder of its own. Bypassed are recompute of rows (no mart is built here that could differ from
its source), refused or repeated rows (no file lands), the audit of fairness, searches, and the gate's cohort: rankings
are compared on what was shown.
"""

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Self, cast

import dagster as dg
import numpy as np
import pyarrow as pa

from mlife_assets.components.graph.model_graph import ModelGraph, Special
from mlife_assets.components.graph.partitions import only_day
from mlife_assets.components.model.challengers import PROMOTION_REPORT, challenger_version
from mlife_assets.components.model.example_evaluation import gate_rows
from mlife_assets.components.model.judging import gate_window, judge_challenger
from mlife_assets.components.model.retrain_decision import decisions_until
from mlife_assets.components.model.training_inputs import training_set_of
from mlife_assets.components.model_chain import chain_assets
from mlife_assets.components.monitoring.pair_findings import overnight_day_findings
from mlife_assets.core.errors import NotEnoughEvidenceError, NotFoundError
from mlife_assets.core.model import Model
from mlife_assets.core.monitoring.lateness import NONE_ARRIVED, late_days_between
from mlife_assets.core.monitoring.retrain_decisions import RetrainDecision
from mlife_assets.core.policies import policy_version
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.judgement import GateRows
from mlife_assets.core.windows import add_days, days_between
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.deployments.landed_days import LandedDays
from mlife_assets.deployments.ports import MONITORING_REPORTS, ModelPorts, Models
from mlife_assets.deployments.project_ports import ProjectHome
from mlife_assets.home_settings import ProjectSettings
from mlife_assets.lifecycle.rollback import GATE
from mlife_assets.market.world import Injection, MarketConfig
from mlife_assets.recruiting.events import JOB_APPLICATIONS, LABEL_EVENT_TYPES, OWN_EVENT_TYPES
from mlife_assets.recruiting.features import pair_features
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import Policies
from monitored_market.market import EXAMPLE_FEATURES, WARM_UP_DAYS, MonitoredMarket

INSTALLED, REFUSED, FAILED = "promoted", "refused", "failed"
FITTED = ("candidate_model", "fold_models")
JUDGED = ("evaluation", "champion_model", "monitoring_reference")
LETTERS = dict(zip(MONITORING_REPORTS, "qdlc", strict=True))
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def derived(rows: pa.Table) -> pa.Table:
    """Return pairs with their derived features; examples of the market have them already."""
    return rows if set(EXAMPLE_FEATURES) <= set(rows.column_names) else pair_features(rows)


GRAPH = ModelGraph(job_applications(Policies()))


def shown_once(rows: pa.Table, model: Model) -> GateRows:
    """Return the gate's rows: rankings are compared on each pair once a day, as applied to if any exposure was."""
    roles, place = model.roles, pa.array(np.arange(rows.num_rows))
    first = rows.sort_by([(roles.label, "descending"), (str(model.row_id), "ascending")]).append_column("place", place)
    kept = first.group_by([*roles.ids, roles.time]).aggregate([("place", "min")])["place_min"]
    ranked = first.drop_columns(["place"]).take(pa.array(np.sort(kept.to_numpy())))
    return replace(GateRows.of_examples(ranked, roles), exposures=rows)


@dg.asset(
    key=GRAPH.key("model", "evaluation"),
    deps=[GRAPH.key("model", name) for name in FITTED],
    **GRAPH.daily("model", "model"),
)
def evaluation(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Models]) -> None:
    """Judge the challenger on what was shown, without a cohort, a panel or an audit."""
    ports = GRAPH.view(platform).in_run(context.run.run_id)
    day, model = only_day(context, ports), ports.model
    window = gate_window(ports, day)
    gate = shown_once(gate_rows(ports, day, window.first_day), model)
    judged = judge_challenger(ports, day, window, gate, human=None)
    ports.model_tables.write_report(PROMOTION_REPORT, day, asdict(judged.decision) | window.facts | dict(judged.facts))


OVERNIGHT = Special(lambda ports, day, _: overnight_day_findings(cast(BoardPorts, ports.home), day))
ASSETS = [*chain_assets(replace(GRAPH, special=OVERNIGHT)), evaluation]


@dataclass(frozen=True)
class MarketDays(LandedDays):
    """The days of a market; models learn from exposures since a day."""

    market: MonitoredMarket
    since: date
    own_types: Collection[str] = OWN_EVENT_TYPES
    label_types: Collection[str] = LABEL_EVENT_TYPES
    feedback: str = "clicks"
    is_simulated: bool = True

    @property
    def start(self) -> date:
        return self.since

    @property
    def first_run(self) -> date:
        return self.since

    def landed(self) -> Sequence[date]:
        return list(days_between(self.since, self.market.day))

    def report(self, day: date) -> Mapping[str, Any]:
        eve = add_days(day, -1)
        if eve not in self.market.landed:
            raise NotFoundError(f"nothing landed on {day}; live the market until then")
        landed = self.market.landed[eve].items()
        return {"types": [{"event_type": n, "accepted": c, "rejected": {}, "examples": []} for n, c in landed]}

    def require(self, day: date | None = None) -> None:
        """Return: nobody asks for a day that was not lived."""

    def late_feedback(self, first: date, last: date) -> frozenset[date]:
        known = self.market.arrivals
        return late_days_between(first, last, lambda day: known.get(day, NONE_ARRIVED), oldest=min(known))


@dataclass(frozen=True, kw_only=True)
class MarketHome(ProjectHome):
    """The ports of a market in a folder of its own.

    Attributes:
        market: as it lives.
        policies: of everything.
    """

    market: MonitoredMarket
    policies: Policies

    @classmethod
    def at(cls, folder: Path, market: MonitoredMarket, policies: Policies) -> Self:
        """Return a home in a folder, which is created when missing."""
        folder.mkdir(parents=True, exist_ok=True)
        return cls(settings=ProjectSettings(home=folder, cores=1), market=market, policies=policies)

    def branch(self, folder: Path, *injections: Injection) -> Self:
        """Return a home with the same past, in another folder, whose future has `injections`."""
        shutil.copytree(self.settings.home, folder)
        return self.at(folder, self.market.branch(*injections), self.policies)

    @cached_property
    def days(self) -> MarketDays:
        return MarketDays(self.market, add_days(self.market.config.start_date, WARM_UP_DAYS))

    @property
    def warehouse(self) -> MonitoredMarket:
        return self.market

    @cached_property
    def model(self) -> Model:
        return replace(job_applications(self.policies), derive=derived)

    @cached_property
    def _ports(self) -> ModelPorts:
        declared, tables, marts = (lambda: self.model), (lambda: self.tables), (lambda: self.market)
        return ModelPorts(self, JOB_APPLICATIONS, self.days, declared, tables, marts, is_unnamed=True)

    def of_model(self, name: str = "") -> ModelPorts:  # noqa: ARG002  there is one
        return self._ports

    def run(self, group: str, names: Sequence[str]) -> str:
        """Materialize assets of a group of this morning; returns why one failed for want of evidence, else nothing."""
        ran = dg.materialize(
            ASSETS,
            selection=[GRAPH.key(group, name) for name in names],
            partition_key=self.market.day.isoformat(),
            resources={"platform": self},
            run_config=QUIET,
            raise_on_error=False,
        )
        for event in (one for one in ran.all_events if one.is_step_failure):
            told = event.step_failure_data.user_failure_data
            if told is not None and told.metadata["kind"].value == NotEnoughEvidenceError.__name__:
                return str(told.description)
            raise RuntimeError(f"{event.step_key} failed: {event.step_failure_data.error_display_string}")
        return ""

    def morning(self) -> tuple[RetrainDecision, str]:
        """Watch and decide; returns the governor's verdict and the letters of the reports that alarmed."""
        if missing := self.run("monitoring", [*MONITORING_REPORTS, "retrain_decision"]):
            raise RuntimeError(f"nothing was decided on {self.market.day}: {missing}")
        reports = self.of_model().reports.of_day(self.market.day)
        alarms = "".join(LETTERS[name] for name, one in reports.items() if one.status == "alarm")
        return decisions_until(self.of_model(), self.market.day)[-1], alarms

    def retrained(self) -> tuple[str, list[str]]:
        """Fit, judge, and install where nothing speaks against it; returns what came of it, and what was not met."""
        if self.run("model", [*FITTED, *JUDGED]):
            return FAILED, []
        report = self.of_model().model_tables.read_report(PROMOTION_REPORT, self.market.day)
        return report["outcome"], [one["name"] for one in report["conditions"] if not one["is_met"]]

    def refit(self, since: date | None = None) -> str:
        """Return the version of a fit on everything mature this morning, or on exposures since a day alone.

        Raises:
            NotEnoughEvidenceError: there is too little.
        """
        day, ports = self.market.day, self.of_model()
        policy = self.model.training
        try:
            same = ports.registry.load(challenger_version(ports, day))
        except NotFoundError:
            same = None
        if since is None and same is not None and same.manifest["policy_version"] == policy_version(policy):
            return same.model_version
        if since is not None:
            ports = replace(ports, days=replace(self.days, since=since))
        training = training_set_of(ports, day)
        return ports.registry.keep_fold(fit_model(training, policy, simple_columns=self.model.simple_columns))

    def serving(self) -> str:
        """Return the version of today's champion."""
        return self.of_model().scorers.champion_version(self.market.day)


def lived(config: MarketConfig, days: int, policies: Policies, folder: Path) -> MarketHome:
    """Return the home of a market after some days: its first champion, which nobody judged, begins to serve."""
    home = MarketHome.at(folder, MonitoredMarket(config), policies)
    for _ in range(days - 1):
        home.market.live()
    home.run("model", FITTED)
    day, ports = home.market.day, home.of_model()
    first = challenger_version(ports, day)
    ports.registry.promote(first, actor=GATE, reason="the first", now=ports.retraining_time(day))
    home.run("model", ["monitoring_reference"])
    home.market.live()
    return home
