"""The benchmark of killed writers: it sees what would be wrong, and finds nothing wrong with a real server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import obstore
import pytest
from obstore.exceptions import AlreadyExistsError, PermissionDeniedError
from obstore.store import S3Store

from mlife_assets.adapters.s3_bucket import open_bucket
from mlife_assets.core.storage_places import Bucket

BATCHES = {(1, 1), (2, 3), (1, 4)}
ROUNDS = 5
"""In one bucket: each round looks at all that the rounds before it left."""


@pytest.fixture
def written(killed_writers_bench: ModuleType, s3_place: Bucket, tmp_path: Path) -> Any:
    """Return a function that looks at a log of three batches, as the benchmark does after a round."""
    _, log = killed_writers_bench.open_log(s3_place)
    for writer, number in BATCHES:
        killed_writers_bench.append(log, writer, number)
    killed_writers_bench.sealer(tmp_path).seal(log.chain, now=killed_writers_bench.START, ledger={})

    def look(batches: set[tuple[int, int]], before: dict[str, str]) -> tuple[Any, dict[str, str]]:
        result = killed_writers_bench.Round(0, len(batches), 0)
        return result, killed_writers_bench.look(result, s3_place, tmp_path, batches, before)

    return look


@pytest.fixture
def raw_store(s3_place: Bucket) -> S3Store:
    key = s3_place.credentials
    return S3Store(
        s3_place.name, prefix=s3_place.prefix, endpoint=s3_place.endpoint, access_key_id=key.access_key_id,
        secret_access_key=key.secret_access_key, client_options={"allow_http": True},
    )  # fmt: skip


@pytest.fixture(scope="module")
def server(s3_module: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with s3_module.running_s3_server(tmp_path_factory.mktemp("log-bucket")) as running:
        yield running


def test_what_was_put_or_deleted_again_is_seen_in_a_bucket_of_the_template(log_bucket, server, repository) -> None:
    """The lock keeps every version, so that a second one shows what the newest hides."""
    log_bucket.make_log_bucket(server, "log", log_bucket.templates()["prod"], *log_bucket.KEPT)
    store = open_bucket(server.bucket("log"))
    for key in ("events/once", "events/twice", "manifests/gone"):
        obstore.put(store, key, b"a", mode="create")
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "events/once", b"b", mode="create")
    assert log_bucket.written_again(server, "log") == []
    obstore.put(store, "events/twice", b"a")
    obstore.delete(store, ["manifests/gone"])
    assert log_bucket.written_again(server, "log") == ["events/twice", "manifests/gone"]
    with pytest.raises(PermissionError, match="AccessDenied"):
        server.ask("DELETE", "/log/events/once")
    with pytest.raises(PermissionDeniedError):
        obstore.put(store, "elsewhere", b"a", mode="create")


def test_a_batch_follows_from_its_writer_and_number(killed_writers_bench: ModuleType) -> None:
    rows = killed_writers_bench.batch_rows
    assert rows(3, 5) == rows(3, 5) != rows(4, 5)
    assert rows(3, 8) == rows(4, 8)


def test_a_line_that_a_kill_cut_off_is_not_one(killed_writers_bench: ModuleType, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    assert killed_writers_bench.noted(journal) == []
    journal.write_text("0 begun\n0 done\n1 beg")
    assert killed_writers_bench.noted(journal) == [(0, "begun"), (0, "done")]


def test_a_log_that_holds_everything_is_sound_and_an_event_in_two_files_is_not_there_once(
    written, killed_writers_bench: ModuleType, s3_place: Bucket
) -> None:
    result, hashes = written(BATCHES, {})
    assert result.is_sound
    assert result.manifests == 3
    assert written(BATCHES, hashes)[0].is_sound
    _, log = killed_writers_bench.open_log(s3_place)
    log.append("click", killed_writers_bench.batch_rows(1, 1), writer="other")
    assert written(BATCHES, {})[0].lost


def test_what_is_lost_overwritten_or_not_signed_is_seen(written, raw_store: S3Store) -> None:
    assert written({*BATCHES, (9, 9)}, {})[0].lost
    _, hashes = written(BATCHES, {})
    data = next(key for key in hashes if key.startswith("events/"))
    obstore.put(raw_store, data, b"other bytes")
    assert written(BATCHES - BATCHES, hashes)[0].findings
    obstore.delete(raw_store, data)
    manifest = max(key for key in hashes if key.startswith("manifests/"))
    obstore.delete(raw_store, manifest)
    result, _ = written(BATCHES, hashes)
    assert manifest in result.overwritten
    assert result.lost
    assert result.findings
    assert not result.is_sound


def test_what_several_logs_hold_is_added_up(killed_writers_bench: ModuleType) -> None:
    rounds = [
        killed_writers_bench.Round(number, promised=10 * (number % 20 + 1), cut_off=1, manifests=number)
        for number in range(25)
    ]
    kept = killed_writers_bench.record(rounds, {}, 1.0, 1.0)
    assert (kept["logs"], kept["batches_promised"], kept["manifests"]) == (2, 200 + 50, 19 + 24)
    assert (kept["kills"], kept["batches_cut_off"]) == (25 * 16, 25)


@pytest.mark.proof
def test_killed_writers_lose_and_overwrite_nothing(log_bucket, repository, tmp_path) -> None:
    command = [sys.executable, "benchmarks/killed_writers.py", f"--rounds={ROUNDS}", "--json", str(tmp_path / "kept")]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    kept = json.loads(done.stdout)
    assert (kept["kills"], kept["rounds_with_something_wrong"]) == (16 * ROUNDS, 0)
    assert kept["batches_promised"] >= 16 * ROUNDS
    rule = log_bucket.templates()["prod"]["EventLogBucket"]["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    assert kept["bucket"] == {
        "mode": "COMPLIANCE", "days": int(rule["Days"]), "versions": "Enabled", "policy": list(log_bucket.KEPT),
    }, "the server's own words of the log's bucket"  # fmt: skip
    assert not (tmp_path / "kept").exists(), "a short run is no record"
