"""Marts are published by the job of metrics where a deployment is on AWS; `graph.json` has the graph elsewhere."""

from __future__ import annotations

from typing import Any

import dagster as dg
import duckdb
import pytest

from mlife_assets.components.graph import keys
from mlife_assets.components.metrics.marts_on_athena import PUBLISHED, marts_on_athena
from mlife_assets.definitions import build_definitions
from mlife_assets.deployments.board_ports import board_ports
from mlife_assets.settings import Settings

pytestmark = pytest.mark.aws


def test_on_aws_the_job_of_metrics_publishes_them(aws: Any, aws_settings: dict[str, Any]) -> None:
    settings = Settings(**aws_settings)
    platform = board_ports(settings)
    definitions = build_definitions(settings, platform=platform)
    of_metrics = definitions.resolve_job_def("metrics_job").asset_layer.selected_asset_keys
    assert {marts_on_athena.key, keys.DASHBOARD} <= of_metrics
    assert marts_on_athena.key not in definitions.resolve_job_def("daily_lifecycle_job").asset_layer.selected_asset_keys
    assert marts_on_athena.key not in definitions.resolve_asset_graph().get(keys.DASHBOARD).parent_keys
    settings.places.warehouse.parent.mkdir(parents=True)
    with duckdb.connect(str(settings.places.warehouse)) as connection:
        connection.execute("create schema marts")
        for number, key in enumerate(PUBLISHED):
            connection.execute(f"create table marts.{key.path[-1]} as from range({number}) as rows (n)")
    glue = aws.client("glue")
    glue.create_database(DatabaseInput={"Name": "marts"})
    done = dg.materialize([marts_on_athena], resources={"platform": platform})
    (event,) = done.asset_materializations_for_node("metrics__marts_on_athena")
    shown = {record.data["mart"]: record.data["rows"] for record in event.metadata["marts"].value.records}  # type: ignore[union-attr]
    assert shown == {key.path[-1]: number for number, key in enumerate(PUBLISHED)}
    found = {table["Name"]: table for table in glue.get_tables(DatabaseName="marts")["TableList"]}
    assert found.keys() == shown.keys()
    assert all(table["StorageDescriptor"]["Location"].startswith(f"{settings.lake}/") for table in found.values())
