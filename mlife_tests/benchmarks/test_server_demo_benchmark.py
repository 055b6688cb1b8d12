"""The demo on servers: what is compared, and that both servers are there for it."""

from __future__ import annotations

import json
from contextlib import nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SUMMARY = {"seed": 7, "events": 3, "messages": {"delivered": 2}, "seconds": {"days": 1.0}, "cpu_seconds": 100.0}


def test_all_but_seconds_is_compared(bench: ModuleType) -> None:
    other: dict[str, Any] = {**SUMMARY, "seconds": {}, "cpu_seconds": 150.0}
    assert bench.differences(SUMMARY, other) == []
    assert bench.differences(SUMMARY, {**other, "messages": {"delivered": 1}, "more": 0}) == ["messages", "more"]
    assert bench.differences(SUMMARY, {name: other[name] for name in ("seed", "messages")}) == ["events"]
    kept = bench.record({"embedded": SUMMARY, "server": other}, "abc")
    assert (kept["ratio"], kept["differences"], "cpu_seconds" in kept["summary"]) == (1.5, [], False)


def test_a_difference_is_told_by_the_exit_code(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "checked_out", lambda: "abc")
    monkeypatch.setattr(bench, "servers", lambda folder: nullcontext({}))
    (tmp_path / "abc").mkdir()
    for name, delivered in (("embedded", 2), ("server", 1)):
        summary = {**SUMMARY, "messages": {"delivered": delivered}}
        (tmp_path / "abc" / f"{name}-21.json").write_text(json.dumps(summary))
    held = tmp_path / "abc" / "server-21-held.json"
    held.write_text(json.dumps({"sends": 1}))
    record = tmp_path / "record.json"
    monkeypatch.setattr("sys.argv", ["server_demo", "--work", str(tmp_path), "--json", str(record)])
    assert bench.main() == 1
    assert "differ in messages" in capsys.readouterr().out
    assert json.loads(record.read_text())["differences"] == ["messages"]
    held.write_text(json.dumps({"sends": 0}))
    assert bench.main() == 1
    assert "did not use the servers" in capsys.readouterr().out


def test_what_mlife_writes_is_held_by_both_servers(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlife_assets.components.platform.resources import Platform
    from mlife_assets.components.running.instance import open_instance
    from mlife_assets.recruiting.ports import LedgerRow
    from mlife_assets.settings import Settings

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    day, now = date(2026, 6, 1), datetime(2026, 6, 1, 18, tzinfo=UTC)
    with bench.servers(tmp_path) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        settings = Settings(home=tmp_path / "home")
        platform = Platform(settings=settings, policies=settings.policies())
        platform.ledger.plan([LedgerRow("m", "u", "j", "c", day, "hi", "planned", 0, None, now)], now=now)
        platform.ledger.pause(actor="ann", reason="look closer", now=now)
        platform.outbox.publish()
        with open_instance(settings.home, is_in_database=True):
            pass
        assert bench.held(variables) == {"objects of the log": 1, "sends": 1, "runs": 0}
        platform.ledger.close()
