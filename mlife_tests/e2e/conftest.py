"""Looking at the lived world from outside: its log as plain rows, copies of it, and the day after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

Rows = list[dict[str, Any]]


def rows_of(lake: Path, event_type: str) -> Rows:
    """Return the events of a type as the files hold them, the first observed of each id, in order of observation."""
    files = sorted((lake / "events" / f"event_type={event_type}").glob("dt=*/hour=*/*.parquet"))
    rows = [row for file in files for row in pq.read_table(file, partitioning=None).to_pylist()]
    first: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (row["observed_at"], row["event_id"])):
        first.setdefault(row["event_id"], row)
    return list(first.values())


@pytest.fixture(scope="session")
def events(lived) -> Callable[[str], Rows]:
    """Read events of the lived world with nothing of mlife in between; each type is read once."""
    known: dict[str, Rows] = {}

    def read(event_type: str) -> Rows:
        if event_type not in known:
            known[event_type] = rows_of(lived.home.settings.places.lake, event_type)
        return known[event_type]

    return read


@pytest.fixture
def copied(lived, tmp_path: Path) -> Iterator[Any]:
    """Return a copy of the lived home that may be changed."""
    return lived.home.copy_to(tmp_path / "home")
