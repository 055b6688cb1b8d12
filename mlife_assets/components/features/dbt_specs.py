"""What Dagster shows of dbt models and tests, read from dbt's manifest.

Concept: the specs are those of dagster_dbt, which imports dbt and an SQL parser into each process that loads the graph.
A test compares them.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import dagster as dg

from mlife_assets.components.graph import keys
from mlife_assets.components.graph.keys import OWNERS

WRITTEN_HERE = {
    "prediction": keys.MESSAGE_PLAN,
    "message_suppressed": keys.MESSAGE_PLAN,
    "experiment_exposed": keys.MESSAGE_PLAN,
    "message_submitted": keys.MESSAGE_DELIVERIES,
}
"""Event types that only metrics read, and the asset that writes them. What features read comes back a day later,
which no graph without cycles shows; it counts as landed.
"""
Node = Mapping[str, Any]


def asset_key(node: Node) -> dg.AssetKey:
    """Return `[group, model]` of a model; of a source, the asset that writes its events."""
    if node["resource_type"] == "source":
        return WRITTEN_HERE.get(node["name"], keys.MARKET_EVENTS)
    return dg.AssetKey([group_of(node), node["name"]])


def group_of(node: Node) -> str:
    """Return the group of a model, which its tag names."""
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
    """Return the models and sources that a model reads; an ephemeral model is replaced by those that it reads."""
    found, waiting = set(), list(node["depends_on"]["nodes"])
    while waiting:
        name = waiting.pop()
        if _is_ephemeral(nodes[name]):
            waiting.extend(nodes[name]["depends_on"]["nodes"])
        else:
            found.add(name)
    return found


def _tested(test: Node, manifest: Mapping[str, Any]) -> str | None:
    """Return the model that a test is shown at: its own for a generic test, else the only one, or that of its meta."""
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
