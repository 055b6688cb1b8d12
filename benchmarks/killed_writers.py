"""Sixteen writers append to one event log in a bucket and are killed at random: nothing is lost, nothing overwritten.

Run: python benchmarks/killed_writers.py [--rounds 200] [--json benchmarks/results/killed_writers.json]

A real S3 server runs on this machine, with a log for each twenty rounds, each in a bucket as `20-event-log` renders it
for prod: Object Lock (COMPLIANCE), versions, and of its policy what the server enforces. In each round sixteen
processes append batches as fast as they can; one of them also signs heads. Each is killed (SIGKILL) at a moment drawn
by seed. A writer notes in a file that it begins a batch and, once the append returned, that it is done: what a client
was promised. After a round whatever was begun and not done is appended once more, as a writer that starts again does.
Then is looked from outside:

- *lost*: events of batches that were done, or begun and appended again, which the files do not hold exactly once;
- *overwritten*: objects of earlier rounds that are gone or listed with another hash, and keys of which the bucket has a
  second version, so that somebody put or deleted them again;
- *findings*: of the audit, which compares each object's bytes with its hash, the chain and the signed heads.

The claim is that all three are none in every round. A killed process may hold a request that the server still carries
out, so a batch may also be in the log that nobody was promised: it was begun, and counts once.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(1, str(Path(__file__).resolve().parent.parent))  # the gate, which renders the bucket, is in no package

from parts_of_tests import of_tests

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.log_heads import Ed25519Signer, FolderHeadStore, KeyPins, Records, Sealer, audit
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.tables import TableStore
from mlife_assets.core.errors import MlifeError, TransientError
from mlife_assets.core.storage_places import Bucket
from mlife_assets.recruiting.events import EVENT_TYPES

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "killed_writers.json"
SEED, WRITERS, ROUNDS = 20_261_128, 16, 200
LOG_ROUNDS = 20
"""Rounds on one log; then another is begun, since each round looks at every byte of its log."""
ENVIRONMENT = "prod"
"""Whose bucket the template renders."""
KILLED_AFTER_SECONDS = (0.1, 2.0)
START = datetime(2026, 6, 1, tzinfo=UTC)
DAYS = 3
MANIFEST_KEY, HEAD_KEY = b"manifests" * 4, b"heads---" * 4
BEGUN, DONE = "begun", "done"
PRELOADED = ["__main__", "mlife_assets.adapters.log_heads", "mlife_assets.recruiting.events", "pyarrow.parquet"]
"""What writers share with the process that they are forked from, so that starting one takes no second."""


@dataclass
class Round:
    """What one round came to: counts, and what was wrong."""

    number: int
    promised: int
    cut_off: int
    manifests: int = 0
    lost: list[str] = field(default_factory=list)
    overwritten: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Return whether nothing is wrong."""
        return not (self.lost or self.overwritten or self.findings)


def batch_rows(writer: int, number: int) -> pa.Table:
    """Return the clicks of a batch; they follow from writer and number, so a batch begun can be appended again.

    Every fourth batch is the same whoever writes it.
    """
    name = f"same-{number}" if number % 4 == 0 else f"w{writer}-{number}"
    drawn = random.Random(name)
    rows = [
        {
            "event_id": f"{name}-{place}",
            "occurred_at": START,
            "observed_at": START + timedelta(hours=drawn.randrange(24 * DAYS)),
            "user_id": "u",
            "job_id": "j",
            "source": "organic",
            "exposure_id": f"x-{name}-{place}",
        }
        for place in range(drawn.randint(1, 4))
    ]
    return pa.Table.from_pylist(rows, schema=EVENT_TYPES["click"].schema)


def open_log(bucket: Bucket) -> tuple[ObstoreObjectStore, ParquetEventLog]:
    """Return the log in a bucket as a new process sees it."""
    store = ObstoreObjectStore.in_bucket(bucket)
    return store, ParquetEventLog(store, key=lambda: MANIFEST_KEY)


def sealer(folder: Path) -> Sealer:
    """Return who signs heads of the log into a folder."""
    return Sealer((FolderHeadStore(folder / "heads"),), KeyPins(folder / "pins"), lambda _: Ed25519Signer(HEAD_KEY))


def write(bucket: Bucket, folder: Path, writer: int) -> None:
    """Append batches until killed, going on where the journal ends; writer 0 also signs."""
    _, log = open_log(bucket)
    journal = folder / f"writer-{writer:02d}"
    number = max((one for one, _ in noted(journal)), default=-1)
    with journal.open("a", encoding="utf-8") as notes:
        while True:
            number += 1
            print(number, BEGUN, file=notes, flush=True)
            while True:
                try:
                    append(log, writer, number)
                    break
                except TransientError:  # others were faster too often
                    continue
            print(number, DONE, file=notes, flush=True)
            if writer == 0:
                sealer(folder).seal(log.chain, now=START, ledger={})


def append(log: ParquetEventLog, writer: int, number: int) -> None:
    """Append a batch."""
    log.append("click", batch_rows(writer, number), writer="same" if number % 4 == 0 else f"w{writer}")


def noted(journal: Path) -> list[tuple[int, str]]:
    """Return the whole lines of a journal."""
    text = journal.read_text(encoding="utf-8") if journal.exists() else ""
    return [(int(line.split()[0]), line.split()[1]) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def one_round(bucket: Bucket, folder: Path, number: int, writers: int, before: Mapping[str, str]) -> tuple[Round, dict]:
    """Let writers write and kill them, append again what was begun, and look; returns the hashes of all files, too."""
    drawn = random.Random(SEED + number)
    processes = get_context("forkserver")
    journals = [folder / f"writer-{writer:02d}" for writer in range(writers)]
    noted_before = [len(noted(journal)) for journal in journals]
    running = [processes.Process(target=write, args=(bucket, folder, writer), daemon=True) for writer in range(writers)]
    for process in running:
        process.start()
    while any(len(noted(journal)) < lines + 2 for journal, lines in zip(journals, noted_before, strict=True)):
        time.sleep(0.01)  # each has done a batch before the first is killed
    moments = [time.monotonic() + drawn.uniform(*KILLED_AFTER_SECONDS) for _ in running]
    for moment, process in sorted(zip(moments, running, strict=True), key=lambda one: one[0]):
        time.sleep(max(0.0, moment - time.monotonic()))
        process.kill()
        process.join()
        process.close()
    promised, again = set[tuple[int, int]](), []
    for writer, journal in enumerate(journals):
        notes = noted(journal)
        done = {one for one, state in notes if state == DONE}
        promised |= {(writer, one) for one in done}
        again += [(writer, one) for one, _ in notes if one not in done]
    _, log = open_log(bucket)
    for writer, one in again:
        append(log, writer, one)
        with journals[writer].open("a", encoding="utf-8") as notes:
            print(one, DONE, file=notes, flush=True)
    sealer(folder).seal(log.chain, now=START, ledger={})
    result = Round(number, promised=len(promised), cut_off=len(again))
    return result, look(result, bucket, folder, promised | set(again), before)


def look(
    result: Round, bucket: Bucket, folder: Path, batches: set[tuple[int, int]], before: Mapping[str, str]
) -> dict[str, str]:
    """Note in `result` what is wrong with a log that must hold `batches`; return the hash of each of its objects."""
    store, log = open_log(bucket)
    with_heads = sealer(folder)
    records = Records(None, {}, TableStore(store), "ingest")
    found = audit(store, log, with_heads.stores, with_heads.pins, records, key_of=lambda _: MANIFEST_KEY)
    hashes = {key: entry.sha256 for key, entry in found.verification.entries.items()} | dict(found.verification.hashes)
    try:
        files = log.files("click")
        rows = Counter(one for file in files for one in log.read_file(file, ("event_id",))["event_id"].to_pylist())
    except MlifeError:  # a damaged file is among the findings; what cannot be read is lost
        rows = Counter[str]()
    wanted = {name for one in batches for name in batch_rows(*one)["event_id"].to_pylist()}
    result.manifests = found.verification.manifests
    result.lost = sorted(name for name in wanted if rows[name] != 1)
    result.overwritten = sorted(key for key, digest in before.items() if hashes.get(key) != digest)
    result.findings = [f"{one.kind} {one.key}: {one.detail}" for one in found.verification.findings]
    return hashes


def run(folder: Path, rounds: int, writers: int = WRITERS) -> tuple[list[Round], dict[str, Any]]:
    """Run rounds on a server of their own that keeps its files below `folder`; return what it says of a bucket, too."""
    get_context("forkserver").set_forkserver_preload(
        ["__main__", "mlife_assets.adapters.log_heads", "mlife_assets.recruiting.events", "pyarrow.parquet"]
    )
    buckets = of_tests("log_bucket")
    of_prod, volumes = buckets.templates()[ENVIRONMENT], 20 + buckets.VOLUMES * (1 + rounds // LOG_ROUNDS)
    results, hashes = [], dict[str, str]()
    with of_tests("s3_server").running_s3_server(folder / "server", volumes=volumes) as server:
        for number in range(rounds):
            name = f"log-{number // LOG_ROUNDS}"
            place = folder / name
            if not place.exists():
                place.mkdir()
                hashes = {}
                buckets.make_log_bucket(server, name, of_prod, *buckets.KEPT)
            result, hashes = one_round(server.bucket(name), place, number, writers, hashes)
            result.overwritten += buckets.written_again(server, name)
            results.append(result)
            shown = "sound" if result.is_sound else f"{result.lost[:3]} {result.overwritten[:3]} {result.findings[:3]}"
            print(f"  {number + 1}/{rounds}: {result.promised} batches promised, {shown}", file=sys.stderr, flush=True)
        return results, buckets.guarded(server, "log-0")


def record(results: list[Round], bucket: Mapping[str, Any], seconds: float, cpu_seconds: float) -> dict[str, Any]:
    """Return what is kept of a run; `bucket` is what the server said of the first log's."""
    ends = [one for one in results if (one.number + 1) % LOG_ROUNDS == 0 or one is results[-1]]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=ROOT)
    return {
        "commit": commit.stdout.strip(),
        "seed": SEED,
        "bucket": bucket,
        "machine": f"{platform.machine()}, Python {platform.python_version()}, {platform.system()}",
        "wall_seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "rounds": len(results),
        "writers": WRITERS,
        "kills": len(results) * WRITERS,
        "logs": len(ends),
        "batches_promised": sum(one.promised for one in ends),
        "batches_cut_off": sum(one.cut_off for one in results),
        "manifests": sum(one.manifests for one in ends),
        "rounds_with_something_wrong": sum(not one.is_sound for one in results),
        "lost": sum(len(one.lost) for one in results),
        "overwritten": sum(len(one.overwritten) for one in results),
        "findings": sum(len(one.findings) for one in results),
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path, default=RESULT)
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mlife-killed-writers-") as folder:
        results, bucket = run(Path(folder), options.rounds)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    kept = record(results, bucket, time.monotonic() - started, sum(one.ru_utime + one.ru_stime for one in used))
    print(json.dumps(kept, indent=2))
    if kept["rounds"] >= ROUNDS:
        options.json.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    if kept["rounds_with_something_wrong"]:
        raise SystemExit("something is wrong; see above")


if __name__ == "__main__":
    main()
