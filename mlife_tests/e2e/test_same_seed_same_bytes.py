"""The same seed lives the same life, byte for byte: event log, artifacts, tables, reports and summary."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mlife_assets.defs.demo_summary import summarise

COMPARED = ("events", "manifests", "models", "tables", "reports", "rejected")


def digests(folder: Path) -> dict[str, str]:
    """Return the hash of every file that the seed decides."""
    files = (path for name in COMPARED for path in sorted((folder / "lake" / name).rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.proof
def test_a_second_life_with_the_same_seed_is_the_same(lived: Any, lived_world: ModuleType, tmp_path: Path) -> None:
    again = lived_world.lived_in(tmp_path / "again", lived_world.live(tmp_path / "again"))
    first, second = digests(lived.home.folder), digests(again.home.folder)
    assert len(first) > 500
    assert [name for name in first if second.get(name) != first[name]] == []
    assert set(second) == set(first)
    last = lived.days[-1].day
    assert summarise(again.home.platform, last, {}) == summarise(lived.home.platform, last, {})
