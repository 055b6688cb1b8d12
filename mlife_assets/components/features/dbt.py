"""The dbt project as assets.

Concept: dbt owns features and metrics; the graph sees each model as an asset of its own. The manifest is built
beforehand, and dbt is imported and runs inside the step alone (`dbt_runner`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from importlib.util import find_spec
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import dagster as dg

from mlife_assets.adapters.event_log.staging import to_stage
from mlife_assets.components.features.dbt_runner import (
    build,
    ensure_manifest,
    project_digest,
    recorded,
    staging_digest,
    staging_of,
)
from mlife_assets.components.features.dbt_specs import specs_of
from mlife_assets.components.graph import keys
from mlife_assets.components.graph.partitions import DAILY, RANGE_IN_ONE_RUN, days, days_of_checks
from mlife_assets.components.shown.figures import Figures, kpi_figures, opt_outs_per_thousand
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.errors import PermanentError
from mlife_assets.core.extras import missing_extra
from mlife_assets.core.ids import digest
from mlife_assets.core.windows import add_days, last_mature_exposure_day
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.deployments.landed_days import INGEST_REPORT

DAYS_AT_ONCE = 40
"""Days that dbt builds at once: memory grows with them, two months of ten thousand people take over 2 GB."""
LABEL_WINDOWS = ("click_window_days", "apply_window_days", "hire_window_days")


def _build(
    context: dg.AssetExecutionContext, platform: BoardPorts, project: Path, covered: Sequence[date] = ()
) -> Iterator[Any]:
    """Build the selected models for the days, or run the selected tests alone; yield what Dagster records of each.

    Many days are built in parts, staging with the first. A model is recorded when its last part is built.
    """
    settings = platform.settings
    settings.warehouse_path.parent.mkdir(parents=True, exist_ok=True)
    warehouse = platform.home.services.warehouse
    if warehouse is not None:
        warehouse().fetch()
    settings.export_to_dbt()
    windows = {name: getattr(platform.policies.label, name) for name in LABEL_WINDOWS}
    models = sorted(key.path[-1] for key in context.selected_asset_keys)
    selection = models or sorted(key.name for key in context.selected_asset_check_keys)
    manifest = ensure_manifest(project)
    staging = staging_of(manifest, models)
    to_be_staged = _to_stage(platform, project, covered[0] if covered else None) if models else {}
    kept = {"kept_definition": digest((project_digest(project), windows))} if models else {}
    parts = _parts(covered) if set(models).difference(staging) else [covered]
    said: list[dict[str, Any]] = []
    fault = None
    for part in parts:
        given = {**_range(part), **windows, **to_be_staged, **kept}
        unbuilt = {*selection, *staging}.difference(staging if part is not parts[0] else ())
        try:
            for event in build(project, sorted(unbuilt), given, settings.home / "dbt"):
                # a model is made when its last part is, and checked then; staging is whole after the first part
                if part is parts[-1] or _node_name(event) in staging:
                    said.append(event)
        except PermanentError as error:
            fault = error
            break
    # staging is brought up to date for the models that were asked for, which are what this step shows
    unasked = set(staging).difference(models)
    yield from recorded((event for event in said if _node_name(event) not in unasked), manifest, context)
    if fault is not None:
        raise fault
    if models and warehouse is not None:
        warehouse().put_back()


def _node_name(event: Mapping[str, Any]) -> str | None:
    name: str | None = event["data"].get("node_info", {}).get("node_name")
    return name


def _parts(covered: Sequence[date]) -> list[Sequence[date]]:
    count = max(1, ceil(len(covered) / DAYS_AT_ONCE))
    bounds = [round(number * len(covered) / count) for number in range(count + 1)]
    return [covered[start:end] for start, end in pairwise(bounds)]


def _range(covered: Sequence[date]) -> dict[str, str]:
    return {"start_date": covered[0].isoformat(), "end_date": covered[-1].isoformat()} if covered else {}


def _to_stage(platform: BoardPorts, project: Path, start: date | None) -> dict[str, Any]:
    """Return what staging lacks; of days that are built again, what they are the first to see is staged again."""
    again_from = None if start is None else add_days(start, -1)
    tables = platform.home.warehouse.staged()
    return to_stage(platform.event_log, tables, staging_digest(project), again_from=again_from)


def _figures(platform: BoardPorts, key: dg.AssetKey) -> Figures:
    """Return what the UI plots of a metrics table that was just built."""
    if key == keys.KPI_DAILY:
        (today,) = platform.tables.newest_report_days(INGEST_REPORT, 1)
        window = platform.policies.label.apply_window_days
        rows, first = platform.warehouse.read("kpi_daily").to_pylist(), platform.settings.first_lived_date
        if (opt_outs := opt_outs_per_thousand(rows, today)) is not None:
            platform.home.services.measure("opt_outs_per_thousand", opt_outs)
        return kpi_figures(rows, first, last_mature_exposure_day(today, window), platform.policies.price)
    return {}


def build_dbt_assets(project: Path) -> list[dg.AssetsDefinition]:
    """Return the feature models (daily partitions) and the metrics models (unpartitioned) as assets."""
    if find_spec("dagster_dbt") is None:  # said when the graph is loaded, not by the first step that runs dbt
        missing = ModuleNotFoundError(name="dagster_dbt")
        raise missing_extra(missing) or missing
    manifest = json.loads(ensure_manifest(project).read_text(encoding="utf-8"))
    features, feature_checks = specs_of(manifest, "features")
    metrics, metric_checks = specs_of(manifest, "metrics")

    @dg.multi_asset(
        name="feature_tables",
        specs=features,
        check_specs=feature_checks,
        can_subset=True,
        partitions_def=DAILY,
        backfill_policy=RANGE_IN_ONE_RUN,
        op_tags={"dagster_dbt/select": "tag:features"},
        pool="warehouse",
    )
    @says_why
    def feature_tables(context: dg.AssetExecutionContext, platform: dg.ResourceParam[BoardPorts]) -> Iterator[Any]:
        if context.selected_asset_keys:
            covered = days(context, platform.of_model())
        else:  # tests alone
            checked = min(key.asset_key for key in context.selected_asset_check_keys)
            covered = days_of_checks(context.run, context.instance, checked)
        yield from _build(context, platform, project, covered)

    @dg.multi_asset(
        name="metric_tables",
        specs=metrics,
        check_specs=metric_checks,
        can_subset=True,
        op_tags={"dagster_dbt/select": "tag:metrics"},
        pool="warehouse",
    )
    @says_why
    def metric_tables(context: dg.AssetExecutionContext, platform: dg.ResourceParam[BoardPorts]) -> Iterator[Any]:
        platform.days.require()
        for event in _build(context, platform, project):
            if isinstance(event, dg.Output):
                key = context.asset_key_for_output(event.output_name)
                context.add_asset_metadata(_figures(platform, key), asset_key=key)
            yield event

    return [feature_tables, metric_tables]
