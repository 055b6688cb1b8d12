"""A power cut takes what was written last, or somebody plants a file in the lake: a rerun of the day heals or tells."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from mlife_assets.adapters.event_log.manifests import content_hash, data_key, hour_of_key, manifest_key, parse_data_key
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.parquet_bytes import decode_table, encode_table
from mlife_assets.cli import app
from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.windows import day_start, run_time
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.deployments.sealing import seal
from mlife_assets.settings import Settings
from mlife_tests.rows import events

EVE, DAY = date(2026, 6, 9), date(2026, 6, 10)
OBSERVED = datetime(2026, 6, 9, 23, 30, tzinfo=UTC)
DAMAGE = [b"", b"PAR1 and what was not written"]
Change = Callable[[pa.Table], pa.Table]


@dataclass
class Home:
    """A home whose processes come and go, and an attacker who may write its lake."""

    path: Path
    opened: list[BoardPorts] = field(default_factory=list)

    @property
    def platform(self) -> BoardPorts:
        """A fresh process."""
        settings = Settings(home=self.path)
        self.opened.append(board_ports(settings))
        return self.opened[-1]

    def deliver(self, name: str, *ids: str, hours: int = 0) -> None:
        at = OBSERVED - timedelta(hours=hours)
        table = events("click", *({"event_id": one} for one in ids), at=at, source="organic")
        self.platform.home.intake.folder.replace(f"click/dt={EVE}/{name}.parquet", encode_table(table))

    def live(self) -> None:
        """Land the eve, act in the evening, seal: what a day appends, and again the same."""
        platform = self.platform
        platform.home.messengers.outbox.heal()
        platform.home.intake.ingest_at(DAY).ingest(EVE)
        if not platform.ledger.switches.is_paused():
            platform.ledger.switches.pause(actor="a", reason="r", now=run_time(DAY))
        platform.home.messengers.outbox.publish()
        seal(platform.home)

    def lake(self) -> dict[str, bytes]:
        store = self.platform.lake
        return {key: store.get(key) for folder in ("events", "manifests", "rejected") for key in store.list(folder)}

    def newest(self, part: str) -> Path:
        return next(
            path for path in sorted((self.path / "lake").rglob("*"))[::-1] if part in str(path) and path.is_file()
        )

    def findings(self) -> list[tuple[str, str]]:
        result = CliRunner().invoke(app, ["log", "verify", "--json", "--home", str(self.path)])
        return [(one["kind"], one["key"]) for one in orjson.loads(result.stdout)["findings"]]

    def plant(self, event_type: str, change: Change) -> str:
        """Put a changed copy of a file beside it, named as its writer would name it; return its key."""
        store = ObstoreObjectStore.local(self.path / "lake")
        key = store.list(f"events/event_type={event_type}")[0]
        file = parse_data_key(key)
        assert file is not None
        data = encode_table(change(decode_table(store.get(key))))
        planted = data_key(event_type, hour_of_key(key), file.writer, file.batch, content_hash(data))
        assert store.put_if_absent(planted, data)
        return planted

    def is_intact(self) -> bool:
        return CliRunner().invoke(app, ["log", "verify", "--home", str(self.path)]).exit_code == 0


@pytest.fixture(scope="module")
def lived_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Home(tmp_path_factory.mktemp("lived") / "home")
    made.deliver("first", "a", "b")
    made.deliver("second", "c", "d", "a")
    (made.path / "landing" / "click" / f"dt={EVE}" / "third.parquet").write_bytes(b"no parquet")
    made.live()
    assert made.is_intact()
    for platform in made.opened:
        platform.ledger.close()
    return made.path


@pytest.fixture
def home(lived_once: Path, tmp_path: Path) -> Iterator[Home]:
    made = Home(shutil.copytree(lived_once, tmp_path / "home"))
    yield made
    for platform in made.opened:
        platform.ledger.close()


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    "part", ["events/event_type=click", "events/event_type=sending_paused", "lake/rejected", "manifests/chain"]
)
def test_running_the_day_again_brings_back_what_a_power_cut_took(home: Home, part: str, damage: bytes) -> None:
    before = home.lake()
    path = home.newest(part)
    path.write_bytes(damage)
    assert part == "lake/rejected" or not home.is_intact()
    home.live()
    assert home.lake() == before
    assert home.is_intact()


def test_a_file_comes_back_also_after_the_day_was_scored(home: Home) -> None:
    """From then on a rerun would date rows later; the damaged file must get the time that it had."""
    platform = home.platform
    rows = events("prediction", {"event_id": "p"}, at=run_time(DAY))
    platform.event_log.append("prediction", rows, writer="planner")
    before = home.lake()
    home.newest("events/event_type=click").write_bytes(b"")
    home.platform.home.intake.ingest_at(DAY).ingest(EVE)
    assert home.lake() == before


def test_what_landing_no_longer_gives_is_named_and_nothing_is_made_up(home: Home) -> None:
    path = home.newest("events/event_type=click")
    path.write_bytes(b"")
    for landed in (home.path / "landing").rglob("*.parquet"):
        landed.unlink()
    home.live()
    assert path.read_bytes() == b""
    assert not home.is_intact()


@pytest.mark.parametrize("name", ["manifest.json", "feature_spec.json"])
def test_a_model_that_was_emptied_comes_back_by_training_it_again(home: Home, name: str, models: Any) -> None:
    artifact, now = models.tiny_artifact(1), run_time(DAY)
    version = home.platform.of_model().registry.register(artifact, as_of=DAY, now=now)
    folder = home.path / "lake" / "models" / version
    chosen = folder / name if (folder / name).exists() else sorted(folder.iterdir())[0]
    whole = chosen.read_bytes()
    chosen.write_bytes(b"")
    with pytest.raises(IntegrityError):
        home.platform.of_model().registry.load(version)
    assert home.platform.of_model().registry.register(artifact, as_of=DAY, now=now) == version
    assert chosen.read_bytes() == whole
    assert home.platform.of_model().registry.load(version).model_version == version


@dataclass
class Disk:
    """What was waited for, in order, by name below the home."""

    synced: list[str] = field(default_factory=list)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk, real = Disk(), os.fsync

    def fsync(descriptor: int) -> None:
        name = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if name.is_relative_to(tmp_path):
            disk.synced.append(name.relative_to(tmp_path).as_posix())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return disk


def test_an_append_waits_for_file_and_folders_and_lists_what_is_there_for_good(tmp_path: Path, disk: Disk) -> None:
    home = Home(tmp_path)
    home.deliver("first", "a")
    assert disk.synced == [], "landing is the exporters'"
    home.platform.home.intake.ingest_at(DAY).ingest(EVE)
    data, manifest = (next(key for key in home.lake() if key.startswith(f)) for f in ("events", "manifests"))
    hour = Path(data).parent
    first, last = (disk.synced.index(f"lake/{key}") for key in (data, manifest))
    assert first < last, "a manifest never lists what a power cut can take"
    for folder in (hour, *list(hour.parents)):
        assert f"lake/{folder.as_posix()}".removesuffix("/.") in disk.synced[first:last]
    for folder in ("lake/manifests/chain/000000000", "lake/manifests/chain", "lake/manifests"):
        assert folder in disk.synced[last:]
    before = len(disk.synced)
    home.deliver("second", "b")
    home.platform.home.intake.ingest_at(DAY).ingest(EVE)
    assert len(disk.synced) > before


def test_a_head_and_a_model_wait_too_and_what_is_derived_does_not(home: Home, disk: Disk) -> None:
    platform = home.platform
    platform.lake.put_if_absent("models/v1/manifest.json", b"{}")
    assert "home/lake/models/v1/manifest.json" in disk.synced
    before = len(disk.synced)
    platform.tables.write_report("r", DAY, {})
    assert len(disk.synced) == before
    platform.ledger.switches.resume(actor="a", reason="r", now=day_start(DAY) + timedelta(days=1))
    platform.home.messengers.outbox.publish()
    seal(platform.home)
    assert "home/private/heads" in disk.synced


def test_who_does_not_ask_for_it_does_not_wait(tmp_path: Path, disk: Disk) -> None:
    store = ObstoreObjectStore.local(tmp_path / "lake", survives_power_cut=False)
    store.put_if_absent(manifest_key(0), b"")
    assert disk.synced == []


def other(name: str, value: Any) -> Change:
    def change(table: pa.Table) -> pa.Table:
        field = table.schema.field(name)
        filled = pa.array([value] * table.num_rows, field.type)
        return table.set_column(table.schema.get_field_index(name), field, filled)

    return change


@pytest.mark.parametrize(
    ("event_type", "change"),
    [
        ("sending_paused", other("reason", "so that nobody asks")),
        ("sending_paused", other("observed_at", run_time(DAY) - timedelta(minutes=1))),
        ("click", other("user_id", "u9")),
        ("click", lambda table: other("event_id", "forged")(table.slice(0, 1))),
        ("click", lambda table: table.slice(0, 1)),
    ],
)
def test_a_file_beside_an_honest_one_stays_unlisted_when_the_day_runs_again(
    home: Home, event_type: str, change: Change
) -> None:
    """Same writer, same batch, events that are known: only the bytes tell it from what a crash left."""
    planted = home.plant(event_type, change)
    assert home.findings() == [("unlisted_file", planted)]
    home.live()
    assert home.findings() == [("unlisted_file", planted)]
