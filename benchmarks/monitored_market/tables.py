"""What the runs of recovery say: figures by kind of drift, claims, tables.

Concept: the claims are those of the issues that asked for them, and stood here before the first run. A market is the
unit: days of one market share its people and jobs, so bounds are Student's over markets. What is won back is held
against a weekly refit, drift by drift and market by market (a cell), small drifts included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from mlife_assets.core.monitoring.retrain_decisions import CONFIRMED_SUFFIX, KINDS
from mlife_assets.core.statistics import student_lower_bound, wilson_interval
from monitored_market.home import FAILED, INSTALLED, REFUSED
from monitored_market.recovered import BORN, GOVERNED, NEVER, WEEKLY

MATERIAL_DAMAGE = 0.01
"""Expected MAP@10 over the first days that a drift costs; smaller damage is immaterial."""
FIRST_DAYS, LATE_DAY = 45, 28
SHARE_CLAIM, LATE_SHARE_CLAIM = 0.75, 0.90
BOUND_SHARE = 0.6
CELL_DAMAGE, CELL_SHORTFALL_CLAIM = 0.002, 0.03
"""MAP: what is won back of less damage is noise. Of more, governed may win back by so much a smaller share."""
QUIET_MARKETS, FALSE_DRIFTS_CLAIM = 20, 1
"""Of so many markets without a drift for 60 days, how many may be confirmed in all."""
COST_CLAIM, COST_BOUND_CLAIM = 0.001, 0.003
ALPHA = 0.025

Run = Mapping[str, Any]
Values = npt.NDArray[np.float64]


def means(runs: Sequence[Run], name: str, first: int = 1, last: int = 10_000) -> Values:
    """Return the mean expected MAP of a policy over the measured days of [first, last], one per market."""
    days = [[first <= day <= last for day in run["days"]] for run in runs]
    return np.array([np.mean(np.array(run["maps"][name])[own]) for run, own in zip(runs, days, strict=True)])


def bounds(values: Values) -> tuple[float, float] | None:
    """Return the bounds of the mean of one value per market; None with fewer than two markets."""
    if len(values) < 2:
        return None
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))
    lower = student_lower_bound(mean, error, ALPHA, len(values))
    return lower, -student_lower_bound(-mean, error, ALPHA, len(values))


def won_back(runs: Sequence[Run], name: str, first: int = 1, last: int = 10_000) -> tuple[Values, Values]:
    """Return a policy's gain over never, and the damage of the drift over some days, one of each per market."""
    never = means(runs, NEVER, first, last)
    return means(runs, name, first, last) - never, means(runs, BORN, first, last) - never


def share(gain: Values, damage: Values) -> float | None:
    """Return the share of a damage that was won back, pooled over markets; None where there was none."""
    return float(np.sum(gain) / np.sum(damage)) if np.sum(damage) > 0 else None


def confirmed_mornings(run: Run, kind: str) -> list[bool]:
    """Return on which mornings a kind of drift was confirmed."""
    return [kind + CONFIRMED_SUFFIX in codes for codes in run["codes"]]


def cells_of(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the shares that governed and weekly won back in each market whose damage is more than noise."""
    found = []
    for run in runs:
        won = {name: won_back([run], name, last=FIRST_DAYS) for name in (GOVERNED, WEEKLY)}
        if won[GOVERNED][1][0] > CELL_DAMAGE:
            found.append({"seed": run["seed"], **{name: share(*both) for name, both in won.items()}})
    return found


def figures_of(kind: str, runs: Sequence[Run]) -> dict[str, Any]:
    """Return what the markets of a kind say; without a model of the new world there is no damage."""
    first = [day for run in runs if any(on := confirmed_mornings(run, "concept")) for day in [on.index(True) + 1]]
    cost = means(runs, NEVER) - means(runs, GOVERNED)
    early = [fit["outcome"] for run in runs for fit in run["fits"] if fit["day"] <= FIRST_DAYS]
    found: dict[str, Any] = {
        "kind": kind,
        "markets": len(runs),
        "maps": {name: float(np.mean(means(runs, name, last=FIRST_DAYS))) for name in runs[0]["maps"]},
        "fits": {one: early.count(one) / len(runs) for one in (INSTALLED, REFUSED, FAILED)},
        "concept_confirmed": {"markets": len(first), "median_day": float(np.median(first)) if first else None},
        "cost": {"mean": float(np.mean(cost)), "bounds": bounds(cost)},
    }
    if BORN not in runs[0]["maps"]:
        return found
    _, damage = won_back(runs, NEVER, last=FIRST_DAYS)
    found["damage"] = {"mean": float(np.mean(damage)), "bounds": bounds(damage), "by_market": damage.tolist()}
    found["cells"] = cells_of(runs)
    for name in (GOVERNED, WEEKLY):
        gain, _ = won_back(runs, name, last=FIRST_DAYS)
        over = bounds(gain - BOUND_SHARE * damage)
        has_late_days = max(runs[0]["days"]) >= LATE_DAY
        found[name] = {
            "share": share(gain, damage),
            "late_share": share(*won_back(runs, name, LATE_DAY)) if has_late_days else None,
            "gain_over_part_of_damage": None if over is None else over[0],
        }
    return found


def false_alarms(runs: Sequence[Run]) -> dict[str, Any]:
    """Return how often markets without drift cried wolf: drifts, and by report markets and mornings with an alarm.

    A drift that is confirmed on mornings in a row is one.
    """
    each = [confirmed_mornings(run, kind) for kind in KINDS for run in runs]
    began = [now and not before for days in each for before, now in pairwise([False, *days])]
    counts = {kind: [sum(kind[0] in one for one in run["alarms"]) for run in runs] for kind in KINDS}
    alarms = {kind: {"markets": sum(map(bool, of)), "mornings": sum(of)} for kind, of in counts.items()}
    mornings = sum(len(run["codes"]) for run in runs)
    return {"markets": len(runs), "mornings": mornings, "false_drifts": sum(began), "alarms": alarms}


def claims_of(figures: Sequence[Run], none: str, quiet: Run | None = None) -> list[dict[str, Any]]:
    """Return each claim in words and whether it holds; a bound that there is not holds nothing.

    `none` is the kind without a drift, and `quiet` what `false_alarms` says of its markets.
    """
    found: list[tuple[str, bool]] = []
    for one in figures:
        kind, limits = one["kind"], one["cost"]["bounds"]
        if kind == none:
            found += [
                (f"{kind}: costs at most {COST_CLAIM:g} MAP", one["cost"]["mean"] <= COST_CLAIM),
                (
                    f"{kind}: upper bound of the cost at most {COST_BOUND_CLAIM:g}",
                    limits is not None and limits[1] <= COST_BOUND_CLAIM,
                ),
            ]
        if "damage" in one and one["damage"]["mean"] > MATERIAL_DAMAGE:
            ours = {name: -np.inf if value is None else value for name, value in one[GOVERNED].items()}
            found += [
                (f"{kind}: {SHARE_CLAIM:.0%} won back over days 1-{FIRST_DAYS}", ours["share"] >= SHARE_CLAIM),
                (
                    f"{kind}: lower bound of gain - {BOUND_SHARE:g} x damage above 0",
                    ours["gain_over_part_of_damage"] > 0,
                ),
                (
                    f"{kind}: {LATE_SHARE_CLAIM:.0%} won back from day {LATE_DAY} on",
                    ours["late_share"] >= LATE_SHARE_CLAIM,
                ),
            ]
    if ahead := [cell[GOVERNED] - cell[WEEKLY] for one in figures for cell in one.get("cells", ())]:
        text = f"in no market and drift more than {100 * CELL_SHORTFALL_CLAIM:g} points less won back than by weekly"
        found += [
            ("mean share won back not below weekly's", float(np.mean(ahead)) >= 0),
            (text, min(ahead) >= -CELL_SHORTFALL_CLAIM),
        ]
    if quiet is not None:
        text = f"at most {FALSE_DRIFTS_CLAIM} confirmed drift in {QUIET_MARKETS} markets without one"
        found.append((text, quiet["markets"] >= QUIET_MARKETS and quiet["false_drifts"] <= FALSE_DRIFTS_CLAIM))
    return [{"claim": text, "holds": bool(holds)} for text, holds in found]


def print_figures(figures: Sequence[Run], quiet: Run | None) -> None:
    """Print what was won back of the damage, what it took, when it was confirmed, and how often quiet markets cried."""
    print(f"\n{'drift':12}{'damage':>8}", end="")
    print("".join(f"{f'{name} 1-{FIRST_DAYS}':>15}{f'from {LATE_DAY}':>9}" for name in (GOVERNED, WEEKLY)), end="")
    print(f"{'installed':>11}{REFUSED:>9}{FAILED:>8}   concept drift confirmed, 95 %, median day")
    for one in figures:
        shares = [one.get(name, {}).get(of) for name in (GOVERNED, WEEKLY) for of in ("share", "late_share")]
        told = "".join(f"{'-' if value is None else f'{value:.0%}':>{12}}" for value in shares)
        fits = "".join(f"{value:>9.1f}" for value in one["fits"].values())
        seen, day = one["concept_confirmed"]["markets"], one["concept_confirmed"]["median_day"]
        power = f"{seen}/{one['markets']} {_share(seen, one['markets'])} {'-' if day is None else f'{day:g}'}"
        print(f"{one['kind']:12}{one['damage']['mean'] if 'damage' in one else 0:>8.4f}{told}{fits}   {power}")
    if quiet is not None:
        markets, mornings = quiet["markets"], quiet["mornings"]
        print(f"\nwithout drift: {markets} markets, {mornings} mornings, {quiet['false_drifts']} drifts confirmed")
        for kind, count in quiet["alarms"].items():
            told = f"{count['markets']} markets, {count['mornings']} mornings {_share(count['mornings'], mornings)}"
            print(f"  the {kind} report alarmed in {told}")


def _share(count: int, of: int) -> str:
    found = wilson_interval(count, of)
    return f"[{found.lower:.1%}, {found.upper:.1%}]"
