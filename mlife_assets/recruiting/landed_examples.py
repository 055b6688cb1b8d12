"""A few plausible rows of each landed event type, for who delivers files.

Belongs here: made-up values by column. Does not belong here: the market, which is simulated at length (`market`).

Concept: rows follow from the contract, so that a type that is added has examples, too; a column whose name says more
than its type has values of its own. Ids fit between types: a click is of the impression of the same number.
"""

from __future__ import annotations

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
    """Return a number within the bounds."""
    low = column.minimum or 0
    return low if column.maximum is None or low + place > column.maximum else low + place
