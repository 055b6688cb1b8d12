"""What a version says of its event types, and rows that every version can be asked for."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from mlife_assets.core.event_columns import Column, EventType

START = datetime(2026, 4, 3, 9, tzinfo=UTC)
TYPES = {
    "string": pa.string(), "int64": pa.int64(), "double": pa.float64(), "bool": pa.bool_(),
    "date32[day]": pa.date32(), "timestamp[us, tz=UTC]": pa.timestamp("us", tz="UTC"),
    "list<string>": pa.list_(pa.string()), "list<double>": pa.list_(pa.float64()),
    "items": pa.list_(pa.struct([("position", pa.int64()), ("job_id", pa.string()), ("prediction_id", pa.string())])),
}  # fmt: skip
Described = dict[str, Any]


def described(event_type: EventType) -> Described:
    """Return what a release says of a type, as JSON; the payload columns are in order."""
    return {
        "name": event_type.name,
        "version": getattr(event_type, "version", 1),
        "columns": [
            {
                "name": column.name, "type": next(name for name, arrow in TYPES.items() if arrow == column.type),
                "nullable": column.nullable, "minimum": column.minimum, "maximum": column.maximum,
                "allowed": column.allowed, "list_size": column.list_size,
            }
            for column in event_type.columns
        ],
    }  # fmt: skip


def columns_of(told: Described) -> tuple[Column, ...]:
    """Return the payload columns that a release told of."""
    return tuple(
        Column(
            one["name"], TYPES[one["type"]], one["nullable"], one["minimum"], one["maximum"],
            None if one["allowed"] is None else tuple(one["allowed"]), one["list_size"],
        )
        for one in told["columns"]
    )  # fmt: skip


def example_rows(told: Described) -> list[dict[str, Any]]:
    """Return rows of a type as a release told of it."""
    columns = columns_of(told)
    count = max(2, *(len(column.allowed or ()) for column in columns))
    return [
        {
            "event_id": f"{told['name']}-{row:02d}",
            "occurred_at": START + timedelta(minutes=row),
            "observed_at": START + timedelta(hours=1 + row % 2, minutes=row),
            **{column.name: _value(column, row) for column in columns},
        }
        for row in range(count)
    ]


def example_table(told: Described) -> pa.Table:
    """Return the example rows with the types that the release told of."""
    columns = (Column("event_id", pa.string()), Column("occurred_at", TYPES["timestamp[us, tz=UTC]"]))
    columns += (Column("observed_at", TYPES["timestamp[us, tz=UTC]"]), *columns_of(told))
    schema = pa.schema([pa.field(one.name, one.type, nullable=one.nullable) for one in columns])
    return pa.Table.from_pylist(example_rows(told), schema=schema)


def _value(column: Column, row: int) -> Any:
    if column.nullable and row == 1:
        return None
    if column.allowed is not None:
        return column.allowed[row % len(column.allowed)]
    low = 0 if column.minimum is None else column.minimum
    high = low + 100 if column.maximum is None else column.maximum
    values: dict[pa.DataType, Any] = {
        TYPES["string"]: f"{column.name} {row} é",
        TYPES["int64"]: int(min(low + row, high)),
        TYPES["double"]: low + (high - low) * row / 17,
        TYPES["bool"]: row % 2 == 0,
        TYPES["date32[day]"]: date(2026, 4, 3) + timedelta(days=row),
        TYPES["timestamp[us, tz=UTC]"]: START + timedelta(microseconds=row + 1),
        TYPES["list<string>"]: [f"{column.name} {row}"] * (row % 3),
        TYPES["list<double>"]: [row / 3] * (column.list_size or row % 3),
        TYPES["items"]: [{"position": one, "job_id": f"job {row} {one}", "prediction_id": None} for one in (1, 2)],
    }
    return values[column.type]
