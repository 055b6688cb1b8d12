"""The contract of a landed event type as JSON Schema, for who delivers files.

Belongs here: what of a contract JSON Schema can say, in its words. Does not belong here: the contract (`events`),
judging rows (`core.validation`), what columns mean: their descriptions are an argument.

Concept: it follows from the same columns as validation does, so it cannot say otherwise. It is about one row, with
times and days as ISO 8601 text; what holds between rows and columns is said in its description. The type that a column
has in a file of Parquet is in `x-arrow-type`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from mlife_assets.core.event_columns import Column, EventType

DIALECT = "https://json-schema.org/draft/2020-12/schema"
RULES = (
    "Landing takes such rows as Parquet. occurred_at is not later than observed_at, and observed_at not later than the "
    "end of the day of the folder, in UTC. An event_id is delivered once. Columns that are not named here are dropped."
)
UNITS = {"usd_per_hour": "US dollars per hour", "usd_per_apply": "US dollars per apply"}
"""Last words of a column's name, and the unit that they say."""

_DAY = r"^\d{4}-\d\d-\d\d$"
_TIME = r"^(19[7-9]|[2-9]\d\d)\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$"
_LINE = "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]*$"
_LINES = "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]*$"


def landed_schema(kind: EventType, title: str, descriptions: Mapping[str, str]) -> dict[str, Any]:
    """Return the JSON Schema of one row of a landed event type.

    Args:
        kind: the contract that a file can meet (`EventType.landed`).
        title: what a row is.
        descriptions: what each column means.
    """
    return {
        "$schema": DIALECT,
        "$id": f"urn:mlife:landing:{kind.name}:{kind.version}",
        "title": title,
        "description": RULES,
        "type": "object",
        "properties": {column.name: _property(column, descriptions[column.name]) for column in kind.all_columns},
        "required": kind.missing(()),
    }


def _property(column: Column, description: str) -> dict[str, Any]:
    found = _values(column, column.type)
    if column.allowed is not None:
        found = {"type": "string", "enum": list(column.allowed)}
    if column.nullable:
        found["type"] = [found["type"], "null"]
        if "enum" in found:
            found["enum"].append(None)
    unit = next((unit for words, unit in UNITS.items() if column.name.endswith(f"_{words}")), None)
    with_unit = {} if unit is None else {"x-unit": unit}
    return {"description": description, **found, **with_unit, "x-arrow-type": str(column.type)}


def _values(column: Column, kind: pa.DataType) -> dict[str, Any]:
    """Return the rules for values of a type."""
    types = pa.types
    if types.is_list(kind):
        size = {} if column.list_size is None else {"minItems": column.list_size, "maxItems": column.list_size}
        return {"type": "array", "items": _values(column, kind.value_type), **size}
    if types.is_timestamp(kind):
        return {"type": "string", "format": "date-time", "pattern": _TIME}
    if types.is_date(kind):
        return {"type": "string", "format": "date", "pattern": _DAY}
    if types.is_boolean(kind):
        return {"type": "boolean"}
    if types.is_integer(kind) or types.is_floating(kind):
        bounds = {"minimum": column.minimum, "maximum": column.maximum}
        given = {name: limit for name, limit in bounds.items() if limit is not None}
        return {"type": "integer" if types.is_integer(kind) else "number", **given}
    least = {"minLength": 1} if column.is_identifier else {}
    longest = {"type": "string", **least, "maxLength": column.text_length}
    return longest if types.is_list(column.type) else {**longest, "pattern": _LINES if column.has_lines else _LINE}
