"""The dbt project as assets.

Concept: dbt owns features and metrics; each model is an asset of its own. The manifest is built beforehand; dbt is
imported and run only inside the step.
"""

import hashlib
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from importlib.util import find_spec
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import dagster as dg
from filelock import FileLock

from mlife_assets.adapters.event_log.catalogue import to_stage
from mlife_assets.components.graph import keys
from mlife_assets.components.graph.keys import OWNERS
from mlife_assets.components.graph.partitions import DAILY, RANGE_IN_ONE_RUN, days, days_of_checks
from mlife_assets.components.shown.figures import Figures, kpi_figures, opt_outs_per_thousand
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.errors import PermanentError
from mlife_assets.core.extras import missing_extra
from mlife_assets.core.ids import digest
from mlife_assets.core.windows import add_days, last_mature_exposure_day
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.deployments.landed_days import INGEST_REPORT

DBT_EXECUTABLE = str(Path(sys.executable).parent / "dbt")
GRAPH_FOLDER = "graph"
"""Folder below `target/` that `ensure_manifest` writes and no other dbt command touches."""
_MISSING = re.compile(r"Table with name (\S+) does not exist")


STAGING = "models/staging"
WRITTEN_HERE = {
    "prediction": keys.MESSAGE_PLAN,
    "message_suppressed": keys.MESSAGE_PLAN,
    "experiment_exposed": keys.MESSAGE_PLAN,
    "message_submitted": keys.MESSAGE_DELIVERIES,
}
"""Event types that only metrics read, and the asset that writes them. Events that features read come back a day later,
which an acyclic graph cannot show; they count as landed.
"""
Node = Mapping[str, Any]
DAYS_AT_ONCE = 40
"""Days that dbt builds at once: memory grows with them; two months of ten thousand people take over 2 GB."""
LABEL_WINDOWS = ("click_window_days", "apply_window_days", "hire_window_days")


def _build(
    context: dg.AssetExecutionContext, platform: BoardPorts, project: Path, covered: Sequence[date] = ()
) -> Iterator[Any]:
    """Build the selected models for the days, or only run the selected tests; yield Dagster's records of each.

    Many days are built in parts, staging with the first. A model is recorded when its last part is built.
    """
    settings = platform.settings
    settings.places.warehouse.parent.mkdir(parents=True, exist_ok=True)
    warehouse = platform.home.services.warehouse
    if warehouse is not None:
        warehouse().fetch()
    settings.exports.to_dbt()
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
                # a model is made, and checked, with its last part; staging is complete after the first part
                if part is parts[-1] or _node_name(event) in staging:
                    said.append(event)
        except PermanentError as error:
            fault = error
            break
    # staging is updated for the requested models, and only these are shown
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
    """Return the files missing in staging; days that are built again also restage their own first events."""
    again_from = None if start is None else add_days(start, -1)
    tables = platform.home.warehouse.staged()
    return to_stage(platform.event_log, tables, staging_digest(project), again_from=again_from)


def _figures(platform: BoardPorts, key: dg.AssetKey) -> Figures:
    """Return the UI's plotted figures of a metrics table that was just built."""
    if key == keys.KPI_DAILY:
        (today,) = platform.tables.newest_report_days(INGEST_REPORT, 1)
        window = platform.policies.label.apply_window_days
        rows, first = platform.warehouse.read("kpi_daily").to_pylist(), platform.settings.days.first_lived_date
        if (opt_outs := opt_outs_per_thousand(rows, today)) is not None:
            platform.home.services.measure("opt_outs_per_thousand", opt_outs)
        return kpi_figures(rows, first, last_mature_exposure_day(today, window), platform.policies.price)
    return {}


def build_dbt_assets(project: Path) -> list[dg.AssetsDefinition]:
    """Return the feature models (daily partitions) and the metrics models (unpartitioned) as assets."""
    if find_spec("dagster_dbt") is None:  # reported when the graph loads, not by the first dbt step
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
        else:  # tests only
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


def asset_key(node: Node) -> dg.AssetKey:
    """Return `[group, model]` of a model; for a source, the asset that writes its events."""
    if node["resource_type"] == "source":
        return WRITTEN_HERE.get(node["name"], keys.MARKET_EVENTS)
    return dg.AssetKey([group_of(node), node["name"]])


def group_of(node: Node) -> str:
    return "metrics" if "metrics" in node["tags"] else "features"


def specs_of(manifest: Mapping[str, Any], tag: str) -> tuple[list[dg.AssetSpec], list[dg.AssetCheckSpec]]:
    """Return an asset for each model with `tag`, ephemeral ones excepted, and a check for each test of these models."""
    nodes: dict[str, Node] = {**manifest["nodes"], **manifest["sources"]}
    shown = [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and tag in node["tags"] and not _is_ephemeral(node)
    ]
    names = {node["unique_id"] for node in shown}
    tests = [node for node in manifest["nodes"].values() if node["resource_type"] == "test"]
    checks = [_check(test, one, nodes) for test in tests if (one := _tested(test, manifest)) and one in names]
    return [_asset(node, nodes, manifest["metadata"]) for node in shown], checks


def _is_ephemeral(node: Node) -> bool:
    return node["resource_type"] == "model" and node["config"]["materialized"] == "ephemeral"


def _asset(node: Node, nodes: Mapping[str, Node], facts: Mapping[str, str]) -> dg.AssetSpec:
    """Return the asset of a model. Its SQL is in the repository, so the description leaves it out."""
    columns = [
        dg.TableColumn(name, column.get("data_type") or "?", column.get("description"))
        for name, column in node["columns"].items()
    ]
    return dg.AssetSpec(
        key=asset_key(node),
        deps=sorted({asset_key(nodes[name]) for name in _parents(node, nodes)}),
        description=node["description"],
        metadata={
            "dagster-dbt/materialization_type": node["config"]["materialized"],
            "dagster/table_name": ".".join([node["database"], node["schema"], node["alias"]]),
            **({"dagster/column_schema": dg.TableSchema(columns)} if columns else {}),
            "dagster/storage_kind": facts["adapter_type"],
            "dagster_dbt/unique_id": node["unique_id"],
            "dagster_dbt/project_id": dg.MetadataValue.text(facts["project_id"]),
        },
        skippable=True,
        group_name=group_of(node),
        code_version=hashlib.sha1(node["raw_code"].encode(), usedforsecurity=False).hexdigest(),
        owners=OWNERS[group_of(node)],
        tags={"layer": node["fqn"][1]},
        kinds={"dbt", facts["adapter_type"]},
    )


def _parents(node: Node, nodes: Mapping[str, Node]) -> set[str]:
    """Return the models and sources that a model reads; an ephemeral model is replaced by its own parents."""
    found, waiting = set(), list(node["depends_on"]["nodes"])
    while waiting:
        name = waiting.pop()
        if _is_ephemeral(nodes[name]):
            waiting.extend(nodes[name]["depends_on"]["nodes"])
        else:
            found.add(name)
    return found


def _tested(test: Node, manifest: Mapping[str, Any]) -> str | None:
    """Return the model that shows a test: its own for a generic test, else the only one, or that of its meta."""
    named = test["config"].get("meta", {}).get("dagster", {}).get("ref", {}).get("name")
    if named is not None:
        return f"model.{manifest['metadata']['project_name']}.{named}"
    read = set(test["depends_on"]["nodes"])
    return next(iter(read)) if len(read) == 1 else test.get("attached_node")


def _check(test: Node, tested: str, nodes: Mapping[str, Node]) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        name=test["name"],
        asset=asset_key(nodes[tested]),
        description=test["meta"].get("description"),
        additional_deps=sorted({asset_key(nodes[name]) for name in test["depends_on"]["nodes"] if name != tested}),
        metadata={"dagster_dbt/unique_id": test["unique_id"]},
        blocking=(test["config"]["severity"] or "error").lower() == "error",
    )


def staging_digest(project: Path) -> str:
    return _digest(project, [*(project / STAGING).rglob("*"), *(project / "macros").rglob("*")])


def staging_of(manifest: Path, models: Sequence[str]) -> list[str]:
    """Return the staging models that `models` read, directly or not, in order."""
    graph = json.loads(manifest.read_text())
    nodes, parents = graph["nodes"], graph["parent_map"]
    waiting = [name for name, node in nodes.items() if node["resource_type"] == "model" and node["name"] in models]
    seen = set(waiting)
    while waiting:
        for parent in parents[waiting.pop()]:
            if parent in nodes and parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return sorted(nodes[name]["name"] for name in seen if nodes[name]["original_file_path"].startswith(f"{STAGING}/"))


def project_digest(project: Path) -> str:
    return _digest(project, project.rglob("*"))


def _digest(project: Path, paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        relative = path.relative_to(project)
        if path.is_file() and relative.parts[0] not in {"target", "logs", "dbt_packages"}:
            digest.update(str(relative).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def ensure_manifest(project: Path) -> Path:
    """Return the path of an up-to-date dbt manifest, parsing the project only when its sources changed.

    Safe when several processes start at once. Needs no network and no warehouse.

    Raises:
        PermanentError: dbt could not parse the project; carries dbt's own message.
    """
    target = project / "target" / GRAPH_FOLDER
    manifest, stamp = target / "manifest.json", target / "manifest.digest"
    digest = project_digest(project)

    def is_up_to_date() -> bool:
        return manifest.exists() and stamp.exists() and stamp.read_text() == digest

    if is_up_to_date():  # first without the lock, which a read-only file system cannot hold
        return manifest
    target.mkdir(parents=True, exist_ok=True)
    with FileLock(str(target / "manifest.lock")):
        if is_up_to_date():
            return manifest
        folders = ["--project-dir", str(project), "--profiles-dir", str(project), "--target-path", str(target)]
        parsed = subprocess.run(
            [DBT_EXECUTABLE, "--quiet", "parse", "--no-partial-parse", *folders],
            capture_output=True,
            text=True,
            check=False,
        )
        if parsed.returncode != 0:
            raise PermanentError(f"dbt could not parse {project}:\n{parsed.stdout}{parsed.stderr}")
        stamp.write_text(digest)
    return manifest


def build(
    project: Path, selection: Sequence[str], variables: Mapping[str, Any], work_folder: Path
) -> Iterator[dict[str, Any]]:
    """Build `selection`, then yield dbt's events as dictionaries, in order.

    Args:
        project: the dbt project, parsed by `ensure_manifest`.
        selection: dbt selectors.
        variables: dbt variables.
        work_folder: where dbt writes its logs and compiled SQL.

    Raises:
        PermanentError: a model could not be built or a test failed; the events come first.
    """
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder
    from dbt_common.events.event_manager_client import get_event_manager
    from dbt_common.events.functions import msg_to_dict

    parsed = ensure_manifest(project).parent / "partial_parse.msgpack"
    manifest = Manifest.from_msgpack(parsed.read_bytes(), decoder=extended_mashumuro_decoder)
    manifest.build_flat_graph()  # `graph` in macros; dbt fills it only if it parses itself
    messages: list[Any] = []
    arguments = ["--quiet", "--no-use-colors", "--log-path", str(work_folder / "logs"), "build", "--no-write-json"]
    arguments += ["--project-dir", str(project), "--profiles-dir", str(project), "--target-path", str(work_folder)]
    arguments += ["--exclude-resource-type", "unit_test", "--vars", json.dumps(dict(variables)), "--select", *selection]
    try:
        result = dbtRunner(manifest=manifest, callbacks=[messages.append]).invoke(arguments)
    finally:
        DuckDBConnectionManager.close_all_connections()
        for logger in get_event_manager().loggers:
            for handler in logging.getLogger(logger.name).handlers:
                handler.close()
    yield from (msg_to_dict(message) for message in messages)
    if not result.success:
        raise PermanentError(f"dbt build failed: {_failures(result)}")


def recorded(events: Iterable[dict[str, Any]], manifest: Path, context: dg.AssetExecutionContext) -> Iterator[Any]:
    """Yield Dagster's records of dbt's events. Assets that dagster_dbt names by a translator have the graph's keys."""
    from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings
    from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

    class Translator(DagsterDbtTranslator):
        def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
            return asset_key(dbt_resource_props)

    keys = Translator(settings=DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True))
    for event in events:
        message = DbtCoreCliEventMessage(raw_event=event, event_history_metadata={})
        yield from message.to_default_asset_events(manifest, keys, context)


def _failures(result: Any) -> str:
    """Return the first failures, for people."""
    if result.exception is not None:
        return str(result.exception)
    nodes = getattr(result.result, "results", None) or ()
    failed = [_failure(node.node.name, node.message or "") for node in nodes if str(node.status) in {"error", "fail"}]
    return "; ".join(failed[:5]) or "see the dbt log"


def _failure(name: str, message: str) -> str:
    """Return the failure of one model or test, with the remedy if a table that it reads is missing."""
    missing = _MISSING.search(message)
    if missing is None:
        return f"{name}: {message}"
    return f"{name} reads {missing[1]}, which was not built yet; materialize its upstream assets first"
