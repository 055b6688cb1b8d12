"""The object store: write once, whole or not at all, and no failure that looks like emptiness."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.errors import (
    ContentConflictError,
    InvalidInputError,
    NotFoundError,
    PermanentError,
    TransientError,
)
from mlife_assets.core.storage_places import Bucket, Credentials


@pytest.fixture(params=["folder", "memory", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObstoreObjectStore:
    """A folder, memory, and a bucket on a real server: the same contract."""
    if request.param == "memory":
        return ObstoreObjectStore(MemoryStore())
    place = tmp_path / "lake" if request.param == "folder" else request.getfixturevalue("s3_place")
    return ObstoreObjectStore.at(place)


def test_a_key_is_written_once(store: ObstoreObjectStore) -> None:
    assert store.put_if_absent("a/dt=2026-06-01/x.bin", b"one") is True
    assert store.put_if_absent("a/dt=2026-06-01/x.bin", b"one") is False
    with pytest.raises(ContentConflictError, match=r"a/dt=2026-06-01/x\.bin"):
        store.put_if_absent("a/dt=2026-06-01/x.bin", b"two")
    assert store.get("a/dt=2026-06-01/x.bin") == b"one"


def test_large_objects_are_write_once_too(store: ObstoreObjectStore) -> None:
    large = bytes(12 * 1024 * 1024)
    assert store.put_if_absent("large", large)
    with pytest.raises(ContentConflictError):
        store.put_if_absent("large", large + b"1")
    assert store.get("large") == large


def test_replace_overwrites_and_empty_objects_are_kept(store: ObstoreObjectStore) -> None:
    store.replace("k", b"one")
    store.replace("k", b"")
    assert store.get("k") == b""
    assert store.exists("k")
    assert store.put_if_absent("k", b"") is False


def test_list_is_sorted_and_matches_whole_segments(store: ObstoreObjectStore) -> None:
    for key in ("b/2", "a/x/1", "a/x/0", "ax/1"):
        store.put_if_absent(key, b"")
    assert store.list("") == ["a/x/0", "a/x/1", "ax/1", "b/2"]
    assert store.list("a") == store.list("a/") == ["a/x/0", "a/x/1"]
    assert store.list("nothing") == []


def test_folders_are_named_without_what_is_in_them(store: ObstoreObjectStore) -> None:
    for key in ("b/2", "a/x/1", "a/x/0", "a/w/1", "a/file", "ax/1"):
        store.put_if_absent(key, b"")
    assert store.folders("") == ["a", "ax", "b"]
    assert store.folders("a") == store.folders("a/") == ["w", "x"]
    assert store.folders("nothing") == store.folders("a/x") == []
    with pytest.raises(InvalidInputError):
        store.folders("a/../b")


def test_what_is_missing_is_an_error(store: ObstoreObjectStore) -> None:
    assert not store.exists("nothing")
    with pytest.raises(NotFoundError, match="nothing"):
        store.get("nothing")


TABLE = "tables/scores/as_of_date=2026-06-01/part.parquet"


def test_a_table_that_may_be_pruned_is_removed_and_nothing_else(store: ObstoreObjectStore) -> None:
    kept = ("events/a", "fold_models/f/manifest.json", "of_models/m/tables/examples/as_of_date=2026-06-01/part.parquet")
    for key in (TABLE, *kept):
        store.put_if_absent(key, b"1")
    store.delete(TABLE)
    store.delete(TABLE)
    assert store.list("") == sorted(kept)
    for key in (*kept, "", "tables", f"../{TABLE}"):
        with pytest.raises(InvalidInputError, match="is never deleted; name a table that may be pruned"):
            store.delete(key)
    with pytest.raises(InvalidInputError):
        store.delete(f"of_models/../{TABLE}")
    assert store.list("") == sorted(kept)


@pytest.mark.parametrize("key", ["", "/a", "a//b", "../a", "a/../b", "a/", "a b", "a#1", "a/./b", "ä"])
def test_keys_that_could_be_read_two_ways_are_refused(store: ObstoreObjectStore, key: str) -> None:
    with pytest.raises(InvalidInputError):
        store.put_if_absent(key, b"")
    with pytest.raises(InvalidInputError):
        store.replace(key, b"")


def test_reading_outside_the_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    store = ObstoreObjectStore.local(tmp_path / "lake")
    with pytest.raises(PermanentError):
        store.get("../secret")


def test_a_vanished_folder_is_not_an_empty_one(tmp_path: Path) -> None:
    store = ObstoreObjectStore.local(tmp_path / "lake")
    shutil.rmtree(tmp_path / "lake")
    for listed in (store.list, store.folders):
        with pytest.raises(NotFoundError, match="gone"):
            listed("")


@pytest.mark.parametrize(
    "call", ["list", "folders", "get", "exists", "written_at"]
)  # this server makes a bucket at the first put into it
def test_a_bucket_that_is_not_there_is_not_an_empty_one(s3, call: str) -> None:
    store = ObstoreObjectStore.in_bucket(s3.bucket("nowhere"))
    with pytest.raises(PermanentError, match="bucket does not exist; make it, or correct MLIFE_LAKE"):
        _call(store, call)


@pytest.mark.parametrize("call", ["list", "folders", "get", "exists", "put_if_absent", "replace", "delete"])
@pytest.mark.parametrize("credentials", [Credentials("OWNER", "wrong"), Credentials("NOBODY", "owner-secret")])
def test_a_wrong_key_is_refused_for_good(s3, call: str, credentials: Credentials) -> None:
    store = ObstoreObjectStore.in_bucket(s3.bucket("lake", credentials=credentials))
    with pytest.raises(PermanentError, match=r"correct AWS_ACCESS_KEY_ID|grant read and write") as caught:
        _call(store, call)
    assert credentials.secret_access_key not in str(caught.value)


@pytest.mark.parametrize("call", ["put_if_absent", "replace"])
def test_a_key_that_may_only_read_writes_nothing(s3, s3_place: Bucket, call: str) -> None:
    reader = ObstoreObjectStore.in_bucket(replace(s3_place, credentials=Credentials("READER", "reader-secret")))
    with pytest.raises(PermanentError, match="was refused"):
        _call(reader, call)
    assert reader.list("") == []


def test_a_key_that_may_not_delete_deletes_nothing(s3, s3_place: Bucket) -> None:
    store = ObstoreObjectStore.in_bucket(s3_place)
    store.put_if_absent(TABLE, b"1")
    reader = ObstoreObjectStore.in_bucket(replace(s3_place, credentials=Credentials("READER", "reader-secret")))
    with pytest.raises(PermanentError, match=f"{TABLE} may not be deleted with this key; grant s3:DeleteObject on it"):
        reader.delete(TABLE)
    assert store.get(TABLE) == b"1"


@pytest.mark.parametrize("call", ["list", "folders", "get", "exists", "put_if_absent", "replace", "delete"])
def test_a_server_that_does_not_answer_may_do_so_later(call: str) -> None:
    place = Bucket("lake", "", Credentials("OWNER", "owner-secret"), endpoint="http://127.0.0.1:1")
    with pytest.raises(TransientError, match="does not answer; check its address and the network, and try"):
        _call(ObstoreObjectStore.in_bucket(place, retries=0), call)


def test_places_of_one_bucket_do_not_meet(s3, s3_place: Bucket) -> None:
    inner = ObstoreObjectStore.in_bucket(replace(s3_place, prefix=f"{s3_place.prefix}/inner"))
    beside = ObstoreObjectStore.in_bucket(replace(s3_place, prefix=f"{s3_place.prefix}-2"))
    for store in (inner, beside):
        store.put_if_absent("a/k", b"")
    assert inner.list("") == beside.list("") == ["a/k"]
    assert ObstoreObjectStore.in_bucket(s3_place).list("") == ["inner/a/k"]


def _call(store: ObstoreObjectStore, name: str) -> None:
    arguments = (b"x",) if name in {"put_if_absent", "replace"} else ()
    getattr(store, name)(TABLE if name == "delete" else "a/k", *arguments)


def test_of_racing_writers_one_creates(store: ObstoreObjectStore) -> None:
    outcomes: list[str] = []
    barrier = threading.Barrier(8)

    def write(number: int) -> None:
        barrier.wait()
        try:
            outcomes.append(str(store.put_if_absent("k", b"%d" % number * 1000)))
        except ContentConflictError:
            outcomes.append("conflict")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["True"] + ["conflict"] * 7
    assert len(set(store.get("k"))) == 1


def test_a_killed_writer_leaves_only_whole_objects(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from mlife_assets.adapters.object_store import ObstoreObjectStore\n"
        "store = ObstoreObjectStore.local(sys.argv[1])\n"
        "print('ready', flush=True)\n"
        "for n in range(1_000_000): store.put_if_absent(f'a/{n:07d}', bytes([n % 256]) * 2_000_000)\n"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", script, str(tmp_path / "lake")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        store = ObstoreObjectStore.local(tmp_path / "lake")
        while writer.poll() is None and len(store.list("")) < 3:
            continue
        writer.send_signal(signal.SIGKILL)
    keys = store.list("")
    assert len(keys) >= 3
    for key in keys:
        assert store.get(key) == bytes([int(key[2:]) % 256]) * 2_000_000
    assert store.put_if_absent("a/9999999", b"next")
