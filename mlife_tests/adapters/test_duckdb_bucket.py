"""The extension is found where its package is, or its lack is said with the remedy."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from mlife_assets.adapters.duckdb_bucket import extension_path
from mlife_assets.core.errors import InvalidInputError, MissingExtraError


def test_it_is_a_file_for_the_duckdb_that_runs() -> None:
    assert extension_path().stat().st_size > 1_000_000


def test_what_is_missing_is_named_with_what_installs_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb_extension_httpfs", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mlife\[server\]'"):
        extension_path()


def test_an_extension_of_another_version_is_refused(tmp_path: Path, monkeypatch) -> None:
    other = ModuleType("duckdb_extension_httpfs")
    other.__file__ = str(tmp_path / "__init__.py")
    (tmp_path / "extensions" / "v1.0.0").mkdir(parents=True)
    monkeypatch.setitem(sys.modules, "duckdb_extension_httpfs", other)
    with pytest.raises(InvalidInputError, match=r"is for 1\.0\.0; install the same version of both"):
        extension_path()
