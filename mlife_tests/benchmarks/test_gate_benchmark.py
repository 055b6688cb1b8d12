"""The gate's benchmark runs, with the real gate; what it measures is in its own output."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from mlife_assets.core.policies import RetrainPolicy


@pytest.fixture(scope="module")
def bench(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("gate")


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


def test_an_error_may_exceed_its_claim_by_chance_and_power_must_reach_it(bench: ModuleType) -> None:
    assert bench.Line("x", bench.share([True] * 2 + [False] * 38), at_most=0.025).holds
    assert not bench.Line("x", bench.share([True] * 20 + [False] * 20), at_most=0.025).holds
    assert not bench.Line("x", bench.share([True] * 20 + [False] * 20), at_least=0.8).holds
    assert not bench.Line("x", bench.share([True] * 79 + [False] * 21), at_least=0.8).holds
    assert bench.Line("x", bench.share([True] * 80 + [False] * 20), at_least=0.8).holds


def test_a_broken_claim_of_either_benchmark_is_an_error(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [bench.Line("held", bench.share([False] * 40), "<= 2.5%", at_most=0.025)]
    monkeypatch.setattr(bench, "measure", lambda runs, repeated: iter(lines))
    monkeypatch.setattr(bench, "off_policy", lambda runs: ())
    bench.main()
    assert "BROKEN" not in capsys.readouterr().out
    monkeypatch.setattr(bench, "off_policy", lambda runs: ("ips covers 80.0%, claimed 90% to 98%",))
    with pytest.raises(SystemExit, match="ips covers"):
        bench.main()
    lines.append(bench.Line("missed", bench.share([True] * 40), "<= 2.5%", at_most=0.025))
    with pytest.raises(SystemExit, match="claims that do not hold: missed; ips covers"):
        bench.main()
    assert "BROKEN" in capsys.readouterr().out
