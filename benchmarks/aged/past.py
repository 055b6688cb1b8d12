"""An aged home: a young one whose days have many older ones before them.

Concept: the home is built from nothing, oldest day first, by the product's own log, registry and sealing, so that
`mlife log verify` finds what it would find after years. What landed on a day of the first block of the young home lands
again on each older day in its place; what the platform wrote on a day that it ran is written on each older day, days of
the young home's history included. Then the young home's own files are listed again in the order in which they were.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aged.records import PastGateway, PastLedger, age_marts
from aged.rows import Move, moved_rows, with_value
from aged.runs import age_runs
from aged.world import FIRST_DAY, Size, open_platform

if TYPE_CHECKING:
    import pyarrow as pa

    from mlife_assets.adapters.event_log import LogFile, ParquetEventLog
    from mlife_assets.adapters.event_log.manifests import Manifest
    from mlife_assets.deployments.board_ports import BoardPorts

AGED_FILE = "aged.json"
DAYS_BETWEEN_PROMOTIONS = 14
BUILT_BY_HAND = {"events", "manifests", "outbox", "reports", "tables", "rejected"}
RECRUITERS = "recruiters_of_the_past"
"""Campaign of what recruiters texted on old days, on which the platform texted, too: nobody gets one campaign twice."""
LANDED, LEDGER, REGISTRY, GATE = "landing", "ledger", "registry", "gate"
TRAINING_REPORTS = frozenset(
    {"challenger", "explanation", "fairness", "fairness_by_folds", "folds", "off_policy_estimate", "promotion"}
)
INGEST = "ingest"


@dataclass
class Past:
    """The building of one aged home.

    Attributes:
        young: folder of the young home.
        home: the folder to make.
        size: of the young home.
        blocks: how many times its first `block_days` days are put before it.
    """

    young: Path
    home: Path
    size: Size
    blocks: int
    _tables: dict[str, pa.Table] = field(default_factory=dict)
    _steps: list[tuple[date, Move]] = field(default_factory=list)

    def build(self, say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True)) -> None:
        """Make the home; one that was begun is made anew, one that is done stays."""
        if (self.home / AGED_FILE).is_file():
            return
        began = time.process_time()
        if self.home.exists():
            shutil.rmtree(self.home)
        self._take_over()
        ledger, gateway = self._open_records()
        days = list(self._days())
        for number, (position, move) in enumerate(days):
            self._add_day(position, move, ledger, gateway, is_first=number == 0)
            if number % 100 == 99:
                say(f"{number + 1} of {len(days)} days of the past, {time.process_time() - began:.0f} CPU-s")
        ledger.add_own()
        gateway.add_own()
        self._add_own_days()
        self._note_position()
        self.platform.ledger.close()
        self.platform.home.messengers.texts.close()
        marts = age_marts(self.home / "warehouse.duckdb", self.blocks, self.size.block_days, FIRST_DAY)
        runs = age_runs(self.young / "dagster", self.home / "dagster", self._steps)
        spent = time.process_time() - began
        facts = {"days": self.size.days + len(days), "build_cpu_seconds": round(spent, 1), "marts": marts, **runs}
        (self.home / AGED_FILE).write_text(json.dumps(facts, indent=1) + "\n")
        say(f"{self.home.name} is {facts['days']} days old, made in {spent:.0f} CPU-s")

    @cached_property
    def platform(self) -> BoardPorts:
        """The platform of the aged home, which does not wait for the disk."""
        from mlife_assets.adapters.object_store import ObstoreObjectStore

        platform = open_platform(self.home, self.size)
        vars(platform.home)["lake"] = ObstoreObjectStore.local(self.home / "lake", survives_power_cut=False)
        return platform

    @property
    def log(self) -> ParquetEventLog:
        """The event log that is written."""
        found: ParquetEventLog = self.platform.event_log
        return found

    @cached_property
    def source(self) -> ParquetEventLog:
        """The event log of the young home."""
        from mlife_assets.adapters.event_log import ParquetEventLog
        from mlife_assets.adapters.object_store import ObstoreObjectStore

        return ParquetEventLog(ObstoreObjectStore.local(self.young / "lake", survives_power_cut=False))

    @cached_property
    def seals(self) -> list[list[Manifest]]:
        """The manifests of the young home, as its heads signed them."""
        bodies = [json.loads(path.read_bytes()) for path in sorted((self.young / "private/heads").glob("*.json"))]
        ends = [body["head"]["chain"]["sequence"] for body in bodies]
        found: list[list[Manifest]] = [[] for _ in ends]
        for _, manifest in self.source.chain.since(-1):
            found[next(place for place, end in enumerate(ends) if manifest.sequence <= end)].append(manifest)
        return found

    @cached_property
    def landed(self) -> dict[date, list[LogFile]]:
        """The files that landed on each day of the young home."""
        found: defaultdict[date, list[LogFile]] = defaultdict(list)
        for group in self.seals:
            for file in _files(group):
                if file.writer == LANDED:
                    found[file.day].append(file)
        return found

    @cached_property
    def written(self) -> dict[date, list[list[LogFile]]]:
        """What the platform itself wrote on each day that it ran, in the groups that were signed together."""
        found: defaultdict[date, list[list[LogFile]]] = defaultdict(list)
        for group in self.seals:
            by_day: defaultdict[date, list[LogFile]] = defaultdict(list)
            for file in _files(group):
                if file.writer not in (LANDED, REGISTRY, GATE):
                    by_day[file.day].append(file)
            for day, files in by_day.items():
                found[day].append(files)
        return found

    def _days(self) -> Iterator[tuple[int, Move]]:
        """Yield the place in its block of each older day, and the move there, the oldest first."""
        for block in range(self.blocks, 0, -1):
            for position in range(self.size.block_days):
                yield position, Move(block, block * self.size.block_days)

    def _run_day_of(self, position: int) -> int:
        """Return the day of the young home whose running is repeated at a place of a block: itself, or by weekday."""
        history, repeated = self.size.history_days, min(self.size.run_days, 7)
        if history <= position < history + repeated:
            return position
        return next(
            (day for day in range(history, history + repeated) if day % 7 == position % 7), history
        )  # fmt: skip

    def _take_over(self) -> None:
        """Copy what a past does not change, and link what is never written again."""
        shutil.copytree(
            self.young,
            self.home,
            ignore=lambda folder, names: {
                *(n for n in names if Path(folder) == self.young / "lake" and n in BUILT_BY_HAND),
                *(n for n in names if Path(folder) == self.young / "private" and n.startswith(("ledger", "gateway"))),
                *(n for n in names if n in ("heads", "log_heads.pub", "truth", "landing", "dbt")),
            },
        )
        for name in ("landing", "lake/reports", "lake/tables", "lake/rejected"):
            if (self.young / name).is_dir():
                shutil.copytree(self.young / name, self.home / name, copy_function=os.link)
        (self.home / "lake").mkdir(exist_ok=True)

    def _open_records(self) -> tuple[PastLedger, PastGateway]:
        _ = self.platform.ledger, self.platform.home.messengers.texts  # makes the tables
        young, own = self.young / "private", self.home / "private"
        return (
            PastLedger(young / "ledger.sqlite", own / "ledger.sqlite"),
            PastGateway(young / "gateway.sqlite", own / "gateway.sqlite"),
        )

    def _add_day(self, position: int, move: Move, ledger: PastLedger, gateway: PastGateway, *, is_first: bool) -> None:
        landing = FIRST_DAY + timedelta(days=position)
        day, now = move.moved_day(landing), _evening(move.moved_day(landing))
        for file in self.landed.get(landing, ()):
            batch = sha256(f"{file.batch}{move.mark}".encode()).hexdigest()[:16]
            rows = moved_rows(self._table(file), move)
            if file.event_type == "message_planned":  # recruiters' texts: the day has our own of that campaign, too
                rows = with_value(rows, "campaign", RECRUITERS)
            self.log.append(file.event_type, rows, writer=LANDED, batch=batch)
        self._seal(now)
        self._link(Path("landing"), f"dt={landing}", f"dt={day}")
        self._link(Path("lake/rejected"), f"dt={landing}", f"dt={day}")
        self._report(INGEST, landing + timedelta(days=1), replace(move, detour=0))
        if is_first:  # nothing had landed yet, so nothing could run; somebody serves from the next day on
            self._promote(day, move)
            return
        source = FIRST_DAY + timedelta(days=self._run_day_of(position))
        detour = (source - landing).days
        own = Move(move.block, move.days + detour, detour)
        self._steps.append((source, own))
        is_published = False
        for group in self.written.get(source, ()):
            if any(file.writer == LEDGER for file in group) and not is_published:
                is_published = True
                self._publish(ledger, source, own, gateway.add_past(source, own))
            for file in group:
                if file.writer != LEDGER:
                    self.log.append(file.event_type, moved_rows(self._table(file), own), writer=file.writer)
            self._seal(now)
        self._reports_and_tables(source, own)
        if (day.toordinal() - FIRST_DAY.toordinal()) % DAYS_BETWEEN_PROMOTIONS == 0:
            self._promote(day, move)

    def _publish(self, ledger: PastLedger, source: date, move: Move, replies: dict[str, str]) -> None:
        """Record a day in the ledger and append the events that the outbox makes of it."""
        from mlife_assets.recruiting.messaging.events import inbound_events, transition_events

        before = self.platform.ledger.positions()
        ledger.add_past(source, move, replies)
        transitions = self.platform.ledger.sends.transitions(before["transitions"])
        found = transition_events(transitions, providers=self.platform.home.providers)
        found |= inbound_events(self.platform.ledger.replies.rows(before["inbound"]))
        for event_type, rows in found.items():
            if rows.num_rows:
                self.log.append(event_type, rows, writer=LEDGER)

    def _promote(self, day: date, move: Move) -> None:
        """Register and promote another model: the young home's, said to have learned from other rows."""
        import pyarrow as pa

        registry, now = self.platform.of_model().registry, self.platform.of_model().retraining_time(day)
        (first,) = [row["model_version"] for row in self.source.read("model_promoted").to_pylist()]
        artifact = replace(registry.load(first), training_data_hash=f"of the past{move.mark}_{day}")
        version = registry.register(artifact, as_of=day, now=now)
        trained = FIRST_DAY + timedelta(days=self.size.history_days - 1)
        back = Move(move.block, (trained - day).days, 1)
        verdict = moved_rows(self.source.read("promotion_decided"), back).to_pylist()
        rows = [row | {"model_version": version, "event_id": f"{row['event_id']}_{day}"} for row in verdict]
        self.log.append("promotion_decided", pa.Table.from_pylist(rows, self._schema("promotion_decided")), writer=GATE)
        registry.promote(version, actor="gate", reason="of the past", now=now)
        self._seal(now)
        self._steps.append((trained, back))
        for name in sorted(TRAINING_REPORTS):
            self._report(name, trained, back)

    def _add_own_days(self) -> None:
        """List the young home's own files as it did, seal for seal; its first promotion follows the past's last."""
        for group in self.seals:
            days = [FIRST_DAY]
            for manifest in group:
                files = _files([manifest])
                days += [file.day for file in files]
                if any(file.event_type == "model_promoted" for file in files):
                    (row,) = self.source.read("model_promoted").to_pylist()
                    self.platform.of_model().registry.promote(
                        row["model_version"], actor=row["actor"], reason=row["reason"], now=row["observed_at"]
                    )
                    continue
                for file in files:
                    target = self.home / "lake" / file.key
                    target.parent.mkdir(parents=True, exist_ok=True)
                    os.link(self.young / "lake" / file.key, target)
                self.log.chain.list_entries(manifest.entries, are_new=True)
            self._seal(_evening(max(days)))

    def _note_position(self) -> None:
        from mlife_assets.adapters.ledger_cross_check import take_over_files
        from mlife_assets.adapters.ledger_outbox import POSITION_KEY

        take_over_files(self.platform.ledger, self.log)
        self.platform.lake.replace(POSITION_KEY, json.dumps(dict(self.platform.ledger.positions())).encode())

    def _seal(self, now: datetime) -> None:
        from mlife_assets.adapters.log_heads import Sealer

        heads = self.platform.home.private.heads
        sealer = Sealer((heads.store, self.platform.ledger.heads), heads.pins, heads.signer)
        sealer.seal(self.log.chain, now=now, ledger=self.platform.ledger.positions())

    def _table(self, file: LogFile) -> pa.Table:
        if file.key not in self._tables:
            self._tables[file.key] = self.source.read_file(file)
        return self._tables[file.key]

    def _schema(self, event_type: str) -> Any:
        from mlife_assets.recruiting.events import EVENT_TYPES

        return EVENT_TYPES[event_type].schema

    def _reports_and_tables(self, source: date, move: Move) -> None:
        names = sorted(path.name for path in (self.young / "lake/reports").iterdir())
        for name in names:
            if name not in TRAINING_REPORTS and name not in (INGEST, "monitoring_reference"):
                self._report(name, source, move)
        self._link(Path("lake/tables"), f"as_of_date={source}", f"as_of_date={move.moved_day(source)}")

    def _report(self, name: str, source: date, move: Move) -> None:
        path = self.young / "lake/reports" / name / f"as_of_date={source}" / "report.json"
        if path.is_file():
            target = self.home / "lake/reports" / name / f"as_of_date={move.moved_day(source)}" / "report.json"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(move.moved_text(path.read_text()))

    def _link(self, root: Path, source: str, target: str) -> None:
        """Link what lies in a folder of a day, below each folder of `root`, to the folder of another day."""
        if not (self.young / root).is_dir():
            return
        for folder in (self.young / root).iterdir():
            for file in (folder / source).glob("*"):
                to = self.home / root / folder.name / target / file.name
                to.parent.mkdir(parents=True, exist_ok=True)
                os.link(file, to)


def _files(manifests: Sequence[Manifest]) -> list[LogFile]:
    from mlife_assets.adapters.event_log.manifests import parse_data_key

    found = [parse_data_key(entry.key) for manifest in manifests for entry in manifest.entries]
    return [file for file in found if file is not None]


def _evening(day: date) -> datetime:
    from mlife_assets.core.windows import run_time

    return run_time(day)
