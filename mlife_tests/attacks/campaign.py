"""Attacks on a day: drawn by seed from what a quiet day does, carried out on copies of one home, judged afterwards."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from types import ModuleType
from typing import Any

import numpy as np

FOLDER = Path(__file__).resolve().parent
SLACK_BYTES = 128 << 20
"""Free space of a disk before it fills up: some times what a day needs."""
RERUNS_MAXIMUM = 3
CLOCK_TRIES_MAXIMUM = 3
EACH_DAY_SHARE = 0.9
"""Of the effects of a kind, these exist on every run of the day; Dagster commits now more, now less often."""
FIRST_KINDS = (
    "provider answered", "put manifests", "commit ledger.sqlite", "put outbox", "put models",
    "put events/event_type=model_promoted", "rename market",
)  # fmt: skip
"""Where a death is worst: the effect before is out, what remembers it is not. Drawn first in every stage."""
DISK_PLACES = {
    "landing files": ("landing", "put landing"),
    "event log": ("landing", "put manifests"),
    "warehouse": ("dbt", "statement of dbt"),
    "ledger": ("sending", "commit ledger.sqlite"),
    "registry": ("training", "put models"),
}
"""Where the disk is full, and the effect before which it fills up."""


def sibling(name: str) -> ModuleType:
    """Return a module of this folder (loaded by path: tests are no package)."""
    known = f"mlife_attacks_{name}"
    if known not in sys.modules:
        spec = importlib.util.spec_from_file_location(known, FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[known] = module
        spec.loader.exec_module(module)
    return sys.modules[known]


@dataclass(frozen=True)
class Attack:
    """One attack. `how`: `kill` or `fill` at an effect (`stage`, `kind`, `number`), `clock` (killed after `share` of
    the time that the quiet day took), `together` (two processes). `place` says in words where.
    """

    how: str
    place: str
    stage: str = ""
    kind: str = ""
    number: int = -1
    share: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.how} {self.stage or round(self.share, 4)} {self.number}: {self.place}"


def drawn(effects: Sequence[tuple[str, str]], stage: str, count: int, rng: np.random.Generator) -> list[Attack]:
    """Return kills of a stage: kinds of effects in turn, the worst first and the rest shuffled, one drawn of each."""
    found = Counter(kind for where, kind in effects if where == stage)
    worst = [kind for kind in FIRST_KINDS if kind in found]
    others = [kind for kind in sorted(found) if kind not in worst]
    order = [*worst, *(others[place] for place in rng.permutation(len(others)))]
    pools = {kind: list(rng.permutation(max(1, int(found[kind] * EACH_DAY_SHARE)))) for kind in order}
    chosen: list[Attack] = []
    while len(chosen) < count and any(pools.values()):
        for kind in order:
            if pools[kind] and len(chosen) < count:
                chosen.append(Attack("kill", kind, stage, kind, int(pools[kind].pop())))
    return chosen


def kills(effects: Sequence[tuple[str, str]], counts: Mapping[str, int], *, seed: int) -> list[Attack]:
    rng = np.random.default_rng(seed)
    chosen = [one for stage in counts if stage != "clock" for one in drawn(effects, stage, counts[stage], rng)]
    shares = (np.arange(counts.get("clock", 0)) + rng.random(counts.get("clock", 0))) / max(1, counts.get("clock", 0))
    return [*chosen, *(Attack("clock", "by the clock", share=float(share)) for share in shares)]


def full_disks(effects: Sequence[tuple[str, str]], each: int, *, seed: int) -> list[Attack]:
    rng = np.random.default_rng(seed)
    chosen = []
    for place, (stage, kind) in DISK_PLACES.items():
        count = sum(one == (stage, kind) for one in effects)
        picked = rng.choice(count, size=min(each, count), replace=False)
        chosen += [Attack("fill", place, stage, kind, int(number)) for number in sorted(picked)]
    return chosen


class Lives:
    """A process that lives days on order, in forks (`attacked_day.py`)."""

    def __init__(self, work: Path) -> None:
        """Start it; `work` holds its logs."""
        work.mkdir(parents=True, exist_ok=True)
        self._work = work
        with (work / "lives.log").open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(FOLDER / "attacked_day.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, text=True, cwd=FOLDER.parents[1],
            )  # fmt: skip

    def order(self, do: str, home: Path, **more: Any) -> dict[str, Any]:
        """Give an order and return the answer."""
        order = {"do": do, "home": str(home), "log": str(self._work / "order.log"), **more}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process that lives days ended: {(self._work / 'lives.log').read_text()[-2_000:]}")
        return json.loads(answer)

    def close(self) -> None:
        """End it."""
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


def side_by_side(campaigns: Sequence[Campaign], attacks: Iterable[Attack]) -> Iterator[dict[str, Any]]:
    """Carry out attacks, one at a time in each campaign; yield what became of them as they end."""
    free: SimpleQueue[Campaign] = SimpleQueue()
    for campaign in campaigns:
        free.put(campaign)

    def carry_out(attack: Attack) -> dict[str, Any]:
        campaign = free.get()
        try:
            return campaign.carry_out(attack)
        finally:
            free.put(campaign)

    with ThreadPoolExecutor(len(campaigns)) as pool:
        for trial in as_completed([pool.submit(carry_out, attack) for attack in attacks]):
            yield trial.result()


class Campaign:
    """One home on the morning of a day, the same day lived quietly, and attacks on copies.

    Args:
        folder: holds everything; what an earlier campaign prepared there is used again.
        worker: tells campaigns apart that attack copies of the same home at the same time.
    """

    def __init__(self, folder: Path, *, worker: int = 0) -> None:
        """Prepare the home and live its day quietly, unless that was done."""
        self.own, self.cpu = folder / f"worker_{worker}", 0.0
        self.lives = Lives(self.own)
        self._aftermath, self.day = sibling("aftermath"), sibling("attacked_day").attacked_date()
        self.morning, facts = folder / "morning", folder / "quiet.json"
        if not (is_made := folder / "morning_is_made").exists():
            shutil.rmtree(self.morning, ignore_errors=True)
            self._require("make", self.morning)
            is_made.touch()
        if not facts.exists():
            with self._copy("quiet") as home:
                record = self.own / "quiet_effects.json"
                lived = self._require("live", home, record=str(record))
                quiet = self._aftermath.look(home, self.day)
                self._require("verify", home)
            effects = json.loads(record.read_text())["effects"]
            facts.write_text(json.dumps({"effects": effects, "seconds": lived["seconds"], "quiet": _plain(quiet)}))
        known = json.loads(facts.read_text())
        self.effects = [tuple(one) for one in known["effects"]]
        self.quiet_seconds: float = known["seconds"]
        self.quiet = self._aftermath.Aftermath(**known["quiet"])

    def close(self) -> None:
        """End the process that lives days."""
        self.lives.close()

    def carry_out(self, attack: Attack) -> dict[str, Any]:
        """Attack a copy of the home, run the day again, look at what is left; return it with what is wrong.

        A kill by the clock that came after the day's end is tried again by how long that day took: machines speed up.
        """
        for _ in range(CLOCK_TRIES_MAXIMUM):
            trial, seconds = self._carry_out(attack)
            if attack.how != "clock" or trial["ends"] == [-9]:
                break
            self.quiet_seconds = min(self.quiet_seconds, seconds)
        return trial

    def _carry_out(self, attack: Attack) -> tuple[dict[str, Any], float]:
        self.cpu = 0.0
        disk = attack.how == "fill"
        with self._copy("attacked", has_disk=disk) as home:
            record = self.own / "record.json"
            record.unlink(missing_ok=True)
            ballast = home.parent / "ballast" if disk and (home.parent / "is_mounted").exists() else None
            first = self._live(attack, home, record, ballast)
            struck = json.loads(record.read_text()).get("struck") if record.exists() else None
            wrong = _ended_wrongly(attack, first, struck)
            if ballast is not None:
                ballast.unlink(missing_ok=True)
            reruns, last = 0, first
            while reruns == 0 or (last["ends"] != [0] and reruns < RERUNS_MAXIMUM):
                last = self._order("live", home)
                reruns += 1
                if last["ends"] != [0]:
                    wrong.append(f"run again, the day ended with {last['ends']}: {_last_line(last['log'])}")
            verified = self._order("verify", home)
            if verified["ends"] != [0]:
                wrong.append(f"`mlife log verify`: {verified['log'][-1_000:]}")
            after = self._aftermath.look(home, self.day)
            wrong += self._aftermath.wrongs(after, self.quiet)
        trial = {
            "attack": asdict(attack), "name": attack.name, "struck": struck, "ends": first["ends"],
            "said": _last_line(first["log"]),
            "disk": "" if not disk else "full file system" if ballast is not None else "no file may grow",
            "reruns": reruns, "texts": self._aftermath.counts(after), "wrong": wrong,
            "cpu_seconds": round(self.cpu, 1),
        }  # fmt: skip
        return trial, first["seconds"]

    def _live(self, attack: Attack, home: Path, record: Path, ballast: Path | None) -> dict[str, Any]:
        if attack.how == "together":
            return self._order("live", home, processes=2)
        if attack.how == "clock":
            return self._order("live", home, kill_after=attack.share * self.quiet_seconds)
        strike = {"stage": attack.stage, "kind": attack.kind, "number": attack.number, "how": attack.how}
        return self._order("live", home, attack=strike, record=str(record), ballast=ballast and str(ballast))

    def _order(self, do: str, home: Path, **more: Any) -> dict[str, Any]:
        answer = self.lives.order(do, home, **more)
        self.cpu += answer["cpu"]
        return answer

    def _require(self, do: str, home: Path, **more: Any) -> dict[str, Any]:
        answer = self._order(do, home, **more)
        if answer["ends"] != [0]:
            raise RuntimeError(f"{do} ended with {answer['ends']}: {answer['log']}")
        return answer

    @contextmanager
    def _copy(self, name: str, *, has_disk: bool = False) -> Iterator[Path]:
        """Give a copy of the home, on a disk of its own if asked; the provider is on it too."""
        place = self.own / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        is_mounted = has_disk and _mounted(place, _size(self.morning) + SLACK_BYTES)
        try:
            home = place / "home"
            shutil.copytree(self.morning, home)
            if is_mounted:
                (place / "is_mounted").touch()
            yield home
        finally:
            if is_mounted:
                subprocess.run(["umount", "--lazy", str(place)], check=True)
            shutil.rmtree(place, ignore_errors=True)


def _mounted(place: Path, size: int) -> bool:
    """Mount a small disk in memory; return whether this machine lets us."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "attacked", str(place)], capture_output=True, check=False
    )
    return done.returncode == 0


def _size(folder: Path) -> int:
    return sum(path.stat().st_size + 4_096 for path in folder.rglob("*"))


def _ended_wrongly(attack: Attack, first: Mapping[str, Any], struck: str | None) -> list[str]:
    wrong = [f"{first['orphans']} processes outlived the one that was killed"] if first["orphans"] else []
    if attack.how in {"kill", "fill"} and struck is None:
        wrong.append("the effect was never reached")
    if attack.how in {"kill", "clock"} and first["ends"] != [-9]:
        wrong.append(f"the process ended with {first['ends']}, not by the kill")
    if attack.how == "together" and any(end not in (0, 1) for end in first["ends"]):
        wrong.append(f"the processes ended with {first['ends']}")
    return wrong


def _last_line(log: str) -> str:
    """Return what was said last, but for warnings and links to read more; a record names no folder of a machine."""
    lines = [line for line in log.splitlines() if line.strip() and not line.startswith((" ", "("))]
    told = [line for line in lines if "Warning: " not in line]
    return re.sub(r"/(?:[\w.+-]+/)+", "", told[-1])[:300] if told else ""


def _plain(aftermath: Any) -> dict[str, Any]:
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(aftermath).items()}
