"""Who is champion: the fold over all promotions against the watch, after 1, 8, 64 and 512 of them.

Run: python benchmarks/champion_lookup.py [--promotions 1 8 64 512] [--repeats 5] [--json FILE]

Prints the CPU time of a call (median of the repeats) and how many folds one look of the watch is worth. Each promotion
is one event in a file of its own, listed by a manifest of its own, as a registry records them.

- *fold* is the first `ModelRegistry.champion` of a process: it reads every promotion and rollback.
- *again* is its next call when nothing happened: it asks the log whether something was added.
- *watch* is `ChampionWatch.champion` when nothing happened since the last call, which is nearly every request.
- *watch after a promotion* is its next call after one was listed: it reads what is new and folds once.

Claims, judged when 1 and 512 were measured: a look, of the watch or of the registry again, costs after 512 promotions
at most twice what it does after the first (the fold does not), and the call after a promotion at most 1.5 folds. Times
of a fold include reading files from a local folder that the machine has cached; a bucket takes longer for each of them.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.model_registry import ChampionWatch, ModelRegistry
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.recruiting.events import EVENT_TYPES, JOB_APPLICATIONS

PROMOTIONS = (1, 8, 64, 512)
BETWEEN = timedelta(days=3)
START = datetime(2026, 1, 1, 19, tzinfo=UTC)
LOOKS = 400
"""Looks that are timed together: one alone is shorter than the clock is exact."""

LOOK_GROWTH_CLAIM = 2.0
"""A look of the watch, or the registry's next call, after 512 promotions, as a multiple of one after the first."""

REFOLD_CLAIM = 1.5
"""The call of the watch after a promotion, in folds."""


@dataclass(frozen=True)
class Lookup:
    """CPU seconds of one call after so many promotions."""

    promotions: int
    fold: float
    again: float
    watch: float
    watch_after_a_promotion: float

    @property
    def ratio(self) -> float:
        """A fold, in looks of the watch."""
        return self.fold / self.watch


def promote(log: ParquetEventLog, number: int) -> str:
    """Record promotion `number`, from 0 on, and return the version; whether an artifact is there is not asked."""
    at = START + number * BETWEEN
    versions = [f"m_{which % 2:016d}" for which in (number, number - 1)]
    row = {
        "event_id": f"promotion_{number}",
        "occurred_at": at,
        "observed_at": at,
        "model_version": versions[0],
        "previous_version": versions[1] if number else None,
        "actor": "gate",
        "reason": "it ranks better",
        "model_name": JOB_APPLICATIONS,
    }
    table = pa.Table.from_pylist([row], schema=EVENT_TYPES["model_promoted"].schema)
    log.append("model_promoted", table, writer="registry")
    return versions[0]


def measured(counts: Sequence[int], repeats: int) -> list[Lookup]:
    """Return the costs after each number of promotions, on one log that grows."""
    with tempfile.TemporaryDirectory(prefix="mlife-bench-") as folder:
        store = ObstoreObjectStore.local(folder, survives_power_cut=False)
        writer, log, found = ParquetEventLog(store), ParquetEventLog(store), []
        registry = new_registry(store, log)
        watch, promoted = ChampionWatch(registry, log), 0
        for count in sorted(counts):
            champion, after = "", []
            while promoted < count:
                champion = promote(writer, promoted)
                promoted += 1
                if promoted > count - repeats:
                    after.append(cpu_seconds(watch.champion, champion, 1))
            fold = [cpu_seconds(lambda: new_registry(store).champion(), champion, 1) for _ in range(repeats)]
            again = [cpu_seconds(registry.champion, champion, LOOKS) for _ in range(repeats)]
            look = [cpu_seconds(watch.champion, champion, LOOKS) for _ in range(repeats)]
            found.append(Lookup(count, *map(statistics.median, (fold, again, look, after))))
        return found


def new_registry(store: ObstoreObjectStore, log: ParquetEventLog | None = None) -> ModelRegistry:
    """Return the registry of a process, by default of one that has read nothing."""
    return ModelRegistry(store, log or ParquetEventLog(store), JOB_APPLICATIONS)


def cpu_seconds(call: Callable[[], str | None], champion: str, calls: int) -> float:
    """Return the CPU time of one call of several; stop where the answer is wrong."""
    start = time.process_time()
    for _ in range(calls):
        answer = call()
    spent = time.process_time() - start
    if answer != champion:
        raise SystemExit(f"{champion} is champion, the answer was {answer}")
    return spent / calls


def broken_claims(lookups: Sequence[Lookup]) -> list[str]:
    """Return what does not hold; between fewer promotions nothing is claimed."""
    by_count: Mapping[int, Lookup] = {one.promotions: one for one in lookups}
    if not {PROMOTIONS[0], PROMOTIONS[-1]} <= set(by_count):
        return []
    first, last = by_count[PROMOTIONS[0]], by_count[PROMOTIONS[-1]]
    growth = max(last.watch / first.watch, last.again / first.again)
    refold, broken = last.watch_after_a_promotion / last.fold, []
    if growth > LOOK_GROWTH_CLAIM:
        broken.append(f"a look grew {growth:.2f} times, at most {LOOK_GROWTH_CLAIM:g} claimed")
    if refold > REFOLD_CLAIM:
        broken.append(f"a call after a promotion costs {refold:.2f} folds, at most {REFOLD_CLAIM:g} claimed")
    return broken


def main() -> int:
    """Print the costs; returns 1 when a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--promotions", type=int, nargs="+", default=list(PROMOTIONS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the results to this file")
    asked = parser.parse_args()
    measured([1, 2], 1)  # imports and caches
    lookups = measured(asked.promotions, asked.repeats)
    print(
        f"{'promotions':>10}{'fold, ms':>12}{'again, ms':>12}{'watch, ms':>12}{'after one, ms':>15}{'fold / watch':>14}"
    )
    for one in lookups:
        costs = "".join(
            f"{1e3 * seconds:>{width}.3f}"
            for seconds, width in (
                (one.fold, 12),
                (one.again, 12),
                (one.watch, 12),
                (one.watch_after_a_promotion, 15),
            )
        )
        print(f"{one.promotions:>10}{costs}{one.ratio:>14,.0f}")
    broken = broken_claims(lookups)
    if asked.json:
        machine = {"machine": platform.machine(), "python": platform.python_version()}
        rows = [asdict(one) | {"fold_in_looks": one.ratio} for one in lookups]
        rounded = [{name: float(f"{value:.3g}") for name, value in row.items()} for row in rows]
        asked.json.write_text(json.dumps({"machine": machine, "cpu_seconds_of_a_call": rounded}, indent=1) + "\n")
    if broken:
        print("claims that do not hold: " + "; ".join(broken))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
