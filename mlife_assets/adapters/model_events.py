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
from mlife_assets.core.reigns import PROMOTED

REGISTERED = "model_registered"


def model_names(event_log: EventLog) -> list[str]:
    """Return the models that were ever registered or promoted, in order of their names."""
    return sorted({row[MODEL_NAME] for rows in event_log.remembered(REGISTERED, PROMOTED) for row in rows})


def events_of(
    event_log: EventLog, model_name: str, event_type: str, *, start: date | None = None, end: date | None = None
) -> list[dict[str, Any]]:
    """Return the rows of a type that are about a model and were observed in [start, end], oldest first.

    Without days a process reads each file once.
    """
    if start is None and end is None:
        (found,) = event_log.remembered(event_type)
        return [dict(row) for row in found if row[MODEL_NAME] == model_name]
    rows = event_log.read(event_type, start=start, end=end)
    return list(rows.filter(pc.equal(rows[MODEL_NAME], model_name)).to_pylist())
