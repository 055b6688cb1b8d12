"""What the graph shows of dbt: that of dagster_dbt, which the graph is loaded without."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest

from mlife_assets.components.features.dbt_runner import ensure_manifest
from mlife_assets.components.features.dbt_specs import WRITTEN_HERE, asset_key, group_of, specs_of
from mlife_assets.components.graph import keys
from mlife_assets.components.graph.keys import OWNERS
from mlife_assets.settings import DBT_PROJECT_FOLDER

OBJECTS = {"dagster_dbt/manifest", "dagster_dbt/dagster_dbt_translator"}
"""Metadata that dagster_dbt keeps for itself and shows as `(unserializable)`."""


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return json.loads(ensure_manifest(DBT_PROJECT_FOLDER).read_text(encoding="utf-8"))


def model(name: str, *tags: str) -> dict[str, Any]:
    return {"resource_type": "model", "name": name, "tags": list(tags)}


def facts(spec: dg.AssetSpec) -> dict[str, Any]:
    """Return all of an asset; of a dependency its key, since what it says else is said by the asset that it names."""
    said = dict(vars(spec)) | {name: getattr(spec, name) for name in ("group_name", "owners", "tags", "kinds")}
    return said | {
        "deps": sorted(dep.asset_key for dep in spec.deps),
        "metadata": {name: value for name, value in spec.metadata.items() if name not in OBJECTS},
    }


@pytest.mark.parametrize("tag", ["features", "metrics"])
def test_assets_and_checks_are_those_of_dagster_dbt(manifest: dict[str, Any], tag: str) -> None:
    from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets

    class Translator(DagsterDbtTranslator):
        def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
            return asset_key(dbt_resource_props)

        def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
            return group_of(dbt_resource_props)

        def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
            return dbt_resource_props["description"]

        def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
            return OWNERS[group_of(dbt_resource_props)]

        def get_tags(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, str]:
            return {"layer": dbt_resource_props["fqn"][1]}

    translator = Translator(settings=DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True))

    @dbt_assets(manifest=manifest, select=f"tag:{tag}", dagster_dbt_translator=translator)
    def theirs():
        yield from ()

    specs, checks = specs_of(manifest, tag)
    assert len(specs) >= 10
    assert {one.key: facts(one) for one in specs} == {one.key: facts(one) for one in theirs.specs}
    wanted = {one.key: one._replace(additional_deps=sorted(one.additional_deps)) for one in theirs.check_specs}
    assert {one.key: one._replace(additional_deps=sorted(one.additional_deps)) for one in checks} == wanted


def test_a_test_of_several_models_is_shown_at_none_unless_it_names_one(manifest: dict[str, Any]) -> None:
    name, test = next(
        (name, node) for name, node in manifest["nodes"].items() if node["name"].startswith("labelled_examples_have")
    )
    unnamed = test | {"config": test["config"] | {"meta": {}}}
    checks = {one.name for one in specs_of(manifest, "features")[1]}
    left = {one.name for one in specs_of(manifest | {"nodes": manifest["nodes"] | {name: unnamed}}, "features")[1]}
    assert checks - left == {test["name"]}


def test_a_model_is_an_asset_of_its_group() -> None:
    assert asset_key(model("user_features", "features")) == keys.USER_FEATURES
    assert asset_key(model("kpi_daily", "metrics")) == keys.KPI_DAILY
    assert group_of(model("kpi_daily", "metrics")) == "metrics"
    assert group_of(model("user_features", "features")) == "features"


def test_a_table_is_described_by_its_author_and_not_by_its_sql(manifest: dict[str, Any]) -> None:
    described = {one.key: one.description for tag in ("features", "metrics") for one in specs_of(manifest, tag)[0]}
    assert described[keys.KPI_DAILY].startswith("One row per day from the first fact to the last")
    for key in (keys.USER_FEATURES, keys.KPI_DAILY):
        assert not any(word in described[key] for word in ("sql", "SQL", "select"))
    assert not any("Raw SQL" in words for words in described.values())


def test_a_source_is_the_asset_that_writes_its_events() -> None:
    for name in ("click", "message_planned", "message_status"):
        assert asset_key({"resource_type": "source", "name": name}) == keys.MARKET_EVENTS
    for name, key in WRITTEN_HERE.items():
        assert asset_key({"resource_type": "source", "name": name}) == key


def test_every_model_is_of_exactly_one_group(manifest: dict[str, Any]) -> None:
    """A model with neither tag would run in no job, one with both in two."""
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    shown = [node for node in models if node["config"]["materialized"] != "ephemeral"]
    assert len(shown) > 15
    for node in shown:
        assert len({"features", "metrics"} & set(node["tags"])) == 1, node["name"]


def test_keys_that_python_names_are_models(manifest: dict[str, Any]) -> None:
    built = {asset_key(node) for node in manifest["nodes"].values() if node["resource_type"] == "model"}
    named = {key for key in vars(keys).values() if isinstance(key, dg.AssetKey)}
    assert {key for key in named if key.path[0] in {"features", "metrics"}} - {keys.DASHBOARD} <= built
