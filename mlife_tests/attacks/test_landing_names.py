"""Names in the landing folder that lead elsewhere, mutated files, and types of events without a file.

None is followed, all are told. Landing takes so many files, bytes and CPU seconds of a type and day; what it does not
read is one object. Thousands of files of one row were on the list; thousands of links and of names that are no names,
few files of many bytes and files that are slow to decode were not.

Both failed: a manifest that is handed to dbt lacks the flat graph in which the columns of an absent type are looked up.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from mlife_assets.adapters.cage import DecodingCage
from mlife_assets.adapters.ingest_report import RejectedRows, folder_of
from mlife_assets.adapters.landing import IngestReport
from mlife_assets.adapters.parquet_bytes import encode_table
from mlife_assets.components.events import landing as assets
from mlife_assets.components.features.dbt import build
from mlife_assets.components.graph import keys
from mlife_assets.components.running.driver import LifecycleDriver
from mlife_assets.components.running.instance import open_instance
from mlife_assets.core.policies import LandingPolicy
from mlife_assets.core.validation import Reason, rejected_file
from mlife_assets.deployments.board_ports import board_ports
from mlife_assets.deployments.landed_days import INGEST_REPORT
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import DBT_PROJECT_FOLDER, Settings
from mlife_tests.rows import events

EVE, DAY = date(2026, 6, 1), date(2026, 6, 2)
CAGE = DecodingCage(LandingPolicy())
SECRET = b"the password of another system"
FILES = 3_000
SCRIPT = Path(__file__).with_name("mutated_landing.py")
ROOT = Path(__file__).resolve().parents[2]
SEED = 20_261_126
OF_SENDING = (
    "prediction", "experiment_exposed", "message_planned", "message_suppressed", "message_submitted",
    "message_status",
)  # fmt: skip


def click(event_id: str) -> bytes:
    observed = datetime(2026, 6, 1, 12, tzinfo=UTC)
    return encode_table(events("click", {"event_id": event_id}, at=observed, source="organic"))


class Landing:
    """A home with one honest file, and the folder of its day."""

    def __init__(self, home: Path) -> None:
        self.platform = board_ports(Settings(home=home / "home"), policies=Policies())
        vars(self.platform.home.intake)["cage"] = CAGE
        self.root = self.platform.settings.places.landing_folder
        self.folder = self.root / "click" / f"dt={EVE}"
        self.folder.mkdir(parents=True)
        (self.folder / "honest.parquet").write_bytes(click("honest"))
        self.secret = home / "secret"
        self.secret.write_bytes(SECRET)

    def ingest(self, cage: Any = CAGE, **limits: int) -> IngestReport:
        ingest = self.platform.home.intake.ingest_at(DAY)
        ingest._cage, ingest._policy = cage, LandingPolicy(**limits)
        return ingest.ingest(EVE)

    def objects(self) -> dict[str, list[str]]:
        return {name: self.platform.lake.list(name) for name in ("events", "rejected")}

    def stored(self) -> bytes:
        files = [path for path in self.platform.settings.places.lake.rglob("*") if path.is_file()]
        return b"".join(os.fsencode(path.name) + path.read_bytes() for path in files)


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(tmp_path)


@pytest.fixture
def empty(landing: Landing) -> Landing:
    (landing.folder / "honest.parquet").unlink()
    return landing


def link_to_good_rows(at: Landing) -> None:
    (at.secret.parent / "elsewhere.parquet").write_bytes(click("n"))
    (at.folder / "link.parquet").symlink_to(at.secret.parent / "elsewhere.parquet")


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


UNSAFE = {
    "two lines": "two\nlines.parquet", "an escape sequence": "\x1b[2Jcleared.parquet",
    "turned around": "harmless\u202eteuqrap.exe", "no UTF-8": os.fsdecode(b"\xff\xfe.parquet"),
    "long": "n" * 230 + ".parquet",
}  # fmt: skip
LINKS = {"a file": "../../../../secret", "itself": "link.parquet", "nothing": "nowhere", "the folder": "."}
REFUSED: dict[str, tuple[Callable[[Landing], Any], str]] = {
    **{
        name: (lambda at, name=called: (at.folder / name).write_bytes(click("n")), "unsafe_name")
        for name, called in UNSAFE.items()
    },
    **{
        f"a link to {name}": (lambda at, to=to: (at.folder / "link.parquet").symlink_to(to), "not_a_file")
        for name, to in LINKS.items()
    },
    "a link to good rows": (link_to_good_rows, "not_a_file"),
    "a pipe": (lambda at: os.mkfifo(at.folder / "pipe.parquet"), "not_a_file"),
    "a socket": (unix_socket, "not_a_file"),
    "a day that is a link": (day_that_is_a_link, "not_a_file"),
    "a day that is a file": (day_that_is_a_file, "not_a_file"),
    "a type of two lines": (type_of_two_lines, "unsafe_name"),
}


@pytest.mark.parametrize(("lay", "reason"), REFUSED.values(), ids=REFUSED)
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
    assert len(landing.platform.home.intake.area.delivered({EVE})[EVE]) == report.files, (
        "the sensor counts as the ingest does"
    )


@pytest.mark.parametrize("length", [121, 200])
def test_a_file_of_a_long_name_that_is_allowed_is_taken(landing: Landing, length: int) -> None:
    (landing.folder / "n".ljust(length, "n")).write_bytes(click("long"))
    report = landing.ingest()
    assert (report.accepted, report.rejected) == (2, 0)


@pytest.mark.parametrize("is_folder", [False, True])
def test_what_becomes_a_link_while_it_is_read_is_not_followed(landing: Landing, is_folder: bool) -> None:
    (delivery,) = landing.platform.home.intake.area.look(EVE).deliveries
    place = landing.folder if is_folder else landing.folder / "honest.parquet"
    elsewhere = landing.secret.parent / "elsewhere"
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    fault = landing.platform.home.intake.area.read(delivery.source, 100_000)
    assert not isinstance(fault, bytes)
    assert fault.reason == "not_a_file"


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
    (landing.folder / "link.parquet").symlink_to(landing.secret)
    platform = landing.platform
    platform.tables.write_report(INGEST_REPORT, DAY, asdict(landing.ingest()))
    with dg.DagsterInstance.ephemeral() as instance:
        job = dg.define_asset_job("chosen", dg.AssetSelection.assets(keys.REJECTED_EVENTS))
        definitions = dg.Definitions(
            assets=[assets.market_events, assets.rejected_events],
            asset_checks=[assets.every_landed_row_is_accepted],
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


def test_thousands_of_files_become_one_rejection_and_again_on_the_next_run(empty: Landing) -> None:
    for number in range(FILES):
        (empty.folder / f"{number:05d}.parquet").write_bytes(click(str(number)) if number < 20 else b"never read")
    began = time.process_time()
    report = empty.ingest(maximum_files=20)
    assert time.process_time() - began < 8
    assert (report.accepted, report.rejected_by_reason) == (20, {"too_many_files": FILES - 20})
    assert report.files == FILES
    objects = empty.objects()
    assert (len(objects["events"]), len(objects["rejected"])) == (20, 1)
    assert empty.ingest(maximum_files=20) == report
    assert empty.objects() == objects
    rows = RejectedRows(empty.platform.lake).rows(EVE, "click")
    assert rows["source"].to_pylist() == [f"click/dt={EVE}/{number:05d}.parquet" for number in range(20, FILES)]


def unsafe(place: Path) -> None:
    place.with_name(f"{place.name}\n.parquet").write_bytes(b"x")


def link(place: Path) -> None:
    place.symlink_to("/etc/passwd")


@pytest.mark.parametrize("plant", [link, os.mkfifo, unsafe])
def test_what_is_no_file_of_ours_is_one_rejection_however_much_there_is(empty: Landing, plant: Any) -> None:
    (empty.folder / "honest.parquet").write_bytes(click("honest"))
    for number in range(500):
        plant(empty.folder / f"{number:05d}")
    report = empty.ingest()
    assert (report.accepted, report.rejected, report.files) == (1, 500, 501)
    assert len(empty.objects()["rejected"]) == 1
    assert len(report.types[0].examples) == 3


def test_bytes_beyond_the_budget_are_not_read(empty: Landing) -> None:
    for name in "abc":
        (empty.folder / f"{name}.parquet").write_bytes(click(name))
    size = (empty.folder / "a.parquet").stat().st_size
    report = empty.ingest(maximum_bytes=2 * size)
    assert (report.accepted, report.rejected_by_reason) == (2, {"too_many_files": 1})
    assert f"{2 * size:,} bytes of a type and day are taken" in report.types[0].examples[0].detail
    assert empty.ingest().accepted == 3, "a larger budget takes it"


class Slow:
    """A cage whose worker needs most of a second for a file."""

    cpu_seconds = 0.0

    def decode(self, data: bytes, columns: Sequence[Any]) -> Any:
        self.cpu_seconds += 0.6
        return CAGE.decode(data, columns)


def test_files_beyond_the_budget_of_cpu_are_not_read(empty: Landing) -> None:
    for number in range(40):
        (empty.folder / f"{number:02d}.parquet").write_bytes(click(str(number)))
    cage = Slow()
    report = empty.ingest(cage, maximum_cpu_seconds=2)
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


def test_what_an_earlier_release_stored_file_by_file_is_not_said_twice(empty: Landing) -> None:
    """It kept an object for each; a day that is ingested again stores them together beside those."""
    for number in range(4):
        (empty.folder / f"{number}.parquet").symlink_to(empty.secret)
    report = empty.ingest()
    rejected = RejectedRows(empty.platform.lake)
    together = rejected.rows(EVE, "click")
    assert together.num_rows == 4
    for source, detail in zip(together["source"].to_pylist(), together["detail"].to_pylist(), strict=True):
        rejected.store(EVE, "click", [(source, rejected_file(Reason.NOT_A_FILE, detail))])
    assert len(empty.objects()["rejected"]) == 5
    assert rejected.rows(EVE, "click").num_rows == 4
    again = empty.platform.home.intake.ingest_at(DAY).replay(folder_of(EVE, "click"), applies=False)
    assert again.report.rejected == report.types[0].rejected == {"not_a_file": 4}


@pytest.mark.parametrize(
    ("rows", "files"), [(11_000, 33), pytest.param(100_000, 200, marks=pytest.mark.proof)], ids=["some", "all"]
)
def test_accepted_and_rejected_are_what_was_delivered(tmp_path: Path, rows: int, files: int) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path), str(rows), str(files), str(SEED)], capture_output=True,
        text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["rows"]["accepted"] + told["rows"]["rejected"] == rows
    assert told["rows"]["accepted"] > rows / 100, "good rows are taken beside bad ones"
    assert len(told["rows"]["reasons"]) >= 6, "the mutations find most rules"
    assert told["files"]["delivered"] == files
    assert told["files"]["rows"] == 40 * (files - told["files"]["refused"]), "a file is refused whole or counted by row"
    assert told["is_same_again"]
    assert told["maximum_bytes"] < 2 * 2**30


def columns(warehouse: Path, view: str) -> dict[str, str]:
    with closing(duckdb.connect(str(warehouse), read_only=True)) as connection:
        return {row[0]: row[1] for row in connection.execute(f"describe {view}").fetchall()}


def count(warehouse: Path, table: str) -> int:
    with closing(duckdb.connect(str(warehouse), read_only=True)) as connection:
        (number,) = connection.execute(f"select count(*) from {table}").fetchone()
    return int(number)


@pytest.fixture(scope="module")
def silent_home(small_home: Any, unpacked_0_1_0: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a home whose data knows no hires and which never sent anything, with its features built.

    So is one whose first lived day was blocked: what only sending writes has no file.
    """
    folder = Path(shutil.copytree(unpacked_0_1_0, tmp_path_factory.mktemp("silent") / "home"))
    for name in ("hire", *OF_SENDING):
        shutil.rmtree(folder / "lake" / "events" / f"event_type={name}")
    home = small_home.open_home(folder)
    home.settings.exports.to_dbt()
    list(build(DBT_PROJECT_FOLDER, ["tag:features"], {}, folder / "dbt"))
    return home


def test_own_data_without_hires_builds(silent_home) -> None:
    warehouse = silent_home.settings.places.warehouse
    told = columns(warehouse, "staging.stg_events__hire")
    assert (told["apply_event_id"], told["observed_at"]) == ("VARCHAR", "TIMESTAMP WITH TIME ZONE")
    assert count(warehouse, "staging.stg_events__hire") == 0
    assert count(warehouse, "marts.labelled_examples") > 100
    assert count(warehouse, "marts.user_features") > 1_000


def test_metrics_of_a_home_that_never_sent_anything_are_built(silent_home) -> None:
    with open_instance(silent_home.settings.home) as instance:
        LifecycleDriver(silent_home.definitions, instance).run_unpartitioned("metrics_job").require_success()
    assert count(silent_home.settings.places.warehouse, "marts.fct_messages") == 0
    assert count(silent_home.settings.places.warehouse, "marts.kpi_daily") > 0
    assert (silent_home.settings.places.lake / "dashboard" / "index.html").exists()
