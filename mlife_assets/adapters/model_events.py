"""Events of one model."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pyarrow.compute as pc

from mlife_assets.core.ids import event_id
from mlife_assets.core.model_events import MODEL_NAME, PROMOTED
from mlife_assets.core.ports import EventLog
from mlife_assets.core.scoring.artifact import ModelArtifact

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


def registered_row(artifact: ModelArtifact, model_name: str, as_of: date, at: datetime) -> dict[str, Any]:
    """Return the event that registers an artifact at an instant.

    Raises:
        KeyError, TypeError, ValueError: the manifest does not hold what the event says.
    """
    manifest = artifact.manifest
    return {
        "event_id": event_id(REGISTERED, artifact.model_version),
        "occurred_at": at,
        "observed_at": at,
        "model_version": artifact.model_version,
        "as_of_date": as_of,
        "training_start_date": date.fromisoformat(manifest["training_start_date"]),
        "training_end_date": date.fromisoformat(manifest["training_end_date"]),
        "training_data_hash": artifact.training_data_hash,
        "examples": manifest["examples"],
        "positives": manifest["positives"],
        MODEL_NAME: model_name,
    }
