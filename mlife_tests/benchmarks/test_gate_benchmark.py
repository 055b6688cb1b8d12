"""The gate's benchmark runs, with the real gate; what it measures is in its own output."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mlife_assets.core.policies import PromotionPolicy, RetrainPolicy


def test_gates_are_as_many_as_the_budget_of_fits_allows(bench: ModuleType) -> None:
    assert bench.gate_offsets(365, RetrainPolicy()) == [*range(0, 364, 7)]
    assert bench.gate_offsets(60, RetrainPolicy(days_between_fits=3, fits_per_year=4)) == [0, 3, 6, 9]
    most = PromotionPolicy().gates_per_year - RetrainPolicy().fits_for_drift
    assert len(bench.gate_offsets(365, RetrainPolicy())) == most, "a year without drift"


def test_simulated_rankers_have_the_map_that_was_asked_for(bench: ModuleType) -> None:
    [noise] = bench.noises_of_maps([0.42], 1)
    rng = np.random.default_rng(1)
    rows = bench.draw_rows(rng, 2_000)
    assert len(np.unique(rows.users)) == 2_000
    assert bench.map_of(rows, bench.scored(rng, rows, noise)) == pytest.approx(0.42, abs=0.025)


def test_both_gates_run_and_decide_by_the_comparison(bench: ModuleType) -> None:
    noise = bench.Noise(0.43, 0.22, 0.49, 0.83)
    lines = {line.name: line for line in bench.one_gate(noise, 2)}
    assert lines["A/A: beats the champion, 2 gates a year"].share.n == 2
    assert lines["better by .03: promoted, alike models"].share.estimate >= 0.5
    assert lines["drift open, worse by .01: promoted"].share.n == 2
    each, won, promoted = bench.years(noise, 1)
    assert (each.share.n, won.share.n, promoted.share.n) == (52, 1, 1)
    alike, unalike = bench.quarters(noise, 1)
    assert alike.share.estimate == unalike.share.estimate == 1.0


def test_chains_of_losses_end_where_the_anchor_stops_them(bench: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "CHAIN_USERS", 1_000)
    monkeypatch.setattr(bench, "CHAIN_REFITS", 4)
    steps = [0.43, 0.44, 0.47, 0.52, 0.58]
    held, free = bench.chains(steps, 0.83, 1)
    assert held.share.n == free.share.n == 1
    assert (held.claim, free.claim) == ("<= 2.5%", "")


def test_weekly_gates_without_an_item_share_their_rows(bench: ModuleType) -> None:
    policy = PromotionPolicy(minimum_users_with_positives=30, bootstrap_resamples=200)
    won, each = bench.pooled_gates(1, 2, 3, 0.3, 1.0, 5_000, policy)
    assert (won.n, won.estimate, each) == (2, 1.0, 1.0)


def test_a_run_leaves_its_figures(bench: ModuleType) -> None:
    lines = [bench.Line("held", bench.share([False] * 40), "<= 2.5%", at_most=0.025)]
    kept = bench.record(lines, [], {"runs": 40}, 7.4)
    assert kept["cpu_seconds"] == 7
    assert kept["settings"] == {"runs": 40}
    assert kept["figures"][0]["upper"] == pytest.approx(0.0876, abs=1e-4)
    assert len(kept["commit"].removesuffix("-dirty")) == 40


def test_an_error_may_exceed_its_claim_by_chance_and_power_must_reach_it(bench: ModuleType) -> None:
    assert bench.Line("x", bench.share([True] * 2 + [False] * 38), at_most=0.025).holds
    assert not bench.Line("x", bench.share([True] * 20 + [False] * 20), at_most=0.025).holds
    assert not bench.Line("x", bench.share([True] * 20 + [False] * 20), at_least=0.8).holds
    assert not bench.Line("x", bench.share([True] * 79 + [False] * 21), at_least=0.8).holds
    assert bench.Line("x", bench.share([True] * 80 + [False] * 20), at_least=0.8).holds


def test_a_part_that_ended_is_not_measured_again(bench: ModuleType, tmp_path: Path) -> None:
    calls = []

    def part() -> Iterator[object]:
        calls.append(1)
        yield bench.Line("held", bench.share([False] * 40), "<= 2.5%", at_most=0.025, note="a note")

    first, again = (list(bench.measure({"one": part}, tmp_path / "kept")) for _ in range(2))
    assert len(calls) == 1
    assert [line for line, _ in first] == [line for line, _ in again]
    assert [line for line, _ in bench.measure({"one": part}, None)] == [line for line, _ in first]
    assert len(calls) == 2


def test_a_broken_claim_of_either_benchmark_is_an_error(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [bench.Line("held", bench.share([False] * 40), "<= 2.5%", at_most=0.025)]
    monkeypatch.setattr(bench, "parts", lambda runs, simulated_years, chained: {"all": lambda: iter(lines)})
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
