"""`mlife landing replay`: what was refused is judged again, and taken only when somebody says so."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mlife_assets.adapters.event_log import verify
from mlife_assets.adapters.parquet_bytes import encode_table
from mlife_assets.components.platform.model_platform import INGEST_REPORT
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.platform.sealing import seal
from mlife_assets.core.windows import day_start, run_time
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.landed_examples import example_rows
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings

EVE, DAY, LATER = (date(2026, 6, number) for number in (1, 2, 5))
SOON = day_start(DAY) + timedelta(hours=1)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home that refused a click of tomorrow and a free job, and has lived some days since."""
    platform = Platform(settings=Settings(home=tmp_path / "home"), policies=Policies())
    clicks = _with(example_rows(EVENT_TYPES["click"], EVE), "observed_at", [None, SOON, None])
    jobs = _with(example_rows(EVENT_TYPES["job_posted"], EVE), "pay_usd_per_hour", [-1.0, None, None])
    for name, table in (("click", clicks), ("job_posted", jobs), ("clicks", clicks)):
        platform.landing.put_if_absent(f"{name}/dt={EVE}/a.parquet", encode_table(table))
    report = platform.ingest_at(DAY).ingest(EVE)
    assert report.rejected_by_reason == {"from_future": 1, "out_of_range": 1, "unknown_event_type": 1}
    for day in (DAY, LATER):
        platform.tables.write_report(INGEST_REPORT, day, {"day": EVE, "types": []})
    seal(platform)
    platform.ledger.close()
    return tmp_path / "home"


def _with(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    """Replace the values of a column that are not None."""
    place, field = table.column_names.index(name), table.schema.field(name)
    kept = [old if new is None else new for old, new in zip(table[name].to_pylist(), values, strict=True)]
    return table.set_column(place, field, pa.array(kept, field.type))


def _clicks(home: Path) -> list[Any]:
    platform = Platform(settings=Settings(home=home), policies=Policies())
    found = platform.event_log.read("click").sort_by("observed_at")["observed_at"].to_pylist()
    platform.ledger.close()
    return found


def test_rows_are_judged_first_and_taken_when_asked_for(run, home) -> None:
    before = {path: path.read_bytes() for path in (home / "lake").rglob("*") if path.is_file()}
    result = run("landing", "replay", "--home", home)
    assert result.exit_code == 0, result.output
    assert {path: path.read_bytes() for path in (home / "lake").rglob("*") if path.is_file()} == before
    lines = result.stdout.splitlines()
    assert lines[0] == "click of 2026-06-01: 1 row good now, 0 in the log already, 0 still refused"
    assert lines[1] == "job_posted of 2026-06-01: 0 rows good now, 0 in the log already, 1 still refused"
    assert lines[2].startswith("  job_posted/dt=2026-06-01/a.parquet, row 0, pay_usd_per_hour: out_of_range: ")
    assert lines[3] == "unknown_clicks of 2026-06-01: 0 rows good now, 0 in the log already, 1 still refused"
    assert ", the whole file: unknown_event_type: exporters deliver " in lines[4]
    assert lines[5:] == ["1 row would be taken; --apply takes them."]

    assert "1 row was taken." in run("landing", "replay", "--home", home, "--apply").stdout
    assert _clicks(home)[-1] == run_time(LATER)
    assert len(_clicks(home)) == 3
    platform = Platform(settings=Settings(home=home), policies=Policies())
    assert verify(platform.lake).is_intact
    platform.ledger.close()

    again = json.loads(run("landing", "replay", "--home", home, "--apply", "--json").stdout)
    assert (again["is_applied"], again["appended"]) == (True, 0)
    assert again["replayed"][0]["report"]["accepted"] == 1
    assert len(_clicks(home)) == 3


def test_what_late_rows_changed_is_reported_once_they_are_taken(run, home, monkeypatch) -> None:
    """Of the clicks one comes too late, one is of nothing that was shown, and one of what was clicked in time."""
    platform = Platform(settings=Settings(home=home), policies=Policies())
    old = day_start(DAY) - timedelta(days=6)
    shown = {"user_id": "u", "job_id": "j", "surface": "feed", "position": 1, "occurred_at": old, "observed_at": old}
    for event_id, at in (("message-2", day_start(EVE)), ("old", old)):
        rows = pa.Table.from_pylist([{**shown, "event_id": event_id, "occurred_at": at, "observed_at": at}])
        platform.event_log.append("impression", rows, writer="landing")
    clicks = _with(example_rows(EVENT_TYPES["click"], EVE), "observed_at", [SOON, SOON, SOON])
    clicks = _with(clicks, "event_id", ["a", "b", "c"])
    clicks = _with(_with(clicks, "exposure_id", ["old", "none", "impression-1"]), "occurred_at", [old, None, None])
    tables = {
        "click": clicks,
        "impression": _with(example_rows(EVENT_TYPES["impression"], EVE), "observed_at", [SOON, None, None]),
        "hire": _with(example_rows(EVENT_TYPES["hire"], EVE), "observed_at", [SOON, SOON, None]),
    }
    for name, table in tables.items():
        platform.landing.put_if_absent(f"{name}/dt={EVE}/b.parquet", encode_table(table))
    with monkeypatch.context() as before_later_days:
        before_later_days.setattr(Platform, "newest_landed_day", lambda _: DAY)
        early = platform.ingest_at(DAY)
    assert early.ingest(EVE).rejected_by_reason["from_future"] == 7
    seal(platform)
    platform.ledger.close()

    assert "late" not in run("landing", "replay", "--home", home).stdout
    assert run("landing", "replay", "--home", home, "--apply").stdout.splitlines()[-4:] == [
        "impression: 1 row came late, of 2026-06-01; 1 exposure added (shown 2026-06-01), 0 rows added none",
        "click: 4 rows came late, of 2026-05-27 to 2026-06-01; 1 label moved (shown 2026-06-01), 3 rows moved none "
        "(1 because the label was final)",
        "hire: 2 rows came late, of 2026-06-01; no label is made of them",
        "7 rows were taken.",
    ]
    again = json.loads(run("landing", "replay", "--home", home, "--apply", "--json").stdout)
    assert (again["appended"], again["late"]) == (0, [])


def test_a_day_and_a_type_can_be_chosen(run, home) -> None:
    chosen = json.loads(run("landing", "replay", "--home", home, "--type", "click", "--day", EVE, "--json").stdout)
    assert [(one["day"], one["report"]["event_type"]) for one in chosen["replayed"]] == [("2026-06-01", "click")]
    assert (chosen["is_applied"], chosen["appended"]) == (False, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--day", "2026-06-02"), "nothing was refused on 2026-06-02; without --day and --type everything"),
        (("--type", "apply"), "nothing of apply was refused in this home"),
    ],
)
def test_where_nothing_was_refused_it_says_so(run, home, words, said) -> None:
    result = run("landing", "replay", "--home", home, *words)
    assert result.exit_code == 1
    assert said in " ".join(result.output.split())
