"""Names of strangers: taken, refused, left alone, and shown."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.landed_names import day_of_folder, folder_of_day, hidden_reason, name_fault, shown_name


@pytest.mark.parametrize("name", ["export.parquet", "a b (1).parquet", "données.parquet", "日本.parquet", "x" * 200])
def test_names_that_can_be_typed_are_taken_and_shown_as_they_are(name: str) -> None:
    assert name_fault(name) is None
    assert hidden_reason(name) is None
    assert shown_name(name) == name, "a source is a name that can be opened"


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[0m", "a\u202eb", "a\udcff", "a\u2028b", "x" * 201, "a\x00"])
def test_other_names_are_refused(name: str) -> None:
    assert name_fault(name) is not None


@given(st.text(st.characters(), max_size=300))
def test_whatever_is_shown_is_short_text_that_prints_and_encodes(name: str) -> None:
    shown = shown_name(name)
    assert shown.isprintable()
    assert len(shown.encode()) <= 4 * 201


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("dt=2026-06-01", date(2026, 6, 1)), ("dt=2026-02-30", None), ("dt=2026-06-01\n", None),
        ("dt=२०२६-06-01", None), ("DT=2026-06-01", None), ("2026-06-01", None),
    ],
)  # fmt: skip
def test_only_a_real_day_is_a_day(name: str, day: date | None) -> None:
    assert day_of_folder(name) == day
    assert day is None or folder_of_day(day) == name


@pytest.mark.parametrize("name", ["_SUCCESS", ".part", "export.parquet#3"])
def test_names_by_convention_are_left_alone(name: str) -> None:
    assert hidden_reason(name)
