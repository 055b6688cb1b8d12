"""Whoever changes the event log is found: any byte of any file, a file removed, a file added."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mlife_assets.adapters.event_log import verify
from mlife_assets.adapters.object_store import ObstoreObjectStore


@pytest.fixture(scope="module")
def lake(lived, tmp_path_factory) -> Path:
    """Return a copy of the log; each test puts back what it changed."""
    folder = tmp_path_factory.mktemp("tampering")
    for name in ("events", "manifests"):
        shutil.copytree(lived.home.settings.lake_place / name, folder / name)
    return folder


def findings(lake: Path) -> set[str]:
    return {finding.key for finding in verify(ObstoreObjectStore.local(lake)).findings}


def chosen(lake: Path) -> list[Path]:
    """Return some files of every event type and some manifests."""
    rng = np.random.default_rng(3)
    folders = [*sorted((lake / "events").iterdir()), lake / "manifests"]
    files = []
    for folder in folders:
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        files += [found[place] for place in rng.choice(len(found), min(2, len(found)), replace=False)]
    return files


def test_any_byte_of_any_file(lake) -> None:
    rng = np.random.default_rng(4)
    files = chosen(lake)
    assert len(files) > 30
    for path in files:
        data = bytearray(path.read_bytes())
        place, bit = int(rng.integers(len(data))), 1 << int(rng.integers(8))
        data[place] ^= bit
        original = path.read_bytes()
        path.write_bytes(data)
        assert str(path.relative_to(lake)) in findings(lake), f"byte {place} of {path}"
        path.write_bytes(original)
    assert findings(lake) == set()


def test_a_file_that_is_gone_and_one_that_nobody_wrote(lake) -> None:
    for path in chosen(lake)[::6]:
        moved = path.with_name(f"moved-{path.name}")
        path.rename(moved)
        found = findings(lake)
        assert str(path.relative_to(lake)) in found
        assert str(moved.relative_to(lake)) in found
        moved.rename(path)
    assert findings(lake) == set()
