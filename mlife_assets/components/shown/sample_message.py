"""A text to follow through the whole graph.

Belongs here: choosing it. Does not belong here: following it (`message_trace`).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pyarrow.compute as pc

if TYPE_CHECKING:
    from mlife_assets.components.platform.resources import Platform


def sample_message(platform: Platform, first: date) -> str | None:
    """Return a text worth tracing: the first that led to an apply, else to a click, else any; None without texts."""
    planned = platform.event_log.read("message_planned", start=first, columns=["message_id", "prediction_id"])
    own = planned.filter(pc.is_valid(planned["prediction_id"]))["message_id"].combine_chunks()
    for event_type in ("apply", "click"):
        caused = platform.event_log.read(event_type, start=first, columns=["exposure_id"])["exposure_id"]
        hits = sorted(pc.unique(caused.filter(pc.is_in(caused, value_set=own))).to_pylist())
        if hits:
            return str(hits[0])
    return str(min(own.to_pylist())) if len(own) else None
