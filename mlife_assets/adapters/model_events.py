"""Events of one model.

Belongs here: reading a type of `core.model_events` for one model. Does not belong here: what follows from the events
(`model_registry`, the governor).
"""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow.compute as pc

from mlife_assets.core.model_events import MODEL_NAME
from mlife_assets.core.ports import EventLog


def model_names(event_log: EventLog) -> list[str]:
    """Return the models that were ever registered or promoted, in order of their names."""
    rows = (event_log.read(event_type, columns=[MODEL_NAME]) for event_type in ("model_registered", "model_promoted"))
    return sorted({name for found in rows for name in found[MODEL_NAME].to_pylist()})


def events_of(
    event_log: EventLog, model_name: str, event_type: str, *, start: date | None = None, end: date | None = None
) -> list[dict[str, Any]]:
    """Return the rows of a type that are about a model and were observed in [start, end], oldest first."""
    rows = event_log.read(event_type, start=start, end=end)
    return list(rows.filter(pc.equal(rows[MODEL_NAME], model_name)).to_pylist())
