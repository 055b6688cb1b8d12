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
from monitored_market.governed import INSTALLED, REFUSED
from monitored_market.recovered import BORN, DAILY, GOVERNED, HUMAN, NEVER, SIMPLE, WEEKLY

MATERIAL_DAMAGE = 0.01
"""Expected MAP@10 over the first days that a drift costs; smaller damage is immaterial."""
FIRST_DAYS, LATE_DAY = 45, 28
SHARE_CLAIM, SHARE_GOAL, LATE_SHARE_CLAIM = 0.75, 0.85, 0.90
BOUND_SHARE = 0.6
CELL_DAMAGE, CELL_SHORTFALL_CLAIM = 0.002, 0.03
"""MAP: what is won back of less damage is noise. Of more, governed may win back by so much a smaller share."""
QUIET_MARKETS, FALSE_DRIFTS_CLAIM = 20, 1
"""Of so many markets without a drift for 60 days, how many may be confirmed in all."""
COST_CLAIM, COST_BOUND_CLAIM = 0.001, 0.003
ALPHA = 0.025
EVER = 10_000

Run = Mapping[str, Any]
Values = npt.NDArray[np.float64]


def means(runs: Sequence[Run], name: str, first: int = 1, last: int = EVER) -> Values:
    """Return the mean expected MAP of a policy over the measured days of [first, last], one per market."""
    return np.array(
        [
            np.mean([value for day, value in zip(run["days"], run["maps"][name], strict=True) if first <= day <= last])
            for run in runs
        ]
    )


def bounds(values: Values) -> tuple[float, float] | None:
    """Return the bounds of the mean of one value per market; None with fewer than two markets."""
    if len(values) < 2:
        return None
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))
    lower = student_lower_bound(mean, error, ALPHA, len(values))
    return lower, -student_lower_bound(-mean, error, ALPHA, len(values))


def share(gain: Values, damage: Values) -> float | None:
    """Return the share of a damage that was won back, pooled over markets; None where there was none."""
    return float(np.sum(gain) / np.sum(damage)) if np.sum(damage) > 0 else None


def first_share(runs: Sequence[Run], name: str) -> float | None:
    """Return the share of the damage over the first days that a policy won back; None where there was none."""
    never = means(runs, NEVER, 1, FIRST_DAYS)
    return share(means(runs, name, 1, FIRST_DAYS) - never, means(runs, BORN, 1, FIRST_DAYS) - never)


def late_share(runs: Sequence[Run], name: str) -> float | None:
    """Return the share of the damage from the late day on that a policy won back; None where there was none."""
    never = means(runs, NEVER, LATE_DAY)
    return share(means(runs, name, LATE_DAY) - never, means(runs, BORN, LATE_DAY) - never)


def fits(run: Run, outcome: str | None = None, last: int = FIRST_DAYS) -> int:
    """Return how many fits there were until a day, of one outcome or of all."""
    return sum(fit["day"] <= last and outcome in (None, fit["outcome"]) for fit in run["fits"])


def confirmed_mornings(run: Run, kind: str) -> list[bool]:
    """Return on which mornings a kind of drift was confirmed."""
    return [kind + CONFIRMED_SUFFIX in codes for codes in run["codes"]]


def confirmed_on(run: Run, kind: str = "concept") -> int | None:
    """Return the number of the first day on which a kind of drift was confirmed; None where it never was."""
    return next((number for number, is_one in enumerate(confirmed_mornings(run, kind), 1) if is_one), None)


def cells_of(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the shares that governed and weekly won back in each market whose damage is more than noise."""
    found = []
    for run in runs:
        if float(means([run], BORN, 1, FIRST_DAYS)[0] - means([run], NEVER, 1, FIRST_DAYS)[0]) > CELL_DAMAGE:
            found.append({"seed": run["seed"], **{name: first_share([run], name) for name in (GOVERNED, WEEKLY)}})
    return found


def figures_of(kind: str, runs: Sequence[Run]) -> dict[str, Any]:
    """Return what the markets of a kind say; without a model of the new world there is no damage."""
    found: dict[str, Any] = {
        "kind": kind,
        "markets": len(runs),
        "maps": {
            name: float(np.mean(means(runs, name, 1, FIRST_DAYS)))
            for name in runs[0]["maps"]
            if all(name in run["maps"] for run in runs)
        },
        "fits": {
            name: float(np.mean([fits(run, outcome) for run in runs]))
            for name, outcome in (("all", None), (INSTALLED, INSTALLED), (REFUSED, REFUSED))
        },
    }
    days = [day for day in map(confirmed_on, runs) if day is not None]
    found["concept_confirmed"] = {"markets": len(days), "median_day": float(np.median(days)) if days else None}
    cost = means(runs, NEVER) - means(runs, GOVERNED)
    found["cost"] = {"mean": float(np.mean(cost)), "bounds": bounds(cost)}
    if BORN not in runs[0]["maps"]:
        return found
    damage = means(runs, BORN, 1, FIRST_DAYS) - means(runs, NEVER, 1, FIRST_DAYS)
    has_late_days = max(runs[0]["days"]) >= LATE_DAY
    found["damage"] = {"mean": float(np.mean(damage)), "bounds": bounds(damage), "by_market": damage.tolist()}
    found["is_material"] = found["damage"]["mean"] > MATERIAL_DAMAGE
    found["cells"] = cells_of(runs)
    for name in (GOVERNED, WEEKLY):
        gain = means(runs, name, 1, FIRST_DAYS) - means(runs, NEVER, 1, FIRST_DAYS)
        over = bounds(gain - BOUND_SHARE * damage)
        found[name] = {
            "gain": float(np.mean(gain)),
            "share": share(gain, damage),
            "late_share": late_share(runs, name) if has_late_days else None,
            "gain_over_part_of_damage": None if over is None else over[0],
        }
    if asked := [run for run in runs if DAILY in run["maps"]]:
        found[DAILY] = {"markets": len(asked)} | {name: first_share(asked, name) for name in (DAILY, GOVERNED)}
    return found


def false_alarms(runs: Sequence[Run]) -> dict[str, Any]:
    """Return how often markets without drift cried wolf, by market and by morning.

    A drift that is confirmed on mornings in a row is one.
    """
    confirmed = {kind: [confirmed_mornings(run, kind) for run in runs] for kind in KINDS}
    each = [days for of_kind in confirmed.values() for days in of_kind]
    began = [now and not before for days in each for before, now in pairwise([False, *days])]
    counted = {
        **{f"{kind} drift confirmed": [sum(days) for days in of_kind] for kind, of_kind in confirmed.items()},
        **{
            f"alarm of the {kind} report": [sum(kind[0] in one for one in run["alarms"]) for run in runs]
            for kind in KINDS
        },
    }
    return {
        "markets": len(runs),
        "mornings": sum(len(run["codes"]) for run in runs),
        "false_drifts": sum(began),
        "counts": {
            name: {"markets": sum(map(bool, counts)), "mornings": sum(counts)} for name, counts in counted.items()
        },
    }


def claims_of(
    figures: Sequence[Mapping[str, Any]], none: str, quiet: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return each claim in words and whether it holds; a bound that there is not holds nothing.

    `quiet` is what `false_alarms` says of the markets without drift.
    """
    found = []

    def claim(text: str, holds: bool) -> None:
        found.append({"claim": text, "holds": bool(holds)})

    for one in figures:
        kind = one["kind"]
        if kind == none:
            lower_upper = one["cost"]["bounds"]
            claim(f"{kind}: costs at most {COST_CLAIM:g} MAP", one["cost"]["mean"] <= COST_CLAIM)
            claim(
                f"{kind}: upper bound of the cost at most {COST_BOUND_CLAIM:g}",
                lower_upper is not None and lower_upper[1] <= COST_BOUND_CLAIM,
            )
        if not one.get("is_material", False):
            continue
        ours = one[GOVERNED]
        over = ours["gain_over_part_of_damage"]
        claim(f"{kind}: {SHARE_CLAIM:.0%} won back over days 1-{FIRST_DAYS}", _at_least(ours["share"], SHARE_CLAIM))
        claim(f"{kind}: lower bound of gain - {BOUND_SHARE:g} x damage above 0", over is not None and over > 0)
        claim(
            f"{kind}: {LATE_SHARE_CLAIM:.0%} won back from day {LATE_DAY} on",
            _at_least(ours["late_share"], LATE_SHARE_CLAIM),
        )
    ahead = [cell[GOVERNED] - cell[WEEKLY] for one in figures for cell in one.get("cells", ())]
    if ahead:
        claim("mean share won back not below weekly's", float(np.mean(ahead)) >= 0)
        text = f"in no market and drift more than {100 * CELL_SHORTFALL_CLAIM:g} points less won back than by weekly"
        claim(text, min(ahead) >= -CELL_SHORTFALL_CLAIM)
    if quiet is not None:
        text = f"at most {FALSE_DRIFTS_CLAIM} confirmed drift in {QUIET_MARKETS} markets without one"
        claim(text, quiet["markets"] >= QUIET_MARKETS and quiet["false_drifts"] <= FALSE_DRIFTS_CLAIM)
    return found


def _at_least(value: float | None, least: float) -> bool:
    return value is not None and value >= least


def print_figures(figures: Sequence[Mapping[str, Any]]) -> None:
    """Print the tables of all kinds: MAP, what was won back, what it took, when it was found."""
    names = (NEVER, WEEKLY, GOVERNED, BORN, HUMAN, SIMPLE, "oracle", "random")
    print(f"\nexpected MAP@10 on true probabilities, days 1-{FIRST_DAYS}")
    print(f"{'drift':14}{'markets':>8}" + "".join(f"{name:>10}" for name in names))
    for one in figures:
        maps = "".join(f"{one['maps'][name]:>10.4f}" if name in one["maps"] else f"{'-':>10}" for name in names)
        print(f"{one['kind']:14}{one['markets']:>8}{maps}")
    print(f"\nwon back of the damage ({BORN} - {NEVER}), pooled; the goal is {SHARE_GOAL:.0%}")
    print(f"{'drift':14}{'damage':>9}{'':12}", end="")
    for name in (GOVERNED, WEEKLY):
        print(f"{name + f' 1-{FIRST_DAYS}':>15}{f'bound of gain-{BOUND_SHARE:g}d':>20}{f'from {LATE_DAY}':>9}", end="")
    print()
    for one in figures:
        if "damage" not in one:
            continue
        print(f"{one['kind']:14}{one['damage']['mean']:>9.4f}", end="")
        print(f"{'' if one['is_material'] else '  immaterial':12}", end="")
        for name in (GOVERNED, WEEKLY):
            ours = one[name]
            print(f"{_percent(ours['share']):>15}{_number(ours['gain_over_part_of_damage']):>20}", end="")
            print(f"{_percent(ours['late_share']):>9}", end="")
        print()
    print(
        f"\nthe most that refits win, one each morning: share won back over days 1-{FIRST_DAYS}, beside the product's"
    )
    for one in figures:
        if DAILY in one:
            shares = "".join(f"{name:>10} {_percent(one[DAILY][name])}" for name in (DAILY, GOVERNED))
            print(f"{one['kind']:14}{one[DAILY]['markets']:>2} of {one['markets']} markets{shares}")
    print(f"\na market in {FIRST_DAYS} days: fits, how many served; confirmed concept drift")
    print(f"{'drift':14}{'fits':>6}{INSTALLED:>11}{REFUSED:>9}{'confirmed':>11}{'median day':>12}")
    for one in figures:
        spent, found = one["fits"], one["concept_confirmed"]
        day = "-" if found["median_day"] is None else f"{found['median_day']:g}"
        print(f"{one['kind']:14}{spent['all']:>6.1f}{spent[INSTALLED]:>11.1f}{spent[REFUSED]:>9.1f}", end="")
        print(f"{found['markets']:>8}/{one['markets']:<2}{day:>12}")


def print_power(figures: Sequence[Mapping[str, Any]], sizes: Mapping[str, float]) -> None:
    """Print in which share of markets concept drift was confirmed, by its size, smallest first."""
    by_kind = {one["kind"]: one for one in figures}
    print("\npower of concept drift by the elasticity of pay: markets with a confirmed drift, 95 %, median day")
    for kind, size in sorted(sizes.items(), key=lambda item: item[1]):
        if kind in by_kind:
            found, of = by_kind[kind]["concept_confirmed"], by_kind[kind]["markets"]
            seen = wilson_interval(found["markets"], of)
            day = "-" if found["median_day"] is None else f"{found['median_day']:g}"
            print(f"{size:>6g}{found['markets']:>6}/{of:<3} [{seen.lower:.0%}, {seen.upper:.0%}]{day:>7}  ({kind})")


def print_false_alarms(found: Mapping[str, Any]) -> None:
    """Print how often a market without drift cried wolf."""
    markets, mornings = found["markets"], found["mornings"]
    print(f"\nwithout drift: {markets} markets, {mornings} mornings, {found['false_drifts']} drifts confirmed")
    for name, counts in found["counts"].items():
        by_market, by_morning = (
            wilson_interval(counts["markets"], markets),
            wilson_interval(counts["mornings"], mornings),
        )
        print(
            f"  {name:34}{counts['markets']:>4} of {markets} markets [{by_market.lower:.0%}, {by_market.upper:.0%}], "
            f"{100 * by_morning.estimate:.1f} [{100 * by_morning.lower:.1f}, {100 * by_morning.upper:.1f}] "
            "of 100 mornings"
        )


def print_cost(one: Mapping[str, Any]) -> None:
    """Print what the product costs where nothing drifts."""
    limits = one["cost"]["bounds"]
    told = "" if limits is None else f" ({limits[0]:+.4f} to {limits[1]:+.4f})"
    allowed = f"at most {COST_CLAIM:g}, upper bound {COST_BOUND_CLAIM:g}"
    print(f"\ncost without drift: {one['cost']['mean']:+.4f} MAP{told}; {allowed}")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:+.4f}"
