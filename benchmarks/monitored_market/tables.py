"""What the benchmark of monitoring declares and what it found, in tables.

Concept: a share is never told without its interval. A row that cannot be found is an expectation too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from statsmodels.stats.proportion import confint_proportions_2indep

from mlife_assets.core.statistics import Interval, wilson_interval
from monitored_market.rows import CONTROL, MATURE, QUIET_DAYS, ROWS, USERS, Row, Run
from monitored_market.storm import FROZEN, GOVERNED, PHASE_DAYS, STORM_DAYS, STORM_USERS, StormRun
from monitored_market.traffic import PAIRS_PER_DAY, TrafficRun

newcombe = partial(confint_proportions_2indep, method="newcomb", compare="diff")
FALSE_RETRAINS_PER_100 = 1.0
FOUND_SHARE = 19 / 20
STORM, TRAFFIC = "storm", "traffic"


@dataclass(frozen=True)
class Line:
    """One row of the table; `share` is None where there is nothing to find."""

    name: str
    told: str
    expected: str
    found: int
    of: int
    share: Interval | None
    delays: tuple[int, ...]
    note: str
    holds: bool


def line_of(row: Row, runs: Sequence[Run], control: dict[int, Run]) -> Line:
    """Return what the seeds say of a row, and whether it is what was expected."""
    letter = "b" if row.expected == "block" else "r"
    delays = [run.delay(letter) for run in runs]
    found = [delay for delay in delays if delay is not None and delay <= row.within]
    retrains = sum("r" in run.verdicts for run in runs)
    share = wilson_interval(len(found), len(runs))
    most = {kind: max(day[kind] for run in runs for day in run.positives) for kind in ("apply", "click")}
    if row.expected == "block":
        mornings = sum(len(run.verdicts) for run in runs)
        blocked = sum(run.verdicts.count("b") for run in runs)
        note = f"{blocked} of {mornings} mornings blocked, {retrains} retrains"
        holds = len(found) == len(runs) and not retrains
    elif row.expected == "quiet":
        other = sum(other_alarms(run, control[run.seed]) for run in runs)
        judged = sum(run.mornings("c") for run in runs)
        extra = sum(extra_retrains(run, control[run.seed]) for run in runs)
        blocks = sum(run.verdicts.count("b") for run in runs)
        note = f"input alarms unlike the quiet branch's on {other} mornings, outcomes alarm on {judged}, "
        note += f"{extra} retrains more, {blocks} mornings blocked"
        holds = not (other or judged or extra or blocks)
        return Line(row.name, row.told, row.expected, 0, len(runs), None, (), note, holds)
    else:
        kinds = {kind: sum(bool(run.mornings(kind[0])) for run in runs) for kind in ("data", "latent", "concept")}
        note = "alarmed in seeds: " + ", ".join(f"{kind} {count}" for kind, count in kinds.items())
        note += f"; windows of up to {most['apply']:,} applies, {most['click']:,} clicks" if row.days == MATURE else ""
        is_found = share.estimate >= FOUND_SHARE
        holds = is_found if row.expected == "retrain" else not is_found
    return Line(row.name, row.told, row.expected, len(found), len(runs), share, tuple(sorted(found)), note, holds)


def usual_mornings(control: Run) -> tuple[tuple[str, ...], str]:
    """Return alarms and verdicts of the quiet branch from the first morning that a row watches."""
    return control.alarms[QUIET_DAYS + 1 :], control.verdicts[QUIET_DAYS + 1 :]


def other_alarms(run: Run, control: Run) -> int:
    """Return on how many mornings data or latent drift, which read no outcomes, did not do as in the quiet branch."""
    usual, _ = usual_mornings(control)
    return sum(set(one) & set("dl") != set(other) & set("dl") for one, other in zip(run.alarms, usual, strict=False))


def extra_retrains(run: Run, control: Run) -> int:
    """Return how many more retrains there were than in the quiet branch on the same mornings."""
    _, usual = usual_mornings(control)
    return max(0, run.verdicts.count("r") - usual[: len(run.verdicts)].count("r"))


def false_alarms(control: Sequence[Run]) -> tuple[Interval, Interval, dict[str, Interval]]:
    """Return false retrains per drift-free morning, seeds with any, and alarms of each report per morning."""
    mornings = sum(len(run.verdicts) for run in control)
    retrains = wilson_interval(sum(run.verdicts.count("r") for run in control), mornings)
    seeds = wilson_interval(sum("r" in run.verdicts for run in control), len(control))
    reports = {
        name: wilson_interval(sum(run.mornings(name[0]) for run in control), mornings)
        for name in ("quality", "data", "latent", "concept")
    }
    return retrains, seeds, reports


def told_interval(share: Interval, scale: float = 100.0, unit: str = "%") -> str:
    """Return an interval in words."""
    return f"{scale * share.estimate:.1f}{unit} [{scale * share.lower:.1f}, {scale * share.upper:.1f}]"


def print_rows(lines: Sequence[Line]) -> None:
    """Print the table of injections."""
    print(f"\n{'injection':20}{'expected':14}{'found':8}{'share, 95 %':24}{'delay, days':16}note")
    for line in lines:
        delay = f"{int(np.median(line.delays))} ({line.delays[0]}-{line.delays[-1]})" if line.delays else "-"
        share = "-" if line.share is None else told_interval(line.share)
        found = "-" if line.share is None else f"{line.found}/{line.of}"
        mark = "" if line.holds else "  BROKEN"
        print(f"{line.name:20}{line.expected:14}{found:8}{share:24}{delay:16}{line.note}{mark}")
        print(f"{'':20}{line.told}")


def print_declared(rows: Sequence[str], wanted: Sequence[str]) -> None:
    """Print what is expected, before anything is measured."""
    words = {
        "retrain": f"retrain within {{}} days in at least {FOUND_SHARE:.0%} of markets",
        "block": "block within {} days in every market, no retrain",
        "quiet": "data and latent alarms those of the quiet branch, no concept alarm, no block, no retrain more",
        "undetectable": f"not claimed: retrain within {{}} days in less than {FOUND_SHARE:.0%} of markets",
    }
    print("declared:")
    print(f"  {CONTROL}: at most {FALSE_RETRAINS_PER_100:g} false retrains per 100 mornings")
    for row in (row for row in ROWS if row.name in rows):
        print(f"  {row.name} ({row.told}): {words[row.expected].format(row.within)}")
    if STORM in wanted:
        print(f"  {STORM}: in every market the governor trains less often than policies without memory, and on average")
        print(f"  {'':{len(STORM)}}  it loses less MAP than without any training")
    if TRAFFIC in wanted:
        sizes = " to ".join(f"{pairs:,}" for pairs in (min(PAIRS_PER_DAY), max(PAIRS_PER_DAY)))
        print(f"  {TRAFFIC}: the share of weeks with an alarm does not grow from {sizes} pairs a day")
    print(flush=True)


def report_rows(rows: Sequence[str], runs: Sequence[Run]) -> list[str]:
    """Print quiet days and injections; return what is broken."""
    control = {run.seed: run for run in runs if run.row == CONTROL}
    if not control:
        return []
    retrains, seeds, reports = false_alarms(list(control.values()))
    print(f"{len(control)} markets, {USERS:,} users; {retrains.n} drift-free mornings")
    print(f"  false retrains per 100 mornings: {told_interval(retrains, unit='')} (goal: at most 1)")
    print(f"  markets with a false retrain: {told_interval(seeds)}")
    for name, share in reports.items():
        print(f"  {name} report alarms on {told_interval(share)} of mornings")
    chosen = [row for row in ROWS if row.name in rows]
    of = {row.name: [run for run in runs if run.row == row.name and run.seed in control] for row in chosen}
    lines = [line_of(row, of[row.name], control) for row in chosen if of[row.name]]
    print_rows(lines)
    broken = [line.name for line in lines if not line.holds]
    return broken + (["false retrains"] if 100 * retrains.estimate > FALSE_RETRAINS_PER_100 else [])


def report_storm(runs: Sequence[StormRun]) -> list[str]:
    """Print what each policy did in the storm; the governor must train less than both others, and to some effect."""
    if not runs:
        return []
    markets = sorted({run.seed for run in runs})
    print(f"\nstorm of {STORM_DAYS} days, {PHASE_DAYS} on and {PHASE_DAYS} off; ", end="")
    print(f"{len(markets)} markets of {STORM_USERS:,} users, mean (least to most)")
    print(f"{'policy':8}{'trainings':>18}{'true MAP@10':>28}{'lost to the oracle':>28}{'training, s':>20}")
    of = {name: [run for run in runs if run.policy == name] for name in dict.fromkeys(run.policy for run in runs)}
    frozen = {run.seed: run.map_lost for run in of.get(FROZEN, ())}
    for name, ours in of.items():
        told = [
            told_range([run.trainings for run in ours], ".1f", "d"),
            *(told_range([getattr(run, field) for run in ours], ".4f") for field in ("true_map", "map_lost")),
            told_range([run.seconds for run in ours], ".0f"),
        ]
        print(f"{name:8}{told[0]:>18}{told[1]:>28}{told[2]:>28}{told[3]:>20}")
        if name != FROZEN and frozen:
            saved = [frozen[run.seed] - run.map_lost for run in ours if run.seed in frozen]
            print(f"{'':8}MAP won against {FROZEN} training: {told_range(saved, '+.4f')}")
    trainings = {(run.policy, run.seed): run.trainings for run in runs}
    others = [name for name in of if name not in (GOVERNED, FROZEN)]
    often = [seed for seed in markets for one in others if trainings[GOVERNED, seed] >= trainings[one, seed]]
    broken = [f"storm: the governor trains as often as a policy without memory in market {one}" for one in set(often)]
    won = [frozen[run.seed] - run.map_lost for run in of[GOVERNED] if run.seed in frozen]
    return broken + (["storm: the governor's trainings win nothing"] if won and np.mean(won) <= 0 else [])


def told_range(values: Sequence[float], form: str, bound: str = "") -> str:
    """Return the mean of some values with the least and the most of them."""
    return f"{np.mean(values):{form}} ({min(values):{bound or form}} to {max(values):{bound or form}})"


def report_traffic(runs: Sequence[TrafficRun]) -> list[str]:
    """Print alarm rates by traffic; the largest may not alarm more than the smallest beyond chance."""
    if not runs:
        return []
    markets = len({run.seed for run in runs})
    print(f"\ntraffic: {markets} markets, all sizes of a market with the same champion")
    print(f"{'pairs a day':>12}{'mornings':>10}{'weeks':>7}{'weeks with an alarm, 95 %':>28}   mornings by report")
    counted = {}
    for size in sorted({run.nominal_pairs for run in runs}):
        ours = [run for run in runs if run.nominal_pairs == size]
        counted[size] = (sum(run.alarm_weeks for run in ours), sum(run.weeks for run in ours))
        kinds = ", ".join(f"{kind} {sum(run.alarms[kind] for run in ours)}" for kind in ours[0].alarms)
        pairs, days = sum(run.pairs for run in ours) // len(ours), sum(run.days for run in ours)
        share = told_interval(wilson_interval(*counted[size]))
        print(f"{pairs:>12,}{days:>10}{counted[size][1]:>7}{share:>28}   {kinds}")
    low, high = newcombe(*counted[max(counted)], *counted[min(counted)])
    told = f"{100 * low:+.1f} to {100 * high:+.1f} of 100 weeks"
    print(f"largest minus smallest: {told}; told from chance would be {_seen_growth(counted)}")
    return ["traffic: alarms grow with n"] if low > 0 else []


def _seen_growth(counted: Mapping[int, tuple[int, int]]) -> str:
    """Return how many weeks with an alarm the largest traffic needs for growth to be told from chance."""
    few, weeks = counted[min(counted)], counted[max(counted)][1]
    enough = (more for more in range(weeks + 1) if newcombe(more, weeks, *few)[0] > 0)
    least = next(enough, None)
    return "none" if least is None else f"{least} of {weeks} and more"
