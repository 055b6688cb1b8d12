"""The warehouse goes from task to task by way of the lake, and is whole wherever it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlife_assets.adapters.warehouse_copy import WarehouseCopy
from mlife_assets.core.errors import ContentConflictError, PermanentError


def test_what_one_task_built_the_next_one_has(s3_place: Any, tmp_path: Path) -> None:
    first, second = tmp_path / "one" / "warehouse.duckdb", tmp_path / "two" / "warehouse.duckdb"
    WarehouseCopy(s3_place, first).fetch()
    assert not first.exists(), "nobody built one yet"
    content = bytes(range(256)) * 50_000  # 12.8 MB: more than one part
    first.write_bytes(content)
    WarehouseCopy(s3_place, first).put_back()
    WarehouseCopy(s3_place, second).fetch()
    assert second.read_bytes() == content
    assert sorted(path.name for path in second.parent.iterdir()) == ["warehouse.duckdb", "warehouse.version"]


def test_a_task_that_has_one_keeps_it(s3_place: Any, tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes(b"theirs")
    WarehouseCopy(s3_place, path).put_back()
    path.write_bytes(b"built since")
    WarehouseCopy(s3_place, path).fetch()
    assert path.read_bytes() == b"built since"


def test_an_older_one_is_not_put_over_one_that_came_since(s3_place: Any, tmp_path: Path) -> None:
    first, second = tmp_path / "one" / "warehouse.duckdb", tmp_path / "two" / "warehouse.duckdb"
    for path in (first, second):
        WarehouseCopy(s3_place, path).fetch()
        path.write_bytes(path.parent.name.encode())
    WarehouseCopy(s3_place, first).put_back()
    with pytest.raises(ContentConflictError, match=r"another run has put .* back since this one fetched it"):
        WarehouseCopy(s3_place, second).put_back()
    late = tmp_path / "late" / "warehouse.duckdb"
    WarehouseCopy(s3_place, late).fetch()
    first.write_bytes(b"built again")
    WarehouseCopy(s3_place, first).put_back()
    with pytest.raises(ContentConflictError):
        WarehouseCopy(s3_place, late).put_back()
    late.unlink()
    WarehouseCopy(s3_place, late).fetch()
    assert late.read_bytes() == b"built again"


def test_a_bucket_that_cannot_be_read_is_no_empty_warehouse(s3: Any, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="the bucket does not exist"):
        WarehouseCopy(s3.bucket("no-such-bucket"), tmp_path / "warehouse.duckdb").fetch()
    stranger = s3.bucket("lake", "w", credentials=type(s3.bucket("lake").credentials)("NOBODY", "x"))
    path = tmp_path / "other.duckdb"
    path.write_bytes(b"x")
    for act in (WarehouseCopy(stranger, tmp_path / "none.duckdb").fetch, WarehouseCopy(stranger, path).put_back):
        with pytest.raises(PermanentError, match=r"AWS_ACCESS_KEY_ID|grant read and write"):
            act()
