"""A second model for tests: who clicks within a week. It has no item, and its examples are a view of marts.

Its columns are called otherwise than those of job applications, so that a name that is written down somewhere is seen.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import duckdb
import numpy as np
import pyarrow as pa

from mlife_assets.components.graph import keys
from mlife_assets.components.graph.partitions import DAILY, RANGE_IN_ONE_RUN
from mlife_assets.core.entity_rows import EntityColumn, find_entities
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.model import Baseline, Model, RowSource, Step
from mlife_assets.core.monitoring.columns import MonitoringColumns
from mlife_assets.definitions import build_definitions
from mlife_assets.deployments.board_ports import board_ports
from mlife_assets.recruiting.instances import job_of_the_day
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import Policies

NAME = "activity"
FEATURES = (
    "user_impressions_7d", "user_clicks_7d", "user_applies_28d", "days_since_last_click", "tenure_days",
    "user_seniority",
)  # fmt: skip
ROLES = ExampleSpec(
    entity="person_id", time="looked_at_date", label="is_active", label_time="known_date", features=FEATURES,
    categoricals=("user_occupation_group",),
)  # fmt: skip
VIEWS = f"""
create or replace view marts.activity_rows as
select as_of_date, user_id as person_id, user_occupation_group, {", ".join(FEATURES)} from marts.user_features;
create or replace view marts.activity_examples as
select
    now.as_of_date as looked_at_date,
    now.user_id || ' ' || now.as_of_date as look_id,
    now.user_id as person_id,
    (now.as_of_date + interval 8 day)::date as known_date,
    coalesce(later.user_clicks_7d, 0) > 0 as is_active,
    now.user_occupation_group,
    {", ".join(f"now.{name}" for name in FEATURES)}
from marts.user_features as now
inner join marts.user_features as later
    on later.user_id = now.user_id and later.as_of_date = now.as_of_date + interval 7 day;
"""


def by_tenure(rows: pa.Table) -> np.ndarray:
    """Rank who came last first, whatever they did."""
    scores: np.ndarray = -np.nan_to_num(rows["tenure_days"].to_numpy().astype(float), nan=1e6)
    return scores


def activity(policies: Policies) -> Model:
    """Return the model with the policies of a small world."""
    return Model(
        name=NAME, title="Who clicks within a week", outcome="a person clicks within a week",
        source="a view of user_features", roles=ROLES, steps=(Step("return", "is_active", "activity_examples", 7),),
        row_id="look_id", rows=RowSource(("activity_rows",), find_entities, EntityColumn("person_id")),
        baseline=Baseline("newest_first", by_tenure),
        watched=MonitoringColumns(numeric=FEATURES, residual=("tenure_days", "user_clicks_7d")),
        training=replace(policies.training, validation_days=3, rising=(), falling=()), promotion=policies.promotion,
        monitoring=policies.monitoring, retrain=policies.retrain, backtest=policies.backtest,
    )  # fmt: skip


def both_models(world: ModuleType, lived_home: Path, folder: Path) -> Any:
    """Return a copy of a lived home in which the second model is declared and its marts are there.

    It trains of fewer trees: what one model leaves of another does not depend on how well either fits.
    """
    shutil.copytree(lived_home, folder)
    training = replace(world.POLICIES.training, formulations=("binary",), trees_maximum=15)
    settings = world.open_home(folder).settings
    with duckdb.connect(str(settings.places.warehouse)) as connection:
        connection.execute(VIEWS)
    platform = board_ports(
        settings=settings, policies=replace(world.POLICIES, training=training), declared=(job_applications, activity),
        declared_applications=(job_of_the_day,), story=world.STORY,
    )  # fmt: skip
    built = build_definitions(settings, platform=platform)
    definitions = dg.Definitions(
        assets=[*built.assets, *(_view(name) for name in ("activity_rows", "activity_examples"))],
        asset_checks=built.asset_checks, jobs=built.jobs, sensors=built.sensors, resources=built.resources,
    )  # fmt: skip
    return world.Home(settings, definitions, platform)


def _view(name: str) -> dg.AssetsDefinition:
    """Return a view as the graph sees a mart: it is there once what it selects from is."""

    @dg.asset(
        key=["features", name], deps=[keys.USER_FEATURES], group_name="features", partitions_def=DAILY,
        backfill_policy=RANGE_IN_ONE_RUN,
    )  # fmt: skip
    def view() -> None: ...

    return view
