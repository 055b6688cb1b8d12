"""The off-policy benchmark measures with the real estimators and errs when what it claims does not hold."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.statistics import wilson_interval

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "off_policy.py"


def result(bench: ModuleType, covered: int, worlds: int = 200, refused: int = 0) -> Any:
    coverage = bench.Coverage("ips", wilson_interval(covered, worlds), 0, 0, 0.01, 0.0, 0.001, 0.02)
    return bench.BenchmarkResult((SimpleNamespace(),) * worlds, refused, (coverage,))


@pytest.mark.parametrize(
    ("covered", "is_broken"), [(179, True), (180, False), (190, False), (196, False), (197, True), (200, True)]
)
def test_of_200_worlds_the_share_itself_must_be_90_to_98_percent(
    bench: ModuleType, covered: int, is_broken: bool
) -> None:
    assert bool(result(bench, covered).broken) is is_broken


def test_of_few_worlds_only_what_chance_cannot_explain_is_broken(bench: ModuleType) -> None:
    assert result(bench, 20, 20).broken == ()
    assert result(bench, 12, 20).broken == ("ips covers 60.0%, claimed 90% to 98%",)


def test_coverage_among_the_few_worlds_that_were_not_refused_is_no_coverage(bench: ModuleType) -> None:
    assert result(bench, 181, 190, refused=10).broken == ()
    assert result(bench, 181, 189, refused=11).broken == ("11 of 200 worlds refused, claimed at most 5%",)


def test_a_world_knows_its_truth_and_estimates_it_from_logs_alone(bench: ModuleType) -> None:
    world = bench.run_world(1, PromotionPolicy())
    assert world is not None
    assert world.truth == bench.simulate(1)[0]
    assert world.found.effective_sample_size >= 200
    assert world.found.is_log_consistent
    for name in bench.ESTIMATORS:
        interval = world.interval(name)
        assert world.holds(name) == (interval.lower <= world.truth <= interval.upper)


def test_a_run_in_which_every_world_is_refused_measures_nothing(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "run_world", lambda seed, policy: None)
    with pytest.raises(SystemExit, match="3 of 3 worlds were refused"):
        bench.main(3)


def test_the_script_ends_with_an_error_when_it_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(PATH), "0"])
    with pytest.raises(SystemExit, match="0 of 0 worlds"):
        runpy.run_path(str(PATH), run_name="__main__")
