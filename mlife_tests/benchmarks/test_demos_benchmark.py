"""The benchmark of demos: what counts as an answer to the drift."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def summary(*gates: tuple[str, str]) -> dict[str, Any]:
    told = [{"date": day, "outcome": outcome, "sentences": [f"{outcome} on {day}"]} for day, outcome in gates]
    return {
        "seed": 1,
        "decisions": [{"date": "2026-06-02", "verdict": "wait"}, {"date": "2026-06-12", "verdict": "block"}],
        "promotions": told, "cpu_seconds": 2.4, "map_at_10": {"champion_minus_human": {"lower": 0.1}},
        "duplicate_sends": 0, "numbers_texted_twice": 0, "holdout_sends": 0,
        "applications": {name: {"reached": 3} for name in ("texts", "mails", "calls")},
    }  # fmt: skip


def test_a_promotion_after_the_drift_answers_it(bench: ModuleType) -> None:
    found = bench.answer(summary(("2026-06-01", "promoted"), ("2026-06-08", "refused"), ("2026-06-12", "promoted")))
    assert found["answered"] == {"day": 11, "outcome": "promoted", "said": "promoted on 2026-06-12"}
    assert [one["day"] for one in found["gates"]] == [7, 11]


def test_the_first_champion_and_refusals_answer_nothing(bench: ModuleType) -> None:
    """What is promoted on day 4 has seen no click of the drift's first day."""
    found = bench.answer(summary(("2026-06-01", "promoted"), ("2026-06-05", "promoted"), ("2026-06-08", "refused")))
    assert found["answered"] is None
    kept = bench.record([found, found], "abc")
    assert (kept["answered"], kept["cpu_seconds"]) == (0, 4)


@pytest.mark.parametrize(
    ("changed", "broken"),
    [
        ({}, []),
        ({"map_at_10": None}, ["the champion ranks better than recruiters"]),
        ({"map_at_10": {"champion_minus_human": {"lower": 0.0}}}, ["the champion ranks better than recruiters"]),
        ({"decisions": [{"date": "2026-06-02", "verdict": "wait"}]}, ["a day is blocked"]),
        ({"duplicate_sends": 1}, ["nobody is texted twice for a day"]),
        ({"numbers_texted_twice": 1}, ["nobody is texted twice for a day"]),
        ({"holdout_sends": 1}, ["the holdout gets nothing"]),
        ({"applications": {"texts": {"reached": 3}}}, ["three applications reach somebody"]),
        ({"applications": {name: {"reached": name != "calls"} for name in ("texts", "mails", "calls")}},
         ["three applications reach somebody"]),
    ],
)  # fmt: skip
def test_a_broken_promise_is_named(bench: ModuleType, changed: dict[str, Any], broken: list[str]) -> None:
    assert bench.answer(summary() | changed)["broken"] == broken


def test_a_demo_that_was_lived_is_not_lived_again(bench: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "7.json").write_text(json.dumps(summary()))
    assert bench.demo(7, tmp_path) == summary()


def test_the_default_seed_is_the_first(bench: ModuleType) -> None:
    from mlife_assets.settings import Settings

    assert bench.SEEDS[0] == Settings.model_fields["seed"].default
    assert len(set(bench.SEEDS)) == 5
