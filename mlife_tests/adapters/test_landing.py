"""Landing: bad input is refused with reason and row, and the day goes on; a check of files says the same before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlife_assets.adapters.cage import DecodingCage
from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.adapters.event_log import ParquetEventLog, verify
from mlife_assets.adapters.ingest_report import STORED_REJECTED_SCHEMA, RejectedFolder, Replayed
from mlife_assets.adapters.landing import Ingest
from mlife_assets.adapters.landing_areas import LandingFolder
from mlife_assets.adapters.landing_check import CheckedFile, GivenFile, check_files
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.parquet_bytes import encode_table
from mlife_assets.core.errors import IntegrityError, InvalidInputError
from mlife_assets.core.policies import LandingPolicy
from mlife_assets.core.ports import ObjectStore
from mlife_assets.core.validation import FileFault, Reason
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_tests.stores import CrashError, CrashingStore

DAY = date(2026, 6, 1)
OBSERVED = datetime(2026, 6, 1, 23, 30, tzinfo=UTC)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
CAGE = DecodingCage(LandingPolicy())
"""One worker for all tests, as for all files of a process."""
FIRST, NEXT = date(2026, 6, 1), date(2026, 6, 2)
POLICY = LandingPolicy()


def _clicks(*names: str, day: date = DAY, **changes: Any) -> pa.Table:
    observed = datetime(day.year, day.month, day.day, 23, 30, tzinfo=UTC)
    row = {
        "occurred_at": observed - timedelta(hours=3), "observed_at": observed, "user_id": "u1", "job_id": "j1",
        "source": "organic", "exposure_id": "x1", **changes,
    }  # fmt: skip
    return pa.Table.from_pylist([{"event_id": n, **row} for n in names], schema=EVENT_TYPES["click"].schema)


def _jobs(*pays: float) -> pa.Table:
    rows = [
        {
            "event_id": f"job-{i}", "occurred_at": OBSERVED, "observed_at": OBSERVED, "job_id": f"j{i}",
            "employer_id": "m", "employer_name": "M", "title": "Nurse", "occupation_code": "29-1141",
            "occupation_group": "29", "seniority": 1, "shift": "day", "metro_code": "16980", "latitude": 41.9,
            "longitude": -87.6, "pay_usd_per_hour": pay, "openings": 2, "expires_at": OBSERVED + timedelta(days=30),
            "bid_usd_per_apply": 4.0, "text_embedding": [0.1] * 8,
        }
        for i, pay in enumerate(pays)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=EVENT_TYPES["job_posted"].schema)


@dataclass
class World:
    """A landing folder, a lake and a clock."""

    landing: ObstoreObjectStore
    lake: ObjectStore
    clock: SimulatedClock
    not_before: datetime | None = None

    def land(self, event_type: str, data: pa.Table | bytes, name: str = "part.parquet", day: date = DAY) -> None:
        content = data if isinstance(data, bytes) else encode_table(data)
        self.landing.replace(f"{event_type}/dt={day}/{name}", content)

    @property
    def ingest(self) -> Ingest:
        """A fresh process."""
        return Ingest(LandingFolder(self.landing.root), self.lake, self.clock, cage=CAGE, not_before=self.not_before)

    @property
    def log(self) -> ParquetEventLog:
        return ParquetEventLog(self.lake)

    def replay(self, event_type: str, *, applies: bool = True) -> Replayed:
        return self.ingest.replay(RejectedFolder(DAY, event_type), applies=applies)

    def snapshot(self) -> dict[str, bytes]:
        return {key: self.lake.get(key) for key in self.lake.list("")}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(
        ObstoreObjectStore.local(tmp_path / "landing"), ObstoreObjectStore.local(tmp_path / "lake"), SimulatedClock(NOW)
    )


def _truncated() -> bytes:
    return encode_table(_clicks(*map(str, range(50))))[:-40]


def _headless() -> bytes:
    data = bytearray(encode_table(_clicks(*map(str, range(50)))))
    data[20:60] = bytes(40)
    return bytes(data)


def _bad_text() -> bytes:
    table = _clicks("a", "b", "c")
    broken = pa.Array.from_buffers(pa.string(), 3, pa.array([b"u1", b"\xff\xfe", b"u3"], pa.binary()).buffers())
    return encode_table(table.set_column(3, "user_id", broken))


def _bad_type() -> pa.Table:
    return _clicks("a", "b", "c").set_column(1, "occurred_at", pa.array(["2026-06-01T10:00:00Z", "noon", None]))


def _mixed_enum() -> pa.Table:
    return _clicks("a", "b", "c").set_column(5, "source", pa.array(["organic", "carrier pigeon", "message"]))


def _twice_named() -> bytes:
    table = _clicks("a")
    sink = pa.BufferOutputStream()
    pq.write_table(table.append_column("job_id", table.column("job_id")), sink)
    return bytes(sink.getvalue())


@pytest.mark.parametrize(
    ("make", "event_type", "rejected", "accepted"),
    [
        (_truncated, "click", [(-1, "unreadable_file")], 0),
        (_headless, "click", [(-1, "unreadable_file")], 0),
        (lambda: b"not parquet at all", "click", [(-1, "unreadable_file")], 0),
        (_twice_named, "click", [(-1, "unreadable_file")], 0),
        (lambda: b"", "click", [(-1, "empty_file")], 0),
        (lambda: pa.table({}), "click", [(-1, "empty_file")], 0),
        (
            lambda: _clicks("a", "b").drop_columns(["job_id"]),
            "click",
            [(0, "missing_column"), (1, "missing_column")],
            0,
        ),
        (_bad_type, "click", [(1, "wrong_type"), (2, "null_value")], 1),
        (lambda: _clicks("a", "b", "a"), "click", [(2, "duplicate_event_id")], 2),
        (lambda: _jobs(30.0, -4.0, 31.0), "job_posted", [(1, "out_of_range")], 2),
        (_mixed_enum, "click", [(1, "unknown_enum")], 2),
        (lambda: _clicks("a", observed_at=NOW + timedelta(hours=1)), "click", [(0, "from_future")], 0),
        (_bad_text, "click", [(1, "invalid_utf8")], 2),
        (lambda: _clicks("a"), "clicks-v2", [(-1, "unknown_event_type")], 0),
        (lambda: _clicks("a"), "prediction", [(-1, "unknown_event_type")], 0),
    ],
)
def test_bad_input_is_refused_with_reason_and_row_and_the_day_goes_on(
    world: World, make: Callable[[], pa.Table | bytes], event_type: str, rejected: list[tuple[int, str]], accepted: int
) -> None:
    world.land(event_type, make())
    world.land("apply", _clicks("other"))
    report = world.ingest.ingest(DAY)
    by_type = {item.event_type: item for item in report.types}
    assert by_type[event_type].accepted == accepted
    assert [(e.row, e.reason) for e in by_type[event_type].examples] == rejected
    assert report.rejected == sum(report.rejected_by_reason.values()) == len(rejected)
    assert report.accepted == accepted + 1
    assert world.log.read("apply").num_rows == 1
    stored = world.ingest.rejected.rows(DAY, event_type)
    assert stored.schema == STORED_REJECTED_SCHEMA
    assert list(zip(stored["row"].to_pylist(), stored["reason"].to_pylist(), strict=True)) == rejected
    assert set(stored["source"].to_pylist()) == {f"{event_type}/dt={DAY}/part.parquet"}
    assert verify(world.lake).is_intact
    before = world.snapshot()
    assert world.ingest.ingest(DAY) == report
    assert world.snapshot() == before


def test_a_refused_file_is_kept_as_it_was(world: World) -> None:
    world.land("click", _truncated())
    world.land("strange-type", b"?")
    world.ingest.ingest(DAY)
    kept = {key: world.lake.get(key) for key in world.lake.list("rejected") if key.endswith(".bin")}
    assert sorted(kept.values()) == sorted([_truncated(), b"?"])


def test_a_day_without_events_is_not_an_error(world: World) -> None:
    world.land("click", _clicks())
    world.land("click", _clicks("a"), day=DAY + timedelta(days=1))
    world.land("click", b"", name="_SUCCESS")
    report = world.ingest.ingest(DAY)
    assert (report.files, report.accepted, report.rejected) == (1, 0, 0)
    assert world.lake.list("") == []
    assert world.ingest.ingest(DAY - timedelta(days=1)).types == ()


def test_events_of_earlier_days_and_files_are_duplicates(world: World) -> None:
    before = DAY - timedelta(days=1)
    world.land("click", _clicks("a", "b", day=before), day=before)
    world.land("click", _clicks("b", "c"), name="1.parquet")
    world.land("click", _clicks("c", "d", "a"), name="2.parquet")
    ingest = world.ingest
    ingest.ingest(before)
    report = ingest.ingest(DAY)
    assert report.rejected_by_reason == {"duplicate_event_id": 3}
    assert world.log.read("click").column("event_id").to_pylist() == ["a", "b", "c", "d"]
    assert world.ingest.ingest(DAY) == ingest.ingest(DAY) == report
    assert world.ingest.ingest(before).rejected == 0


def test_a_file_that_comes_twice_under_two_names_counts_once_as_the_log_has_it_once(world: World) -> None:
    """Counted as accepted twice, the report would name rows that the log does not have: its verification said so."""
    world.land("click", _clicks("a", "b"), name="2.parquet")
    world.ingest.ingest(DAY)
    world.land("click", _clicks("a", "b"), name="1.parquet")
    report = world.ingest.ingest(DAY)
    assert (report.accepted, report.rejected_by_reason) == (2, {"duplicate_event_id": 2})
    assert world.log.read("click").column("event_id").to_pylist() == ["a", "b"]
    assert world.ingest.ingest(DAY) == report


def test_a_late_file_adds_its_rows_and_changes_nothing_else(world: World) -> None:
    world.land("click", _clicks("b", "c"), name="2.parquet")
    world.ingest.ingest(DAY)
    first = world.snapshot()
    world.land("click", _clicks("a", "b"), name="1.parquet")
    report = world.ingest.ingest(DAY)
    assert (report.accepted, report.rejected_by_reason) == (3, {"duplicate_event_id": 1})
    assert first.items() <= world.snapshot().items()
    assert sum(file.key.startswith("events") for file in world.log.files("click")) == 2
    second = world.snapshot()
    assert world.ingest.ingest(DAY) == report
    assert world.snapshot() == second


def test_ingesting_days_backwards_and_again_appends_no_row_twice(world: World) -> None:
    before = DAY - timedelta(days=1)
    world.land("click", _clicks("a", "b"))
    world.land("click", _clicks("b", "c", day=before), day=before)
    reports = [world.ingest.ingest(day) for day in (DAY, before, DAY, before)]
    assert reports[:2] == reports[2:]
    counts = [world.log.read_file(file).num_rows for file in world.log.files("click")]
    assert counts == [2, 2]


def test_a_row_that_was_in_the_future_is_taken_later_and_only_once(world: World) -> None:
    early = World(world.landing, world.lake, SimulatedClock(OBSERVED))
    later = OBSERVED + timedelta(minutes=10)
    world.land("click", pa.concat_tables([_clicks("a"), _clicks("b", observed_at=later)]))
    assert early.ingest.ingest(DAY).rejected_by_reason == {"from_future": 1}
    report = world.ingest.ingest(DAY)
    assert (report.accepted, report.rejected) == (2, 0)
    assert [world.log.read_file(file).num_rows for file in world.log.files("click")] == [1, 1]
    assert world.replay("click").report.rejected == {"duplicate_event_id": 1}


def test_replay_takes_rows_once_the_fault_is_fixed(world: World) -> None:
    early = World(world.landing, world.lake, SimulatedClock(OBSERVED - timedelta(hours=1)))
    world.land("click", _clicks("a", "b"))
    world.land("job_posted", _jobs(-1.0))
    assert early.ingest.ingest(DAY).accepted == 0
    before = world.snapshot()
    rehearsed = world.replay("click", applies=False)
    assert world.snapshot() == before
    assert world.replay("click") == rehearsed
    assert (rehearsed.report.accepted, rehearsed.report.rejected, rehearsed.appended) == (2, {}, 2)
    assert world.log.read("click").equals(_clicks("a", "b"))
    before = world.snapshot()
    assert world.replay("click") == replace(rehearsed, appended=0)
    assert world.snapshot() == before
    still = world.replay("job_posted")
    assert (still.report.accepted, still.report.rejected) == (0, {"out_of_range": 1})
    assert verify(world.lake).is_intact


@pytest.mark.parametrize("make", [_truncated, _bad_text, lambda: encode_table(_clicks("a", "b", "a")[0:3])])
def test_replay_of_what_is_still_bad_takes_nothing(world: World, make: Callable[[], bytes]) -> None:
    world.land("click", make())
    report = world.ingest.ingest(DAY)
    before = world.log.read("click").num_rows
    replayed = world.replay("click")
    assert sum(replayed.report.rejected.values()) >= report.rejected
    assert replayed.report.accepted == replayed.appended == 0
    assert world.log.read("click").num_rows == before


def test_replay_leaves_what_a_later_day_delivered_again(world: World) -> None:
    early = World(world.landing, world.lake, SimulatedClock(OBSERVED - timedelta(hours=1)))
    later = DAY + timedelta(days=3)
    world.land("click", _clicks("a", "b"))
    early.ingest.ingest(DAY)
    at_last = World(world.landing, world.lake, SimulatedClock(NOW + timedelta(days=3)))
    at_last.land("click", _clicks("a", day=later), day=later)
    assert at_last.ingest.ingest(later).accepted == 1
    replayed = at_last.replay("click")
    assert (replayed.appended, replayed.report.rejected) == (1, {"duplicate_event_id": 1})
    assert sorted(world.log.read("click")["event_id"].to_pylist()) == ["a", "b"]


def _refused_twice(world: World) -> World:
    """Let two rows be refused as of the future, under two names; return the world five days later."""
    early = World(world.landing, world.lake, SimulatedClock(OBSERVED - timedelta(hours=1)))
    for name in ("part.parquet", "again.parquet"):
        early.land("click", _clicks("a", "b"), name)
    early.ingest.ingest(DAY)
    known = datetime(2026, 6, 6, 18, tzinfo=UTC)
    return World(world.landing, world.lake, SimulatedClock(known), not_before=known)


def test_what_was_refused_on_two_days_is_counted_once(world: World) -> None:
    late, later = _refused_twice(world), DAY + timedelta(days=1)
    early = World(world.landing, world.lake, SimulatedClock(OBSERVED - timedelta(hours=1)))
    early.land("click", _clicks("a", "b"), day=later)
    early.ingest.ingest(later)
    for applies in (False, True):
        ingest = late.ingest
        replayed = [ingest.replay(RejectedFolder(day, "click"), applies=applies) for day in (DAY, later)]
        assert [one.appended for one in replayed] == [2, 0]


def test_a_day_that_is_ingested_again_finds_what_a_replay_took(world: World) -> None:
    late = _refused_twice(world)
    assert late.replay("click").appended == 2
    late.land("click", _clicks("c"), "late.parquet")
    report = late.ingest.ingest(DAY)
    assert (report.accepted, report.rejected_by_reason) == (1, {"duplicate_event_id": 4})
    assert sum(late.log.read_file(file).num_rows for file in late.log.files("click")) == 3


def test_a_replay_that_was_killed_is_gone_on_with_on_another_day(world: World) -> None:
    """Its file is there and not listed; the next one knows its rows since later, and still finds them."""
    late = _refused_twice(world)
    dying = World(world.landing, CrashingStore(world.lake, 2), late.clock, not_before=late.not_before)
    with pytest.raises(CrashError):
        dying.replay("click")
    assert not verify(world.lake).is_intact
    known = datetime(2026, 6, 7, 18, tzinfo=UTC)
    later = World(world.landing, world.lake, SimulatedClock(known), not_before=known)
    assert later.replay("click").report.accepted == 2
    assert verify(world.lake).is_intact
    assert sum(later.log.read_file(file).num_rows for file in later.log.files("click")) == 2


def test_a_replay_takes_nothing_a_second_time_from_under_a_damaged_file(world: World) -> None:
    world.land("click", _clicks("a"), "a.parquet")
    world.land("click", _clicks("a", "b"), "b.parquet")
    world.ingest.ingest(DAY)
    (key, *_) = [
        file.key for file in world.log.files("click") if world.log.read_file(file)["event_id"][0].as_py() == "a"
    ]
    world.lake.replace(key, b"damaged")
    with pytest.raises(IntegrityError, match="does not match the hash in its name"):
        world.replay("click")


def test_a_file_that_was_never_read_is_still_refused(world: World) -> None:
    policy = LandingPolicy(maximum_file_bytes=2_000)
    small = Ingest(LandingFolder(world.landing.root), world.lake, world.clock, cage=CAGE, policy=policy)
    world.land("click", _clicks(*map(str, range(500))), "big.parquet")
    world.land("click", _truncated()[:900], "cut.parquet")
    assert small.ingest(DAY).rejected_by_reason == {"too_large": 1, "unreadable_file": 1}
    report = world.replay("click").report
    assert (report.accepted, report.rejected) == (0, {"too_large": 1, "unreadable_file": 1})
    assert {one.source for one in report.examples} >= {f"click/dt={DAY}/big.parquet"}


def test_a_file_that_could_not_be_read_is_read_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.land("click", _clicks("a", "b"))
    ingest = world.ingest
    unreadable = FileFault(Reason.UNREADABLE_FILE, "no such encoding")
    with monkeypatch.context() as old:
        old.setattr(ingest, "_cage", SimpleNamespace(decode=lambda *_: unreadable, cpu_seconds=0.0))
        assert ingest.ingest(DAY).rejected_by_reason == {"unreadable_file": 1}
    replayed = world.replay("click")
    assert (replayed.appended, replayed.report.rejected) == (2, {})


def test_replay_keeps_the_row_numbers_of_the_file(world: World) -> None:
    world.land("job_posted", _jobs(30.0, 31.0, -1.0))
    world.ingest.ingest(DAY)
    assert [(e.source, e.row) for e in world.replay("job_posted").report.examples] == [
        (f"job_posted/dt={DAY}/part.parquet", 2)
    ]


def test_a_crash_at_any_write_is_healed_by_the_next_ingest(tmp_path: Path) -> None:
    clock = SimulatedClock(NOW)
    landing = LandingFolder(tmp_path / "landing")
    source = World(ObstoreObjectStore.local(tmp_path / "landing"), ObstoreObjectStore.local(tmp_path / "whole"), clock)
    source.land(
        "click", pa.concat_tables([_clicks("a", "b", "a"), _clicks("c", observed_at=OBSERVED - timedelta(hours=2))])
    )
    source.land("apply", b"PAR1")
    expected = source.ingest.ingest(DAY)
    writes = len(source.snapshot())
    assert writes == 6
    for dies_at in range(1, writes + 1):
        lake = ObstoreObjectStore.local(tmp_path / f"lake-{dies_at}")
        with pytest.raises(CrashError):
            Ingest(landing, CrashingStore(lake, dies_at), clock, cage=CAGE).ingest(DAY)
        assert Ingest(landing, lake, clock, cage=CAGE).ingest(DAY) == expected
        assert verify(lake).is_intact
        for folder in ("events", "rejected"):
            assert {key: lake.get(key) for key in lake.list(folder)} == {
                key: source.lake.get(key) for key in source.lake.list(folder)
            }


def test_every_reason_has_an_example(world: World) -> None:
    world.land("click", pa.concat_tables([_clicks(*map(str, range(20)), source="?"), _clicks("0", "x", "x")]))
    examples = world.ingest.ingest(DAY).types[0].examples
    assert [(e.row, e.reason) for e in examples][2:] == [(2, "unknown_enum"), (22, "duplicate_event_id")]


def test_examples_are_few_and_extra_columns_are_named_but_not_kept(world: World) -> None:
    table = _clicks(*map(str, range(20)), source="carrier pigeon")
    world.land("click", table.append_column("phone_number", pa.array(["+13125550100"] * 20)))
    report = world.ingest.ingest(DAY).types[0]
    assert report.extra_columns == ("phone_number",)
    assert report.rejected == {"unknown_enum": 20}
    assert [example.row for example in report.examples] == [0, 1, 2]
    assert "5550100" not in str(report)
    assert "5550100" not in str(world.ingest.rejected.rows(DAY, "click").to_pylist())


def test_rows_of_a_late_file_are_known_only_since_it_came(tmp_path: Path) -> None:
    """What was built before the file came must stay what it was, so its rows cannot claim to have been there."""
    landing, lake = ObstoreObjectStore.local(tmp_path / "landing"), ObstoreObjectStore.local(tmp_path / "lake")
    came = datetime(2026, 6, 9, 18, tzinfo=UTC)
    landing.put_if_absent(f"click/dt={DAY}/late.parquet", encode_table(_clicks("late")))
    late = Ingest(LandingFolder(tmp_path / "landing"), lake, SimulatedClock(came), cage=CAGE, not_before=came)
    assert late.ingest(DAY).accepted == 1
    rows = ParquetEventLog(lake).read("click").to_pylist()
    assert [row["observed_at"] for row in rows] == [came]
    assert rows[0]["occurred_at"] == OBSERVED - timedelta(hours=3)
    assert late.ingest(DAY).accepted == 1
    assert ParquetEventLog(lake).read("click").num_rows == 1


def clicks(path: Path, *ids: str, day: date = FIRST, **changes: Any) -> GivenFile:
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    path.write_bytes(encode_table(_clicks(*ids, **{"occurred_at": noon, "observed_at": noon, **changes})))
    return GivenFile(path, "click", day, is_laid=False)


def checked(*files: GivenFile, policy: LandingPolicy = POLICY, shown: int = 10) -> list[CheckedFile]:
    return check_files(files, policy=policy, cage=CAGE, shown=shown)


def test_an_event_of_another_file_is_a_duplicate_whatever_order_files_are_named_in(tmp_path: Path) -> None:
    files = clicks(tmp_path / "a", "1", "2"), clicks(tmp_path / "b", "2", "3")
    later = clicks(tmp_path / "c", "3", day=NEXT, user_id="other")
    first = checked(*files, later)
    assert [(one.accepted, one.by_reason) for one in first] == [
        (2, {}),
        (1, {"duplicate_event_id": 1}),
        (0, {"duplicate_event_id": 1}),
    ]
    assert [entry.row for one in first for entry in one.rejections] == [0, 0]
    assert checked(later, *reversed(files)) == first


def test_the_present_is_the_end_of_the_day(tmp_path: Path) -> None:
    end = datetime(2026, 6, 2, tzinfo=UTC)
    just, beyond = (
        clicks(tmp_path / "a", "1", observed_at=end),
        clicks(tmp_path / "b", "2", observed_at=end + timedelta.resolution),
    )
    assert [one.by_reason for one in checked(just, beyond)] == [{}, {"from_future": 1}]
    assert [one.by_reason for one in checked(beyond.__class__(beyond.path, "click", NEXT, is_laid=False))] == [{}]


def test_limits_are_those_of_the_policy(tmp_path: Path) -> None:
    files = [clicks(tmp_path / name, name) for name in "abc"]
    found = checked(*files, policy=replace(POLICY, maximum_files=2))
    assert [one.refusal_reason for one in found] == [None, None, "too_many_files"]
    small = replace(POLICY, maximum_file_bytes=1_024)
    assert [(one.refusal_reason, one.is_size_taken) for one in checked(files[0], policy=small)] == [
        ("too_large", False)
    ]


@pytest.mark.parametrize("day", [date.min, date(1969, 12, 31), date.max])
def test_a_day_that_no_export_can_have_is_refused(tmp_path: Path, day: date) -> None:
    file = clicks(tmp_path / "a", "1", day=day)
    with pytest.raises(InvalidInputError, match="is no day of an export; name one of the years 1970 to 9998"):
        checked(file)
