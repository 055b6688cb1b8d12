"""The definitions as a deployment loads them, for tests that only look."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from mlife_assets.definitions import build_definitions
from mlife_assets.settings import Settings


@pytest.fixture(scope="session")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return build_definitions(Settings(home=tmp_path_factory.mktemp("no_home")))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance of its own, in memory."""
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


_SPEC = importlib.util.spec_from_file_location("mlife_cli_fixtures", Path(__file__).parent.parent / "cli/conftest.py")
_CLI = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = _CLI
_SPEC.loader.exec_module(_CLI)
lived_home, home = _CLI.lived_home, _CLI.home  # what a person does by command or in the UI, on the same small home
