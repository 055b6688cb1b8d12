"""The definitions as a deployment loads them, for tests that only look."""

from __future__ import annotations

from collections.abc import Iterator

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
