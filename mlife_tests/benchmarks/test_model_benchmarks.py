"""Benchmarks of models and of what decides on them: their sums, what they keep, and what their claims are held by."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import average_precision_score

from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.policies import PromotionPolicy, TrainingPolicy
from mlife_assets.core.statistics import wilson_interval
from mlife_assets.recruiting.policies import Policies

NEW_JOBS = "new jobs ranked no worse than by the rule"
FIRST, DAYS, PER_DAY, CHANGE = date(2025, 1, 1), 90, 60, 60
ROLES = ExampleSpec(entity="who", time="day", label="won", label_time="known", features=("strength", "noise"))
POLICY = TrainingPolicy(
    formulations=("binary",), trees_maximum=30, minimum_child_examples=20, minimum_examples=500, half_life_days=7.0
)
GOVERNED, NAIVE, FROZEN = "governed", "naive", "frozen"
MEASURES = ("average precision", "average precision within periods", "log loss")
POLICIES = (GOVERNED, FROZEN, NAIVE, "every_alarm", "constant")
RIVALS = ("weekly_on_all_rows", "weekly_on_13_weeks")


def test_simulated_rankers_have_the_map_that_was_asked_for(gate_bench: ModuleType) -> None:
    [noise] = gate_bench.noises_of_maps([0.42], 1)
    rng = np.random.default_rng(1)
    rows = gate_bench.draw_rows(rng, 2_000)
    assert len(np.unique(rows.users)) == 2_000
    assert gate_bench.map_of(rows, gate_bench.scored(rng, rows, noise)) == pytest.approx(0.42, abs=0.025)


def test_both_gates_run_and_decide_by_the_comparison(gate_bench: ModuleType) -> None:
    noise = gate_bench.Noise(0.43, 0.22, 0.49, 0.83)
    lines = {line.name: line for line in gate_bench.one_gate(noise, 2)}
    assert lines["A/A: beats the champion, 2 gates a year"].share.n == 2
    assert lines["better by .03: promoted, alike models"].share.estimate >= 0.5
    each, won, promoted = gate_bench.years(noise, 1)
    assert (each.share.n, won.share.n, promoted.share.n) == (52, 1, 1)
    alike, unalike = gate_bench.quarters(noise, 1)
    assert alike.share.estimate == unalike.share.estimate == 1.0


def test_a_refit_is_refused_for_probabilities_that_are_shown_to_be_worse(gate_bench, monkeypatch) -> None:
    monkeypatch.setattr(gate_bench, "POOLED_ROWS", 10_000)
    monkeypatch.setattr(gate_bench, "PLANTED", (("odds tenfold", 10.0, 1.0),))
    honest, planted = gate_bench.refits_of_the_champion(2)
    assert (honest.share.n, honest.share.estimate, honest.claim) == (2, 0.0, "<= 2.5%")
    assert (planted.share.estimate, planted.claim) == (1.0, ">= 80%")


def test_weekly_gates_without_an_item_share_their_rows(gate_bench: ModuleType) -> None:
    policy = PromotionPolicy(minimum_users_with_positives=30, bootstrap_resamples=200)
    won, each = gate_bench.pooled_gates(1, 2, 3, 0.3, 1.0, 5_000, policy)
    assert (won.n, won.estimate, each) == (2, 1.0, 1.0)


def test_a_run_leaves_its_figures(gate_bench: ModuleType) -> None:
    lines = [gate_bench.Line("held", gate_bench.share([False] * 40), "<= 2.5%", at_most=0.025)]
    kept = gate_bench.record(lines, [], {"runs": 40}, 7.4)
    assert kept["cpu_seconds"] == 7
    assert kept["settings"] == {"runs": 40}
    assert kept["figures"][0]["upper"] == pytest.approx(0.0876, abs=1e-4)
    assert len(kept["commit"].removesuffix("-dirty")) == 40


def test_an_error_may_exceed_its_claim_by_chance_and_power_must_reach_it(gate_bench: ModuleType) -> None:
    assert gate_bench.Line("x", gate_bench.share([True] * 2 + [False] * 38), at_most=0.025).holds
    assert not gate_bench.Line("x", gate_bench.share([True] * 20 + [False] * 20), at_most=0.025).holds
    assert not gate_bench.Line("x", gate_bench.share([True] * 20 + [False] * 20), at_least=0.8).holds
    assert not gate_bench.Line("x", gate_bench.share([True] * 79 + [False] * 21), at_least=0.8).holds
    assert gate_bench.Line("x", gate_bench.share([True] * 80 + [False] * 20), at_least=0.8).holds


def test_a_part_that_ended_is_not_measured_again(gate_bench: ModuleType, tmp_path: Path) -> None:
    calls = []

    def part() -> Iterator[object]:
        calls.append(1)
        yield gate_bench.Line("held", gate_bench.share([False] * 40), "<= 2.5%", at_most=0.025, note="a note")

    first, again = (list(gate_bench.measure({"one": part}, tmp_path / "kept")) for _ in range(2))
    assert len(calls) == 1
    assert [line for line, _ in first] == [line for line, _ in again]
    assert [line for line, _ in gate_bench.measure({"one": part}, None)] == [line for line, _ in first]
    assert len(calls) == 2


def test_a_broken_claim_of_either_benchmark_is_an_error(gate_bench, monkeypatch, capsys) -> None:
    lines = [gate_bench.Line("held", gate_bench.share([False] * 40), "<= 2.5%", at_most=0.025)]
    monkeypatch.setattr(gate_bench, "parts", lambda runs, simulated_years: {"all": lambda: iter(lines)})
    monkeypatch.setattr(gate_bench, "off_policy", lambda runs: ())
    gate_bench.main()
    assert "BROKEN" not in capsys.readouterr().out
    monkeypatch.setattr(gate_bench, "off_policy", lambda runs: ("ips covers 80.0%, claimed 90% to 98%",))
    with pytest.raises(SystemExit, match="ips covers"):
        gate_bench.main()
    lines.append(gate_bench.Line("missed", gate_bench.share([True] * 40), "<= 2.5%", at_most=0.025))
    with pytest.raises(SystemExit, match="claims that do not hold: missed; ips covers"):
        gate_bench.main()
    assert "BROKEN" in capsys.readouterr().out


def row(champion: float, cold: float) -> dict[str, Any]:
    """Return a market whose human ranks at .2, simple rule at .3 and oracle at .4."""
    return {
        "outcome": "promote", "human_map": 0.2, "simple_rule_map": 0.3, "champion_map": champion, "oracle_map": 0.4,
        "share": (champion - 0.2) / 0.2, "bound_by_features": 0.9, "bound_with_hidden": 0.99, "cold_human_map": 0.5,
        "cold_champion_map": cold,
    }  # fmt: skip


def test_medians_are_over_markets_and_goals_of_medians(human_to_oracle_bench: ModuleType) -> None:
    found = human_to_oracle_bench.summary([row(0.37, 0.6), row(0.38, 0.4), row(0.34, 0.7)])
    assert found["median_share"] == pytest.approx(0.85)
    assert found["share_range"] == pytest.approx([0.7, 0.9])
    assert found["median_share_of_simple_rule"] == pytest.approx(0.5)
    assert (found["median_cold_gain"], found["least_cold_gain"]) == (pytest.approx(0.1), pytest.approx(-0.1))
    assert found["goals"] == {"share of 0.8": True, NEW_JOBS: True}
    missed = human_to_oracle_bench.summary([row(0.34, 0.4), row(0.35, 0.45)])
    assert missed["goals"] == {"share of 0.8": False, NEW_JOBS: False}


def test_days_that_are_ranked_taught_no_step(human_to_oracle_bench: ModuleType) -> None:
    assert max(human_to_oracle_bench.JUDGED_DAYS_AGO) <= Policies().label.click_window_days


def test_a_market_is_measured_once_and_the_record_names_its_commit(
    human_to_oracle_bench: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = []
    commits = ["abc"]

    def measured(home: Path, seed: int, users: int, history_days: int) -> Any:
        asked.append((commits[0], seed, users, history_days))
        commits[0] += "d"
        return human_to_oracle_bench.SeedResult(**row(0.38 if seed == 101 else 0.30, 0.6))

    def run(*further: str) -> int:
        commits[0] = further[0]
        return human_to_oracle_bench.main(["--work", str(tmp_path), "--json", str(record), *further[1:]])

    monkeypatch.setattr(human_to_oracle_bench, "measured", measured)
    monkeypatch.setattr(human_to_oracle_bench, "checked_out", lambda: commits[0])
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


def result(off_policy_bench: ModuleType, covered: int, worlds: int = 200, refused: int = 0) -> Any:
    coverage = off_policy_bench.Coverage("ips", wilson_interval(covered, worlds), 0, 0, 0.01, 0.0, 0.001, 0.02)
    return off_policy_bench.BenchmarkResult((SimpleNamespace(),) * worlds, refused, (coverage,))


@pytest.mark.parametrize(
    ("covered", "is_broken"), [(179, True), (180, False), (190, False), (196, False), (197, True), (200, True)]
)
def test_of_200_worlds_the_share_itself_must_be_90_to_98_percent(
    off_policy_bench: ModuleType, covered: int, is_broken: bool
) -> None:
    assert bool(result(off_policy_bench, covered).broken) is is_broken


def test_of_few_worlds_only_what_chance_cannot_explain_is_broken_and_refusals_are_no_coverage(off_policy_bench) -> None:
    assert result(off_policy_bench, 20, 20).broken == ()
    assert result(off_policy_bench, 12, 20).broken == ("ips covers 60.0%, claimed 90% to 98%",)
    assert result(off_policy_bench, 181, 190, refused=10).broken == ()
    assert result(off_policy_bench, 181, 189, refused=11).broken == ("11 of 200 worlds refused, claimed at most 5%",)


def test_a_world_knows_its_truth_and_estimates_it_from_logs_alone(off_policy_bench: ModuleType) -> None:
    world = off_policy_bench.run_world(1, PromotionPolicy())
    assert world is not None
    assert world.truth == off_policy_bench.simulate(1)[0]
    assert world.found.effective_sample_size >= 200
    assert world.found.is_log_consistent
    for name in off_policy_bench.ESTIMATORS:
        interval = world.interval(name)
        assert world.holds(name) == (interval.lower <= world.truth <= interval.upper)


def test_a_run_in_which_every_world_is_refused_measures_nothing(off_policy_bench, monkeypatch) -> None:
    monkeypatch.setattr(off_policy_bench, "run_world", lambda seed, policy: None)
    with pytest.raises(SystemExit, match="3 of 3 worlds were refused"):
        off_policy_bench.main(3)


@pytest.fixture(scope="module")
def walk(recipes_bench: ModuleType) -> Any:
    """Return a history whose outcome follows `strength`, and `noise` from day 60 on."""
    rng = np.random.default_rng(1)
    number = np.repeat(np.arange(DAYS), PER_DAY)
    strength, noise = rng.normal(size=(2, len(number)))
    log_odds = -1 + 1.5 * np.where(number >= CHANGE, noise, strength)
    day = np.datetime64(FIRST) + number
    rows = pa.table(
        {
            "day": pa.array(day), "who": [f"w{row}" for row in range(len(number))],
            "won": pa.array(rng.random(len(number)) < 1 / (1 + np.exp(-log_odds))), "known": pa.array(day + 1),
            "strength": strength, "noise": noise,
        }
    )  # fmt: skip
    refits = tuple(FIRST + timedelta(days=offset) for offset in (50, 75, 82))
    return recipes_bench.Walk("made up", rows, ROLES, POLICY, "binary", refits)


@pytest.fixture(scope="module")
def weeks(recipes_bench: ModuleType, walk: Any) -> list[Any]:
    return list(recipes_bench.walked(walk, []))


def test_every_recipe_is_judged_on_every_week(recipes_bench: ModuleType, walk: Any, weeks: list[Any]) -> None:
    names = [*recipes_bench.recipes(POLICY), recipes_bench.WARM, recipes_bench.CORRECTION]
    assert {(week.recipe, week.as_of) for week in weeks} == {(name, day) for name in names for day in walk.refits}
    rows = recipes_bench.compared(weeks)
    assert [row["recipe"] for row in rows] == names
    assert rows[0]["log_loss_gain"] == rows[0]["average_precision_gain"] == 0.0


def test_nothing_after_the_morning_of_a_refit_is_learned_from(recipes_bench, walk, monkeypatch) -> None:
    is_later = walk.rows["day"].to_numpy() >= np.datetime64(walk.refits[0])
    won = np.asarray(walk.rows["won"])
    place = walk.rows.column_names.index("won")
    turned = walk.rows.set_column(place, "won", pa.array(np.where(is_later, ~won, won)))
    raws: list[list[bytes]] = []
    real = recipes_bench._judged

    def judged(name: str, day: date, raw: Any, *rest: Any) -> Any:
        raws[-1].append(raw["won"].tobytes())
        return real(name, day, raw, *rest)

    monkeypatch.setattr(recipes_bench, "_judged", judged)
    for rows in (walk.rows, turned):
        raws.append([])
        list(recipes_bench.walked(replace(walk, rows=rows, refits=walk.refits[:1]), []))
    assert len(raws[0]) == len(recipes_bench.recipes(POLICY)) + 2
    assert raws[0] == raws[1]


def test_after_a_change_recent_rows_win(recipes_bench: ModuleType, weeks: list[Any]) -> None:
    found = {(week.recipe, week.as_of): week for week in weeks}
    after = max(week.as_of for week in weeks)
    plain, recent = (found[name, after].average_precision for name in ("plain", "recent 14"))
    assert recent > plain + 0.05
    assert found["correction", after].average_precision > plain + 0.05


def test_measures_are_those_of_others(recipes_bench: ModuleType) -> None:
    rng = np.random.default_rng(2)
    raw, outcome = rng.normal(size=500), rng.random(500) < 0.2
    found = recipes_bench._judged("plain", FIRST, {"won": raw}, outcome, 0.0)
    assert found.average_precision == pytest.approx(average_precision_score(outcome, raw))
    assert found.log_loss == pytest.approx(np.mean(np.logaddexp(0, np.where(outcome, -raw, raw))))


def test_an_interval_of_one_value_is_that_value_and_one_of_noise_holds_it(recipes_bench: ModuleType) -> None:
    assert recipes_bench.interval(np.full(6, 0.25)) == (0.25, 0.25, 0.25)
    mean, lower, upper = recipes_bench.interval(np.random.default_rng(1).normal(0, 1, 40))
    assert lower < mean < upper
    assert lower < 0 < upper


def test_what_is_missing_is_named(recipes_bench, tmp_path, capsys) -> None:
    wanted = ("bank", "electricity")
    assert list(recipes_bench.real_histories(tmp_path, lambda name: name in wanted)) == []
    said = capsys.readouterr().err
    for file in ("bank_marketing.parquet", "electricity_prices.parquet"):
        assert f"since {file} is missing" in said


@pytest.fixture(scope="module")
def kinds(replays_bench: ModuleType) -> ModuleType:
    return sys.modules["replayed.kinds"]


def agreement(rows, name: str, first: int, last: int, per_day: int) -> float:
    """Return the correlation of a column with the outcome from one day to another."""
    part = slice(first * per_day, last * per_day)
    return float(np.corrcoef(rows[name].to_numpy()[part], rows["won"].to_numpy(zero_copy_only=False)[part])[0, 1])


@pytest.mark.parametrize(
    ("kind", "changed", "after"), [("calm", 0.0, 0.0), ("abrupt", 1.0, 1.0), ("there and back", 1.0, 0.0)]
)
def test_a_history_follows_the_law_that_its_kind_says(kinds, kind: str, changed: float, after: float) -> None:
    rows = kinds.made_rows(kinds.KINDS[kind], 5)
    for first, last, other in ((0, 150, 0.0), (150, 220, changed), (220, 330, after)):
        decides, is_noise = ("noise", "strength") if other else ("strength", "noise")
        assert agreement(rows, decides, first, last, kinds.ROWS_PER_DAY) > 0.4
        assert abs(agreement(rows, is_noise, first, last, kinds.ROWS_PER_DAY)) < 0.05


def test_enough_halves_are_asked_for_without_the_files_that_may_not_ship(replays_bench, tmp_path) -> None:
    files = replays_bench.found_files(tmp_path)
    assert set(files) == {"late flights", "cancelled flights"}, "they are in a package; the folder is empty"
    asked = replays_bench.asked_replays(files)
    assert len({one.key for one in asked}) == len(asked) == 3 * (9 * 4 + 2)
    assert len(asked) / 3 >= replays_bench.HALVES_MINIMUM
    (tmp_path / "electricity_prices.parquet").touch()
    assert "electricity prices" in replays_bench.found_files(tmp_path)
    assert "electricity prices" not in replays_bench.found_files(None)


def test_every_spec_is_one(replays_bench: ModuleType) -> None:
    for file in replays_bench.FILES.values():
        study = replays_bench.Study.from_json(file.spec())
        assert "duration" not in study.model.roles.columns, "known only after the call"


@pytest.mark.proof
def test_a_short_history_is_replayed_in_all_its_parts(replays_bench: ModuleType, tmp_path: Path) -> None:
    parts = {asked.part: replays_bench.replayed(asked) for asked in replays_bench.quick_replays()}
    for one in parts.values():
        rivals = RIVALS if one["part"] == replays_bench.WHOLE else ()
        assert tuple(one["policies"]) == POLICIES + rivals
        assert all(0 < one["policies"][rival]["average_precision"] < 1 for rival in rivals)
        assert abs(one["policies"][NAIVE]["installations"] - one["policies"][GOVERNED]["installations"]) <= 1
        assert one["policies"][GOVERNED]["installations"] > 5
        assert one["governed_gains"]["average precision"]["constant"][1] > 0.2
        assert one["recommended"] in POLICIES[:4]
    names = (replays_bench.FIRST_HALF, replays_bench.SECOND_HALF, replays_bench.WHOLE)
    first, second, whole = (parts[name]["replayed"] for name in names)
    assert first.endswith(" to 2025-04-08"), "labels take three days, and the half ends with 10 April"
    assert "2025-04-11" <= second < "2025-04-15", "its first champion may learn from the whole first half"
    assert second.partition(" to ")[2] == whole.partition(" to ")[2] == "2025-07-19"
    assert whole < "2025-03-10", "a quarter of the days is the warm-up"
    record = replays_bench.summary({one["key"]: one for one in parts.values()}, "c0", [])
    (half,) = record["halves"]
    scores = {name: one["average_precision"] for name, one in parts[replays_bench.SECOND_HALF]["policies"].items()}
    assert half["regret"] == max(scores.values()) - scores[parts[replays_bench.FIRST_HALF]["recommended"]]
    assert json.loads(json.dumps(record))["cpu_seconds"] > 0


def line(history: str, part: str, seed: int | None, **more: Any) -> dict[str, Any]:
    policies = {
        name: {
            "average_precision": 0.3, "within_periods": 0.3, "log_loss": 0.5, "installations": 0, "trainings": 1,
            "fits": 1,
        }
        for name in POLICIES
    }  # fmt: skip
    policies[NAIVE] |= {"installations": 40, "average_precision": 0.35}
    gains = {measure: {name: [0.006, -0.005, 0.01] for name in POLICIES[1:] + RIVALS} for measure in MEASURES}
    plain = {
        "key": f"{history}|{part}|{seed}", "history": history, "part": part, "seed": seed, "cpu_seconds": 2.0,
        "recommended": NAIVE, "policies": policies, "governed_gains": gains,
    }  # fmt: skip
    return plain | more


def by_key(lines: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["key"]: one for one in lines}


def test_claims_that_hold_are_not_reported(replays_bench: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["calm", *map(str, range(12))]
    lines = [line(name, part, seed) for name in names for part in replays_bench.PARTS for seed in range(3)]
    record = replays_bench.summary(by_key(lines), "c0", [])
    assert record["regret"] == [0.0, 0.0, 0.0]
    assert record["regret_of_always"][FROZEN] == pytest.approx([0.05] * 3)
    assert record["halves"][0]["is_right"] == dict.fromkeys(MEASURES, True)
    assert replays_bench.report(record) == []
    assert "calm" in capsys.readouterr().out


def test_each_broken_claim_is_reported(replays_bench: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    many = line("late flights", replays_bench.WHOLE, None)
    worse = {name: [-0.011, -0.02, -0.0021] for name in POLICIES[1:] + RIVALS}
    many["governed_gains"] |= {MEASURES[0]: worse, MEASURES[2]: worse | {RIVALS[0]: [-0.0071, -0.02, 0.01]}}
    many["governed_gains"][MEASURES[1]] = {name: [0.0049, 0.0, 0.01] for name in POLICIES[1:] + RIVALS}
    parts = (replays_bench.FIRST_HALF, replays_bench.SECOND_HALF)
    halves = [line("calm", part, seed, recommended=FROZEN) for part in parts for seed in (1, 2)]
    broken = replays_bench.report(replays_bench.summary(by_key([many, *halves]), "c0", ["bank marketing"]))
    assert broken == [
        "late flights: governed may lose more than 0.01 to frozen",
        "average precision within periods: within 0.01 of the best on 1 histories, 11 of 13 needed",
        "late flights: average precision -0.0110 against weekly_on_all_rows, -0.0021 at most",
        "average precision: within 0.01 of the best on 0 histories, 10 of 13 needed",
        "late flights: log loss -0.0071 against weekly_on_all_rows, +0.0100 at most",
        "log loss: within 0.01 of the best on 0 histories, 10 of 13 needed",
        "+0.0049 within periods on average, +0.005 needed",
        "2 halves were replayed, 30 needed",
        "a recommendation loses 0.0500 on average, at most 0.0500",
        "bank marketing was left out",
    ]
    assert "frozen" in capsys.readouterr().out


def test_seeds_of_a_kind_are_averaged_with_an_interval_of_their_own(replays_bench: ModuleType) -> None:
    lines = [line("calm", replays_bench.WHOLE, seed) for seed in (1, 2)]
    for seed, gain in enumerate((0.0, 0.02)):
        gains = {name: [gain, 0.0, 0.0] for name in POLICIES[1:] + RIVALS}
        lines[seed]["governed_gains"] = {"average precision": gains}
    found = replays_bench.governed_on("calm", lines)
    assert found["governed_gains"]["average precision"][NAIVE] == pytest.approx([0.01, -0.1171, 0.1371], abs=1e-4)
    assert found["installations"][NAIVE] == 40
    assert not found["is_margin_met"]


def test_what_was_recorded_is_not_replayed_again_and_a_line_cut_off_is_not_one(
    replays_bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = replays_bench.quick_replays()
    done = [{"key": one.key} for one in asked]
    kept = tmp_path / "c0.jsonl"
    kept.write_text("".join(json.dumps(one) + "\n" for one in done) + '{"key": "cut')
    assert list(replays_bench.recorded(kept)) == [one.key for one in asked]
    monkeypatch.setattr(replays_bench, "replayed", None)
    assert list(replays_bench.run(asked, kept, 1)) == [one.key for one in asked]
    assert kept.read_text().count("\n") == 3, "the line that was cut off is gone"


def test_a_replay_is_done_again_where_code_that_it_reaches_changed(replays_bench: ModuleType, tmp_path: Path) -> None:
    texts = {
        "benchmarks/replays.py": "from mlife_assets import fit",
        "mlife_assets/fit.py": "def f():\n from a import b",
    }
    found = []
    for name in (*texts, "a.py", "a/b.py", "a/c.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(texts.get(name, ""))
        found.append(replays_bench.code_of(tmp_path))
    assert len(set(found)) == 4
    assert found[3] == found[4], "nothing imports it"


def test_label_times_are_judged_on_histories_with_a_known_answer(label_times_bench: ModuleType, tmp_path: Path) -> None:
    found = label_times_bench.figures(2, 3, 1, tmp_path)
    assert all(found["holds"].values()), found
    cases = found["four_cases"]
    assert cases["day of arrival, days alone: accused"], "what it was before columns were asked"
    assert cases["day of arrival, days alone: z"] < -6 < 6 < cases["day of the cancellation, days and columns: z"]
    assert found["named"]["outcome alone"] == [0, 1]
    assert label_times_bench.figures(2, 3, 1, tmp_path)["cpu_seconds"] == found["cpu_seconds"], "kept"
