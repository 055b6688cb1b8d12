"""The dbt project as assets.

Belongs here: how dbt models map to asset keys, groups and owners. Does not belong here: SQL, calling dbt
(`dbt_runner`).

Concept: dbt owns features and metrics; the graph sees each model as an asset of its own. The manifest is built
beforehand, and dbt runs inside the step (`dbt_runner`).
"""

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from mlife_assets.adapters.event_log.staging import to_stage
from mlife_assets.components.features.dbt_runner import (
    build,
    ensure_manifest,
    project_digest,
    staging_digest,
    staging_of,
)
from mlife_assets.components.graph import keys
from mlife_assets.components.graph.ownership import OWNERS
from mlife_assets.components.graph.partitions import DAILY, RANGE_IN_ONE_RUN, days, days_of_checks
from mlife_assets.components.platform.model_platform import INGEST_REPORT
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.shown.figures import Figures, kpi_figures, opt_outs_per_thousand, readout_figures
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.extras import missing_extra
from mlife_assets.core.ids import digest
from mlife_assets.core.windows import add_days, last_mature_exposure_day

try:
    from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets
    from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage
except ModuleNotFoundError as missing:
    raise missing_extra(missing) or missing from missing

LABEL_WINDOWS = ("click_window_days", "apply_window_days", "hire_window_days")
WRITTEN_HERE = {
    "prediction": keys.MESSAGE_PLAN,
    "message_suppressed": keys.MESSAGE_PLAN,
    "experiment_exposed": keys.MESSAGE_PLAN,
    "message_submitted": keys.MESSAGE_DELIVERIES,
}
"""Event types that only metrics read, and the asset that writes them. What features read comes back a day later,
which no graph without cycles shows; it counts as landed.
"""


class LifecycleTranslator(DagsterDbtTranslator):
    """Maps a dbt node to an asset: `[group, model]`, the group being the folder or tag of the model."""

    def __init__(self) -> None:
        """Allow all sources to stand for the one asset that lands raw events."""
        super().__init__(settings=DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True))

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Sources are the assets that write their events; models sit in their group."""
        if dbt_resource_props["resource_type"] == "source":
            return WRITTEN_HERE.get(dbt_resource_props["name"], keys.MARKET_EVENTS)
        return dg.AssetKey([self._group(dbt_resource_props), dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Return the group of the graph."""
        return self._group(dbt_resource_props)

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Return what the model's author wrote; its SQL, which the default appends, is in the repository."""
        written: str = dbt_resource_props["description"]
        return written

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        """Return who answers for the group."""
        return OWNERS[self._group(dbt_resource_props)]

    def get_tags(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the dbt layer as a tag."""
        return {"layer": dbt_resource_props["fqn"][1]}

    @staticmethod
    def _group(dbt_resource_props: Mapping[str, Any]) -> str:
        return "metrics" if "metrics" in dbt_resource_props["tags"] else "features"


def _build(
    context: dg.AssetExecutionContext, platform: Platform, project: Path, variables: Mapping[str, Any]
) -> Iterator[Any]:
    """Build the selected models, or run the selected tests alone; yield what Dagster records of each."""
    settings = platform.settings
    settings.warehouse_path.parent.mkdir(parents=True, exist_ok=True)
    platform.fetch_warehouse()
    settings.export_to_dbt()
    windows = {name: getattr(platform.policies.label, name) for name in LABEL_WINDOWS}
    models = sorted(key.path[-1] for key in context.selected_asset_keys)
    selection = models or sorted(key.name for key in context.selected_asset_check_keys)
    manifest = ensure_manifest(project)
    staging = [name for name in staging_of(manifest, models) if name not in models]
    since = date.fromisoformat(variables["start_date"]) if "start_date" in variables else None
    events = _to_stage(platform, project, since) if models else {}
    kept = {"kept_definition": digest((project_digest(project), windows))} if models else {}
    given = {**variables, **windows, **events, **kept}
    for event in build(project, [*selection, *staging], given, settings.home / "dbt"):
        if event["data"].get("node_info", {}).get("node_name") in staging:
            continue  # brought up to date for those that were asked for, which are what this step shows
        message = DbtCoreCliEventMessage(raw_event=event, event_history_metadata={})
        yield from message.to_default_asset_events(manifest, LifecycleTranslator(), context)
    if models:
        platform.put_warehouse_back()


def _to_stage(platform: Platform, project: Path, start: date | None) -> dict[str, Any]:
    """Return what staging lacks; of days that are built again, what they are the first to see is staged again."""
    again_from = None if start is None else add_days(start, -1)
    tables = platform.warehouse.staged()
    return to_stage(platform.event_log, tables, staging_digest(project), again_from=again_from)


def _figures(platform: Platform, key: dg.AssetKey) -> Figures:
    """Return what the UI plots of a metrics table that was just built."""
    if key == keys.KPI_DAILY:
        (today,) = platform.tables.newest_report_days(INGEST_REPORT, 1)
        window = platform.policies.label.apply_window_days
        rows, first = platform.warehouse.read("kpi_daily").to_pylist(), platform.settings.first_lived_date
        if (opt_outs := opt_outs_per_thousand(rows, today)) is not None:
            platform.measure("opt_outs_per_thousand", opt_outs)
        return kpi_figures(rows, first, last_mature_exposure_day(today, window), platform.policies.price)
    if key == keys.EXPERIMENT_READOUT:
        readout = platform.warehouse.read("experiment_readout").to_pylist()
        return readout_figures([row for row in readout if row["experiment"] == platform.application.name])
    return {}


def build_dbt_assets(project: Path) -> list[dg.AssetsDefinition]:
    """Return the feature models (daily partitions) and the metrics models (unpartitioned) as assets."""
    manifest = ensure_manifest(project)

    @dbt_assets(
        manifest=manifest,
        select="tag:features",
        name="feature_tables",
        partitions_def=DAILY,
        backfill_policy=RANGE_IN_ONE_RUN,
        dagster_dbt_translator=LifecycleTranslator(),
        pool="warehouse",
    )
    @says_why
    def feature_tables(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> Iterator[Any]:
        if context.selected_asset_keys:
            covered = days(context, platform)
        else:  # tests alone
            checked = min(key.asset_key for key in context.selected_asset_check_keys)
            covered = days_of_checks(context.run, context.instance, checked)
        variables = {"start_date": covered[0].isoformat(), "end_date": covered[-1].isoformat()}
        yield from _build(context, platform, project, variables)

    @dbt_assets(
        manifest=manifest,
        select="tag:metrics",
        name="metric_tables",
        dagster_dbt_translator=LifecycleTranslator(),
        pool="warehouse",
    )
    @says_why
    def metric_tables(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> Iterator[Any]:
        platform.require_landed()
        for event in _build(context, platform, project, {}):
            if isinstance(event, dg.Output):
                key = context.asset_key_for_output(event.output_name)
                context.add_asset_metadata(_figures(platform, key), asset_key=key)
            yield event

    return [feature_tables, metric_tables]
