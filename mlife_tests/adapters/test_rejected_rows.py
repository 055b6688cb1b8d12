"""Rejections: kept as they were, found again by day and type, whatever a stranger called the type."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.rejected_rows import STORED_ROWS_MAXIMUM, RejectedFolder, RejectedRows, folder_of
from mlife_assets.core.validation import Reason, rejected_file

DAY, EVE = date(2026, 6, 2), date(2026, 6, 1)
REJECTION = rejected_file(Reason.UNREADABLE_FILE, "it is cut off; export it again")


@pytest.fixture
def rejected(tmp_path: Path) -> RejectedRows:
    return RejectedRows(ObstoreObjectStore.local(tmp_path))


def test_folders_are_found_by_day_and_then_type(rejected: RejectedRows) -> None:
    assert rejected.folders() == []
    for day, name in ((DAY, "click"), (EVE, "impression"), (DAY, "../apply"), (EVE, "click")):
        rejected.store(day, name, [("a.parquet", REJECTION)], b"cut")
    assert rejected.folders() == [
        RejectedFolder(EVE, "click"),
        RejectedFolder(EVE, "impression"),
        RejectedFolder(DAY, "click"),
        RejectedFolder(DAY, "unknown____apply"),
    ]
    assert folder_of(DAY, "../apply") == rejected.folders()[-1]


def test_rows_and_bytes_are_what_was_stored_and_stored_once(rejected: RejectedRows) -> None:
    for _ in range(2):
        rejected.store(DAY, "click", [("a.parquet", REJECTION)], b"cut")
    assert rejected.rows(DAY, "click").to_pylist() == [{"source": "a.parquet", **REJECTION.to_pylist()[0]}]
    stored = dict(rejected.objects(RejectedFolder(DAY, "click")))
    assert len(stored) == 2
    assert [data for key, data in stored.items() if key.endswith(".bin")] == [b"cut"]
    assert rejected.rows(EVE, "click").num_rows == 0


def test_many_rows_are_several_objects(rejected: RejectedRows) -> None:
    rows = REJECTION.take([0] * (STORED_ROWS_MAXIMUM + 1))
    rows = rows.set_column(0, REJECTION.schema.field(0), pa.array(range(rows.num_rows), pa.int64()))
    rejected.store(DAY, "click", [("a.parquet", rows)])
    assert len(list(rejected.objects(RejectedFolder(DAY, "click")))) == 2
    assert rejected.rows(DAY, "click").num_rows == STORED_ROWS_MAXIMUM + 1
