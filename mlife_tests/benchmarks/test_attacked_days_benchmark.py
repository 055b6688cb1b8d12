"""The benchmark of attacked days: its sums and what it keeps; with a real home, a trial of each kind and going on."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

EFFECTS = [
    *[("landing", "put manifests"), ("landing", "put landing")] * 4,
    *[("dbt", "statement of dbt")] * 9,
    *[("sending", "commit ledger.sqlite"), ("sending", "provider answered")] * 4,
    *[("training", "put models")] * 4,
    *[("promotion", "put manifests"), ("deciding", "put tables/message_plan")] * 4,
]


def trial(how: str, stage: str, wrong: list[str]) -> dict[str, Any]:
    return {
        "attack": {"how": how, "stage": stage}, "wrong": wrong, "reruns": 1, "cpu_seconds": 2.5,
        "texts": {"accepted_by_provider": 100, "ambiguous": 2},
    }  # fmt: skip


def test_a_hundred_kills_and_twenty_full_disks_are_asked_for(attacked_days_bench: ModuleType) -> None:
    assert sum(attacked_days_bench.KILLS.values()) == 100
    assert attacked_days_bench.DISKS_EACH * len(attacked_days_bench.campaign_module().DISK_PLACES) == 20
    attacks = attacked_days_bench.attacks_of(EFFECTS, dict.fromkeys(attacked_days_bench.KILLS, 3), 2, 2)
    assert len({attack.name for attack in attacks}) == len(attacks) == 3 * 7 + 2 + 2 * 5


def test_the_record_counts_by_kind_and_stage(attacked_days_bench: ModuleType) -> None:
    trials = [
        trial("kill", "dbt", []), trial("kill", "sending", ["x"]), trial("clock", "", []), trial("fill", "dbt", []),
    ]  # fmt: skip
    record = attacked_days_bench.summary(trials, {"dbt": 7}, "c0")
    assert (record["commit"], record["seed"], record["cpu_seconds"]) == ("c0", attacked_days_bench.SEED, 10)
    assert record["kills"] == {
        "trials": 3, "with_something_wrong": 1, "done_by_one_more_run": 2, "texts_accepted": 300,
        "texts_left_ambiguous": 6,
    }  # fmt: skip
    assert set(record["kills_by_stage"]) == {"dbt", "sending", "any, by the clock"}
    assert record["kills_by_stage"]["sending"]["with_something_wrong"] == 1
    assert record["full_disks"]["trials"] == 1
    assert record["two_processes"]["trials"] == 0


def test_what_ended_is_kept_and_a_cut_line_is_not(attacked_days_bench: ModuleType, tmp_path: Path) -> None:
    assert attacked_days_bench.recorded(tmp_path / "none.jsonl") == []
    kept = tmp_path / "trials.jsonl"
    kept.write_text(json.dumps({"name": "a"}) + "\n" + json.dumps({"name": "b"})[:5])
    assert attacked_days_bench.recorded(kept) == [{"name": "a"}]


def test_trials_are_carried_out_and_not_repeated(attacked_days_bench: ModuleType, tmp_path: Path, monkeypatch) -> None:
    """Here by nobody: `attacks/test_attacked_days.py` attacks real days."""
    carried: list[str] = []

    class Campaign:
        effects = EFFECTS

        def __init__(self, folder: Path, *, worker: int) -> None:
            self.close = lambda: None

        def carry_out(self, attack: Any) -> dict[str, Any]:
            carried.append(attack.name)
            return trial(attack.how, attack.stage, []) | {"name": attack.name}

    monkeypatch.setattr(attacked_days_bench.campaign_module(), "Campaign", Campaign)
    trials, effects = attacked_days_bench.run(tmp_path, {"sending": 2, "clock": 1}, 1, 1, 2)
    assert sorted(carried) == sorted(one["name"] for one in trials)
    assert (len(trials), effects["sending"]) == (2 + 1 + 5 + 1, 8)
    assert attacked_days_bench.run(tmp_path, {"sending": 2, "clock": 1}, 1, 1, 2)[0] == trials
    assert len(carried) == len(trials), "kept, with their own CPU seconds"
