"""What is declared: instances as Dagster loads them, models of dbt as the graph shows them, the catalogue of events."""

from __future__ import annotations

import json
import subprocess
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
import yaml
from dagster.components.scaffold.scaffold import get_scaffolder

from mlife_assets import definitions
from mlife_assets.adapters.event_log.log import ParquetEventLog
from mlife_assets.adapters.event_log.manifests import Entry, content_hash, data_key
from mlife_assets.adapters.instance_files import APPLICATION_TYPES, FILE, MODEL_TYPES, read_declared
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.parquet_bytes import encode_table
from mlife_assets.adapters.tables import TableStore
from mlife_assets.components import Application, ConversionModel, PlatformModel
from mlife_assets.components.events.event_catalog import event_catalog, log_holds_nothing_unknown
from mlife_assets.components.features.dbt import WRITTEN_HERE, asset_key, ensure_manifest, group_of, specs_of
from mlife_assets.components.graph import keys
from mlife_assets.components.graph.keys import OWNERS
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.sql_tables import EVENT_CATALOG, LAKE_TABLES
from mlife_assets.settings import DBT_PROJECT_FOLDER, Settings

HEAVY = ("dagster_dbt", "dbt", "duckdb", "lightgbm", "matplotlib", "nannyml", "numba", "shap", "sklearn")
OURS = (
    *("mlife_assets.market", "mlife_assets.deployments.board_ports", "mlife_assets.components.messages"),
    *("mlife_assets.adapters.send_ledger", "mlife_assets.recruiting.messaging.plan", "phonenumbers", "sqlalchemy"),
)
MODELS: dict[str, dict[str, Any]] = {
    "job_applications": {"declaration": "mlife_assets.recruiting.job_applications.job_applications"},
    "churn_risk": {"declaration": "mlife_assets.recruiting.churn_risk.churn_risk", "promotion": {"gate_weeks": 2}},
}
APPLICATIONS: dict[str, dict[str, Any]] = {
    "job_of_the_day": {"title": "Job of the day", "model_name": "job_applications"},
    "letters": {"title": "Letters", "model_name": "job_applications", "channel": "email", "items": 5},
}
_NUMBERS = count()
OBJECTS = {"dagster_dbt/manifest", "dagster_dbt/dagster_dbt_translator"}
"""Metadata that dagster_dbt keeps for itself and shows as `(unserializable)`."""


class Project:
    """A project of Dagster with instances of ours."""

    def __init__(self, root: Path, package: str):
        self.root, self.package = root, package

    @property
    def folder(self) -> Path:
        return self.root / self.package / "defs"

    def declare(self, type_name: str, name: str, attributes: dict[str, Any]) -> Path:
        path = self.folder / name / FILE
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump({"type": type_name, "attributes": {"name": name, **attributes}}))
        return path

    def load(self) -> dg.Definitions:
        return dg.load_from_defs_folder(path_within_project=self.root / self.package)

    def refused(self) -> tuple[str, str]:
        """Return what Dagster says, and what whoever reads the files without it."""
        with pytest.raises(InvalidInputError) as read:
            self.read()
        return self.said_by_dagster(), str(read.value)

    def said_by_dagster(self) -> str:
        """Return all that is said when the project does not load: Dagster wraps an error in one of its own."""
        with pytest.raises(Exception) as loaded:  # noqa: PT011
            self.load()
        return "".join(traceback.format_exception(loaded.value))

    def read(self) -> list[object]:
        declared = read_declared(self.folder)
        return [one(Policies()) for one in (*declared.models, *declared.applications)]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    package = f"board_{next(_NUMBERS)}"
    root = tmp_path / "project"
    (root / package / "defs").mkdir(parents=True)
    for name in ("__init__.py", "defs/__init__.py"):
        (root / package / name).write_text("")
    (root / "pyproject.toml").write_text(
        f'[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "{package}"\n'
    )
    monkeypatch.setenv("MLIFE_HOME", str(tmp_path / "home"))
    monkeypatch.syspath_prepend(str(root))
    made = Project(root, package)
    for name, attributes in MODELS.items():
        made.declare(MODEL_TYPES[0], name, attributes)
    for name, attributes in APPLICATIONS.items():
        made.declare(APPLICATION_TYPES[0], name, attributes)
    return made


def keys_of(loaded: dg.Definitions) -> set[dg.AssetKey]:
    return {key for asset in loaded.assets or () if isinstance(asset, dg.AssetsDefinition) for key in asset.keys}


def test_two_instances_of_each_type_load(project: Project) -> None:
    loaded = project.load()
    assert {dg.AssetKey(["model", "champion_model"]), dg.AssetKey(["churn_risk", "champion_model"])} <= keys_of(loaded)
    assert {dg.AssetKey(["messages", "message_plan"]), dg.AssetKey(["letters", "message_plan"])} <= keys_of(loaded)
    assert not loaded.resources, "resources are the deployment's, once"


FAULTS: list[tuple[Any, dict[str, Any], str]] = [
    (
        MODELS,
        {"training": {"leaves": 1}},
        "attributes.training.leaves is 1; set it between 2 and 4096",
    ),
    (MODELS, {"declaration": "mlife_assets.lost.model"}, "attributes.declaration: it is 'mlife_assets.lost.model'"),
    (MODELS, {"retrian": {}}, "attributes: 'retrian' is unknown; known are name, declaration, training"),
    (MODELS, {"training": {"seed": "{{ env.SEED }}"}}, "attributes.training: it holds a template"),
    (APPLICATIONS, {"channel": "pigeon"}, "attributes: Application.channel of"),
    (APPLICATIONS, {"items": "many"}, "attributes.items: it is 'many'; the default is 1"),
    (APPLICATIONS, {"polcy": {}}, "attributes: 'polcy' is unknown; known are name, title"),
]
"""One of each way in which a file is refused; `recruiting/test_instances.py` has all bounds."""


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(("instances", "fault", "says"), FAULTS)
def test_a_fault_in_one_of_two_instances_names_it(
    project: Project, place: int, instances: dict[str, Any], fault: dict[str, Any], says: str
) -> None:
    faulty = list(instances)[place]
    types = MODEL_TYPES if instances is MODELS else APPLICATION_TYPES
    path = project.declare(types[0], faulty, {**instances[faulty], **fault})
    for said in project.refused():
        assert f"{path}, {faulty}, {says}" in said
        assert not any(f", {name}, attributes" in said for name in (*MODELS, *APPLICATIONS) if name != faulty)


def test_another_model_that_ranks_items_is_refused(project: Project) -> None:
    path = project.declare(MODEL_TYPES[0], "second", MODELS["job_applications"])
    said = project.said_by_dagster()
    assert f"{path}, second, attributes: model second ranks job_id; beside job_applications a model has no item" in said


def test_types_import_nothing_heavy_and_no_job_board() -> None:
    asked = f"""
import sys
import mlife_assets.components as components
for name in components.COMPONENT_TYPES:
    assert name in dir(components)
    getattr(components, name).get_model_cls()
print([name for name in {(*HEAVY, *OURS)!r} if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_dagster_and_the_command_line_have_the_same_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One reads the files by its components, the other makes the graph of the records."""
    monkeypatch.setenv("MLIFE_HOME", str(tmp_path / "home"))
    by_dagster, by_records = definitions.defs(), definitions.build_location(Settings())
    one, other = (found.get_repository_def() for found in (by_dagster, by_records))
    assert one.asset_graph.get_all_asset_keys() == other.asset_graph.get_all_asset_keys()
    assert one.asset_graph.asset_check_keys == other.asset_graph.asset_check_keys
    for key in one.asset_graph.get_all_asset_keys():
        assert one.asset_graph.get(key).partitions_def == other.asset_graph.get(key).partitions_def, key
        assert one.asset_graph.get(key).parent_keys == other.asset_graph.get(key).parent_keys, key
    assert {job.name for job in one.get_all_jobs()} == {job.name for job in other.get_all_jobs()}
    assert {found.name for found in one.sensor_defs} == {found.name for found in other.sensor_defs}
    assert {found.name for found in one.schedule_defs} == {found.name for found in other.schedule_defs}
    assert by_dagster.component_tree is None, "a server would import every package that offers components for it"


def test_the_tree_is_the_one_that_dagster_finds_in_pyproject() -> None:
    ours, theirs = definitions._load_instances().component_tree, dg.ComponentTree.for_project(definitions.DEFS_FOLDER)
    for name in ("defs_module", "project_root", "code_location_name"):
        assert getattr(ours, name) == getattr(theirs, name), name


def test_models_that_only_one_of_both_sees_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLIFE_HOME", str(tmp_path / "home"))
    instances = definitions._load_instances()
    monkeypatch.setattr(instances.component_tree, "get_all_components", lambda of_type: [])
    with pytest.raises(InvalidInputError, match="but the files that the command line reads declare churn_risk, job_ap"):
        definitions.build_definitions(Settings(), instances=instances)


def scaffold(project: Project, component: type, name: str, **request: Any) -> Path:
    target = project.folder / name
    target.mkdir(exist_ok=True)
    type_name = f"mlife_assets.components.{component.__name__}"
    asked = dg.ScaffoldRequest(type_name, target, "yaml", project.root, None, **request)
    get_scaffolder(component).scaffold(asked)
    return target


def test_a_model_that_is_scaffolded_loads_as_it_is(project: Project) -> None:
    target = scaffold(project, PlatformModel, "who_converts")
    assert {path.name for path in target.iterdir()} == {FILE, "who_converts.py"}
    assert dg.AssetKey(["who_converts", "champion_model"]) in keys_of(project.load())
    (found,) = (one for one in read_declared(project.folder).models if one.name == "who_converts")
    assert found(Policies()).name == "who_converts"
    text = (target / FILE).read_text()
    assert yaml.safe_load(text)["attributes"].keys() == {"name", "declaration"}, "what is needed, the rest as comments"


def test_an_application_that_is_scaffolded_loads_as_it_is(project: Project) -> None:
    target = scaffold(project, Application, "winter_letter")
    project.load()
    (found,) = (one for one in read_declared(project.folder).applications if one.name == "winter_letter")
    record = found(Policies())
    assert (record.title, record.model_name, record.channel) == ("Winter letter", "job_applications", "sms")
    assert {"name", "title", "model_name", "channel", "items", "weekdays", "holdout_share", "policy"} == set(
        yaml.safe_load((target / FILE).read_text())["attributes"]
    )


@pytest.mark.parametrize("component", [PlatformModel, Application, ConversionModel])
def test_scaffolding_overwrites_nothing_and_takes_a_name(project: Project, component: type) -> None:
    target = scaffold(project, component, "first_one")
    before = {path: path.read_bytes() for path in target.iterdir()}
    with pytest.raises(InvalidInputError, match="declares something already; scaffold each"):
        scaffold(project, component, "first_one", append=True)
    if component is ConversionModel:
        return
    with pytest.raises(InvalidInputError, match="is there already"):
        scaffold(project, component, "first_one")
    assert {path: path.read_bytes() for path in target.iterdir()} == before
    with pytest.raises(InvalidInputError, match="the name of the folder is 'Not-a-name'; use lower-case words"):
        scaffold(project, component, "Not-a-name")
    assert list((project.folder / "Not-a-name").iterdir()) == []


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return json.loads(ensure_manifest(DBT_PROJECT_FOLDER).read_text(encoding="utf-8"))


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


@pytest.fixture
def platform(tmp_path) -> Any:
    lake = ObstoreObjectStore.local(tmp_path)
    log = ParquetEventLog(lake)
    return SimpleNamespace(
        lake=lake,
        event_log=log,
        tables=TableStore(lake),
        days=SimpleNamespace(is_simulated=False),
        times=SimpleNamespace(today=lambda _: date(2026, 4, 30)),
        settings=SimpleNamespace(days=SimpleNamespace(start_date=None)),
    )


def run(platform: Any) -> dg.ExecuteInProcessResult:
    resources = {"platform": dg.ResourceDefinition.hardcoded_resource(platform)}
    return dg.materialize([event_catalog, log_holds_nothing_unknown], resources=resources)


def test_types_days_files_and_rows_are_a_table_of_the_lake(platform) -> None:
    for day in (4, 5):
        closed(platform, day)
    result = run(platform)
    metadata = result.asset_materializations_for_node("events__event_catalog")[0].metadata
    assert (metadata["files"].value, metadata["rows"].value) == (2, 2)
    (shown,) = metadata["event_types"].value.records
    assert shown.data == {
        "event_type": "job_closed", "version": 1, "files": 2, "rows": 2, "days": 2, "first_day": "2026-04-04",
        "last_day": "2026-04-05",
    }  # fmt: skip
    table = platform.tables.read(EVENT_CATALOG, date(2026, 4, 5))
    assert table.schema == LAKE_TABLES[EVENT_CATALOG]
    assert table.column("dt").to_pylist() == [date(2026, 4, 4), date(2026, 4, 5)]
    assert result.get_asset_check_evaluations()[0].passed


def test_a_folder_that_nobody_knows_is_a_warning_that_names_it(platform) -> None:
    platform.lake.put_if_absent("events/event_type=job_closd/dt=2026-04-05/hour=12/t-1-0123456789abcdef.parquet", b"x")
    (check,) = run(platform).get_asset_check_evaluations()
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert "job_closd is no event type of this release" in check.description
    assert platform.tables.days(EVENT_CATALOG) == []


def closed(platform: Any, day: int, *, is_wrong: bool = False) -> None:
    """Append an event of a day; a wrong one as a newer release would list it."""
    at = datetime(2026, 4, day, 12, tzinfo=UTC)
    row = {"event_id": f"e{day}", "occurred_at": at, "observed_at": at, "job_id": "j", "reason": "filled"}
    rows = pa.Table.from_pylist([row], EVENT_TYPES["job_closed"].schema)
    if not is_wrong:
        platform.event_log.append("job_closed", rows, writer="t")
        return
    data = encode_table(rows, {"mlife.event_version": "9"})
    key = data_key("job_closed", f"dt={at:%Y-%m-%d}/hour=12", "t", "1", content_hash(data))
    platform.lake.put_if_absent(key, data)
    platform.event_log.chain.list_entries([Entry(key, content_hash(data), 1)])


def test_wrong_files_before_a_good_day_are_seen(platform) -> None:
    for day in (1, 2):
        closed(platform, day)
        assert run(platform).get_asset_check_evaluations()[0].passed
    for day in range(3, 10):
        closed(platform, day, is_wrong=True)
    for day in (20, 21):
        closed(platform, day)
    (check,) = run(platform).get_asset_check_evaluations()
    assert check.metadata["count"].value == 7
    assert check.metadata["opened_since"].value == "2026-04-02"
    assert "version 9 of job_closed" in check.description


@pytest.mark.parametrize("is_simulated", [True, False])
def test_a_day_to_come_is_a_warning_and_no_catalogue(platform, is_simulated: bool) -> None:
    platform.days.is_simulated, platform.days.newest = is_simulated, lambda: date(2026, 4, 5)
    closed(platform, 5)
    platform.lake.put_if_absent("events/event_type=job_closed/dt=2099-01-01/hour=12/t-1-0123456789abcdef.parquet", b"x")
    (check,) = run(platform).get_asset_check_evaluations()
    assert "its day is after 2026-04-" in check.description
    assert platform.tables.days(EVENT_CATALOG) == [date(2026, 4, 5)]
