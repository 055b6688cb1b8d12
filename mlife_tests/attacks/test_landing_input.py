"""Hostile files in the landing folder, and an export of ten times the size.

Each goes through the wiring of a deployment, beside an honest file that has to be taken.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlife_assets.adapters.cage import DecodingCage
from mlife_assets.adapters.ingest_report import RejectedRows
from mlife_assets.adapters.landing import IngestReport
from mlife_assets.components.running.demo_summary import Demo
from mlife_assets.core.policies import LandingPolicy
from mlife_assets.deployments.board_ports import board_ports
from mlife_assets.market import source
from mlife_assets.market.source import user_snapshot
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.ids import prediction_id
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings

EVE, DAY = date(2026, 6, 1), date(2026, 6, 2)
OBSERVED = datetime(2026, 6, 1, 12, tzinfo=UTC)
CAGE = DecodingCage(LandingPolicy())
MAXIMUM_BYTES_OF_A_PROCESS = 2 * 2**30


def clicks(count: int, **columns: pa.Array) -> pa.Table:
    """Return clicks with ids of their own; `columns` take the place of others."""
    plain = {
        "event_id": pa.array([f"c{n}" for n in range(count)]),
        "occurred_at": pa.array([OBSERVED - timedelta(hours=1)] * count, pa.timestamp("us", "UTC")),
        "observed_at": pa.array([OBSERVED] * count, pa.timestamp("us", "UTC")),
        "user_id": pa.array(["u"] * count),
        "job_id": pa.array(["j"] * count),
        "source": pa.array(["organic"] * count),
        "exposure_id": pa.array(["x"] * count),
    }
    return pa.table({**plain, **columns})


def parquet(table: pa.Table, **options: object) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **options)
    return bytes(sink.getvalue())


def repeated(value: object, count: int, kind: pa.DataType) -> pa.Array:
    """Return a dictionary of one value: wide when expanded, nothing before."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([value], kind))


def dictionary_bomb() -> bytes:
    """6.5 kB that expand to 4 GB: one value of 20 kB, 200,000 times."""
    names = [name for name in EVENT_TYPES["click"].schema.names if name != "user_id"]
    small = {name: repeated("v", 200_000, pa.string()) for name in names}
    return parquet(pa.table({**small, "user_id": repeated("x" * 20_000, 200_000, pa.string())}))


def short_dictionary_bomb() -> bytes:
    """2.5 GB of values that are no longer than a column may hold, so only their sum is too much."""
    names = EVENT_TYPES["click"].schema.names
    return parquet(pa.table({name: repeated("é" * 199, 900_000, pa.string()) for name in names}), compression="zstd")


def rows_bomb() -> bytes:
    """20 million rows in next to nothing."""
    return parquet(pa.table({name: pa.nulls(20_000_000, pa.int8()) for name in EVENT_TYPES["click"].schema.names}))


def list_bomb() -> bytes:
    """One row whose list has 40 million elements."""
    elements = pa.nulls(40_000_000, pa.int8())
    lists = pa.ListArray.from_arrays(pa.array([0, len(elements)], pa.int32()), elements)
    return parquet(clicks(1, user_id=lists))


def page_bomb() -> bytes:
    """Text that is no dictionary: 300 MB of one letter in zstd pages of a few kB."""
    text = repeated("x" * 20_000, 15_000, pa.string()).dictionary_decode()
    return parquet(clicks(15_000, user_id=text), use_dictionary=False, compression="zstd")


def delta_bomb() -> bytes:
    """Text whose prefixes are told once: 300 MB in 50 kB, by an encoding that no dictionary holds."""
    text = repeated("x" * 20_000, 15_000, pa.string()).dictionary_decode()
    return parquet(clicks(15_000, user_id=text), use_dictionary=False, column_encoding={"user_id": "DELTA_BYTE_ARRAY"})


def column_that_is_no_text() -> bytes:
    data = parquet(clicks(3).append_column("Z" * 16, pa.array([1, 2, 3])), store_schema=False)
    return data.replace(b"Z" * 16, b"\xff" * 16)


def nested_values() -> bytes:
    value: object = 1
    kind: pa.DataType = pa.int64()
    for _ in range(60):
        value, kind = {"f": value}, pa.struct([("f", kind)])
    return parquet(clicks(1, user_id=pa.array([value], kind)))


class Deployment:
    """A home with an honest export and a hostile one."""

    def __init__(self, folder: Path) -> None:
        self.platform = board_ports(Settings(home=folder), policies=Policies())
        vars(self.platform.home.intake)["cage"] = CAGE

    def land(self, name: str, data: bytes, event_type: str = "click") -> None:
        folder = self.platform.settings.places.landing_folder / event_type / f"dt={EVE}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)

    def ingest(self) -> IngestReport:
        return self.platform.home.intake.ingest_at(DAY).ingest(EVE)


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path)


@pytest.mark.parametrize(
    ("make", "reason", "bytes_maximum"),
    [
        (dictionary_bomb, {"too_long": 200_000}, 8_000), (short_dictionary_bomb, {"too_large": 1}, 300_000),
        (rows_bomb, {"too_large": 1}, 700_000), (list_bomb, {"too_large": 1}, 100_000),
        (page_bomb, {"too_large": 1}, 200_000), (delta_bomb, {"too_long": 15_000}, 200_000),
        (column_that_is_no_text, {"unreadable_file": 1}, 10_000), (nested_values, {"unreadable_file": 1}, 50_000),
    ],
)  # fmt: skip
def test_a_hostile_file_is_refused_in_little_time_and_the_rest_is_taken(
    deployment: Deployment, make: Callable[[], bytes], reason: dict[str, int], bytes_maximum: int
) -> None:
    data = make()
    assert len(data) <= bytes_maximum, "the file is small; what it holds is not"
    deployment.land("hostile.parquet", data)
    deployment.land("honest.parquet", parquet(clicks(50)))
    deployment.land("other.parquet", parquet(clicks(20)), event_type="apply")
    start = time.process_time()
    report = deployment.ingest()
    assert report.rejected_by_reason == reason
    assert report.accepted == 70
    assert time.process_time() - start < 20
    stored = sum(len(deployment.platform.lake.get(key)) for key in deployment.platform.lake.list("rejected"))
    assert stored < 2_000_000, "refusing does not copy what was refused a thousand times over"
    assert deployment.ingest() == report


BOMB_IN_A_PROCESS = """
import resource, sys
from pathlib import Path
from datetime import date
from mlife_assets.recruiting.policies import Policies
from mlife_assets.deployments.board_ports import board_ports
from mlife_assets.settings import Settings

platform = board_ports(Settings(home=Path(sys.argv[1])), policies=Policies())
print(platform.home.intake.ingest_at(date(2026, 6, 2)).ingest(date(2026, 6, 1)).rejected_by_reason)
platform.home.intake.cage.close()
# Not ru_maxrss of our own: it counts the memory of whoever started us, too.
own = next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("VmHWM"))
print(max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
"""


def test_no_bomb_takes_two_gigabytes(deployment: Deployment, tmp_path: Path) -> None:
    for make in (dictionary_bomb, short_dictionary_bomb, delta_bomb):
        deployment.land(f"{make.__name__}.parquet", make())
    done = subprocess.run(
        [sys.executable, "-c", BOMB_IN_A_PROCESS, str(tmp_path)], capture_output=True, text=True, check=True
    )
    reasons, kilobytes = done.stdout.split("\n")[:2]
    assert reasons == "{'too_large': 1, 'too_long': 215000}"
    assert int(kilobytes) * 1024 < MAXIMUM_BYTES_OF_A_PROCESS / 2, "half for the worker, half for its parent"


def test_times_that_cannot_be_read_cost_no_more_than_others(deployment: Deployment) -> None:
    """Looked for by halving, 1 million took over 190 seconds."""
    count, hopeless = 100_000, ("noon", "2026-02-30T10:00:00Z", "2027-02-29 10:00Z", "2026-06-01T10:00:00")
    said = [hopeless[n % 4] + ("", f" {n}", f"{n}")[n % 3] for n in range(count)]
    times = pa.array(said)
    deployment.land("hostile.parquet", parquet(clicks(count, occurred_at=times, observed_at=times)))
    start = time.process_time()
    assert deployment.ingest().rejected_by_reason == {"wrong_type": count}
    assert time.process_time() - start < 4


IDS = (
    ("event_id", "", "null_value"), ("user_id", "", "null_value"), ("exposure_id", "", "null_value"),
    ("user_id", "u\x00", "control_character"), ("user_id", "u\x1fv", "control_character"),
    ("job_id", "j\nk", "control_character"), ("job_id", "j\x7f", "control_character"),
    ("job_id", "j\x85", "control_character"), ("job_id", "j\u2028", "control_character"),
    ("event_id", "e" * 201, "too_long"), ("event_id", "e" * 200_000, "too_long"),
    ("exposure_id", "é" * 201, "too_long"),
)  # fmt: skip


def test_an_id_is_short_and_plain(deployment: Deployment) -> None:
    hostile = clicks(len(IDS) + 1)
    columns = {name: hostile[name].to_pylist() for name in ("event_id", "user_id", "job_id", "exposure_id")}
    for row, (column, value, _) in enumerate(IDS):
        columns[column][row] = value
    deployment.land("hostile.parquet", parquet(clicks(len(IDS) + 1, **{n: pa.array(v) for n, v in columns.items()})))
    assert deployment.ingest().accepted == 1
    refused = RejectedRows(deployment.platform.lake).rows(EVE, "click").sort_by("row").to_pylist()
    assert [(one["field"], one["reason"]) for one in refused] == [(column, reason) for column, _, reason in IDS]


def test_an_id_of_the_longest_length_is_taken(deployment: Deployment) -> None:
    ids = pa.array(["é" * 200, "e" * 200, "日本" * 100])
    deployment.land("honest.parquet", parquet(clicks(3, event_id=ids)))
    assert deployment.ingest().accepted == 3


def test_a_title_of_any_length_never_reaches_a_text(deployment: Deployment) -> None:
    """100,000 characters hung the day in the shortening of titles."""
    schema = EVENT_TYPES["job_posted"].schema
    row = {
        "event_id": "e", "occurred_at": OBSERVED, "observed_at": OBSERVED, "job_id": "j", "employer_id": "m",
        "employer_name": "Café Ünal", "title": "Nurse", "occupation_code": "29-1141", "occupation_group": "29",
        "seniority": 1, "shift": "day", "metro_code": "16980", "latitude": 41.9, "longitude": -87.6,
        "pay_usd_per_hour": 30.0, "openings": 2, "expires_at": OBSERVED + timedelta(days=9), "bid_usd_per_apply": 4.0,
        "text_embedding": [0.1] * 8,
    }  # fmt: skip
    titles = ["Nurse", "N" * 100_000, "Registered nurse, nights\nand weekends", "N" * 200]
    rows = [{**row, "event_id": f"e{n}", "title": title} for n, title in enumerate(titles)]
    deployment.land("jobs.parquet", parquet(pa.Table.from_pylist(rows, schema=schema)), event_type="job_posted")
    report = deployment.ingest()
    assert (report.accepted, report.rejected_by_reason) == (2, {"control_character": 1, "too_long": 1})
    assert max(map(len, deployment.platform.event_log.read("job_posted")["title"].to_pylist())) == 200


def test_ids_with_the_separator_do_not_run_together() -> None:
    of_day = (date(2026, 6, 2), "m", "f")
    assert prediction_id("a\x1fb", "c", *of_day) != prediction_id("a", "b\x1fc", *of_day)


def of_others(table: pa.Table, copy: int) -> pa.Table:
    for name in ("event_id", "user_id"):
        others = pa.array([f"{one}_{copy}" for one in table[name].to_pylist()])
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(place), others)
    return table


@pytest.mark.proof
def test_ten_times_as_many_people_block_the_day(lived, lived_world, tmp_path, monkeypatch):
    def tenfold(*of_a_day: Any) -> pa.Table:
        table = user_snapshot(*of_a_day)
        return pa.concat_tables([table, *(of_others(table, copy) for copy in range(9))])

    monkeypatch.setattr(source, "user_snapshot", tenfold)
    home, number = lived.home.copy_to(tmp_path / "home"), lived_world.DAYS + 1
    with home.instance() as instance:
        result = Demo(home.definitions, instance, home.platform).run_day(number, home.day(number))
    eve = home.day(number - 1)
    assert home.platform.event_log.read("user_snapshot", start=eve, end=eve).num_rows == 14_950, "all are on record"
    assert (result.verdict, result.planned, result.submitted) == ("block", 0, 0)
    assert "21,361 on a usual reference day: too many." in result.reasons[0]
    assert not home.platform.ledger.sends.rows(as_of_date=home.day(number))
    home.platform.ledger.close()
