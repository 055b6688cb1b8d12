"""Instances of each type as Dagster loads them: a fault in one names it, and what is scaffolded loads."""

from __future__ import annotations

import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster.components.scaffold.scaffold import get_scaffolder

from mlife_assets import definitions
from mlife_assets.adapters.instance_files import APPLICATION_TYPES, FILE, MODEL_TYPES, read_declared
from mlife_assets.components import Application, PlatformModel
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings

HEAVY = ("dagster_dbt", "dbt", "duckdb", "lightgbm", "matplotlib", "nannyml", "numba", "shap", "sklearn")
OURS = ("mlife_assets.market", "mlife_assets.components.platform.resources", "mlife_assets.components.messages")
MODELS: dict[str, dict[str, Any]] = {
    "job_applications": {"declaration": "mlife_assets.recruiting.job_applications.job_applications"},
    "churn_risk": {"declaration": "mlife_assets.recruiting.churn_risk.churn_risk", "promotion": {"gate_weeks": 2}},
}
APPLICATIONS: dict[str, dict[str, Any]] = {
    "job_of_the_day": {"title": "Job of the day", "model_name": "job_applications"},
    "letters": {"title": "Letters", "model_name": "job_applications", "channel": "email", "items": 5},
}
_NUMBERS = count()


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
        said, error = [], loaded.value
        while error is not None:
            said.append(str(error))
            error = error.__cause__ or error.__context__
        return "\n".join(said)

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


MODEL_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"training": {"leaves": 1}}, "attributes.training: TrainingPolicy.leaves is 1; set it between 2 and 4096"),
    ({"promotion": {"gate_week": 2}}, "attributes.promotion: the attribute promotion has an unknown key 'gate_week'"),
    ({"monitoring": {"seed": -1}}, "attributes.monitoring: MonitoringPolicy.seed is -1; set it between 0 and"),
    ({"retrain": {"fits_per_year": 90}}, "attributes: RetrainPolicy.fits_per_year and fits_for_drift of"),
    ({"declaration": "mlife_assets.lost.model"}, "attributes.declaration: it is 'mlife_assets.lost.model', and No mod"),
    ({"retrian": {}}, "attributes: 'retrian' is unknown; known are name, declaration, training"),
    ({"training": {"seed": "{{ env.SEED }}"}}, "attributes.training: it holds a template"),
]
APPLICATION_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"channel": "pigeon"}, "attributes: Application.channel of"),
    ({"items": "many"}, "attributes.items: it is 'many'; the default is 1"),
    ({"holdout_share": 0.9}, "attributes: Application.holdout_share is 0.9; set it between 0.0 and 0.5"),
    ({"policy": {"quiet_before_local_hour": 2}}, "attributes.policy: MessagingPolicy.quiet_before_local_hour is 2;"),
    ({"polcy": {}}, "attributes: 'polcy' is unknown; known are name, title"),
]


@pytest.mark.parametrize("faulty", MODELS)
@pytest.mark.parametrize(("fault", "says"), MODEL_FAULTS)
def test_a_fault_in_one_of_two_models_names_it(project: Project, faulty: str, fault: dict[str, Any], says: str) -> None:
    path = project.declare(MODEL_TYPES[0], faulty, {**MODELS[faulty], **fault})
    for said in project.refused():
        assert f"{path}, {faulty}, {says}" in said
        assert not any(f", {name}, attributes" in said for name in (*MODELS, *APPLICATIONS) if name != faulty)


@pytest.mark.parametrize("faulty", APPLICATIONS)
@pytest.mark.parametrize(("fault", "says"), APPLICATION_FAULTS)
def test_a_fault_in_one_of_two_applications_names_it(
    project: Project, faulty: str, fault: dict[str, Any], says: str
) -> None:
    path = project.declare(APPLICATION_TYPES[0], faulty, {**APPLICATIONS[faulty], **fault})
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


@pytest.mark.parametrize("component", [PlatformModel, Application])
def test_scaffolding_overwrites_nothing_and_takes_a_name(project: Project, component: type) -> None:
    target = scaffold(project, component, "first_one")
    before = {path: path.read_bytes() for path in target.iterdir()}
    with pytest.raises(InvalidInputError, match="declares something already; scaffold each"):
        scaffold(project, component, "first_one", append=True)
    with pytest.raises(InvalidInputError, match="is there already"):
        scaffold(project, component, "first_one")
    assert {path: path.read_bytes() for path in target.iterdir()} == before
    with pytest.raises(InvalidInputError, match="the name of the folder is 'Not-a-name'; use lower-case words"):
        scaffold(project, component, "Not-a-name")
    assert list((project.folder / "Not-a-name").iterdir()) == []
