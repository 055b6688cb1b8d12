"""The gate's benchmark runs, with the real gate; what it measures is in its own output."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mlife_assets.core.policies import RetrainPolicy

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "gate.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    specification = importlib.util.spec_from_file_location("gate_benchmark", PATH)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


def test_retrainings_are_as_many_as_cooldown_and_budget_allow(bench: ModuleType) -> None:
    assert bench.gate_offsets(60, RetrainPolicy()) == [0, 7, 14, 21, 30, 37, 44, 51]
    assert bench.gate_offsets(15, RetrainPolicy(cooldown_days=3, budget_per_30_days=30)) == [0, 3, 6, 9, 12]


def test_simulated_rankers_have_the_map_that_was_asked_for(bench: ModuleType) -> None:
    [noise] = bench.noises_of_maps([0.42], 1)
    rng = np.random.default_rng(1)
    rows = bench.draw_rows(rng, 2_000)
    assert len(np.unique(rows.users)) == 2_000
    assert bench.map_of(rows, bench.scored(rng, rows, noise)) == pytest.approx(0.42, abs=0.025)


def test_both_gates_run_and_decide_by_the_comparison(bench: ModuleType) -> None:
    noise = bench.Noise(0.43, 0.22, 0.49, 0.83)
    lines = {line.name: line for line in bench.one_gate(noise, 2)}
    assert lines["A/A: promoted, all conditions"].share.n == 2
    assert lines["power at +.03, alike models"].share.estimate >= 0.5
    repeated = list(bench.repeated_gates(noise, 1))
    assert repeated[0].share.n == 8
    assert repeated[1].share.n == repeated[2].share.n == 1


def test_a_claim_is_broken_only_when_the_interval_excludes_it(bench: ModuleType) -> None:
    assert bench.Line("x", bench.share([True] * 2 + [False] * 38), at_most=0.025).holds
    assert not bench.Line("x", bench.share([True] * 20 + [False] * 20), at_most=0.025).holds
    assert not bench.Line("x", bench.share([True] * 20 + [False] * 20), at_least=0.8).holds
