"""Row 4 of the attack on 0.1.0: who may write to the lake alone rewrites the log. Plain `mlife log verify` finds it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from typer.testing import CliRunner, Result

from mlife_assets.adapters.event_log import ParquetEventLog, verify
from mlife_assets.adapters.event_log.manifests import (
    Entry,
    content_hash,
    data_key,
    decode_manifest,
    encode_manifest,
    hour_of_key,
    manifest_key,
    parse_data_key,
    parse_manifest_key,
)
from mlife_assets.adapters.log_heads.head import Ed25519Signer, FolderHeadStore, key_id, read_head, sign_head
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.parquet_bytes import decode_table, encode_table
from mlife_assets.adapters.send_ledger import Transition
from mlife_assets.cli import app
from mlife_assets.core.ids import event_id
from mlife_assets.core.windows import add_days, day_start, run_time
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.deployments.landed_days import INGEST_REPORT
from mlife_assets.deployments.sealing import seal
from mlife_assets.recruiting.events import JOB_APPLICATIONS
from mlife_assets.settings import Settings
from mlife_tests.rows import events, submit
from mlife_tests.stores import write_release_010

FIRST, DAYS, CAMPAIGN = date(2026, 6, 10), 9, "job_of_the_day"
PROMOTED_ON = (1, 4, 6)


def platform_of(home: Path) -> BoardPorts:
    settings = Settings(home=home)
    return board_ports(settings)


def append(platform: BoardPorts, event_type: str, at: datetime, writer: str, *rows: dict[str, Any]) -> None:
    platform.event_log.append(event_type, events(event_type, *rows, at=at), writer=writer)


def land(platform: BoardPorts, day: date) -> None:
    """Land the clicks of the eve, as an ingest would."""
    at = day_start(day) - timedelta(minutes=30)
    rows = ({"event_id": event_id("click", day, number), "user_id": f"u{number}"} for number in range(4))
    append(platform, "click", at, "landing", *rows)
    report = {"types": [{"event_type": "click", "files": 1, "accepted": 4, "rejected": {}, "examples": []}]}
    platform.tables.write_report(INGEST_REPORT, day, report)


def text(platform: BoardPorts, day: date) -> None:
    """Send one text through the ledger and publish it; an hour-21 event, so nothing later of the day follows it."""
    now = run_time(day) + timedelta(hours=3)
    (message,) = submit(platform.ledger, [f"u{day}"], CAMPAIGN, day, now)
    platform.ledger.transition_many([Transition(message, "accepted", provider_message_id=f"con_{day}")], now=now)
    platform.home.messengers.outbox.publish()


def promote(platform: BoardPorts, day: date, number: int) -> None:
    """Retrain after the evening, as the sensor does: hour 19, when hour 21 is there already."""
    at, version = run_time(day) + timedelta(hours=1), f"mdl_{number}"
    platform.lake.put_if_absent(f"models/{version}/manifest.json", b"{}")
    known = {"model_version": version, "model_name": JOB_APPLICATIONS}
    append(platform, "model_registered", at, "registry", {"event_id": event_id("model_registered", version), **known})
    champion = platform.of_model().registry.champion()
    promoted = {"event_id": event_id("model_promoted", version), "previous_version": champion, **known}
    append(platform, "model_promoted", at, "registry", promoted)


@dataclass(frozen=True)
class Lake:
    """What the attacker holds: the lake of a home, and a copy of it from some days ago."""

    home: Path

    @property
    def store(self) -> ObstoreObjectStore:
        return ObstoreObjectStore.local(self.home / "lake", survives_power_cut=False)

    @property
    def numbers(self) -> list[int]:
        keys = self.store.list("manifests/chain")
        return [number for number in map(parse_manifest_key, keys) if number is not None]

    def remove(self, key: str) -> None:
        (self.home / "lake" / key).unlink()

    def entries(self, number: int) -> tuple[Entry, ...]:
        return decode_manifest(manifest_key(number), self.store.get(manifest_key(number))).entries

    def listing(self, part: str) -> list[int]:
        return [number for number in self.numbers if any(part in entry.key for entry in self.entries(number))]

    def cut(self, numbers: Iterable[int]) -> None:
        """Remove manifests with all that they list."""
        for number in numbers:
            for entry in self.entries(number):
                self.remove(entry.key)
            self.remove(manifest_key(number))

    def rebuild(self, kept: list[tuple[Entry, ...]]) -> None:
        """Compute the whole chain anew over other entries."""
        anchors = decode_manifest(manifest_key(0), self.store.get(manifest_key(0))).anchors
        for number in self.numbers:
            self.remove(manifest_key(number))
        previous = None
        for number, entries in enumerate(kept):
            manifest = decode_manifest(
                manifest_key(number),
                encode_manifest(
                    replace(_blank(number), previous=previous, anchors=() if number else anchors, entries=entries)
                ),
            )
            data = encode_manifest(manifest)
            self.store.put_if_absent(manifest_key(number), data)
            previous = content_hash(data)

    def change(self, entry: Entry, changed: Callable[[pa.Table], pa.Table]) -> Entry:
        """Write other rows in the place of a file, under the name that their bytes ask for."""
        file = parse_data_key(entry.key)
        assert file is not None
        table = changed(decode_table(self.store.get(entry.key)))
        data = encode_table(table)
        digest = content_hash(data)
        key = data_key(file.event_type, hour_of_key(entry.key), file.writer, file.batch, digest)
        self.remove(entry.key)
        self.store.put_if_absent(key, data)
        return Entry(key, digest, table.num_rows)

    def rewrite(self, number: int, entries: tuple[Entry, ...]) -> None:
        """Give one manifest other entries and compute the chain anew from there."""
        kept = [self.entries(one) for one in self.numbers]
        kept[number] = entries
        self.rebuild(kept)


def _blank(number: int) -> Any:
    from mlife_assets.adapters.event_log.manifests import Manifest

    return Manifest(number, None, (), ())


def mlife(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--home", str(home)])


def found(home: Path) -> list[tuple[str, str]]:
    result = mlife(home, "log", "verify", "--json")
    assert result.exit_code == 1, result.output
    return [(one["kind"], one["key"]) for one in orjson.loads(result.stdout)["findings"]]


def store_verdict(home: Path) -> bool:
    return verify(ObstoreObjectStore.local(home / "lake", survives_power_cut=False)).is_intact


@pytest.fixture(scope="module")
def lived_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return nine days: landed, texted, three times retrained after the evening, each sealed."""
    home = tmp_path_factory.mktemp("rewritten") / "home"
    platform = platform_of(home)
    for number in range(DAYS):
        day = add_days(FIRST, number)
        land(platform, day)
        seal(platform.home)
        text(platform, day)
        seal(platform.home)
        if number in PROMOTED_ON:
            promote(platform, day, number)
            seal(platform.home)
    platform.ledger.close()
    platform.home.messengers.texts.close()
    return home


@pytest.fixture
def lake(lived_home: Path, tmp_path: Path) -> Lake:
    shutil.copytree(lived_home, tmp_path / "home")
    return Lake(tmp_path / "home")


def test_an_untouched_log_is_intact_and_signed(lake: Lake) -> None:
    result = mlife(lake.home, "log", "verify", "--json")
    assert result.exit_code == 0, result.output
    document = orjson.loads(result.stdout)
    assert document["findings"] == []
    assert document["is_signed"]
    assert document["unsigned_manifests"] == 0
    assert document["signed_head"]["day"] == str(add_days(FIRST, DAYS - 1))


@pytest.mark.parametrize("days", [1, 7])
def test_the_last_days_cut_off(lake: Lake, days: int) -> None:
    since = str(add_days(FIRST, DAYS - days - 1))
    first = min(n for n in lake.numbers if all(e.key.split("dt=")[1][:10] >= since for e in lake.entries(n)))
    lake.cut(range(first, lake.numbers[-1] + 1))
    assert store_verdict(lake.home)
    assert ("missing_manifest", manifest_key(first)) in found(lake.home)


@pytest.mark.parametrize("folders", [("events", "manifests"), None])
def test_everything_deleted(lake: Lake, folders: tuple[str, ...] | None) -> None:
    for name in folders or [path.name for path in (lake.home / "lake").iterdir()]:
        shutil.rmtree(lake.home / "lake" / name)
    kinds = {kind for kind, _ in found(lake.home)}
    assert {"missing_manifest", "ledger_mismatch"} <= kinds
    shutil.rmtree(lake.home / "lake")
    assert {"missing_manifest", "ledger_mismatch"} <= {kind for kind, _ in found(lake.home)}


@pytest.mark.parametrize("place", [0, 5, -1])
def test_a_row_rewritten_and_the_chain_computed_anew_from_there(lake: Lake, place: int) -> None:
    number = lake.listing("event_type=click")[place]
    (entry,) = lake.entries(number)
    other = lake.change(entry, lambda table: table.set_column(3, "user_id", pa.array(["u9"] * table.num_rows)))
    lake.rewrite(number, (other,))
    assert store_verdict(lake.home)
    assert ("altered_manifest", manifest_key(number)) in found(lake.home)


def test_two_promotions_taken_from_the_middle(lake: Lake) -> None:
    gone = lake.listing("event_type=model_promoted")[:2]
    kept = [lake.entries(number) for number in lake.numbers if number not in gone]
    for number in gone:
        for entry in lake.entries(number):
            lake.remove(entry.key)
    lake.rebuild(kept)
    assert store_verdict(lake.home)
    kinds = {kind for kind, _ in found(lake.home)}
    assert {"altered_manifest", "registry_mismatch"} <= kinds


def test_a_fork_that_goes_on_longer_than_the_chain(lake: Lake) -> None:
    fork = lake.numbers[-6]
    lake.cut(range(fork, lake.numbers[-1] + 1))
    log = ParquetEventLog(lake.store)
    for number in range(12):
        at = run_time(FIRST) + timedelta(minutes=number)
        log.append("sending_resumed", events("sending_resumed", {"event_id": f"f{number}"}, at=at), writer="w")
    assert store_verdict(lake.home)
    assert ("altered_manifest", manifest_key(fork)) in found(lake.home)


def test_heads_forged_on_the_lake_change_nothing(lake: Lake) -> None:
    """Heads are read from where they are kept; a copy that an attacker signs is no head."""
    lake.cut(lake.numbers[-3:])
    heads = FolderHeadStore(lake.home / "private" / "heads")
    pins = platform_of(lake.home).home.private.heads.pins
    newest = heads.sequences()[-1]
    honest = read_head(newest, heads.get(newest), pins.by_id(), "head").head
    forger = Ed25519Signer(b"f" * 32)
    forged = sign_head(replace(honest, manifests=honest.manifests[:-3]), forger)
    lake.store.put_if_absent("heads/00000099.json", forged.body)
    assert "missing_manifest" in {kind for kind, _ in found(lake.home)}
    with pytest.raises(Exception, match="not signed by a key that is pinned"):
        read_head(newest, forged.body, pins.by_id(), "forged")
    assert key_id(forger.public_key) not in pins.by_id()


def test_the_reports_rewritten_together_with_the_log(lake: Lake) -> None:
    """Second way: everything on the lake that a cross-check reads is made to fit, only heads and ledger are not."""
    gone = lake.listing("event_type=click")[-2:]
    for number in gone:
        for entry in lake.entries(number):
            lake.remove(entry.key)
    lake.rebuild([lake.entries(number) for number in lake.numbers if number not in gone])
    for path in sorted((lake.home / "lake" / "reports" / INGEST_REPORT).iterdir())[-2:]:
        shutil.rmtree(path)
    assert store_verdict(lake.home)
    assert "altered_manifest" in {kind for kind, _ in found(lake.home)}


class TestRelease010:
    """A home of release 0.1.0: opens, verifies, is adopted, and is then held against what was adopted."""

    @pytest.fixture
    def old(self, lake: Lake) -> Lake:
        """Return the same home as release 0.1.0 kept it: hourly manifests, no heads, no keys."""
        entries = [entry for number in lake.numbers for entry in lake.entries(number)]
        shutil.rmtree(lake.home / "lake" / "manifests")
        shutil.rmtree(lake.home / "private" / "heads")
        (lake.home / "private" / "keys" / "log_heads.pub").unlink()
        with sqlite(lake.home) as connection:
            connection.execute("DELETE FROM log_heads")
        write_release_010(lake.store, entries)
        return lake

    def test_it_verifies_and_says_that_it_is_not_signed(self, old: Lake) -> None:
        result = mlife(old.home, "log", "verify")
        assert result.exit_code == 0, result.output
        assert result.stdout.startswith("intact: ")
        assert "not signed; run `mlife log adopt`" in result.stdout

    def test_one_more_day_signs_what_is_new_and_does_not_vouch_for_the_rest(self, old: Lake) -> None:
        platform = platform_of(old.home)
        land(platform, add_days(FIRST, DAYS))
        head = seal(platform.home)
        assert head is not None
        assert head.history == "unsigned"
        result = mlife(old.home, "log", "verify")
        assert result.exit_code == 0, result.output
        assert "never vouched for" in result.stdout
        assert not orjson.loads(mlife(old.home, "log", "verify", "--json").stdout)["is_signed"]

    def test_adopting_signs_it_and_a_rewrite_of_its_manifests_is_found(self, old: Lake) -> None:
        result = mlife(old.home, "log", "adopt", "--reason", "checked against the backup of May", "--json")
        assert result.exit_code == 0, result.output
        assert orjson.loads(result.stdout)["history"] == "adopted"
        assert orjson.loads(mlife(old.home, "log", "verify", "--json").stdout)["is_signed"]
        again = mlife(old.home, "log", "adopt", "--reason", "again")
        assert again.exit_code == 1
        keys = old.store.list("manifests/dt=2026-06-12")
        for key in keys:
            old.remove(key)
        removed = [key for key in old.store.list("events") if "dt=2026-06-12" in key]
        for key in removed:
            old.remove(key)
        assert ("missing_manifest", keys[-1]) in found(old.home)

    def test_an_adoption_that_died_before_it_signed_is_done_by_calling_again(self, old: Lake) -> None:
        platform_of(old.home).event_log.chain.start()
        assert found(old.home) == [("missing_head", "heads")]
        again = mlife(old.home, "log", "adopt", "--reason", "checked", "--json")
        assert again.exit_code == 0, again.output
        assert orjson.loads(again.stdout)["history"] == "adopted"
        assert mlife(old.home, "log", "verify").exit_code == 0

    def test_a_damaged_one_is_adopted_only_when_asked(self, old: Lake) -> None:
        key = old.store.list("events/event_type=click")[0]
        old.store.replace(key, b"")
        refused = mlife(old.home, "log", "adopt", "--reason", "r")
        assert refused.exit_code == 1
        assert key in refused.output
        told = mlife(old.home, "log", "adopt", "--reason", "the loss is known", "--despite-findings")
        assert told.exit_code == 0, told.output
        assert found(old.home) == [("altered_file", key)]


def sqlite(home: Path) -> Any:
    import sqlite3

    return sqlite3.connect(home / "private" / "ledger.sqlite")
