"""A check of files: what holds across files and days. That it is the ingest is tested where it is asked for (`cli`)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mlife_assets.adapters.cage import DecodingCage
from mlife_assets.adapters.given_files import GivenFile
from mlife_assets.adapters.landing_check import CheckedFile, check_files
from mlife_assets.adapters.parquet_bytes import encode_table
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import LandingPolicy
from mlife_assets.recruiting.events import EVENT_TYPES

DAY, NEXT = date(2026, 6, 1), date(2026, 6, 2)
POLICY = LandingPolicy()
CAGE = DecodingCage(POLICY)


def clicks(path: Path, *ids: str, day: date = DAY, **changes: Any) -> GivenFile:
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    row = {"occurred_at": noon, "observed_at": noon, "user_id": "u", "job_id": "j", "source": "organic"}
    rows = [{"event_id": one, **row, "exposure_id": "x", **changes} for one in ids]
    path.write_bytes(encode_table(pa.Table.from_pylist(rows, schema=EVENT_TYPES["click"].schema)))
    return GivenFile(path, "click", day, is_laid=False)


def checked(*files: GivenFile, policy: LandingPolicy = POLICY, shown: int = 10) -> list[CheckedFile]:
    return check_files(files, policy=policy, cage=CAGE, shown=shown)


def test_an_event_of_another_file_is_a_duplicate_whatever_order_files_are_named_in(tmp_path: Path) -> None:
    files = clicks(tmp_path / "a", "1", "2"), clicks(tmp_path / "b", "2", "3")
    later = clicks(tmp_path / "c", "3", day=NEXT, user_id="other")
    first = checked(*files, later)
    assert [(one.accepted, one.by_reason) for one in first] == [
        (2, {}),
        (1, {"duplicate_event_id": 1}),
        (0, {"duplicate_event_id": 1}),
    ]
    assert [entry.row for one in first for entry in one.rejections] == [0, 0]
    assert checked(later, *reversed(files)) == first


def test_the_present_is_the_end_of_the_day(tmp_path: Path) -> None:
    end = datetime(2026, 6, 2, tzinfo=UTC)
    just, beyond = (
        clicks(tmp_path / "a", "1", observed_at=end),
        clicks(tmp_path / "b", "2", observed_at=end + timedelta.resolution),
    )
    assert [one.by_reason for one in checked(just, beyond)] == [{}, {"from_future": 1}]
    assert [one.by_reason for one in checked(beyond.__class__(beyond.path, "click", NEXT, is_laid=False))] == [{}]


def test_limits_are_those_of_the_policy(tmp_path: Path) -> None:
    files = [clicks(tmp_path / name, name) for name in "abc"]
    found = checked(*files, policy=replace(POLICY, maximum_files=2))
    assert [one.refusal_reason for one in found] == [None, None, "too_many_files"]
    small = replace(POLICY, maximum_file_bytes=1_024)
    assert [(one.refusal_reason, one.is_size_taken) for one in checked(files[0], policy=small)] == [
        ("too_large", False)
    ]


@pytest.mark.parametrize("day", [date.min, date(1969, 12, 31), date.max])
def test_a_day_that_no_export_can_have_is_refused(tmp_path: Path, day: date) -> None:
    file = clicks(tmp_path / "a", "1", day=day)
    with pytest.raises(InvalidInputError, match="is no day of an export; name one of the years 1970 to 9998"):
        checked(file)
