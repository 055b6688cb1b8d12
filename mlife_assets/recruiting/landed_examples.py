"""Help for the people who deliver files: JSON Schema and a few plausible rows of each landed event type.

Concept: both follow from the same columns as validation does, so they cannot say otherwise, and a type that is added
has them, too. The schema is about one row, with times and days as ISO 8601 text; what holds between rows and columns is
said in its description. The type that a column has in a file of Parquet is in `x-arrow-type`. In examples a column
whose name says more than its type has values of its own. Ids fit between types: a click is of the impression of the
same number.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from mlife_assets.core.event_columns import Column, EventType
from mlife_assets.core.windows import day_start

EXAMPLE_ROWS = 3

_VALUES: dict[str, tuple[Any, ...]] = {
    "apply_event_id": ("apply-1", "apply-2", "apply-3"),
    "bid_usd_per_apply": (4.0, 2.5, 3.0),
    "body": ("Northstar Jobs: Registered nurse, $38/h, Chicago. Reply STOP to opt out",),
    "campaign": ("recruiters",),
    "cohort": ("active", "new", "active"),
    "employer_name": ("Lakeside Hospital", "Bayou Freight", "Mesa Foods"),
    "exposure_id": ("impression-1", "message-2", "impression-3"),
    "is_granted": (True, False, True),
    "latitude": (41.88, 29.76, 33.45),
    "longitude": (-87.63, -95.37, -112.07),
    "metro_code": ("16980", "26420", "38060"),
    "occupation_code": ("29-1141", "53-3032", "35-2014"),
    "occupation_group": ("29", "53", "35"),
    "openings": (2, 5, 1),
    "pay_usd_per_hour": (38.0, 24.5, 18.75),
    "propensity": (1.0,),
    "provider": ("texting_tool",),
    "reservation_pay_usd_per_hour": (32.0, 22.0, 16.5),
    "state_code": ("IL", "TX", None),
    "taste_embedding": ([0.25, -0.5, 0.0, 0.125, 0.5, -0.25, 0.75, 0.0],),
    "text_embedding": ([0.5, -0.25, 0.125, 0.0, 0.25, -0.5, 0.5, 0.25],),
    "time_zone": ("America/Chicago", "America/Chicago", None),
    "title": ("Registered nurse", "Truck driver", "Line cook"),
}
"""Values of the rows in turn."""

_EXPORTED_AFTER = timedelta(hours=23, minutes=30)
_FIRST_AFTER = timedelta(hours=9, minutes=12)
_LATER = {"expires_at": timedelta(days=30), "signed_up_at": timedelta(days=-40)}

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


def example_rows(kind: EventType, day: date) -> pa.Table:
    """Return rows of the schema of `kind` that an export of `day` could hold, all of them valid."""
    rows = [{c.name: _value(kind, c, place, day) for c in kind.all_columns} for place in range(EXAMPLE_ROWS)]
    return pa.Table.from_pylist(rows, schema=kind.schema)


def _value(kind: EventType, column: Column, place: int, day: date) -> Any:
    name, types = column.name, pa.types
    if name in _VALUES:
        return _VALUES[name][place % len(_VALUES[name])]
    if name == "event_id":
        return f"{kind.name}-{place + 1}"
    if column.nullable and place == EXAMPLE_ROWS - 1:
        return None
    if column.allowed is not None:
        return column.allowed[place % len(column.allowed)]
    if types.is_timestamp(column.type):
        if name == "observed_at":
            return day_start(day) + _EXPORTED_AFTER
        return day_start(day) + _FIRST_AFTER + timedelta(hours=2 * place) + _LATER.get(name, timedelta())
    if types.is_date(column.type):
        return day
    if types.is_boolean(column.type):
        return True
    if types.is_list(column.type):
        return [_number(column, 0)] * (column.list_size or 0)
    if types.is_integer(column.type) or types.is_floating(column.type):
        return _number(column, place)
    return f"{name.removesuffix('_id')}-{place + 1}"


def _number(column: Column, place: int) -> float:
    low = column.minimum or 0
    return low if column.maximum is None or low + place > column.maximum else low + place


def landed_schema(kind: EventType, title: str, descriptions: Mapping[str, str]) -> dict[str, Any]:
    """Return the JSON Schema of one row of a landed event type.

    Args:
        kind: the contract that a file can meet (`EventType.landed`).
        title: the meaning of a row.
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
