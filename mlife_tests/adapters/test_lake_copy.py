"""Copies of a lake: they fit together while others write, and filling a lake up overwrites nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import RLock
from typing import Any

import pyarrow as pa
import pytest

from mlife_assets.adapters.event_log import ParquetEventLog, verify
from mlife_assets.adapters.lake_copy import copy_lake, fill_up, missing_in
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.errors import ContentConflictError, IntegrityError, NotFoundError
from mlife_assets.core.storage_places import Bucket
from mlife_assets.recruiting.events import EVENT_TYPES

START = datetime(2026, 6, 1, tzinfo=UTC)
READINGS = 20
REPORT = "reports/ingest/as_of_date=2026-06-01/report.json"


def registered(version: str, at: datetime) -> pa.Table:
    row = {
        "event_id": f"registered-{version}", "occurred_at": at, "observed_at": at, "model_version": version,
        "as_of_date": date(2026, 6, 1), "training_start_date": date(2026, 5, 1),
        "training_end_date": date(2026, 5, 20), "training_data_hash": "0" * 64, "examples": 10, "positives": 1,
        "model_name": "m",
    }  # fmt: skip
    return pa.Table.from_pylist([row], schema=EVENT_TYPES["model_registered"].schema)


class Writer:
    """A deployment that goes on: each step stores a model, registers it, then says in a report how many there are."""

    def __init__(self, lake: ObstoreObjectStore) -> None:
        self.lake, self.log, self.steps, self.lock = lake, ParquetEventLog(lake), 0, RLock()

    def step(self) -> None:
        with self.lock:
            version = f"v{self.steps}"
            self.lake.put_if_absent(f"models/{version}/manifest.json", version.encode())
            self.lake.put_if_absent(f"fold_models/{version}/manifest.json", version.encode())
            self.lake.put_if_absent(f"rejected/{version}.bin", version.encode())
            at = START + timedelta(minutes=self.steps)
            self.log.append("model_registered", registered(version, at), writer="registry")
            self.steps += 1
            self.lake.replace(REPORT, str(self.steps).encode())
            self.lake.replace("outbox/ledger_position.json", str(self.steps).encode())


class Busy:
    """A lake to which somebody writes at each listing, before it and after it, and at the first readings."""

    def __init__(self, lake: ObstoreObjectStore, writer: Writer) -> None:
        self._lake, self._writer, self._readings = lake, writer, 0

    def __getattr__(self, name: str) -> Any:
        look = getattr(self._lake, name)

        def looked(*arguments: Any) -> Any:
            self._readings += name != "list"
            goes_on = name == "list" or self._readings < READINGS  # who reads on to the end would never get there
            if goes_on:
                self._writer.step()
            found = look(*arguments)
            if goes_on:
                self._writer.step()
            return found

        return looked


class Listing(ObstoreObjectStore):
    """A lake that lists keys which are gone."""

    def __init__(self, lake: ObstoreObjectStore, gone: list[str]) -> None:
        self.__dict__.update(vars(lake))
        self._lake, self._gone = lake, gone

    def list(self, prefix: str) -> list[str]:
        return sorted([*self._lake.list(prefix), *(key for key in self._gone if key.startswith(prefix))])


@pytest.fixture
def lake(tmp_path: Path) -> ObstoreObjectStore:
    return ObstoreObjectStore.local(tmp_path / "lake")


@pytest.fixture
def writer(lake: ObstoreObjectStore) -> Writer:
    """Return who wrote three steps, a card and a page."""
    made = Writer(lake)
    for _ in range(3):
        made.step()
    lake.replace("models/v0/card.html", b"a card")
    lake.replace("dashboard.html", b"a page")
    return made


@pytest.fixture
def copied(writer: Writer, tmp_path: Path) -> dict[str, str]:
    return copy_lake(writer.lake, writer.log.chain, tmp_path / "copy")


def contents(lake: ObstoreObjectStore) -> dict[str, bytes]:
    return {key: lake.get(key) for key in lake.list("")}


def test_a_copy_holds_every_object_and_is_its_owners_alone(lake, copied, tmp_path):
    assert contents(ObstoreObjectStore.local(tmp_path / "copy")) == contents(lake)
    assert set(copied) == set(lake.list(""))
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    assert modes == {0o600}


def test_a_copy_that_is_made_while_others_write_fits_together(lake, writer, tmp_path):
    busy: Any = Busy(lake, writer)
    copy_lake(busy, ParquetEventLog(busy).chain, tmp_path / "copy")
    copy = ObstoreObjectStore.local(tmp_path / "copy")
    assert verify(copy).findings == ()
    known = {row["model_version"] for row in ParquetEventLog(copy).remembered("model_registered")[0]}
    assert {key.split("/")[1] for key in copy.list("models")} == known
    assert {key.split("/")[1] for key in copy.list("fold_models")} >= known
    assert {key.split("/")[1] for key in copy.list("rejected")} >= {f"{version}.bin" for version in known}
    assert len(known) < writer.steps, "they wrote until the end"
    assert 3 < int(copy.get(REPORT)) <= len(known), "a report knows no more than the log"
    assert int(copy.get("outbox/ledger_position.json")) <= len(known)


def test_of_what_was_listed_only_an_old_table_that_is_pruned_may_be_missing(lake, writer, tmp_path):
    key = "tables/scores/as_of_date={}/part.parquet"
    lake.replace(key.format("2026-06-01"), b"newest")
    copied = copy_lake(Listing(lake, [key.format("2026-01-01")]), writer.log.chain, tmp_path / "copy")
    assert key.format("2026-06-01") in copied
    assert key.format("2026-01-01") not in copied
    for number, gone in enumerate(("dashboard/gone.html", key.format("2026-05-31"))):
        with pytest.raises(NotFoundError):
            copy_lake(Listing(lake, [gone]), writer.log.chain, tmp_path / str(number))


def test_what_no_manifest_lists_is_not_copied(lake, writer, tmp_path):
    planted = "events/event_type=click/dt=2026-06-01/hour=00/someone-000001-0123456789abcdef.parquet"
    lake.put_if_absent(planted, b"of nobody")
    assert planted not in copy_lake(lake, writer.log.chain, tmp_path / "copy")


@pytest.mark.parametrize("change", ["altered", "gone"])
def test_a_damaged_log_is_not_copied(lake, writer, tmp_path, change):
    (key, *_) = lake.list("events")
    path = tmp_path / "lake" / key
    path.write_bytes(b"altered") if change == "altered" else path.unlink()
    with pytest.raises(IntegrityError, match=r"mlife log verify.*--without-lake"):
        copy_lake(lake, writer.log.chain, tmp_path / "copy")


def test_a_log_of_release_010_is_copied_whole(unpacked_0_1_0: Path, tmp_path):
    lake = ObstoreObjectStore.local(unpacked_0_1_0 / "lake")
    assert set(copy_lake(lake, ParquetEventLog(lake).chain, tmp_path / "copy")) == set(lake.list(""))
    found = verify(ObstoreObjectStore.local(tmp_path / "copy"))
    assert (found.findings, found.heads) == ((), verify(lake).heads)
    assert found.files > 100


def filled(lake: ObstoreObjectStore, copied: dict[str, str], copy: Path) -> list[str]:
    missing = missing_in(lake, copied)
    fill_up(lake, ObstoreObjectStore.local(copy).get, copied, missing)
    return missing


def test_an_empty_lake_and_one_that_was_filled_in_part_are_filled_up(lake, copied, tmp_path):
    target = ObstoreObjectStore.local(tmp_path / "new")
    half = sorted(copied)[::2]
    fill_up(target, ObstoreObjectStore.local(tmp_path / "copy").get, copied, half)
    assert filled(target, copied, tmp_path / "copy") == sorted(copied.keys() - set(half))
    assert contents(target) == contents(lake)
    assert filled(target, copied, tmp_path / "copy") == []


def test_a_lake_in_a_bucket_is_copied_and_filled_up_alike(lake, writer, s3_place: Bucket, tmp_path):
    bucket = ObstoreObjectStore.in_bucket(s3_place)
    for key, data in contents(lake).items():
        bucket.put_if_absent(key, data)
    copied = copy_lake(bucket, ParquetEventLog(bucket).chain, tmp_path / "copy")
    assert set(copied) == set(lake.list(""))
    other = ObstoreObjectStore.in_bucket(Bucket(**{**vars(s3_place), "prefix": f"{s3_place.prefix}/restored"}))
    filled(other, copied, tmp_path / "copy")
    assert contents(other) == contents(lake)


def test_a_lake_that_went_on_keeps_what_it_has(lake, writer, copied, tmp_path):
    writer.step()
    lake.replace("models/v0/card.html", b"a later card")
    before = contents(lake)
    assert filled(lake, copied, tmp_path / "copy") == []
    assert contents(lake) == before


@pytest.mark.parametrize("folder", ["events", "manifests", "models", "fold_models", "rejected"])
def test_another_history_is_refused_by_its_first_key_and_nothing_is_changed(lake, copied, tmp_path, folder):
    target = ObstoreObjectStore.local(tmp_path / "new")
    first, second = [key for key in sorted(copied) if key.startswith(f"{folder}/") and not key.endswith("html")][:2]
    target.put_if_absent(second, b"another's")
    target.put_if_absent(first, b"another's")
    with pytest.raises(ContentConflictError, match=first) as caught:
        missing_in(target, copied)
    assert second not in str(caught.value)
    assert target.list("") == [first, second]


def test_what_does_not_read_back_is_an_error(copied, tmp_path):
    with pytest.raises(IntegrityError, match="read back"):
        fill_up(
            ObstoreObjectStore.local(tmp_path / "new"),
            ObstoreObjectStore.local(tmp_path / "copy").get,
            copied | {"dashboard.html": "0"},
            list(copied),
        )
