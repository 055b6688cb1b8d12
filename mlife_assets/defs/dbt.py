"""The dbt project as assets.

Belongs here: how dbt models map to asset keys, groups and owners, and how dbt is called. Does not belong here: SQL.

Concept: dbt owns features and metrics; the graph sees each model as an asset of its own. The manifest is built beforehand
(`ensure_manifest`), because parsing inside every run process costs more than the models do.
"""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, dbt_assets
from filelock import FileLock

from mlife_assets.core.errors import PermanentError
from mlife_assets.defs.ownership import OWNERS
from mlife_assets.defs.partitions import DAILY, RANGE_IN_ONE_RUN, days
from mlife_assets.defs.resources import Platform

DBT_EXECUTABLE = str(Path(sys.executable).parent / "dbt")


def _project_digest(project: Path) -> str:
    """Return a hash over everything that parsing reads."""
    digest = hashlib.sha256()
    for path in sorted(project.rglob("*")):
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
    target = project / "target"
    target.mkdir(exist_ok=True)
    manifest, stamp = target / "manifest.json", target / "manifest.digest"
    with FileLock(str(target / "manifest.lock")):
        digest = _project_digest(project)
        if manifest.exists() and stamp.exists() and stamp.read_text() == digest:
            return manifest
        parsed = subprocess.run(
            [DBT_EXECUTABLE, "--quiet", "parse", "--project-dir", str(project), "--profiles-dir", str(project)],
            capture_output=True,
            text=True,
            check=False,
        )
        if parsed.returncode != 0:
            raise PermanentError(f"dbt could not parse {project}:\n{parsed.stdout}{parsed.stderr}")
        stamp.write_text(digest)
    return manifest


class LifecycleTranslator(DagsterDbtTranslator):
    """Maps a dbt node to an asset: `[group, model]`, the group being the folder or tag of the model."""

    def __init__(self) -> None:
        """Allow all sources to stand for the one asset that lands raw events."""
        super().__init__(settings=DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True))

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Sources are the event log; models sit in their group."""
        if dbt_resource_props["resource_type"] == "source":
            return dg.AssetKey(["events", "market_events"])
        return dg.AssetKey([self._group(dbt_resource_props), dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Return the group of the graph."""
        return self._group(dbt_resource_props)

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
    context: dg.AssetExecutionContext, dbt: DbtCliResource, platform: Platform, first: date | None, last: date | None
) -> Iterator[Any]:
    platform.settings.export_to_dbt()
    variables = {"start_date": first.isoformat(), "end_date": last.isoformat()} if first and last else {}
    arguments = ["build", "--exclude-resource-type", "unit_test", "--vars", json.dumps(variables)]
    yield from dbt.cli(arguments, context=context).stream()


def build_dbt_assets(manifest: Path) -> list[dg.AssetsDefinition]:
    """Return the feature models (daily partitions) and the metrics models (unpartitioned) as assets."""

    @dbt_assets(
        manifest=manifest,
        select="tag:features",
        name="feature_tables",
        partitions_def=DAILY,
        backfill_policy=RANGE_IN_ONE_RUN,
        dagster_dbt_translator=LifecycleTranslator(),
        pool="warehouse",
    )
    def feature_tables(context: dg.AssetExecutionContext, dbt: DbtCliResource, platform: dg.ResourceParam[Platform]) -> Iterator[Any]:
        covered = days(context)
        yield from _build(context, dbt, platform, covered[0], covered[-1])

    @dbt_assets(
        manifest=manifest,
        select="tag:metrics",
        name="metric_tables",
        dagster_dbt_translator=LifecycleTranslator(),
        pool="warehouse",
    )
    def metric_tables(context: dg.AssetExecutionContext, dbt: DbtCliResource, platform: dg.ResourceParam[Platform]) -> Iterator[Any]:
        yield from _build(context, dbt, platform, None, None)

    return [feature_tables, metric_tables]
