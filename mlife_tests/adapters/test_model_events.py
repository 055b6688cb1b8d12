"""Events of one model among those of several."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.model_events import events_of, model_names
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.recruiting.events import EVENT_TYPES

AT = datetime(2026, 6, 2, 18, tzinfo=UTC)


def test_each_model_sees_its_own_events(tmp_path) -> None:
    log = ParquetEventLog(ObstoreObjectStore.local(tmp_path))
    assert model_names(log) == []
    for name, version in (("b", "v1"), ("a", "v2"), ("b", "v3")):
        row = {"event_id": version, "occurred_at": AT, "observed_at": AT, "model_version": version}
        row |= {"previous_version": None, "actor": "gate", "reason": "r", "model_name": name}
        schema = EVENT_TYPES["model_promoted"].schema
        log.append("model_promoted", pa.Table.from_pylist([row], schema=schema), writer="test")
    assert model_names(log) == ["a", "b"]
    assert [row["model_version"] for row in events_of(log, "b", "model_promoted")] == ["v1", "v3"]
    assert events_of(log, "a", "model_promoted", end=date(2026, 6, 1)) == []
    assert events_of(log, "c", "model_promoted") == []


def test_a_model_that_was_only_registered_is_one_and_days_bound_what_is_read(tmp_path) -> None:
    log = ParquetEventLog(ObstoreObjectStore.local(tmp_path))
    row = {"event_id": "v1", "occurred_at": AT, "observed_at": AT, "model_version": "v1", "as_of_date": AT.date()}
    row |= {"training_start_date": AT.date(), "training_end_date": AT.date(), "training_data_hash": "h"}
    row |= {"examples": 2, "positives": 1, "model_name": "young"}
    schema = EVENT_TYPES["model_registered"].schema
    log.append("model_registered", pa.Table.from_pylist([row], schema=schema), writer="test")
    assert model_names(log) == ["young"]
    assert len(events_of(log, "young", "model_registered", start=AT.date())) == 1
    assert events_of(log, "young", "model_registered", start=date(2026, 6, 3)) == []


def test_without_days_each_file_is_read_once(tmp_path, monkeypatch) -> None:
    log = ParquetEventLog(ObstoreObjectStore.local(tmp_path))
    row = {"event_id": "v1", "occurred_at": AT, "observed_at": AT, "model_version": "v1", "previous_version": None}
    row |= {"actor": "gate", "reason": "r", "model_name": "young"}
    schema = EVENT_TYPES["model_promoted"].schema
    log.append("model_promoted", pa.Table.from_pylist([row], schema=schema), writer="test")
    found = events_of(log, "young", "model_promoted")
    monkeypatch.setattr(log, "read_file", lambda *_: pytest.fail("it was read"))
    assert events_of(log, "young", "model_promoted") == found
    assert model_names(log) == ["young"]
