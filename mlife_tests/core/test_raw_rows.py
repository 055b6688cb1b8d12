"""Raw rows: JSON that anyone can read, and nothing lost or made better on the way back."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pyarrow as pa

from mlife_assets.core.raw_rows import json_as_table, rows_as_json

COLUMNS = {
    "text": pa.array(["é", None]),
    "number": pa.array([1, 2]),
    "real": pa.array([0.5, float("nan")]),
    "flag": pa.array([True, None]),
    "time": pa.array([datetime(2026, 6, 1, 23, 30, tzinfo=UTC)] * 2, pa.timestamp("us", tz="America/Chicago")),
    "day": pa.array([date(2026, 6, 1)] * 2),
    "list": pa.array([[1.0, None], None]),
    "bytes": pa.array([b"ok", b"\xff"]),
}


def test_rows_are_plain_json() -> None:
    first, second = (json.loads(row) for row in rows_as_json(COLUMNS, 2).to_pylist())
    assert first == {
        "text": "é",
        "number": 1,
        "real": 0.5,
        "flag": True,
        "time": "2026-06-01 23:30:00.000000Z",
        "day": "2026-06-01",
        "list": [1.0, None],
        "bytes": "ok",
    }
    assert second["real"] == "nan"
    assert second["bytes"] == {"base64": "/w=="}


def test_rows_come_back() -> None:
    table = json_as_table(rows_as_json(COLUMNS, 2).to_pylist())
    assert table.column("bytes").to_pylist() == [b"ok", b"\xff"]
    assert table.column("list").to_pylist() == [[1.0, None], None]
    assert table.column("number").to_pylist() == [1, 2]
    assert table.column("real").cast(pa.float64()).is_nan().to_pylist() == [False, True]
    assert table.column("time").cast(pa.timestamp("us", tz="UTC")).to_pylist() == COLUMNS["time"].to_pylist()


def test_what_was_not_text_does_not_become_text() -> None:
    rows = rows_as_json({"id": COLUMNS["day"], "name": COLUMNS["text"]}, 2, text_columns=("id", "name")).to_pylist()
    assert json.loads(rows[0]) == {"id": {"not_text": "2026-06-01"}, "name": "é"}
    table = json_as_table(rows)
    assert pa.types.is_struct(table.column("id").type)
    assert table.column("name").to_pylist() == ["é", None]


def test_rows_of_unequal_keys_and_kinds_are_one_table() -> None:
    table = json_as_table(['{"a": 1, "b": [1]}', '{"a": "x", "c": 18446744073709551615}', '{"b": 2}'])
    assert table.column("a").to_pylist() == ["1", "x", None]
    assert table.column("b").to_pylist() == [[1], None, [2]]
    assert int(table.column("c")[1].as_py()) == 2**64 - 1
