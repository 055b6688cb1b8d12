"""Landing takes so many files, bytes and CPU seconds of a type and day; what it does not read is one object.

The attack of the list (thousands of files of one row, again at each rerun) and ways that it does not name: thousands of
links and of names that are no names, few files of many bytes, files that are slow to decode.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mlife_assets.adapters.cage import DecodingCage
from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.adapters.landing import Ingest
from mlife_assets.adapters.landing_folder import LandingFolder
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.parquet_bytes import encode_table
from mlife_assets.adapters.rejected_rows import RejectedRows, folder_of
from mlife_assets.core.policies import LandingPolicy
from mlife_assets.core.validation import Reason, rejected_file
from mlife_assets.recruiting.events import EVENT_TYPES

DAY = date(2026, 6, 1)
OBSERVED = datetime(2026, 6, 1, 12, tzinfo=UTC)
CAGE = DecodingCage(LandingPolicy())
FILES = 3_000


def click(event_id: str) -> bytes:
    row = {
        "event_id": event_id,
        "occurred_at": OBSERVED - timedelta(hours=1),
        "observed_at": OBSERVED,
        "user_id": "u",
        "job_id": "j",
        "source": "organic",
        "exposure_id": "x",
    }
    return encode_table(pa.Table.from_pylist([row], schema=EVENT_TYPES["click"].schema))


class Home:
    """A landing folder and a lake."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "landing" / "click" / f"dt={DAY}"
        self.folder.mkdir(parents=True)
        self.landing = LandingFolder(folder / "landing")
        self.lake = ObstoreObjectStore.local(folder / "lake", survives_power_cut=False)

    def ingest(self, cage: Any = CAGE, **limits: int) -> Any:
        clock = SimulatedClock(OBSERVED + timedelta(hours=12))
        return Ingest(self.landing, self.lake, clock, cage=cage, policy=LandingPolicy(**limits)).ingest(DAY)

    def objects(self) -> dict[str, list[str]]:
        return {name: self.lake.list(name) for name in ("events", "rejected")}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_thousands_of_files_become_one_rejection_and_again_on_the_next_run(home: Home) -> None:
    for number in range(FILES):
        (home.folder / f"{number:05d}.parquet").write_bytes(click(str(number)) if number < 20 else b"never read")
    began = time.process_time()
    report = home.ingest(maximum_files=20)
    assert time.process_time() - began < 8
    assert (report.accepted, report.rejected_by_reason) == (20, {"too_many_files": FILES - 20})
    assert report.files == FILES
    objects = home.objects()
    assert (len(objects["events"]), len(objects["rejected"])) == (20, 1)
    assert home.ingest(maximum_files=20) == report
    assert home.objects() == objects
    rows = RejectedRows(home.lake).rows(DAY, "click")
    assert rows["source"].to_pylist() == [f"click/dt={DAY}/{number:05d}.parquet" for number in range(20, FILES)]


def link(place: Path) -> None:
    place.symlink_to("/etc/passwd")


def pipe(place: Path) -> None:
    os.mkfifo(place)


def unsafe(place: Path) -> None:
    place.with_name(f"{place.name}\n.parquet").write_bytes(b"x")


@pytest.mark.parametrize("plant", [link, pipe, unsafe])
def test_what_is_no_file_of_ours_is_one_rejection_however_much_there_is(home: Home, plant: Any) -> None:
    (home.folder / "honest.parquet").write_bytes(click("honest"))
    for number in range(500):
        plant(home.folder / f"{number:05d}")
    report = home.ingest()
    assert (report.accepted, report.rejected, report.files) == (1, 500, 501)
    assert len(home.objects()["rejected"]) == 1
    assert len(report.types[0].examples) == 3


def test_bytes_beyond_the_budget_are_not_read(home: Home) -> None:
    for name in "abc":
        (home.folder / f"{name}.parquet").write_bytes(click(name))
    size = (home.folder / "a.parquet").stat().st_size
    report = home.ingest(maximum_bytes=2 * size)
    assert (report.accepted, report.rejected_by_reason) == (2, {"too_many_files": 1})
    assert f"{2 * size:,} bytes of a type and day are taken" in report.types[0].examples[0].detail
    assert home.ingest().accepted == 3, "a larger budget takes it"


class Slow:
    """A cage whose worker needs most of a second for a file."""

    cpu_seconds = 0.0

    def decode(self, data: bytes, columns: Sequence[Any]) -> Any:
        self.cpu_seconds += 0.6
        return CAGE.decode(data, columns)


def test_files_beyond_the_budget_of_cpu_are_not_read(home: Home) -> None:
    for number in range(40):
        (home.folder / f"{number:02d}.parquet").write_bytes(click(str(number)))
    cage = Slow()
    report = home.ingest(cage, maximum_cpu_seconds=2)
    assert 1 <= report.accepted <= 4
    assert cage.cpu_seconds <= 3
    assert report.accepted + report.rejected == 40
    assert "what 2 CPU seconds read of a type and day are taken" in report.types[0].examples[0].detail


def test_the_cage_says_what_decoding_cost_also_of_a_file_that_broke_it() -> None:
    cage, columns = DecodingCage(LandingPolicy(decoding_cpu_seconds=7)), EVENT_TYPES["click"].columns_of_all_versions
    try:
        cage.decode(click("a"), columns)
        before = cage.cpu_seconds
        assert 0 < before < 5
        cage._policy = LandingPolicy(decoding_cpu_seconds=7, decoding_seconds=1)
        os.kill(cage._worker._process.pid, signal.SIGSTOP)  # it answers no more, and another takes its place
        cage.decode(click("a"), columns)
        assert cage.cpu_seconds - before > 7
    finally:
        cage.close()


def test_what_an_earlier_release_stored_file_by_file_is_not_said_twice(home: Home) -> None:
    """It kept an object for each; a day that is ingested again stores them together beside those."""
    for number in range(4):
        link(home.folder / f"{number}.parquet")
    report = home.ingest()
    rejected = RejectedRows(home.lake)
    together = rejected.rows(DAY, "click")
    assert together.num_rows == 4
    for source, detail in zip(together["source"].to_pylist(), together["detail"].to_pylist(), strict=True):
        rejected.store(DAY, "click", [(source, rejected_file(Reason.NOT_A_FILE, detail))])
    assert len(home.objects()["rejected"]) == 5
    assert rejected.rows(DAY, "click").num_rows == 4
    ingest = Ingest(home.landing, home.lake, SimulatedClock(OBSERVED + timedelta(hours=12)), cage=CAGE)
    again = ingest.replay(folder_of(DAY, "click"), applies=False)
    assert again.report.rejected == report.types[0].rejected == {"not_a_file": 4}
