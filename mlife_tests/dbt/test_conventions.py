"""What holds for every model of the dbt project."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from mlife_assets.adapters.instance_files import read_declared
from mlife_assets.adapters.warehouse import MARTS as OTHER_MARTS
from mlife_assets.adapters.warehouse import marts_of
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.instances import models_of
from mlife_assets.recruiting.policies import LabelPolicy, Policies
from mlife_assets.settings import DEFS_FOLDER

MARTS = {**marts_of(models_of(Policies(), read_declared(DEFS_FOLDER).models)), **OTHER_MARTS}
MODELS = Path(__file__).resolve().parents[2] / "dbt_project" / "models"
SQL = sorted(MODELS.rglob("*.sql"))
SUFFIXES = {"date": "_date", "timestamp with time zone": "_at", "boolean": "is_"}


@cache
def properties(path: Path) -> dict[str, Any]:
    models = yaml.safe_load(path.with_suffix(".yml").read_text())["models"]
    assert [model["name"] for model in models] == [path.stem]
    return dict(models[0])


def test_each_model_states_its_grain_in_a_file_beside_it() -> None:
    assert [path.stem for path in SQL if not properties(path)["description"].startswith("One row per ")] == []


def test_names_follow_the_layer() -> None:
    """What an intermediate model holds is named for what was done to the entity."""
    rules = {
        "staging": lambda name: name.removeprefix("stg_events__") in EVENT_TYPES,
        "intermediate": lambda name: name.startswith("int_") and name.endswith("ed"),
        "marts": lambda name: name in MARTS,
    }
    assert [path.stem for path in SQL if not rules[path.relative_to(MODELS).parts[0]](path.stem)] == []


def test_columns_are_described() -> None:
    columns = [(path.stem, one) for path in SQL for one in properties(path)["columns"]]
    assert [f"{name}.{one['name']}" for name, one in columns if one["description"][-1:] != "."] == []
    assert {name for name, _ in columns} == {path.stem for path in SQL}


def test_marts_declare_types_and_names_that_tell_them() -> None:
    wrong = []
    for mart in sorted(MARTS):
        (path,) = MODELS.rglob(f"{mart}.sql")
        columns = {column["name"]: column["data_type"] for column in properties(path)["columns"]}
        wrong += [f"{mart} has no {one}" for one in {*MARTS[mart].grain, MARTS[mart].date_column} - set(columns)]
        for name, declared in columns.items():
            mark = SUFFIXES.get(declared, "")
            if not (name.startswith(mark) if mark == "is_" else name.endswith(mark)):
                wrong.append(f"{mart}.{name} is a {declared}")
    assert wrong == []


def test_every_mart_is_contracted() -> None:
    project = yaml.safe_load((MODELS.parent / "dbt_project.yml").read_text())
    assert project["models"]["mlife"]["marts"]["+contract"] == {"enforced": "{{ target.type == 'duckdb' }}"}
    assert project["flags"]["send_anonymous_usage_stats"] is False


def test_staging_is_built_with_features_or_with_metrics_never_both() -> None:
    for path in (MODELS / "staging").glob("*.sql"):
        assert properties(path)["config"]["tags"] in (["features"], ["metrics"])


def test_the_label_windows_are_those_of_the_policy() -> None:
    project = yaml.safe_load((MODELS.parent / "dbt_project.yml").read_text())
    windows = {name: days for name, days in project["vars"].items() if name.endswith("_window_days")}
    assert windows == asdict(LabelPolicy())


def test_unit_tests_pass_and_cover_the_tricky_cases(full) -> None:
    assert "ERROR=0" in full.output
    lines = [line for line in full.output.splitlines() if "unit_test" in line or "::" in line]
    passed = {line.split("::")[1].split()[0] for line in lines if " PASS " in line and "::" in line}
    declared = {test["name"] for path in MODELS.rglob("*.yml") for test in _unit_tests(path)}
    assert passed == declared
    assert len(declared) >= 8


def _unit_tests(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load(path.read_text()).get("unit_tests", []))
