"""The catalogue counts what the log holds and names what is no part of it: a planted fault each."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from mlife_assets.adapters.event_log import catalogue as catalogue_module
from mlife_assets.adapters.event_log.catalogue import CataloguedDay, Stray, read_catalogue
from mlife_assets.adapters.event_log.layout import content_hash, data_key
from mlife_assets.adapters.event_log.log import ParquetEventLog
from mlife_assets.adapters.event_log.manifests import Entry
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.parquet_bytes import encode_table
from mlife_assets.recruiting.events import EVENT_TYPES

SCHEMA = EVENT_TYPES["job_closed"].schema
TODAY = date(2026, 4, 7)
UNLISTED = "no manifest lists it: somebody else put it here"
HOUR = "dt=2026-04-05/hour=12"


def rows(*days: int) -> pa.Table:
    times = {day: datetime(2026, 4, day, 12, tzinfo=UTC) for day in days}
    found = [
        {"event_id": f"e{day}", "occurred_at": at, "observed_at": at, "job_id": "j", "reason": "filled"}
        for day, at in times.items()
    ]
    return pa.Table.from_pylist(found, schema=SCHEMA)


@pytest.fixture
def store(tmp_path) -> ObstoreObjectStore:
    return ObstoreObjectStore.local(tmp_path)


@pytest.fixture
def log(store: ObstoreObjectStore) -> ParquetEventLog:
    log = ParquetEventLog(store)
    log.append("job_closed", rows(4, 5), writer="test")
    log.append("job_closed", rows(5), writer="other", batch="again")
    return log


def planted(store: ObstoreObjectStore, table: pa.Table, event_type: str = "job_closed", version: str = "1") -> str:
    data = encode_table(table, {} if version == "1" else {"mlife.event_version": version})
    key = data_key(event_type, HOUR, "planted", "1", content_hash(data))
    store.put_if_absent(key, data)
    return key


def test_files_and_rows_are_counted_by_type_and_day(store, log) -> None:
    catalogue = read_catalogue(log, store, today=TODAY, opened_since=TODAY)
    days = (date(2026, 4, 4), date(2026, 4, 5))
    assert catalogue.days == (CataloguedDay("job_closed", days[0], 1, 1), CataloguedDay("job_closed", days[1], 2, 2))
    assert catalogue.strays == ()
    assert read_catalogue(ParquetEventLog(store), ObstoreObjectStore.local(store._root / "none"), today=None).days == ()


@pytest.mark.parametrize(
    "key",
    [
        "events/event_type=job_closed/dt=2026-4-05/hour=12/test-1-0123456789abcdef.parquet",
        "events/event_type=job_closed/dt=2026-02-30/hour=12/test-1-0123456789abcdef.parquet",
        "events/event_type=job_closed/dt=2026-04-05/hour=24/test-1-0123456789abcdef.parquet",
        "events/event_type=job_closed/date=2026-04-05/hour=12/test-1-0123456789abcdef.parquet",
        "events/job_closed/dt=2026-04-05/hour=12/test-1-0123456789abcdef.parquet",
        "events/event_type=job_closed/dt=2026-04-05/hour=12/export.csv",
    ],
)
def test_a_path_that_is_misspelled_is_named(store, log, key: str) -> None:
    store.put_if_absent(key, b"x")
    (stray,) = read_catalogue(log, store, today=TODAY, opened_since=TODAY).strays
    assert stray.key == key
    assert stray.problem.startswith("no path of the log: event_type=<type>/dt=YYYY-MM-DD")


def test_a_type_that_no_release_knows_is_named(store, log) -> None:
    key = planted(store, rows(5), "job_reopened")
    assert read_catalogue(log, store, today=TODAY, opened_since=TODAY).strays == (
        Stray(key, "job_reopened is no event type of this release"),
    )


@pytest.mark.parametrize(
    ("table", "version", "problem"),
    [
        (rows(5).append_column("salary", pa.array([1])), "1", "job_closed has no column salary"),
        (rows(5).drop_columns(["job_id"]), "1", "job_closed needs the column job_id"),
        (rows(5).set_column(3, "job_id", pa.array([7])), "1", "job_closed has another type in job_id"),
        (rows(5), "9", "version 9 of job_closed, this release knows 1; upgrade mlife"),
        (rows(5), "new", "no readable Parquet of the log"),
    ],
)
def test_a_file_of_another_schema_is_named(store, log, table: pa.Table, version: str, problem: str) -> None:
    key = planted(store, table, version=version)
    (stray,) = read_catalogue(log, store, today=TODAY, opened_since=TODAY).strays
    assert stray.key == key
    assert stray.problem.startswith(problem)


def test_what_is_no_parquet_is_named_and_rows_that_nobody_lists_are_not_counted(store, log) -> None:
    key = data_key("job_closed", HOUR, "planted", "1", "0" * 16)
    store.put_if_absent(key, b"nothing")
    catalogue = read_catalogue(log, store, today=TODAY, opened_since=TODAY)
    assert [stray.key for stray in catalogue.strays] == [key]
    assert catalogue.days[-1] == CataloguedDay("job_closed", date(2026, 4, 5), 3, None)


def listed(log: ParquetEventLog, store: ObstoreObjectStore, key: str) -> None:
    """List a file as a writer of another release would."""
    log.chain.list_entries([Entry(key, content_hash(store.get(key)), 1)])


def test_files_are_opened_since_a_day(store, log) -> None:
    log.append("job_closed", rows(6), writer="test")
    key = planted(store, rows(5).append_column("salary", pa.array([1])))
    listed(log, store, key)
    assert read_catalogue(log, store, today=TODAY).strays == ()
    assert read_catalogue(log, store, today=TODAY, opened_since=date(2026, 4, 6)).strays == ()
    (stray,) = read_catalogue(log, store, today=TODAY, opened_since=date(2026, 4, 5)).strays
    assert stray == Stray(key, "job_closed has no column salary")


def test_a_file_that_no_manifest_lists_is_named_and_opened_whatever_its_day(store, log) -> None:
    key = planted(store, rows(5))
    (stray,) = read_catalogue(log, store, today=TODAY).strays
    assert stray == Stray(key, f"{UNLISTED}, or a writer died; run `mlife log verify`")
    other = planted(store, rows(5).append_column("salary", pa.array([1])))
    strays = read_catalogue(log, store, today=TODAY, opened_since=TODAY).strays
    assert f"job_closed has no column salary; {UNLISTED}" in {one.key: one.problem for one in strays}[other]


def test_no_more_files_are_opened_than_are_bounded(store, log, monkeypatch) -> None:
    monkeypatch.setattr(catalogue_module, "MOST_OPENED", 1)
    planted(store, rows(4).append_column("salary", pa.array([1])))
    found = read_catalogue(log, store, today=TODAY, opened_since=date.min)
    assert (found.unopened, len(found.strays)) == (3, 1)
    assert found.strays[0].problem.startswith("job_closed has no column salary")


def test_a_day_to_come_is_named_and_not_catalogued(store, log) -> None:
    key = "events/event_type=job_closed/dt=2099-01-01/hour=12/test-1-0123456789abcdef.parquet"
    store.put_if_absent(key, b"x")
    found = read_catalogue(log, store, today=TODAY, opened_since=date.min)
    assert found.strays == (Stray(key, "its day is after 2026-04-07, the present day"),)
    assert max(one.day for one in found.days) == date(2026, 4, 5)
    assert max(one.day for one in read_catalogue(log, store, today=None).days) == date(2099, 1, 1)
