"""Rollback insurance on made-up weekly differences, without fits: when it fires where nothing is, and how late.

Run: python benchmarks/rollback.py [--scale 1] [--json FILE]

A stream is read by the product's own fold (`core.training.insurance.standing`). Weekly differences have a standard
deviation of one; their standard error is seen as .84 of it with 15 % of noise, since days of a week are alike.

- *no loss*: 200 streams of 40 years. Rollbacks a stream are counted, those after a return as well. Independent normal
  weeks count, also where their standard error scatters as a jackknife of seven days does (chi-square with 6 degrees of
  freedom); t with 3 degrees of freedom, rare large losses, and weeks that depend on the one before by .3 and .6 are
  printed: the last two break the assumption.
- *a loss* of 1, 1.5, 2, 3, 5 standard deviations from week 4 or 40 on, for good: 400 streams each. Late is how many
  windows with the loss are seen until the refits are rolled back, the one that fires included; a stream that was
  rolled back before the loss counts as never found.

`MEETS` was committed before the first run, and before that of errors of seven days.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlife_assets.core.training.insurance import Standing, Week, standing, weeks_to_find

RESULT = Path(__file__).resolve().parent / "results" / "rollback.json"
SEEDS = {"no loss": 39_101, "loss": 39_102}
STREAMS = {"no loss": 200, "loss": 400}
YEARS, WEEKS_OF_YEAR = 40, 52
LOSSES, STARTS, FOUND_SHARE = (1.0, 1.5, 2.0, 3.0, 5.0), (4, 40), 0.8
NEVER, SEVEN_DAYS = 10_000.0, "independent weeks whose errors are of seven days"
MEETS: dict[str, tuple[str, float]] = {
    "independent weeks: rollbacks in 40 years": ("<=", 1.0),
    f"{SEVEN_DAYS}: rollbacks in 40 years": ("<=", 1.0),
    **{
        f"a loss of {loss:g} from week {start}: windows for 80 %": ("<=", 1.2 * weeks_to_find(loss, 1.0))
        for loss in LOSSES
        for start in STARTS
    },
}
Array = npt.NDArray[np.float64]


def correlated(rng: np.random.Generator, count: int, by: float) -> Array:
    """Return an autoregressive series with variance 1, float64 (count,)."""
    x = rng.normal(size=count)
    for place in range(1, count):
        x[place] = by * x[place - 1] + np.sqrt(1 - by * by) * x[place]
    return x


KINDS: Mapping[str, Callable[[np.random.Generator, int], Array]] = {
    "independent weeks": lambda rng, n: rng.normal(size=n),
    SEVEN_DAYS: lambda rng, n: rng.normal(size=n),
    "t with 3 degrees of freedom": lambda rng, n: rng.standard_t(3, n) / np.sqrt(3),
    "rare large losses": lambda rng, n: 1 - rng.exponential(size=n),
    "autocorrelation .3": lambda rng, n: correlated(rng, n, 0.3),
    "autocorrelation .6": lambda rng, n: correlated(rng, n, 0.6),
}


def read(gains: Array, rng: np.random.Generator, kind: str = "") -> Standing:
    """Return what the product says of a stream."""
    errors = 0.84 * np.exp(0.15 * rng.normal(size=len(gains)))
    if kind == SEVEN_DAYS:
        errors = 0.84 * np.sqrt(rng.chisquare(6, len(gains)) / 6)
    return standing([Week(float(gain), float(error)) for gain, error in zip(gains, errors, strict=True)])


def no_loss(scale: float, kinds: Collection[str] = tuple(KINDS)) -> dict[str, float]:
    """Return rollbacks in 40 years of each kind of week."""
    figures = {}
    for kind in kinds:
        rng, streams = np.random.default_rng(SEEDS["no loss"]), max(1, round(scale * STREAMS["no loss"]))
        counts = [len(read(KINDS[kind](rng, YEARS * WEEKS_OF_YEAR), rng, kind).rolled_back) for _ in range(streams)]
        figures[f"{kind}: rollbacks in 40 years"] = float(np.mean(counts))
    return figures


def losses(scale: float) -> dict[str, float]:
    """Return within how many windows 80 % of losses are rolled back."""
    figures = {}
    for loss in LOSSES:
        for start in STARTS:
            rng, length = np.random.default_rng(SEEDS["loss"]), start + 100
            late = []
            for _ in range(max(1, round(scale * STREAMS["loss"]))):
                found = read(rng.normal(size=length) - loss * (np.arange(length) >= start), rng).rolled_back
                late.append(found[0] - start + 1 if found and found[0] >= start else NEVER)
            figures[f"a loss of {loss:g} from week {start}: windows for 80 %"] = float(np.quantile(late, FOUND_SHARE))
    return figures


def unmet(figures: Mapping[str, float]) -> list[str]:
    """Return the names of the figures that do not meet `MEETS`."""
    return [name for name, (_, most) in MEETS.items() if not figures[name] <= most]


def main() -> None:
    """Run and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--json", type=Path, default=RESULT)
    asked = parser.parse_args()
    figures = {**no_loss(asked.scale), **losses(asked.scale)}
    for name, value in figures.items():
        bound = f" (to meet: <= {MEETS[name][1]:.1f})" if name in MEETS else ""
        print(f"{name}: {value:.2f}{bound}")
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    record: dict[str, Any] = {
        "commit": commit,
        "seeds": SEEDS,
        "streams": STREAMS,
        "scale": asked.scale,
        "machine": {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()},
        "cpu_seconds": round(time.process_time()),
        "figures": figures,
        "meets": {name: most for name, (_, most) in MEETS.items()},
        "unmet": unmet(figures),
    }
    asked.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"unmet: {', '.join(unmet(figures)) or 'nothing'}; {time.process_time():.0f} s of CPU")


if __name__ == "__main__":
    main()
