"""Lift that is looked at every day: who claims something where nothing is, and when what is there is shown.

Run: python benchmarks/lift.py [--scale 1] [--json FILE]

Made-up people of the demo's shape, counted by day into the sums of mart `lift_daily` and read by `recruiting.lift`.
The shape is that of the simulated market over 91 days without texts: 8,448 people on the first day and 10 more a day,
.2324 applies per person in 21 days, 3.36 clicks in the 28 days before; people differ as they do there (lognormal, so
that the variance of applies is 2.0 times their mean after 21 days and 4.1 times after 63, and clicks explain .43 and
.66 of it). In every second experiment people also have spells of four weeks in which they look for more work or for
less (a factor with standard deviation 1.0), which no click before knows of. Newcomers have no clicks before.

- *nothing is there*: 1,000 experiments of 180 days, each with three applications (holdouts of 5, 10 and 20 %) that
  share the error. Beside them what was on the page before: Newcombe's and Welch's 95 % intervals, looked at every day.
- *planted*: 300 lifts from -30 to +80 %, holdouts of 5, 10 and 20 %; every second one fades to a half within 60 days.
  Covered means that the interval has the expected lift to date on each day from the minimum on.
- *power*: +40 %, one application, with and without what people did before.
- *sample ratio*: a holdout of .055 for .050 at 100,000 people; sound ones that are looked at on 180 days.

`MEETS` was committed before the first run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from mlife_assets.recruiting.lift import ArmsOfDay, ArmSums, Look, looks, ratio_evidence
from mlife_assets.recruiting.policies import LiftPolicy

RESULT = Path(__file__).resolve().parent / "results" / "lift.json"
SEEDS = {"nothing": 39_001, "planted": 39_002, "power": 39_003, "ratio": 39_004}
EXPERIMENTS = {"nothing": 1_000, "planted": 300, "power": 300, "ratio_found": 2_000, "ratio_sound": 10_000}
DAYS = 180
SHARES = (0.05, 0.1, 0.2)
LIFTS = (-0.3, -0.15, 0.1, 0.2, 0.4, 0.8)
MEETS = {
    "any claim where nothing is there": ("<=", 0.05),
    "covered on all days": (">=", 0.95),
    "+40 %, holdout 5 %, day 21": (">=", 0.30),
    "+40 %, holdout 5 %, day 42": (">=", 0.65),
    "+40 %, holdout 5 %, day 63": (">=", 0.85),
    "+40 %, holdout 20 %, day 21": (">=", 0.85),
    "a holdout of .055 for .050 is found": (">=", 0.95),
    "a sound holdout is blanked": ("<=", 0.001),
}
POLICY = LiftPolicy()
FIRST = date(2026, 1, 5)
PEOPLE, NEWCOMERS = 8_448, 10
APPLIES_PER_DAY, CLICKS_BEFORE = 0.2324 / 21, 3.36
APPLY_SIGMA, CLICK_SIGMA, SPELL_DAYS, SPELL_DEVIATION = 1.29, 1.144, 28, 1.0
WEEKDAYS = (1.2, 1.2, 1.05, 1.05, 0.9, 0.6, 0.6)
BID_SIGMA = 0.6
LEVEL_Z = 1.959964
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class People:
    """Shape (n,): day of the first exposure, applies a day, clicks before; `spells` is (n, blocks)."""

    entered: np.ndarray
    rate: np.ndarray
    before: np.ndarray
    spells: np.ndarray


@dataclass(frozen=True)
class Applies:
    """Shape (m,): who applied on which day after the first exposure, and what was bid; by person and day."""

    person: np.ndarray
    day: np.ndarray
    bid: np.ndarray


def draw_people(rng: np.random.Generator, *, has_spells: bool) -> People:
    """Return everybody who is exposed within the days."""
    entered = np.concatenate([np.zeros(PEOPLE, np.int64), np.repeat(np.arange(1, DAYS), NEWCOMERS)])
    z = rng.normal(size=len(entered))
    clicks = rng.poisson(CLICKS_BEFORE * np.exp(CLICK_SIGMA * z - CLICK_SIGMA**2 / 2)).astype(np.float64)
    blocks = -(-DAYS // SPELL_DAYS)
    sigma = np.sqrt(np.log1p(SPELL_DEVIATION**2)) if has_spells else 0.0
    spells = np.exp(sigma * rng.normal(size=(len(entered), blocks)) - sigma**2 / 2)
    rate = APPLIES_PER_DAY * np.exp(APPLY_SIGMA * z - APPLY_SIGMA**2 / 2)
    return People(entered, rate, np.where(entered == 0, clicks, 0.0), spells)


def draw_applies(rng: np.random.Generator, people: People, treated: np.ndarray, lifts: np.ndarray) -> Applies:
    """Return what people do; that of the treated is `1 + lifts` of a day's as much, shape (days,)."""
    weights = np.resize(WEEKDAYS, DAYS)
    persons, days = [], []
    for arm, of_day in ((False, weights), (True, weights * (1 + lifts))):
        members = np.flatnonzero(treated == arm)
        for block in range(people.spells.shape[1]):
            inside = of_day[block * SPELL_DAYS : (block + 1) * SPELL_DAYS]
            counts = rng.poisson(people.rate[members] * people.spells[members, block] * inside.sum())
            persons.append(np.repeat(members, counts))
            drawn = rng.choice(len(inside), size=int(counts.sum()), p=inside / inside.sum())
            days.append(block * SPELL_DAYS + drawn)
    person, day = np.concatenate(persons), np.concatenate(days)
    kept = day >= people.entered[person]
    person, day = person[kept], day[kept]
    order = np.lexsort((day, person))
    bids = np.exp(BID_SIGMA * rng.normal(size=len(order)) - BID_SIGMA**2 / 2)
    return Applies(person[order], day[order], bids)


def drawn_arms(rng: np.random.Generator, count: int, share: float) -> np.ndarray:
    """Return who is treated."""
    treated: np.ndarray = rng.random(count) >= share
    return treated


def counted(people: People, applies: Applies, treated: np.ndarray, *, knows_before: bool = True) -> list[ArmsOfDay]:
    """Return the sums of both arms at the end of each day, as mart `lift_daily` counts them."""
    before = people.before if knows_before else np.zeros_like(people.before)
    firsts = np.flatnonzero(np.r_[True, applies.person[1:] != applies.person[:-1]])
    place = np.arange(len(applies.person)) - np.repeat(firsts, np.diff(np.r_[firsts, len(applies.person)]))
    running = np.cumsum(applies.bid)
    so_far = running - np.repeat(running[firsts] - applies.bid[firsts], np.diff(np.r_[firsts, len(applies.person)]))
    ones = np.ones(len(applies.person))
    sides = []
    for arm in (True, False):
        who, did = treated == arm, treated[applies.person] == arm
        entered, of_person = people.entered[who], before[applies.person]

        def by_day(days: np.ndarray, values: np.ndarray) -> list[float]:
            return np.cumsum(np.bincount(days, values, DAYS)).tolist()

        def of_applies(values: np.ndarray, did: np.ndarray = did) -> list[float]:
            return by_day(applies.day[did], values[did])

        users = [int(one) for one in by_day(entered, np.ones(len(entered)))]
        known = by_day(entered, before[who]), by_day(entered, before[who] ** 2)
        outcomes = of_applies(ones), of_applies(2.0 * place + 1), *known, of_applies(of_person)
        bid = applies.bid
        money = of_applies(bid), of_applies(bid * (2 * so_far - bid)), *known, of_applies(bid * of_person)
        sides.append([[ArmSums(*row) for row in zip(users, *sums, strict=True)] for sums in (outcomes, money)])
    (treated_sums, treated_money), (holdout_sums, holdout_money) = sides
    rows = zip(treated_sums, holdout_sums, treated_money, holdout_money, strict=True)
    return [
        ArmsOfDay(FIRST + timedelta(days=day), one, other, (money, other_money))
        for day, (one, other, money, other_money) in enumerate(rows)
    ]


def first_claim(found: Sequence[Look], kinds: Sequence[str] = ("shown", "contrary")) -> int | None:
    """Return the first day, from 1, with a claim of these kinds."""
    return next((day for day, one in enumerate(found, 1) if one.claim in kinds), None)


def rival_claims(days: Sequence[ArmsOfDay], people: People, applies: Applies, treated: Mask) -> dict[str, Mask]:
    """Return by day whether the intervals of before would have claimed something: lift in people, and money."""
    first = np.full(len(treated), DAYS)
    np.minimum.at(first, applies.person, applies.day)
    bounds = []
    for arm in (True, False):
        who = treated == arm
        n = np.cumsum(np.bincount(people.entered[who], minlength=DAYS))
        p = np.cumsum(np.bincount(first[who & (first < DAYS)], minlength=DAYS)) / n
        middle, wide = p + LEVEL_Z**2 / (2 * n), LEVEL_Z * np.sqrt(p * (1 - p) / n + LEVEL_Z**2 / (4 * n * n))
        bounds.append((p, (middle - wide) / (1 + LEVEL_Z**2 / n), (middle + wide) / (1 + LEVEL_Z**2 / n)))
    (p1, low1, high1), (p0, low0, high0) = bounds
    down, up = np.hypot(p1 - low1, high0 - p0), np.hypot(high1 - p1, p0 - low0)
    lift = (p1 - p0 - down > 0) | (p1 - p0 + up < 0)
    sums = np.array([[(m.people, m.total, m.squares) for m in one.money or ()] for one in days])
    n, total, squares = sums[..., 0], sums[..., 1], sums[..., 2]
    parts = np.maximum(squares - total**2 / n, 0) / (n - 1) / n
    variance = parts.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = variance**2 / (parts**2 / (n - 1)).sum(axis=1)
        money = np.abs(total[:, 0] / n[:, 0] - total[:, 1] / n[:, 1]) > stdtrit(freedom, 0.975) * np.sqrt(variance)
    return {"lift": lift, "money": money & (total.min(axis=1) > 0)}


def nothing_is_there(experiments: int) -> dict[str, Any]:
    """Return how often something is claimed though all arms are alike."""
    claims, by_day, blanked = 0, {21: 0, 42: 0, 63: 0}, 0
    rivals = {(name, day): 0 for name in ("lift", "money", "either") for day in (21, DAYS)}
    kinds = {"shown": 0, "contrary": 0, "money": 0}
    for number in range(experiments):
        rng = np.random.default_rng((SEEDS["nothing"], number))
        people = draw_people(rng, has_spells=number % 2 == 1)
        everybody = np.zeros(len(people.entered), bool)
        applies = draw_applies(rng, people, everybody, np.zeros(DAYS))
        firsts, is_blanked = [], False
        for share in SHARES:
            treated = drawn_arms(rng, len(people.entered), share)
            days = counted(people, applies, treated)
            found = looks(days, POLICY, share=share, applications=len(SHARES))
            is_blanked |= any(one.claim == "blanked" for one in found)
            for kind in ("shown", "contrary"):
                kinds[kind] += any(one.claim == kind for one in found)
            kinds["money"] += any(o.earned is not None and (o.earned.lower > 0 or o.earned.upper < 0) for o in found)
            firsts.append(first_claim(found) or DAYS + 1)
            if share == SHARES[0]:
                rival = rival_claims(days, people, applies, treated)
                rival["either"] = rival["lift"] | rival["money"]
                for name, day in rivals:
                    rivals[name, day] += bool(rival[name][:day].any())
        claims += min(firsts) <= DAYS
        blanked += is_blanked
        for day in by_day:
            by_day[day] += min(firsts) <= day
    return {
        "any claim where nothing is there": claims / experiments,
        "until day": {day: count / experiments for day, count in by_day.items()},
        "applications with a claim": {kind: count / experiments / len(SHARES) for kind, count in kinds.items()},
        "blanked": blanked / experiments,
        "before, one application": {f"{name} until day {day}": n / experiments for (name, day), n in rivals.items()},
    }


def planted(experiments: int) -> dict[str, Any]:
    """Return how often the interval has the expected lift to date on all days."""
    covered: dict[float, list[bool]] = {lift: [] for lift in LIFTS}
    weights = np.resize(WEEKDAYS, DAYS)
    for number in range(experiments):
        rng = np.random.default_rng((SEEDS["planted"], number))
        people = draw_people(rng, has_spells=number % 2 == 1)
        lift, share = LIFTS[number % len(LIFTS)], SHARES[number // len(LIFTS) % len(SHARES)]
        fades = np.clip(1 - np.arange(DAYS) / 120, 0.5, 1) if number // 2 % 2 else np.ones(DAYS)
        treated = drawn_arms(rng, len(people.entered), share)
        days = counted(people, draw_applies(rng, people, treated, lift * fades), treated)
        expected = people_days(people) * weights
        truth = np.cumsum(expected * lift * fades) / np.cumsum(expected)
        found = looks(days, POLICY, share=share)
        covered[lift].append(
            all(o.lift is None or o.lift.lower <= t <= o.lift.upper for o, t in zip(found, truth, strict=True))
        )
    everything = [one for rows in covered.values() for one in rows]
    return {
        "covered on all days": float(np.mean(everything)),
        "by lift": {str(lift): float(np.mean(rows)) for lift, rows in covered.items() if rows},
    }


def people_days(people: People) -> np.ndarray:
    """Return how many people are counted on each day; the newcomers are like the others."""
    counts: np.ndarray = np.cumsum(np.bincount(people.entered, minlength=DAYS))
    return counts


def power(experiments: int) -> dict[str, Any]:
    """Return how often +40 % is shown by some days, with and without what people did before."""
    found: dict[str, Any] = {}
    for share in (SHARES[0], SHARES[2]):
        firsts: dict[bool, list[int]] = {True: [], False: []}
        for number in range(experiments):
            rng = np.random.default_rng((SEEDS["power"], round(1000 * share), number))
            people = draw_people(rng, has_spells=False)
            treated = drawn_arms(rng, len(people.entered), share)
            applies = draw_applies(rng, people, treated, np.full(DAYS, 0.4))
            for knows in firsts:
                days = counted(people, applies, treated, knows_before=knows)[:63]
                firsts[knows].append(first_claim(looks(days, POLICY, share=share), ("shown",)) or DAYS + 1)
        for knows, of in firsts.items():
            for day in (21, 42, 63):
                name = f"+40 %, holdout {100 * share:.0f} %, day {day}"
                found[name if knows else f"{name}, nothing known before"] = float(np.mean(np.array(of) <= day))
    return found


def sample_ratio(found: int, sound: int) -> dict[str, Any]:
    """Return how often a broken holdout is found and a sound one blanked on any of the days."""
    rng = np.random.default_rng(SEEDS["ratio"])
    limit = float(np.log(len(SHARES) / POLICY.ratio_error))
    broken = [ratio_evidence(100_000, int(held), 0.05) >= limit for held in rng.binomial(100_000, 0.055, found)]
    blanked = 0
    for number in range(sound):
        share = SHARES[number % len(SHARES)]
        arrived = np.r_[PEOPLE, np.full(DAYS - 1, 50)]
        held = np.cumsum(rng.binomial(arrived, share)).tolist()
        people = np.cumsum(arrived).tolist()
        alone = np.log(1 / POLICY.ratio_error)  # one application: the error is not shared
        blanked += any(ratio_evidence(n, k, share) >= alone for n, k in zip(people, held, strict=True))
    figures = (float(np.mean(broken)), blanked / sound)
    return dict(zip(("a holdout of .055 for .050 is found", "a sound holdout is blanked"), figures, strict=True))


def measured(scale: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each part and its figures, with `scale` times as many experiments."""
    sizes = {name: max(6, round(count * scale)) for name, count in EXPERIMENTS.items()}
    yield "nothing", nothing_is_there(sizes["nothing"])
    yield "planted", planted(sizes["planted"])
    yield "power", power(sizes["power"])
    yield "ratio", sample_ratio(sizes["ratio_found"], sizes["ratio_sound"])


def missed(figures: dict[str, Any]) -> list[str]:
    """Return each line of `MEETS` that is not met."""
    return [
        f"{name}: {figures[name]:.4f}, {sign} {limit} was to be met"
        for name, (sign, limit) in MEETS.items()
        if (figures[name] > limit if sign == "<=" else figures[name] < limit)
    ]


def main() -> int:
    """Print all figures; 1 where one is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="times as many experiments")
    parser.add_argument("--json", type=Path, default=None, help=f"write the record to this file, as {RESULT.name}")
    asked = parser.parse_args()
    figures: dict[str, Any] = {}
    for part, found in measured(asked.scale):
        print(f"{part} ({time.process_time():.0f} CPU seconds so far)")
        for name, value in found.items():
            print(f"  {name}: {value if isinstance(value, dict) else f'{value:.4f}'}", flush=True)
        figures |= found
    if asked.json:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=RESULT.parent, capture_output=True, text=True, check=True
        )
        record = {
            "commit": head.stdout.strip(),
            "seeds": SEEDS,
            "experiments": {name: round(count * asked.scale) for name, count in EXPERIMENTS.items()},
            "machine": {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()},
            "cpu_seconds": round(time.process_time()),
            "figures": figures,
            "missed": missed(figures),
        }
        asked.json.write_text(json.dumps(record, indent=1) + "\n")
    for line in missed(figures):
        print(f"MISSED {line}")
    return bool(missed(figures))


if __name__ == "__main__":
    sys.exit(main())
