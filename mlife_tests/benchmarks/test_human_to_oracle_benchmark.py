"""What is said of markets between human and oracle, and that a market that was measured is not measured again."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mlife_assets.recruiting.policies import Policies

NEW_JOBS = "new jobs ranked no worse than by the rule"


def row(champion: float, cold: float) -> dict[str, Any]:
    """Return a market whose human ranks at .2, simple rule at .3 and oracle at .4."""
    return {
        "outcome": "promote", "human_map": 0.2, "simple_rule_map": 0.3, "champion_map": champion, "oracle_map": 0.4,
        "share": (champion - 0.2) / 0.2, "bound_by_features": 0.9, "bound_with_hidden": 0.99, "cold_human_map": 0.5,
        "cold_champion_map": cold,
    }  # fmt: skip


def test_medians_are_over_markets_and_goals_of_medians(bench: ModuleType) -> None:
    found = bench.summary([row(0.37, 0.6), row(0.38, 0.4), row(0.34, 0.7)])
    assert found["median_share"] == pytest.approx(0.85)
    assert found["share_range"] == pytest.approx([0.7, 0.9])
    assert found["median_share_of_simple_rule"] == pytest.approx(0.5)
    assert (found["median_cold_gain"], found["least_cold_gain"]) == (pytest.approx(0.1), pytest.approx(-0.1))
    assert found["goals"] == {"share of 0.8": True, NEW_JOBS: True}
    missed = bench.summary([row(0.34, 0.4), row(0.35, 0.45)])
    assert missed["goals"] == {"share of 0.8": False, NEW_JOBS: False}


def test_days_that_are_ranked_taught_no_step(bench: ModuleType) -> None:
    assert max(bench.JUDGED_DAYS_AGO) <= Policies().label.click_window_days


def test_a_market_is_measured_once_and_the_record_names_its_commit(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []
    commits = ["abc"]

    def measured(home: Path, seed: int, users: int, history_days: int) -> Any:
        asked.append((commits[0], seed, users, history_days))
        commits[0] += "d"
        return bench.SeedResult(**row(0.38 if seed == 101 else 0.30, 0.6))

    def run(*further: str) -> int:
        commits[0] = further[0]
        return bench.main(["--work", str(tmp_path), "--json", str(record), *further[1:]])

    monkeypatch.setattr(bench, "measured", measured)
    monkeypatch.setattr(bench, "checked_out", lambda: commits[0])
    record = tmp_path / "record.json"
    assert run("abc", "--seeds", "1") == 0
    assert run("abc", "--seeds", "2") == 1
    said = capsys.readouterr().out
    assert "share of the simple rule: median 0.500" in said
    assert "MISSED: share of 0.8" in said
    assert f"met: {NEW_JOBS}" in said
    found = json.loads(record.read_text())
    assert (found["commit"], [one["seed"] for one in found["rows"]]) == ("abc", [101, 102])
    assert found["rows"][0]["share"] == 0.9, "digits of a record are few"
    assert [one[:2] for one in asked] == [("abc", 101), ("abc", 102)]

    asked.clear()
    for others in (["--users", "50"], ["--history-days", "40"]):
        run("abc", "--seeds", "1", *others)
    run("other", "--seeds", "1")
    for _ in range(2):
        run("abc-dirty", "--seeds", "1")
    assert asked == [
        ("abc", 101, 50, 60), ("abc", 101, 10_000, 40), ("other", 101, 10_000, 60), ("abc-dirty", 101, 10_000, 60),
        ("abc-dirty", 101, 10_000, 60),
    ]  # fmt: skip
