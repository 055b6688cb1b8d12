"""Attacks by what lies in the landing folder: names, links, devices, folders. None is followed, all are told."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from mlife_assets.adapters.cage import DecodingCage
from mlife_assets.adapters.landing import IngestReport
from mlife_assets.adapters.parquet_bytes import encode_table
from mlife_assets.components.events import landing as events
from mlife_assets.components.graph import keys
from mlife_assets.components.platform.model_platform import INGEST_REPORT
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.policies import LandingPolicy
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings

EVE, DAY = date(2026, 6, 1), date(2026, 6, 2)
CAGE = DecodingCage(LandingPolicy())
SECRET = b"the password of another system"


def click(event_id: str) -> bytes:
    observed = datetime(2026, 6, 1, 12, tzinfo=UTC)
    row = {
        "event_id": event_id,
        "occurred_at": observed - timedelta(hours=1),
        "observed_at": observed,
        "user_id": "u",
        "job_id": "j",
        "source": "organic",
        "exposure_id": "x",
    }
    return encode_table(pa.Table.from_pylist([row], schema=EVENT_TYPES["click"].schema))


class Landing:
    """A home with one honest file, and the folder of its day."""

    def __init__(self, home: Path) -> None:
        self.platform = Platform(settings=Settings(home=home / "home"), policies=Policies())
        vars(self.platform)["cage"] = CAGE
        self.root = self.platform.settings.landing_folder
        self.folder = self.root / "click" / f"dt={EVE}"
        self.folder.mkdir(parents=True)
        (self.folder / "honest.parquet").write_bytes(click("honest"))
        self.secret = home / "secret"
        self.secret.write_bytes(SECRET)

    def ingest(self) -> IngestReport:
        return self.platform.ingest_at(DAY).ingest(EVE)

    def stored(self) -> bytes:
        """Return every byte and name below the lake."""
        files = [path for path in self.platform.settings.lake_place.rglob("*") if path.is_file()]
        return b"".join(os.fsencode(path.name) + path.read_bytes() for path in files)


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(tmp_path)


def newline(at: Landing) -> None:
    (at.folder / "two\nlines.parquet").write_bytes(click("n"))


def escape_sequence(at: Landing) -> None:
    (at.folder / "\x1b[2Jcleared.parquet").write_bytes(click("n"))


def turned_around(at: Landing) -> None:
    (at.folder / "harmless\u202eteuqrap.exe").write_bytes(click("n"))


def no_utf8(at: Landing) -> None:
    (Path(os.fsdecode(os.fsencode(at.folder) + b"/\xff\xfe.parquet"))).write_bytes(click("n"))


def long_name(at: Landing) -> None:
    (at.folder / ("n" * 230 + ".parquet")).write_bytes(click("n"))


def link_to_a_file(at: Landing) -> None:
    (at.folder / "link.parquet").symlink_to(at.secret)


def link_to_good_rows(at: Landing) -> None:
    (at.secret.parent / "elsewhere.parquet").write_bytes(click("n"))
    (at.folder / "link.parquet").symlink_to(at.secret.parent / "elsewhere.parquet")


def link_to_itself(at: Landing) -> None:
    (at.folder / "loop.parquet").symlink_to("loop.parquet")


def link_to_nothing(at: Landing) -> None:
    (at.folder / "dangling.parquet").symlink_to("nowhere")


def link_to_the_folder(at: Landing) -> None:
    (at.folder / "round").symlink_to(at.folder)


def pipe(at: Landing) -> None:
    os.mkfifo(at.folder / "pipe.parquet")


def unix_socket(at: Landing) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        place = os.open(at.folder, os.O_RDONLY)
        try:
            server.bind(f"/proc/self/fd/{place}/s")
        finally:
            os.close(place)


def day_that_is_a_link(at: Landing) -> None:
    folder = at.secret.parent / "elsewhere"
    folder.mkdir()
    (folder / "a.parquet").write_bytes(click("n"))
    (at.root / "apply").mkdir()
    (at.root / "apply" / f"dt={EVE}").symlink_to(folder)


def day_that_is_a_file(at: Landing) -> None:
    (at.root / "apply").mkdir()
    (at.root / "apply" / f"dt={EVE}").write_bytes(click("n"))


def type_of_two_lines(at: Landing) -> None:
    (at.root / "cli\nck" / f"dt={EVE}").mkdir(parents=True)
    (at.root / "cli\nck" / f"dt={EVE}" / "a.parquet").write_bytes(click("n"))


REFUSED = [
    (newline, "unsafe_name"),
    (escape_sequence, "unsafe_name"),
    (turned_around, "unsafe_name"),
    (no_utf8, "unsafe_name"),
    (long_name, "unsafe_name"),
    (link_to_a_file, "not_a_file"),
    (link_to_good_rows, "not_a_file"),
    (link_to_itself, "not_a_file"),
    (link_to_nothing, "not_a_file"),
    (link_to_the_folder, "not_a_file"),
    (pipe, "not_a_file"),
    (unix_socket, "not_a_file"),
    (day_that_is_a_link, "not_a_file"),
    (day_that_is_a_file, "not_a_file"),
    (type_of_two_lines, "unsafe_name"),
]


@pytest.mark.parametrize(("lay", "reason"), REFUSED, ids=lambda value: getattr(value, "__name__", value))
def test_what_is_no_plain_file_of_a_plain_name_is_refused_unread_and_told(
    landing: Landing, lay: Callable[[Landing], None], reason: str
) -> None:
    lay(landing)
    report = landing.ingest()
    assert (report.accepted, report.rejected_by_reason) == (1, {reason: 1})
    (refused,) = [example for entry in report.types for example in entry.examples]
    assert refused.source.isprintable()
    assert (refused.row, refused.reason) == (-1, reason)
    assert SECRET not in landing.stored()
    assert not [key for key in landing.platform.lake.list("rejected") if key.endswith(".bin")]
    assert landing.platform.event_log.read("click")["event_id"].to_pylist() == ["honest"]
    assert landing.ingest() == report
    assert len(landing.platform.landed.delivered({EVE})[EVE]) == report.files, "the sensor counts as the ingest does"


@pytest.mark.parametrize("length", [121, 200])
def test_a_file_of_a_long_name_that_is_allowed_is_taken(landing: Landing, length: int) -> None:
    (landing.folder / "n".ljust(length, "n")).write_bytes(click("long"))
    report = landing.ingest()
    assert (report.accepted, report.rejected) == (2, 0)


def test_a_file_that_becomes_a_link_while_it_is_read_is_not_followed(landing: Landing) -> None:
    folder = landing.platform.landed
    (delivery,) = folder.look(EVE).deliveries
    (landing.folder / "honest.parquet").unlink()
    (landing.folder / "honest.parquet").symlink_to(landing.secret)
    fault = folder.read(delivery.source, 1_000)
    assert not isinstance(fault, bytes)
    assert fault.reason == "not_a_file"


def test_a_folder_that_becomes_a_link_while_it_is_read_is_not_followed(landing: Landing) -> None:
    (delivery,) = landing.platform.landed.look(EVE).deliveries
    elsewhere = landing.secret.parent / "elsewhere"
    landing.folder.rename(elsewhere)
    landing.folder.symlink_to(elsewhere)
    fault = landing.platform.landed.read(delivery.source, 100_000)
    assert not isinstance(fault, bytes)
    assert fault.reason == "not_a_file"


def test_a_file_beyond_the_limit_is_not_read(landing: Landing) -> None:
    with (landing.folder / "huge.parquet").open("wb") as file:
        file.truncate(2**40)
    report = landing.ingest()
    assert (report.accepted, report.rejected_by_reason) == (1, {"too_large": 1})
    assert not [key for key in landing.platform.lake.list("rejected") if key.endswith(".bin")]


def lay_around(at: Landing) -> list[str]:
    """Lay what is left alone; return the sources of it that nobody expects."""
    nested = at.folder / "part=1" / "deeper"
    nested.mkdir(parents=True)
    (nested / "a.parquet").write_bytes(click("n"))
    (nested / "link").symlink_to(at.secret)
    (at.folder / "_SUCCESS").write_bytes(b"")
    (at.folder / ".part").write_bytes(b"x")
    (at.folder / "export.parquet#7").write_bytes(b"x")
    (at.root / "README").write_bytes(b"x")
    (at.root / "elsewhere").symlink_to(at.secret.parent)
    (at.root / "click" / "dt=yesterday").mkdir()
    (at.root / "click" / "dt=2026-02-30").mkdir()
    day = f"click/dt={EVE}"
    around = ["README", "click/dt=2026-02-30", "click/dt=yesterday", "elsewhere"]
    return sorted([*around, *(f"{day}/part=1/deeper/{name}" for name in ("a.parquet", "link"))])


def test_what_is_left_alone_is_listed_one_by_one(landing: Landing) -> None:
    unexpected = lay_around(landing)
    report = landing.ingest()
    assert (report.accepted, report.rejected, report.files) == (1, 0, 1)
    assert [entry.source for entry in report.ignored if not entry.is_expected] == unexpected
    day = f"click/dt={EVE}"
    expected = [f"{day}/.part", f"{day}/_SUCCESS", f"{day}/export.parquet#7"]
    assert [entry.source for entry in report.ignored if entry.is_expected] == expected
    assert all(entry.why for entry in report.ignored)


def test_a_thousand_nested_files_are_counted_where_they_are_not_named(landing: Landing) -> None:
    folder = landing.folder / "nested"
    folder.mkdir()
    for number in range(300):
        (folder / f"{number:03}.parquet").write_bytes(b"x")
    ignored = landing.ingest().ignored
    assert len(ignored) == 201
    assert not ignored[-1].is_expected


def test_people_see_what_was_refused_and_what_was_left_alone(landing: Landing) -> None:
    unexpected = lay_around(landing)
    link_to_a_file(landing)
    platform = landing.platform
    platform.tables.write_report(INGEST_REPORT, DAY, asdict(landing.ingest()))
    with dg.DagsterInstance.ephemeral() as instance:
        job = dg.define_asset_job("chosen", dg.AssetSelection.assets(keys.REJECTED_EVENTS))
        definitions = dg.Definitions(
            assets=[events.market_events, events.rejected_events],
            asset_checks=[events.every_landed_row_is_accepted],
            jobs=[job],
            resources={"platform": platform},
        )
        result = definitions.resolve_job_def("chosen").execute_in_process(
            instance=instance, partition_key=DAY.isoformat()
        )
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    records = check.metadata["files_not_taken"].value.records
    told = {record.data["file"]: record.data["why"] for record in records}
    assert told[f"click/dt={EVE}/link.parquet"] == "not_a_file"
    assert {source for source, why in told.items() if why == "ignored"} > set(unexpected)
    (materialization,) = result.asset_materializations_for_node("events__rejected_events")
    assert len(materialization.metadata["files_not_taken"].value.records) == len(told)
