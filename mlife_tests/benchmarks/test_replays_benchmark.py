"""The benchmark of replays: its histories, its sums, what it keeps; a short history is replayed in all its parts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

GOVERNED, NAIVE, FROZEN = "governed", "naive", "frozen"
POLICIES = (GOVERNED, FROZEN, NAIVE, "every_alarm", "constant")


@pytest.fixture(scope="module")
def kinds(bench: ModuleType) -> ModuleType:
    return sys.modules["replayed.kinds"]


def agreement(rows, name: str, first: int, last: int, per_day: int) -> float:
    """Return the correlation of a column with the outcome from one day to another."""
    part = slice(first * per_day, last * per_day)
    return float(np.corrcoef(rows[name].to_numpy()[part], rows["won"].to_numpy(zero_copy_only=False)[part])[0, 1])


@pytest.mark.parametrize(
    ("kind", "changed", "after"), [("calm", 0.0, 0.0), ("abrupt", 1.0, 1.0), ("there and back", 1.0, 0.0)]
)
def test_a_history_follows_the_law_that_its_kind_says(
    kinds: ModuleType, kind: str, changed: float, after: float
) -> None:
    rows = kinds.made_rows(kinds.KINDS[kind], 5)
    for first, last, other in ((0, 150, 0.0), (150, 220, changed), (220, 330, after)):
        decides, is_noise = ("noise", "strength") if other else ("strength", "noise")
        assert agreement(rows, decides, first, last, kinds.ROWS_PER_DAY) > 0.4
        assert abs(agreement(rows, is_noise, first, last, kinds.ROWS_PER_DAY)) < 0.05


def test_enough_halves_are_asked_for_without_the_files_that_may_not_ship(bench: ModuleType, tmp_path: Path) -> None:
    files = bench.found_files(tmp_path)
    assert set(files) == {"late flights", "cancelled flights"}, "they are in a package; the folder is empty"
    asked = bench.asked_replays(files)
    assert len({one.key for one in asked}) == len(asked) == 3 * (9 * 4 + 2)
    assert len(asked) / 3 >= bench.HALVES_MINIMUM
    (tmp_path / "electricity_prices.parquet").touch()
    assert "electricity prices" in bench.found_files(tmp_path)
    assert "electricity prices" not in bench.found_files(None)


def test_every_spec_is_one(bench: ModuleType) -> None:
    for file in bench.FILES.values():
        study = bench.Study.from_json(file.spec())
        assert "duration" not in study.model.roles.columns, "known only after the call"


@pytest.mark.proof
def test_a_short_history_is_replayed_in_all_its_parts(bench: ModuleType, tmp_path: Path) -> None:
    parts = {asked.part: bench.replayed(asked) for asked in bench.quick_replays()}
    for one in parts.values():
        assert tuple(one["policies"]) == POLICIES
        assert one["policies"][NAIVE]["promotions"] > one["policies"][GOVERNED]["promotions"] >= 0
        assert one["governed_gains"]["average precision"]["constant"][1] > 0.2
        assert one["recommended"] in POLICIES[:4]
    first, second, whole = (parts[part]["replayed"] for part in (bench.FIRST_HALF, bench.SECOND_HALF, bench.WHOLE))
    assert first.endswith(" to 2025-04-08"), "labels take three days, and the half ends with 10 April"
    assert "2025-04-11" <= second < "2025-04-15", "its first champion may learn from the whole first half"
    assert second.partition(" to ")[2] == whole.partition(" to ")[2] == "2025-07-19"
    assert whole < "2025-03-10", "a quarter of the days is the warm-up"
    record = bench.summary({one["key"]: one for one in parts.values()}, "c0", [])
    (half,) = record["halves"]
    scores = {name: one["average_precision"] for name, one in parts[bench.SECOND_HALF]["policies"].items()}
    assert half["regret"] == max(scores.values()) - scores[parts[bench.FIRST_HALF]["recommended"]]
    assert json.loads(json.dumps(record))["cpu_seconds"] > 0


def line(history: str, part: str, seed: int | None, **more: Any) -> dict[str, Any]:
    policies = {
        name: {"average_precision": 0.3, "promotions": 0, "trainings": 1, "fits": 1} for name in POLICIES
    }  # fmt: skip
    policies[NAIVE] |= {"promotions": 40, "average_precision": 0.35}
    policies[GOVERNED] |= {"promotions": 20}
    gains = {"average precision": {name: [0.0, -0.005, 0.005] for name in POLICIES[1:]}}
    plain = {
        "key": f"{history}|{part}|{seed}", "history": history, "part": part, "seed": seed, "cpu_seconds": 2.0,
        "recommended": NAIVE, "is_settled": True, "policies": policies, "governed_gains": gains,
    }  # fmt: skip
    return plain | more


def by_key(lines: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["key"]: one for one in lines}


def test_claims_that_hold_are_not_reported(bench: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line("calm", part, seed) for part in bench.PARTS for seed in range(30)]
    record = bench.summary(by_key(lines), "c0", [])
    assert record["regret"] == [0.0, 0.0, 0.0]
    assert record["regret_of_always"][FROZEN] == pytest.approx([0.05] * 3)
    assert bench.report(record) == []
    assert "calm" in capsys.readouterr().out


def test_each_broken_claim_is_reported(bench: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    many = line("late flights", bench.WHOLE, None)
    many["policies"][GOVERNED]["promotions"] = 21
    many["governed_gains"]["average precision"] = {name: [0.0, -0.011, 0.01] for name in POLICIES[1:]}
    parts = (bench.FIRST_HALF, bench.SECOND_HALF)
    halves = [line("calm", part, seed, recommended=FROZEN) for part in parts for seed in (1, 2)]
    broken = bench.report(bench.summary(by_key([many, *halves]), "c0", ["bank marketing"]))
    assert broken == [
        "late flights: governed may lose more than 0.01 to frozen",
        "late flights: governed promotes more than half as often as naive",
        "2 halves were replayed, 30 needed",
        "a recommendation loses 0.0500 on average, at most 0.0500",
        "bank marketing was left out",
    ]
    assert "frozen" in capsys.readouterr().out


def test_seeds_of_a_kind_are_averaged_with_an_interval_of_their_own(bench: ModuleType) -> None:
    lines = [line("calm", bench.WHOLE, seed) for seed in (1, 2)]
    lines[1]["governed_gains"] = {"average precision": {name: [0.02, 0.0, 0.0] for name in POLICIES[1:]}}
    found = bench.governed_on("calm", lines)
    assert found["governed_gains"]["average precision"][NAIVE] == pytest.approx([0.01, -0.1171, 0.1371], abs=1e-4)
    assert found["promotions"][NAIVE] == 40
    assert not found["is_margin_met"]


def test_what_was_recorded_is_not_replayed_again_and_a_line_cut_off_is_not_one(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = bench.quick_replays()
    done = [{"key": one.key} for one in asked]
    kept = tmp_path / "c0.jsonl"
    kept.write_text("".join(json.dumps(one) + "\n" for one in done) + '{"key": "cut')
    assert list(bench.recorded(kept)) == [one.key for one in asked]
    monkeypatch.setattr(bench, "replayed", None)
    assert list(bench.run(asked, kept, 1)) == [one.key for one in asked]
    assert kept.read_text().count("\n") == 3, "the line that was cut off is gone"
