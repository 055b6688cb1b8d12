"""What late rows changed: files land, the asset takes them in, and the report says which labels moved."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from mlife_assets.adapters.cage import DecodingCage
from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.parquet_bytes import encode_table
from mlife_assets.components.events import landing
from mlife_assets.components.graph import keys
from mlife_assets.components.platform.model_platform import INGEST_REPORT
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.policies import LandingPolicy
from mlife_assets.core.windows import FIRST_EVENT_DAY, add_days, day_start, run_time
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.landed_examples import example_rows
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings

CAGE = DecodingCage(LandingPolicy())
PAIR = {"user_id": "u1", "job_id": "j1"}
SHOWN = {"surface": "feed", "position": 1, **PAIR}


def day(number: int) -> date:
    """Return a day of events, the first being 0."""
    return add_days(FIRST_EVENT_DAY, number)


def at(number: int, hour: float = 12) -> datetime:
    return day_start(day(number)) + timedelta(hours=hour)


def row(event_id: str, occurred_at: datetime, **values: Any) -> dict[str, Any]:
    """Return an event that is observed when its day ends."""
    observed = day_start(add_days(occurred_at.date(), 1)) - timedelta(minutes=30)
    return {"event_id": event_id, "occurred_at": occurred_at, "observed_at": observed, **values}


def shown(event_id: str, occurred_at: datetime) -> dict[str, Any]:
    return row(event_id, occurred_at, **SHOWN)


def outcome(event_id: str, exposure_id: str, occurred_at: datetime, **values: Any) -> dict[str, Any]:
    return row(event_id, occurred_at, source="organic", exposure_id=exposure_id, **PAIR, **values)


class World:
    """A home without a market, in which the assets of events run."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        self.platform = Platform(settings=Settings(home=home), policies=Policies())
        vars(self.platform).update(cage=CAGE, event_source=None)
        self.instance = instance
        self.definitions = dg.Definitions(
            assets=[landing.market_events, landing.rejected_events],
            jobs=[
                dg.define_asset_job(key.path[-1], dg.AssetSelection.assets(key))
                for key in (keys.MARKET_EVENTS, keys.REJECTED_EVENTS)
            ],
            resources={"platform": self.platform},
        )

    def land(self, event_type: str, number: int, *rows: dict[str, Any], name: str = "a.parquet") -> None:
        """Deliver a file for a day."""
        table = pa.Table.from_pylist(list(rows), schema=EVENT_TYPES[event_type].schema)
        self.platform.landing.put_if_absent(f"{event_type}/dt={day(number)}/{name}", encode_table(table))

    def run(self, number: int, asset: dg.AssetKey = keys.MARKET_EVENTS) -> dict[str, Any]:
        """Run the partition that takes in the files of a day; return its metadata."""
        result = self.definitions.resolve_job_def(asset.path[-1]).execute_in_process(
            instance=self.instance, partition_key=add_days(day(number), 1).isoformat()
        )
        (materialization,) = result.asset_materializations_for_node("__".join(asset.path))
        return dict(materialization.metadata)

    def run_until(self, number: int) -> None:
        """Run every partition until that of a day, in order, each for the first time."""
        for one in range(len(self.platform.landed_days()), number + 1):
            self.run(one)

    def report(self, number: int) -> list[dict[str, Any]]:
        """Return what the ingest report of a day says of late rows."""
        return self.platform.tables.read_report(INGEST_REPORT, add_days(day(number), 1))["late"]


@pytest.fixture
def world(tmp_path: Path, instance: dg.DagsterInstance) -> Iterator[World]:
    world = World(tmp_path / "home", instance)
    yield world
    world.platform.ledger.close()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, date]]:
    """Return which days of which types are read for more than their ids, from now on."""
    found: list[tuple[str, date]] = []
    read_file = ParquetEventLog.read_file

    def noted(log: ParquetEventLog, file: Any, columns: Any = None) -> pa.Table:
        if "occurred_at" in (columns or ()):
            found.append((file.event_type, file.day))
        return read_file(log, file, columns)

    monkeypatch.setattr(ParquetEventLog, "read_file", noted)
    return found


def late(
    event_type: str, rows: int, days: tuple[int, int], moved: int, shown: tuple[int, int] | None, too_late: int = 0
) -> dict[str, Any]:
    """Return what a report says."""
    first, last = (None, None) if shown is None else (str(day(shown[0])), str(day(shown[1])))
    return {
        "event_type": event_type, "rows": rows, "first_day": str(day(days[0])), "last_day": str(day(days[1])),
        "moved": moved, "first_exposure_day": first, "last_exposure_day": last, "too_late": too_late,
    }  # fmt: skip


def test_where_nothing_is_late_nothing_is_said_and_nothing_read(world: World, read: list[Any]) -> None:
    for number in range(3):
        world.land("impression", number, shown(f"i{number}", at(number)))
        world.land("apply", number, outcome(f"a{number}", f"i{number}", at(number, 13)))
    metadata = [world.run(number) for number in (0, 1, 2, 1, 0)]
    assert [world.report(number) for number in range(3)] == [[], [], []]
    assert not any("late_rows" in one for one in metadata)
    assert read == []


def test_a_late_apply_moves_one_label_and_a_second_one_of_the_pair_none(world: World) -> None:
    world.land("impression", 0, shown("i0", at(0)), shown("i1", at(0)))
    world.land("apply", 1, outcome("in_time", "i0", at(1)))
    world.run_until(3)
    world.land("apply", 1, outcome("late", "i1", at(1)), outcome("of_i0", "i0", at(1, 13)), name="b.parquet")
    (record,) = world.run(1)["late_rows"].value.records
    assert world.report(1) == [late("apply", 2, (1, 1), 1, (0, 0))]
    assert record.data == {"landing_day": str(day(1)), **late("apply", 2, (1, 1), 1, (0, 0))}

    world.land("apply", 1, outcome("again", "i1", at(1, 11)), name="c.parquet")
    world.land("apply", 2, outcome("and_again", "i1", at(2)))
    for number in (1, 2):
        world.run(number)
    assert world.report(1) == [late("apply", 3, (1, 1), 1, (0, 0))]
    assert world.report(2) == [late("apply", 1, (2, 2), 0, None)]


def test_a_day_that_runs_again_says_the_same_whatever_came_since(world: World) -> None:
    world.land("impression", 0, shown("i0", at(0)))
    world.run_until(2)
    world.land("click", 1, outcome("late", "i0", at(1)), name="b.parquet")
    world.run(1)
    folder = world.platform.settings.lake_place / "reports" / INGEST_REPORT / f"as_of_date={day(2)}"
    (stored,) = folder.iterdir()
    before = stored.read_bytes()
    sooner = outcome("sooner", "i0", at(1, 11)) | {"observed_at": at(3, 23)}
    world.land("click", 3, outcome("later", "i0", at(3)), sooner)
    world.run_until(14)
    world.run(1)
    assert stored.read_bytes() == before
    assert world.report(1) == [late("click", 1, (1, 1), 1, (0, 0))]


@pytest.mark.parametrize(
    ("newest", "moved", "too_late"), [(6, 1, 0), (7, 0, 1)], ids=["known on the last day", "a day later"]
)
def test_a_label_that_was_final_is_not_moved(world: World, newest: int, moved: int, too_late: int) -> None:
    """An exposure of day 0 is mature as of day 8, by what was known before: partition 7 is the last to add to it."""
    world.land("impression", 0, shown("i0", at(0)))
    world.run_until(newest)
    for event_type in ("click", "apply"):
        world.land(event_type, 0, outcome(f"{event_type}_late", "i0", at(0, 13)))
    world.run(0)
    exposures = (0, 0) if moved else None
    assert world.report(0) == [late(name, 1, (0, 0), moved, exposures, too_late) for name in ("click", "apply")]


def test_an_outcome_outside_its_window_or_of_nothing_that_was_shown_moves_none(world: World) -> None:
    world.land("impression", 0, shown("i0", at(0)), shown("i1", at(0)))
    world.run_until(3)
    closes = at(2)
    unprompted = outcome("unprompted", "nothing", at(2))
    outside = outcome("outside", "i0", closes + timedelta(microseconds=1))
    world.land("click", 2, outside, unprompted, outcome("inside", "i1", closes))
    world.run(2)
    assert world.report(2) == [late("click", 3, (2, 2), 1, (0, 0))]


def test_exposures_that_come_late_are_added_with_what_came_of_them(world: World) -> None:
    """Days 0 and 4 come late together, an exporter was down: clicks are taken in before what was clicked."""
    world.run_until(8)
    for number in (0, 4):
        world.land("impression", number, shown(f"i{number}", at(number)), shown(f"j{number}", at(number)))
        world.land("click", number, outcome(f"c{number}", f"i{number}", at(number, 13)))
    for number in (0, 4):
        world.run(number)
    added = [late("impression", 2, (4, 4), 2, (4, 4)), late("click", 1, (4, 4), 1, (4, 4))]
    assert world.report(4) == added
    assert world.report(0) == [late("impression", 2, (0, 0), 0, None, 2), late("click", 1, (0, 0), 0, None, 1)]


def test_an_exposure_that_comes_after_what_came_of_it_is_none_that_this_moved(world: World) -> None:
    world.run_until(2)
    world.land("click", 1, outcome("c1", "i1", at(1, 13)))
    world.run(1)
    world.run_until(3)
    world.land("impression", 1, shown("i1", at(1)))
    world.run(1)
    assert world.report(1) == [late("impression", 1, (1, 1), 1, (1, 1)), late("click", 1, (1, 1), 0, None)]


def test_a_file_for_an_old_day_counts_each_event_once(world: World) -> None:
    """The second file repeats an event that came on time, one of itself, and one that came late with the first."""
    known, first, second = shown("i0", at(0)), shown("i1", at(0)), shown("i2", at(0))
    world.land("impression", 0, known)
    world.land("click", 0, outcome("c0", "i0", at(0, 13)))
    world.run_until(2)
    world.land("impression", 0, first, name="b.parquet")
    world.run(0)
    world.run_until(3)
    world.land("impression", 0, known, first, second, second, name="c.parquet")
    clicks = [outcome("c1", "i1", at(0, 13)), outcome("c0", "i0", at(0, 13)), outcome("c1", "i1", at(0, 13))]
    world.land("click", 0, *clicks, name="c.parquet")
    world.run(0)
    assert world.report(0) == [late("impression", 2, (0, 0), 2, (0, 0)), late("click", 1, (0, 0), 1, (0, 0))]
    world.land("impression", 1, first, shown("i3", at(1)))
    world.run(1)
    assert world.report(1) == [late("impression", 2, (0, 1), 1, (1, 1))], "another day took the first one in"


def test_texts_are_exposures_and_mails_are_none(world: World) -> None:
    messages = {"text": ("sms", "delivered"), "mail": ("email", "delivered"), "lost_text": ("sms", "undelivered")}
    template = example_rows(EVENT_TYPES["message_planned"], day(0)).to_pylist()[0]
    for name, (channel, status) in messages.items():
        planned = {**template, **row(f"plan_of_{name}", at(-20, 18)), "message_id": name, "channel": channel}
        schema = EVENT_TYPES["message_planned"].schema
        world.platform.event_log.append("message_planned", pa.Table.from_pylist([planned], schema), writer="outbox")
        receipt = row(f"receipt_of_{name}", at(1), message_id=name, user_id="u1", status=status)
        world.land("message_status", 1, receipt, name=name)
    world.run_until(4)
    world.land("apply", 2, *(outcome(f"of_{name}", name, at(2)) for name in messages))
    world.run(2)
    assert world.report(2) == [late("apply", 3, (2, 2), 1, (1, 1))]


def test_hires_are_counted_and_nothing_is_read_for_them(world: World, read: list[Any]) -> None:
    world.land("impression", 0, shown("i0", at(0)))
    world.run_until(2)
    world.land("hire", 1, outcome("h", "i0", at(1), apply_event_id="a"))
    world.run(1)
    assert world.report(1) == [late("hire", 1, (1, 1), 0, None)]
    assert read == [("hire", day(3))]


def test_of_a_long_log_the_days_around_late_rows_are_read(world: World, read: list[Any]) -> None:
    log = world.platform.event_log
    for number in range(60):
        rows = [shown(f"i{number}", at(number))]
        log.append("impression", pa.Table.from_pylist(rows, schema=EVENT_TYPES["impression"].schema), writer="landing")
    world.platform.tables.write_report(INGEST_REPORT, add_days(day(19), 1), {"types": []})
    world.platform.tables.write_report(INGEST_REPORT, day(59), {"types": []})
    world.land("click", 20, outcome("c", "i20", at(20, 13)))
    world.run(20)
    assert world.report(20) == [late("click", 1, (20, 20), 0, None, 1)]
    impressions = {one for event_type, one in read if event_type == "impression"}
    assert impressions == {day(number) for number in (*range(18, 28), *range(52, 60))}
    assert log.read("click")["observed_at"].to_pylist() == [run_time(day(59))]


def test_a_report_of_before_late_rows_were_reported_is_still_read(world: World) -> None:
    world.land("apply", 0, {**outcome("a", "i0", at(0)), "user_id": ""})
    world.run(0)
    stored = world.platform.tables.read_report(INGEST_REPORT, day(1))
    del stored["late"], stored["ignored"]
    world.platform.tables.write_report(INGEST_REPORT, day(1), stored)
    assert world.run(0, keys.REJECTED_EVENTS)["dagster/row_count"].value == 1
    world.land("apply", 1, outcome("b", "i0", at(1)))
    world.run(1)
    assert world.report(1) == []


def test_a_damaged_file_of_before_keeps_no_late_row_out(world: World) -> None:
    world.land("impression", 0, shown("s1", at(0)))
    world.land("impression", 1, shown("s2", at(1)))
    world.run_until(2)
    (file,) = world.platform.event_log.files("impression", start=day(1))
    (world.platform.lake.root / file.key).write_bytes(b"PAR1 was")
    world.land("click", 0, outcome("c1", "s1", at(0, 13)))
    metadata = world.run(0)
    assert metadata["dagster/row_count"].value == 2
    assert "late_rows" not in metadata
    assert world.report(0) is None, "nobody knows"
    assert world.platform.event_log.read("click")["event_id"].to_pylist() == ["c1"]
