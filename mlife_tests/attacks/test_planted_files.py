"""Beyond row 4 of the attack on 0.1.0: an honest rerun never lists, and so never signs, a file planted in the lake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from mlife_assets.adapters.event_log.layout import content_hash, data_key, hour_of_key, parse_data_key
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.parquet_bytes import decode_table, encode_table
from mlife_assets.cli import app
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.platform.sealing import seal
from mlife_assets.core.windows import run_time
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.settings import Settings

EVE, DAY = date(2026, 6, 9), date(2026, 6, 10)
OBSERVED = datetime(2026, 6, 9, 23, 30, tzinfo=UTC)

Change = Callable[[pa.Table], pa.Table]


class Home:
    """A home whose day can be lived again, and an attacker who may write its lake."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: list[Platform] = []

    def platform(self) -> Platform:
        """Return a fresh process."""
        settings = Settings(home=self.folder)
        self.opened.append(Platform(settings=settings, policies=settings.policies()))
        return self.opened[-1]

    def live(self) -> None:
        """Land the eve, stop sending, record a champion; again adds nothing."""
        platform, at = self.platform(), run_time(DAY)
        rows = [{"event_id": name, "occurred_at": OBSERVED, "observed_at": OBSERVED} for name in "ab"]
        given = {"user_id": "u1", "job_id": "j1", "source": "organic", "exposure_id": "x1"}
        clicks = pa.Table.from_pylist([row | given for row in rows], schema=EVENT_TYPES["click"].schema)
        platform.landing.replace(f"click/dt={EVE}/clicks.parquet", encode_table(clicks))
        platform.outbox.heal()
        platform.ingest_at(DAY).ingest(EVE)
        if not platform.ledger.is_paused():
            platform.ledger.pause(actor="operator", reason="a wrong text", now=at)
        platform.outbox.publish()
        seal(platform)

    def plant(self, event_type: str, change: Change) -> str:
        """Put a changed copy of a file beside it, named as its writer would name it; return its key."""
        store = ObstoreObjectStore.local(self.folder / "lake")
        key = store.list(f"events/event_type={event_type}")[0]
        file = parse_data_key(key)
        assert file is not None
        data = encode_table(change(decode_table(store.get(key))))
        planted = data_key(event_type, hour_of_key(key), file.writer, file.batch, content_hash(data))
        assert store.put_if_absent(planted, data)
        return planted

    def findings(self) -> list[tuple[str, str]]:
        result = CliRunner().invoke(app, ["log", "verify", "--json", "--home", str(self.folder)])
        return [(one["kind"], one["key"]) for one in orjson.loads(result.stdout)["findings"]]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path / "home")
    made.live()
    assert made.findings() == []
    yield made
    for platform in made.opened:
        platform.ledger.close()


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
