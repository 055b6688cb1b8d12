"""Stores of objects: write once, whole or not at all; what a bucket answers is an error that says what to do."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import obstore
import optuna
import pytest
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore

from mlife_assets.adapters import object_store
from mlife_assets.adapters.object_store import ObstoreObjectStore, listed_files, listed_folders, read_file
from mlife_assets.adapters.search_storage import open_search_storage
from mlife_assets.core import errors
from mlife_assets.core.errors import ContentConflictError, InvalidInputError, MlifeError, PermanentError, TransientError
from mlife_assets.core.storage_places import Bucket, Credentials

NAMES = (
    "a/b.json", "a/b/c", "a#1/inside", "a/h#1", "a/h#x", "a/h#12a", "a/h#", "a/#5", "a/x#1#2", "a/.hidden",
    ".hidden/f", "a/per%20cent", "a/a space", "a/back\\slash", "a/\u00e4", "a/deep/er/and/er", "top",
)  # fmt: skip
Answer = tuple[int, str]
"""Status and code."""
TOKEN = "a-hidden-token"
FOUND = (200, "")


@pytest.fixture(params=["folder", "memory", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObstoreObjectStore:
    """A folder, memory, and a bucket on a real server: the same contract."""
    if request.param == "memory":
        return ObstoreObjectStore(MemoryStore())
    place = tmp_path / "lake" if request.param == "folder" else request.getfixturevalue("s3_place")
    return ObstoreObjectStore.at(place)


def test_a_key_is_written_once(store: ObstoreObjectStore) -> None:
    assert not store.exists("a/dt=2026-06-01/x.bin")
    with pytest.raises(errors.NotFoundError, match=r"x\.bin"):
        store.get("a/dt=2026-06-01/x.bin")
    assert store.put_if_absent("a/dt=2026-06-01/x.bin", b"one") is True
    assert store.put_if_absent("a/dt=2026-06-01/x.bin", b"one") is False
    with pytest.raises(ContentConflictError, match=r"a/dt=2026-06-01/x\.bin"):
        store.put_if_absent("a/dt=2026-06-01/x.bin", b"two")
    assert store.get("a/dt=2026-06-01/x.bin") == b"one"


def test_replace_overwrites_empty_objects_are_kept_and_large_ones_written_once(store: ObstoreObjectStore) -> None:
    store.replace("k", b"one")
    store.replace("k", b"")
    assert store.get("k") == b""
    assert store.exists("k")
    assert store.put_if_absent("k", b"") is False
    large = bytes(12 * 1024 * 1024)
    assert store.put_if_absent("large", large)
    with pytest.raises(ContentConflictError):
        store.put_if_absent("large", large + b"1")
    assert store.get("large") == large


def test_list_is_sorted_by_whole_segments_and_folders_are_named_alone(store: ObstoreObjectStore) -> None:
    for key in ("b/2", "a/x/1", "a/x/0", "ax/1"):
        store.put_if_absent(key, b"")
    assert store.list("") == ["a/x/0", "a/x/1", "ax/1", "b/2"]
    assert store.list("a") == store.list("a/") == ["a/x/0", "a/x/1"]
    assert store.list("nothing") == []
    for key in ("b/2", "a/x/1", "a/x/0", "a/w/1", "a/file", "ax/1"):
        store.put_if_absent(key, b"")
    assert store.folders("") == ["a", "ax", "b"]
    assert store.folders("a") == store.folders("a/") == ["w", "x"]
    assert store.folders("nothing") == store.folders("a/x") == []
    with pytest.raises(InvalidInputError):
        store.folders("a/../b")


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


def test_a_vanished_folder_is_not_an_empty_one(tmp_path: Path) -> None:
    store = ObstoreObjectStore.local(tmp_path / "lake")
    shutil.rmtree(tmp_path / "lake")
    for listed in (store.list, store.folders):
        with pytest.raises(errors.NotFoundError, match="gone"):
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


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    (root / "empty/inner").mkdir(parents=True)
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    (outside / "sub/file").write_bytes(b"x")
    (root / "links").mkdir()
    (root / "links/folder").symlink_to(outside)
    (root / "links/file").symlink_to(outside / "sub/file")
    (root / "links/broken").symlink_to(tmp_path / "nothing")
    os.mkfifo(root / "pipe")
    return root


PREFIXES = ("", "a", "a/", "/a", "a/b", "a/h#x", "empty", "links", "links/folder", "links/file", "nothing", "a#1")


@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_answer_is_that_of_obstore(root: Path, prefix: str) -> None:
    batches = obstore.list(LocalStore(root), prefix.rstrip("/") or None)
    expected = sorted(item["path"] for batch in batches for item in batch)
    assert listed_files(root, prefix) == expected


@pytest.mark.parametrize("prefix", PREFIXES)
def test_folders_are_those_of_obstore_and_empty_ones(root: Path, prefix: str) -> None:
    found = obstore.list_with_delimiter(LocalStore(root), prefix.rstrip("/") or None)
    assert listed_folders(root, prefix) == sorted(one.rpartition("/")[2] for one in found["common_prefixes"])


def test_a_pipe_is_not_waited_for(root: Path) -> None:
    store = ObstoreObjectStore.local(root)
    for ask in (store.get, store.exists, store.written_at):
        with pytest.raises(PermanentError, match="pipe is no file; remove it"):
            ask("pipe")


KEYS = (
    *NAMES, "/top", "top/", "top//", "a//b", "links/file", "links/broken", "a", "empty/", "nothing", "nothing/there",
    "top/below", "a/h#x/below", "", ".", "..", "../outside/sub/file", "a/../top", "a\nb", "a\x00", "n" * 300, "#1",
)  # fmt: skip


def _obstore_read(root: Path, key: str) -> bytes:
    return bytes(obstore.get(LocalStore(root), key).bytes())


@pytest.mark.parametrize("key", KEYS)
def test_the_bytes_of_a_file_are_those_of_obstore_and_so_is_what_is_none(root: Path, key: str) -> None:
    answers = list[bytes | str]()
    for read in (read_file, _obstore_read):
        try:
            answers.append(read(root, key))
        except (FileNotFoundError, ValueError) as error:
            answers.append("missing" if isinstance(error, FileNotFoundError) else "no key")
        except (BaseError, OSError):
            answers.append("failed")
    assert answers[0] == answers[1]


@pytest.mark.parametrize("prefix", ["..", "../outside", "a/../links", "./a", "a//b", "a\nb", "a\x7f"])
def test_a_prefix_that_leads_elsewhere_is_refused_as_by_obstore(root: Path, prefix: str) -> None:
    with pytest.raises((BaseError, ValueError)):
        list(obstore.list(LocalStore(root), prefix))
    for listed in (listed_files, listed_folders):
        with pytest.raises(ValueError, match=r"segment|no name"):
            listed(root, prefix)


@pytest.mark.parametrize("name", [b"new\nline", b"\xff", b"tab\t"])
def test_a_name_that_is_no_key_is_an_error_as_with_obstore(root: Path, name: bytes) -> None:
    with open(os.path.join(os.fsencode(root), b"a", name), "wb"):
        pass
    with pytest.raises(BaseError):
        list(obstore.list(LocalStore(root)))
    with pytest.raises(InvalidInputError, match="rename or remove it"):
        ObstoreObjectStore.local(root).list("")
    os.mkdir(os.path.join(os.fsencode(root), name))
    with pytest.raises(InvalidInputError, match="rename or remove it"):
        ObstoreObjectStore.local(root).folders("")


@pytest.mark.parametrize(("link", "target"), [("a/loop", "a"), ("a/deep/er/loop", "a/deep"), ("all", ".")])
def test_a_link_to_a_folder_that_it_lies_in_is_an_error_as_with_obstore(root: Path, link: str, target: str) -> None:
    (root / link).symlink_to(root / target)
    with pytest.raises(BaseError):
        list(obstore.list(LocalStore(root)))
    with pytest.raises(TransientError, match=f"the link {link} leads to a folder that it lies in"):
        ObstoreObjectStore.local(root).list("")


def test_a_file_is_no_folder_and_a_way_through_it_an_error(root: Path) -> None:
    assert listed_files(root, "top") == []
    with pytest.raises(NotADirectoryError):
        listed_files(root, "top/below")


def test_a_folder_that_goes_away_while_it_is_listed_is_empty(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def removing(folder: str) -> Any:
        if folder.endswith("/inner"):
            os.rmdir(folder)
        return scandir(folder)

    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", removing)
    assert listed_files(root, "empty") == []


def test_a_file_that_nobody_may_read_is_refused_and_names_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: str, *_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("builtins.open", refused)
    with pytest.raises(PermanentError, match=f"access to {root}/top was refused: .*grant read"):
        ObstoreObjectStore.local(root).get("top")


def test_a_folder_is_listed_by_one_reading_and_no_file_is_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Obstore asks the disk for size and time of each file, which takes most of the time."""
    store = ObstoreObjectStore.local(tmp_path)
    for number in range(20):
        store.put_if_absent(f"a/{number % 2}/{number:02d}", b"")
    monkeypatch.setattr(obstore, "list", lambda *_: pytest.fail("obstore lists it"))
    monkeypatch.setattr(obstore, "list_with_delimiter", lambda *_: pytest.fail("obstore lists it"))
    read, scandir = list[str](), os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: (read.append(Path(folder).name), scandir(folder))[1])
    assert len(store.list("a")) == 20
    assert sorted(read) == ["0", "1", "a"]
    assert store.folders("a") == ["0", "1"]
    assert len(read) == 4


def body_of(code: str) -> bytes:
    said = f"<Code>{code}</Code><CanonicalRequest>GET x-amz-security-token:{TOKEN}</CanonicalRequest>" if code else ""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{said}</Error>'.encode()


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[ObstoreObjectStore, list[str]]]]:
    """Return a function that opens a bucket whose server gives answers by method, the last of them again and again."""
    servers: list[ThreadingHTTPServer] = []
    monkeypatch.setattr(object_store, "CONFLICT_PAUSE_SECONDS", 0.001)

    def open_one(retries: int = 0, **by_method: list[Answer]) -> tuple[ObstoreObjectStore, list[str]]:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answers = by_method[self.command]
                status, code = answers[min(asked.count(self.command), len(answers) - 1)]
                asked.append(self.command)
                data = b"x" if status == 200 else body_of(code)
                self.send_response(status)
                self.send_header("ETag", '"e"')
                self.send_header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_GET = do_PUT = do_HEAD = _answer  # noqa: N815  names of the base class

            def log_message(self, *_: Any) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        place = Bucket("lake", "p", Credentials("K", "a-hidden-secret", TOKEN), endpoint=endpoint)
        return ObstoreObjectStore.in_bucket(place, retries=retries), asked

    yield open_one
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        ((301, "PermanentRedirect"), PermanentError, "set AWS_REGION"),
        ((400, "AuthorizationHeaderMalformed"), PermanentError, "set AWS_REGION"),
        ((400, "ExpiredToken"), PermanentError, "AWS_SESSION_TOKEN"),
        ((403, "InvalidAccessKeyId"), PermanentError, "correct AWS_ACCESS_KEY_ID"),
        ((403, "SignatureDoesNotMatch"), PermanentError, "AWS_SECRET_ACCESS_KEY"),
        ((403, "RequestTimeTooSkewed"), PermanentError, "by NTP"),
        ((403, "AccessDenied"), PermanentError, "(403 AccessDenied); grant read and write on the store"),
        ((404, "NoSuchBucket"), PermanentError, "make it, or correct MLIFE_LAKE"),
        ((400, "KMS.DisabledException"), PermanentError, "its key of KMS cannot be used; enable it"),
        ((403, "InvalidObjectState"), PermanentError, "it lies in an archive; restore it"),
        ((400, "InvalidRequest"), PermanentError, "(400 InvalidRequest); check AWS_REGION and the key"),
        ((501, "NotImplemented"), PermanentError, "honours If-None-Match"),
        ((429, "TooManyRequests"), TransientError, "(429 TooManyRequests); try again"),
        ((503, "SlowDown"), TransientError, "(503 SlowDown); try again"),
    ],
)
@pytest.mark.parametrize("call", ["get", "list", "put_if_absent", "replace"])
def test_an_answer_says_what_to_do(answering, answer: Answer, kind: type[MlifeError], said: str, call: str) -> None:
    store, _ = answering(GET=[answer], PUT=[answer])
    arguments = (b"x",) if call in {"put_if_absent", "replace"} else ()
    with pytest.raises(kind) as caught:
        getattr(store, call)("a/k", *arguments)
    assert said in str(caught.value)
    shown = "".join(traceback.format_exception(caught.value))
    assert TOKEN not in shown
    assert "hidden" not in shown


def test_a_put_that_overlaps_another_is_made_again(answering) -> None:
    conflict = (409, "ConditionalRequestConflict")
    store, asked = answering(PUT=[conflict, conflict, FOUND], GET=[(404, "NoSuchKey")])
    assert store.put_if_absent("a/k", b"x") is True
    assert asked.count("PUT") == 3


def test_a_put_that_overlaps_one_that_wins_finds_what_that_wrote_and_a_long_conflict_passes_later(answering) -> None:
    store, _ = answering(PUT=[(409, "ConditionalRequestConflict")], GET=[FOUND])
    assert store.put_if_absent("a/k", b"x") is False
    with pytest.raises(ContentConflictError, match="already holds other bytes"):
        store.put_if_absent("a/k", b"y")
    store, asked = answering(PUT=[(409, "ConditionalRequestConflict")], GET=[(404, "NoSuchKey")])
    with pytest.raises(TransientError, match="is being written by others; try again"):
        store.put_if_absent("a/k", b"x")
    assert asked.count("PUT") == object_store.CONFLICT_TRIES


def test_a_put_whose_answer_was_lost_finds_its_own_bytes_and_what_passes_is_waited_for(answering, monkeypatch) -> None:
    store, asked = answering(retries=1, PUT=[(500, "InternalError"), (412, "PreconditionFailed")], GET=[FOUND])
    assert store.put_if_absent("a/k", b"x") is False
    assert asked == ["PUT", "PUT", "GET"]
    store, asked = answering(retries=3, GET=[(503, "SlowDown"), (503, "SlowDown"), FOUND])
    assert store.get("a/k") == b"x"
    assert len(asked) == 3


@pytest.mark.parametrize("call", ["exists", "written_at"])
def test_where_an_object_is_not_there_the_bucket_may_be_gone(answering, call: str) -> None:
    store, _ = answering(HEAD=[(404, "")], GET=[(404, "NoSuchBucket")])
    with pytest.raises(PermanentError, match="make it, or correct MLIFE_LAKE"):
        getattr(store, call)("a/k")


def test_a_bucket_is_in_the_path_where_no_host_is_its_own() -> None:
    key = Credentials("K", "S")
    assert not Bucket("lake", "", key).is_in_path
    assert Bucket("my.lake", "", key).is_in_path
    assert Bucket("lake", "", key, endpoint="http://127.0.0.1:1").is_in_path


@pytest.mark.parametrize("kind", [PermanentError, TransientError])
def test_a_role_that_gives_no_key_is_no_refusal_of_the_store(
    monkeypatch: pytest.MonkeyPatch, kind: type[MlifeError]
) -> None:
    from mlife_assets.adapters import aws_clients as clients

    def gives_none() -> Any:
        raise kind("the task has no role; start it with one")

    monkeypatch.setattr(clients, "renewed_role_key", gives_none)
    store = ObstoreObjectStore.in_bucket(Bucket("lake", "", None, endpoint="http://127.0.0.1:9"), retries=0)
    for ask in (lambda: store.get("a"), lambda: store.put_if_absent("a", b"1"), lambda: store.list("")):
        with pytest.raises(kind, match=r"^the task has no role; start it with one$"):
            ask()


def test_trials_are_there_when_the_journal_is_opened_again(tmp_path: Path) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = tmp_path / "new" / "search.journal"
    study = optuna.create_study(storage=open_search_storage(path), study_name="one")
    trial = study.ask()
    study.tell(trial, trial.suggest_float("x", 0, 1))
    again = optuna.load_study(storage=open_search_storage(path), study_name="one")
    assert [one.value for one in again.trials] == [one.value for one in study.trials]
