"""A small home with random keys, as real people have it, and backups of it that somebody else had in hand.

A day landed, a text was sent, two people asked by post to be left alone; all is signed.
"""

from __future__ import annotations

from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from mlife_assets.adapters.send_ledger import Transition
from mlife_assets.core.ids import event_id
from mlife_assets.core.windows import day_start, run_time
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.deployments.landed_days import INGEST_REPORT
from mlife_assets.deployments.sealing import seal
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.settings import Settings
from mlife_tests.rows import planned_event, submit

DAY = date(2026, 6, 10)
CAMPAIGN, USER = "job_of_the_day", "u1"
NOW = run_time(DAY) + timedelta(hours=3)
BY_POST = ("u8", "u9")
MANIFEST = "manifest.json"


def platform_of(home: Path, **stated: Any) -> BoardPorts:
    settings = Settings(home=home, environment="staging", **stated)
    return board_ports(settings)


def append(
    platform: BoardPorts, event_type: str, row: dict[str, Any], writer: str, *, batch: str | None = None
) -> None:
    full = {"event_id": event_id(event_type, *row.values()), "occurred_at": NOW, "observed_at": NOW, **row}
    table = pa.Table.from_pylist([full], schema=EVENT_TYPES[event_type].schema)
    platform.event_log.append(event_type, table, writer=writer, batch=batch)


def live(home: Path, **stated: Any) -> BoardPorts:
    """Live the day in a folder; the platform is open."""
    platform = platform_of(home, **stated)
    platform.settings.memory.keep_world()
    at = day_start(DAY) - timedelta(minutes=30)
    click = {"user_id": USER, "job_id": "j1", "source": "organic", "exposure_id": "x1"}
    append(platform, "click", {**click, "occurred_at": at, "observed_at": at}, "landing")
    report = {"types": [{"event_type": "click", "files": 1, "accepted": 1, "rejected": {}, "examples": []}]}
    platform.tables.write_report(INGEST_REPORT, DAY, report)
    text(platform, USER)
    for user in BY_POST:
        platform.ledger.people.suppress(user, now=NOW, reason="asked by post")
    _ = (platform.home.private.number_key, platform.home.private.link_key)
    seal(platform.home)
    return platform


def text(platform: BoardPorts, user: str) -> None:
    """Send somebody a text through the ledger and publish it."""
    (message,) = submit(platform.ledger, [user], CAMPAIGN, DAY, NOW)
    platform.ledger.transition_many([Transition(message, "accepted", provider_message_id=f"con_{user}")], now=NOW)
    append(platform, "message_planned", planned_event(message, user, DAY), "planner")
    platform.home.messengers.outbox.publish()


def manifest_of(backup: Path) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads((backup / MANIFEST).read_bytes())
    return document


def put_manifest(backup: Path, document: dict[str, Any]) -> None:
    (backup / MANIFEST).write_bytes(orjson.dumps(document))


def fit(backup: Path, document: dict[str, Any], name: str) -> None:
    """Let a manifest say of a file what that holds now."""
    data = (backup / name).read_bytes()
    document["files"][name], document["sizes"][name] = sha256(data).hexdigest(), len(data)
