"""What is counted of a home: files of lived days alone, by person and day."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Ten people, two days that were lived and one that was not."""
    summary = {"users": 10, "days": 2, "decisions": [{"date": "2026-06-02"}], "messages": {"submitted": 5}}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    for event_type, day, rows in (
        ("click", "2026-06-01", [{"user_id": "a"}] * 9),
        ("click", "2026-06-02", [{"user_id": "a"}] * 4),
        ("click", "2026-06-03", [{"user_id": "a"}] * 6),
        ("impression", "2026-06-02", [{"user_id": "a"}] * 8),
        ("message_planned", "2026-06-03", [{"channel": "sms", "segments": 1}, {"channel": "sms", "segments": 2}]),
        ("message_planned", "2026-06-02", [{"channel": "email", "segments": 9}]),
    ):
        path = tmp_path / "lake" / "events" / f"event_type={event_type}" / f"dt={day}" / "hour=18" / "a.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), path)
    for day, size in (("2026-06-01", 99), ("2026-06-02", 40)):
        path = tmp_path / "lake" / "tables" / "scores" / f"as_of_date={day}" / "a.parquet"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"0" * size)
    return tmp_path


def test_its_size_is_that_of_the_short_demo(bench: ModuleType, repository: Path) -> None:
    recipe = (repository / "Makefile").read_text(encoding="utf-8").partition("\ndemo-quick:")[2].partition("\n\n")[0]
    asked = re.findall(r"(MLIFE_\w+)=('[^']*'|\S+)", recipe)
    short = {name: value for name, value in asked if name != "MLIFE_DEMO_EVENT_DAYS"}
    assert {**short, "MLIFE_DEMO_FAULTS": "false"} == bench.SIZE


def test_only_days_that_the_model_ran_count(bench: ModuleType, home: Path) -> None:
    found = bench.measured(home)
    clicks = found["log_of_person_and_day"]["click"]
    assert (clicks["rows"], clicks["files"]) == (0.5, 1.0)
    impressions = found["log_of_person_and_day"]["impression"]
    assert (impressions["rows"], impressions["files"]) == (0.8, 1.0), "those of the last day land on the day after"
    sizes = [one.stat().st_size for one in (home / "lake" / "events" / "event_type=click").glob("dt=2026-06-0[23]/*/*")]
    assert clicks["bytes"] == round(sum(sizes) / 20, 4)
    assert found["lake_bytes_of_person_and_day"] == 2.0
    assert found["texts_of_person_and_day"] == 0.25
    assert found["segments_of_text"] == 1.5


def test_the_record_names_its_commit(
    bench: ModuleType, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "checked_out", lambda: "abc")
    record = tmp_path / "record.json"
    assert bench.main(["--home", str(home), "--json", str(record)]) == 0
    found = json.loads(record.read_text())
    assert (found["commit"], found["people"], found["days"]) == ("abc", 10, 2)
    assert "2 of lake a person and day" in capsys.readouterr().out
