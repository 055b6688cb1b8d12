"""The roles of columns: one column, one role, and a table that fits."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from datetime import date

import pyarrow as pa
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.examples import ExampleSpec

SPEC = ExampleSpec("user_id", "job_id", "day", "applied", "mature", ("distance_km",), ("metro_code",))
TABLE = pa.table(
    {
        "user_id": ["a", "b"],
        "job_id": ["x", "y"],
        "day": [date(2026, 5, 1), date(2026, 5, 2)],
        "applied": [True, False],
        "mature": [date(2026, 5, 9), date(2026, 5, 10)],
        "distance_km": [1.0, None],
        "metro_code": ["35620", None],
    }
)


def changed(name: str, values: list[object], kind: pa.DataType | None = None) -> pa.Table:
    return TABLE.set_column(TABLE.column_names.index(name), name, pa.array(values, kind))


def test_a_table_that_fits_is_returned_as_it_is() -> None:
    assert SPEC.validated(TABLE) is TABLE
    assert SPEC.columns == ("user_id", "job_id", "day", "applied", "mature", "distance_km", "metro_code")


def test_a_spec_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        SPEC.label = "other"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"label": "day"}, "label names day, which is its time already"),
        ({"features": ("distance_km", "distance_km")}, "features already"),
        ({"categoricals": ("distance_km",)}, "categoricals names distance_km"),
        ({"entity": ""}, "entity is empty"),
        ({"features": (), "categoricals": ()}, "at least one feature"),
    ],
)
def test_a_column_has_one_role(change: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        replace(SPEC, **change)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (TABLE.drop_columns(["mature"]), "lack column mature, the label_time"),
        (changed("applied", ["yes", "no"]), "applied holds string, which cannot be the label"),
        (changed("distance_km", ["near", "far"]), "cannot be the features"),
        (changed("day", ["2026-05-01", "2026-05-02"]), "cannot be the time"),
        (changed("metro_code", [1, 2]), "cannot be the categoricals"),
        (changed("applied", [True, None]), "applied is null in row 1"),
        (changed("user_id", [None, "b"]), "user_id is null in row 0"),
        (changed("mature", [date(2026, 5, 9), date(2026, 5, 2)]), "mature in row 1 is not after day"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_column_and_row(table: pa.Table, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        SPEC.validated(table)
