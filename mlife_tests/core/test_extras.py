"""The extras that errors name are those of pyproject.toml, and hold what is imported."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement

from mlife_assets.core.errors import MissingExtraError
from mlife_assets.core.extras import EXTRAS, missing_extra


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_each_module_is_of_a_package_that_its_extra_has_and_the_library_has_not(repository) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {
        extra: {canonical(Requirement(line).name) for line in lines}
        for extra, lines in project["optional-dependencies"].items()
    }
    library = {canonical(Requirement(line).name) for line in project["dependencies"]}
    known = packages_distributions()
    for module, extra in EXTRAS.items():
        packages = {canonical(one) for one in known.get(module, [module])}
        assert packages & extras[extra], f"{module} is said to be in {extra}, which has {sorted(extras[extra])}"
        assert not packages & library, f"{module} comes with the library"
    named = {canonical(one) for module in EXTRAS for one in known.get(module, [module])}
    data = {"tzdata", "mlife", "dbt-duckdb", "dbt-athena", "duckdb-extension-httpfs"}
    for extra in set(extras) - {"dev"}:
        assert extras[extra] - data <= named, f"what is missing of {extra} would not be said"


def test_a_package_of_an_extra_is_said_with_its_command() -> None:
    said = missing_extra(ModuleNotFoundError("No module named 'dbt'", name="dbt.cli"))
    assert isinstance(said, MissingExtraError)
    assert str(said) == "dbt is not installed; run: pip install 'mlife[dbt]'"


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'mine'", name="mine"),
        ModuleNotFoundError("no name"),
        ImportError("cannot import name 'x' from 'duckdb'", name="duckdb"),
    ],
)
def test_any_other_import_is_nothing_of_ours(error: ImportError) -> None:
    assert missing_extra(error) is None
