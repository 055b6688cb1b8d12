"""Protected attributes exist in the restricted audit table only: by schema, by source and by who asks for them."""

from __future__ import annotations

import ast
import csv
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from mlife_assets.recruiting import features
from mlife_assets.recruiting.events import EVENT_TYPES

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mlife_assets"
MODELS = ROOT / "dbt_project" / "models"
SQL = sorted((ROOT / "dbt_project").glob("m*/**/*.sql"))
PROTECTED = {
    *("sex", "gender", "female", "male", "pronoun", "pronouns", "race", "racial", "ethnicity", "ethnic", "hispanic"),
    *("age", "birth", "birthday", "birthdate", "dob", "born", "religion", "religious", "creed", "disability"),
    *("disabled", "nationality", "citizenship", "immigration", "marital", "married", "pregnant", "pregnancy"),
    *("veteran", "orientation", "genetic", "ancestry", "skin"),
}
HOME_CODES = {"zip", "zipcode", "zip3", "zip4", "zip5", "postal", "postcode", "postalcode", "zcta"}
HOME_PLACES = {"latitude", "longitude", "lat", "lon", "lng", "address", "street", "geohash"}
AGE_OF_A_POSTING = {"job_age_days"}
MAY_NAME_THE_PORT = {
    "recruiting/ports.py": "declares it", "market/private_files.py": "the embedded table",
    "deployments/embedded_world.py": "makes it", "adapters/owners_table.py": "the owner's table",
    "deployments/embedded.py": "names what makes it", "deployments/standalone.py": "names what makes it",
    "deployments/aws.py": "names what makes it", "deployments/record.py": "has a place for it",
    "deployments/board_ports.py": "offers it",
    }  # fmt: skip
MAY_READ = {"components/model/fairness.py"}
AUDIT = (
    "core/training/fairness/", "recruiting/ports.py", "market/private_files.py", "adapters/owners_table.py",
    "components/model/fairness.py",
)  # fmt: skip


def words(name: str) -> set[str]:
    """Return the words of a snake or camel case name."""
    return set(re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()))


def forbidden(names: list[str], banned: set[str]) -> list[str]:
    return [name for name in names if name not in AGE_OF_A_POSTING and words(name) & banned]


def nested(field: pa.Field) -> list[str]:
    kind, found = field.type, [field.name]
    if pa.types.is_list(kind):
        found += nested(kind.value_field)
    if pa.types.is_struct(kind):
        found += [name for child in kind for name in nested(child)]
    return found


def columns_of(model: dict[str, Any]) -> list[str]:
    return [column["name"] for column in model.get("columns", ())]


def identifiers(sql: str) -> list[str]:
    """Return the words of SQL that may be columns; comments and texts are none."""
    return re.findall(r"[A-Za-z_]\w*", re.sub(r"--[^\n]*|'[^']*'|\{#.*?#\}", " ", sql, flags=re.S))


@pytest.mark.parametrize(
    "name", ["sex", "user_sex", "userGender", "is_female", "race_ethnicity", "birth_date", "user_age", "home_zip"]
)
def test_the_rule_finds_what_it_bans(name: str) -> None:
    assert forbidden([name], PROTECTED | HOME_CODES) == [name]


@pytest.mark.parametrize("name", ["message_id", "job_age_days", "page", "average_pay", "trace", "sextant", "stage"])
def test_the_rule_leaves_other_words_alone(name: str) -> None:
    assert forbidden([name], PROTECTED | HOME_CODES | HOME_PLACES) == []


def test_no_event_holds_a_protected_attribute_or_a_home_code() -> None:
    found = {}
    for name, kind in EVENT_TYPES.items():
        names = [part for field in kind.schema for part in nested(field)]
        values = [value for column in kind.columns for value in column.allowed or ()]
        found[name] = forbidden(names, PROTECTED | HOME_CODES) + forbidden(values, PROTECTED)
    assert {name: banned for name, banned in found.items() if banned} == {}


def test_no_dbt_model_declares_or_names_one() -> None:
    found = {}
    for path in sorted(MODELS.rglob("*.yml")):
        declared = yaml.safe_load(path.read_text(encoding="utf-8"))
        models = [*declared.get("models", ()), *(t for s in declared.get("sources", ()) for t in s.get("tables", ()))]
        names = [name for model in models for name in (model["name"], *columns_of(model))]
        found[path.name] = forbidden(names, PROTECTED | HOME_CODES)
    for path in SQL:
        found[path.name] = forbidden(identifiers(path.read_text(encoding="utf-8")), PROTECTED | HOME_CODES)
    assert {name: banned for name, banned in found.items() if banned} == {}
    assert len(SQL) > 25


def test_no_feature_is_a_protected_attribute_or_the_place_of_a_home() -> None:
    names = list(features.MODEL_FEATURES)
    assert len(names) > 20
    assert forbidden(names, PROTECTED | HOME_CODES | HOME_PLACES) == []
    assert forbidden(list(features.CLOSED_VOCABULARIES), PROTECTED | HOME_CODES | HOME_PLACES) == []


def test_no_shipped_table_of_the_market_holds_one() -> None:
    for path in sorted((PACKAGE / "market").rglob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            assert forbidden(next(csv.reader(file)), PROTECTED | HOME_CODES) == [], path.name


def names_in(path: Path) -> set[str]:
    """Return every name, attribute, argument, keyword and imported name of a module."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.arg | ast.keyword):
            found.add(node.arg or "")
        elif isinstance(node, ast.ImportFrom | ast.Import):
            found |= {part for alias in node.names for part in alias.name.split(".")}
            found |= set((getattr(node, "module", None) or "").split("."))
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
    return found


def test_only_the_fairness_audit_reads_the_restricted_table() -> None:
    port = {"AuditAttributes", "AuditGroups", "ParquetAuditAttributes", "audit_attributes", "groups_of"}
    users = {path.relative_to(PACKAGE).as_posix() for path in sorted(PACKAGE.rglob("*.py")) if names_in(path) & port}
    assert users == {*MAY_NAME_THE_PORT, *MAY_READ}
    readers = {
        path.relative_to(PACKAGE).as_posix() for path in sorted(PACKAGE.rglob("*.py")) if "groups_of" in names_in(path)
    }
    assert readers == {*MAY_READ, "recruiting/ports.py", "market/private_files.py", "adapters/owners_table.py"}


def test_code_outside_the_audit_knows_no_protected_attribute() -> None:
    named = {
        path.relative_to(PACKAGE).as_posix(): found
        for path in sorted(PACKAGE.rglob("*.py"))
        if not path.relative_to(PACKAGE).as_posix().startswith(AUDIT)
        and (found := forbidden(sorted(names_in(path)), (PROTECTED - {"age"}) | HOME_CODES))
    }
    allowed = {"zip", "ZipFile", "BadZipFile", "ZipInfo", "ZIP_STORED"}  # the built-in function, compressed files
    assert {name: left for name, found in named.items() if (left := [one for one in found if one not in allowed])} == {}


def test_the_audit_table_lies_outside_the_lake(tmp_path: Path) -> None:
    from mlife_assets.deployments.board_ports import board_ports
    from mlife_assets.recruiting.policies import Policies
    from mlife_assets.settings import Settings

    settings = Settings(home=tmp_path, market_users=300, market_jobs=60)
    groups = board_ports(settings, Policies()).home.private.audit_attributes.groups_of(["usr_0000001"])
    assert len(groups.sex) == 1
    written = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert written == ["private/audit_attributes.parquet"]
    assert (tmp_path / written[0]).stat().st_mode & 0o077 == 0
