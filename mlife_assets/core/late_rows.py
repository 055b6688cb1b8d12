"""Rows that came late: when they count as known.

Belongs here: moving the time of observation. Does not belong here: which instant that is (`platform.resources`).
"""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.event_columns import TIMESTAMP


def known_since(rows: pa.Table, instant: datetime) -> pa.Table:
    """Return rows with `observed_at` no earlier than an instant (aware)."""
    place = rows.schema.get_field_index("observed_at")
    observed, since = rows["observed_at"], pa.scalar(instant, TIMESTAMP)
    known = pc.if_else(pc.less(observed, since), since, observed)
    return rows.set_column(place, rows.schema.field(place), known)
