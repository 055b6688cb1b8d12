"""The cage: one worker for many files, replaced when a file breaks it, which lets out nothing but plain types."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlife_assets.adapters.cage import Decoded, DecodingCage, process
from mlife_assets.adapters.cage.worker import Limits, RefusedError, decode
from mlife_assets.core.event_columns import Column, integer, text
from mlife_assets.core.policies import LandingPolicy
from mlife_assets.core.validation import FileFault, Reason

COLUMNS = (text("name"), integer("size"))
LIMITS = Limits(rows=1_000, values=10_000, decoded_bytes=100_000, text_lengths={"a": 5})


def parquet(table: pa.Table, **options: object) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **options)
    return bytes(sink.getvalue())


EXHAUSTED = b'{"reason": "too_large", "detail": "d", "is_exhausted": true, "size": 0}\n'
GOOD = parquet(pa.table({"name": ["a", None], "size": [1, 2], "phone": ["x", "y"]}))


@pytest.fixture(scope="module")
def cage() -> Iterator[DecodingCage]:
    cage = DecodingCage(LandingPolicy())
    yield cage
    cage.close()


def worker_of(pid: int) -> psutil.Process:
    (worker,) = [child for child in psutil.Process(pid).children() if "worker.py" in " ".join(child.cmdline())]
    return worker


def own_worker(cage: DecodingCage) -> psutil.Process:
    assert cage._worker is not None
    return psutil.Process(cage._worker._process.pid)


def decoded(cage: DecodingCage, data: bytes = GOOD, columns: tuple[Column, ...] = COLUMNS) -> Decoded:
    found = cage.decode(data, columns)
    assert isinstance(found, Decoded)
    return found


def fault(cage: DecodingCage, data: bytes) -> FileFault:
    found = cage.decode(data, COLUMNS)
    assert isinstance(found, FileFault)
    return found


def test_columns_come_back_and_one_worker_serves_all_files_also_after_a_bad_and_a_large_one(cage: DecodingCage) -> None:
    found = decoded(cage)
    assert found.table.to_pydict() == {"name": [b"a", None], "size": [1, 2]}
    assert found.extra_columns == ("phone",)
    decoded(cage)
    pid = own_worker(cage).pid
    assert fault(cage, b"no parquet").reason == Reason.UNREADABLE_FILE
    decoded(cage)
    assert own_worker(cage).pid == pid
    table = pa.table({"name": [f"name {n}" for n in range(300_000)], "size": range(300_000)})
    assert decoded(cage, parquet(table)).table["size"].to_pylist() == list(range(300_000))


def test_a_worker_that_was_killed_is_replaced(cage: DecodingCage) -> None:
    decoded(cage)
    worker = own_worker(cage)
    worker.kill()
    worker.wait()
    decoded(cage)


def scripted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str) -> DecodingCage:
    script = tmp_path / "worker.py"
    lines = ["import sys, os, json, time", 'sys.stdout.buffer.write(b\'{"reason": null, "size": 0}\\n\')']
    lines += ["sys.stdout.flush()", "while line := sys.stdin.buffer.readline():"]
    lines += ["    sys.stdin.buffer.read(json.loads(line)['size'])", f"    {body}"]
    script.write_text("\n".join(lines))
    monkeypatch.setattr(process, "WORKER", script)
    return DecodingCage(LandingPolicy(decoding_seconds=1))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("os.abort()", Reason.UNREADABLE_FILE),
        ("sys.exit(0)", Reason.UNREADABLE_FILE),
        ("os.kill(os.getpid(), 24)", Reason.TOO_SLOW),
        ("time.sleep(60)", Reason.TOO_SLOW),
        ("os.write(1, b'x' * 100000)", Reason.UNREADABLE_FILE),
        ("os.write(1, b'no json\\n')", Reason.UNREADABLE_FILE),
        ("os.write(1, b'{\"size\": 99999999999}\\n')", Reason.UNREADABLE_FILE),
        ('os.write(1, b\'{"reason": null, "extra": [], "size": 3}\\nabc\')', Reason.UNREADABLE_FILE),
        (f"os.write(1, {EXHAUSTED!r})", Reason.TOO_LARGE),
    ],
)
def test_a_file_that_breaks_the_worker_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str, reason: Reason
) -> None:
    cage = scripted(monkeypatch, tmp_path, body)
    assert fault(cage, GOOD).reason == reason
    cage.close()


def test_a_file_is_refused_by_a_new_worker_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What an old worker has used up must not be a later file's fault."""
    answer = 'os.write(1, b\'{"reason": "empty_file", "detail": "d", "size": 0}\\n\')'
    body = f"sys.exit(1) if globals().get('is_old') else {answer}; is_old = True"
    cage = scripted(monkeypatch, tmp_path, body)
    assert [fault(cage, GOOD).reason for _ in range(3)] == [Reason.EMPTY_FILE] * 3
    cage.close()


def test_two_threads_share_a_worker(cage: DecodingCage) -> None:
    found: list[Decoded] = []
    threads = [threading.Thread(target=lambda: found.append(decoded(cage))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({str(one.table.to_pydict()) for one in found}) == 1
    assert len(found) == 8


PARENT = """
import sys, time
import pyarrow as pa, pyarrow.parquet as pq
from mlife_assets.adapters.cage import DecodingCage
from mlife_assets.core.event_columns import text
from mlife_assets.core.policies import LandingPolicy
cage = DecodingCage(LandingPolicy())
cage.decode(b"x", (text("name"),))
print("ready", flush=True)
if sys.argv[1] == "wait":
    sys.stdin.read()
"""


@pytest.mark.parametrize("way", ["exit", "kill"])
def test_the_worker_ends_with_its_parent(way: str) -> None:
    wait = "wait" if way == "kill" else "go"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, wait], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        if way == "kill":
            assert parent.stdout.readline() == "ready\n"
            worker = worker_of(parent.pid)
            os.kill(parent.pid, signal.SIGKILL)
            worker.wait(timeout=30)
        assert parent.wait(timeout=60) == (-signal.SIGKILL if way == "kill" else 0)


def test_the_worker_knows_no_environment_and_writes_no_file(cage: DecodingCage) -> None:
    decoded(cage)
    worker = own_worker(cage)
    assert set(worker.environ()) <= {*process.ENVIRONMENT, "LC_CTYPE"}
    assert worker.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
    assert worker.rlimit(psutil.RLIMIT_AS)[0] < 4 * 2**30


def test_cpu_time_is_limited_per_file_and_not_for_all() -> None:
    cage = DecodingCage(LandingPolicy(decoding_cpu_seconds=1))
    data = parquet(pa.table({"name": [f"name {n}" for n in range(400_000)], "size": range(400_000)}))
    decoded(cage, data)
    first = own_worker(cage)
    while sum(first.cpu_times()[:2]) < 1.5:
        decoded(cage, data)
    assert own_worker(cage).pid == first.pid
    cage.close()


def column_file(array: pa.Array, name: str = "a", **options: object) -> bytes:
    return parquet(pa.table({name: array}), **options)


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def forged(rows: int, depth: int) -> bytes:
    """Return a file that is a footer: `rows` announced, a schema of `depth` groups, written by hand in Thrift."""
    group = b"\x35\x00\x18\x01a\x15\x02\x00"
    root, leaf = b"\x48\x01r\x15\x02\x00", b"\x15\x02\x25\x00\x18\x01a\x00"
    count = depth + 2
    schema = (bytes([count << 4 | 12]) if count < 15 else b"\xfc" + varint(count)) + root + group * depth + leaf
    zigzag = varint((rows << 1 ^ rows >> 63) & (2**64 - 1))
    footer = b"\x15\x02\x19" + schema + b"\x16" + zigzag + b"\x19\x0c\x00"
    return b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (pa.array(["a", None], pa.string_view()), pa.binary()),
        (pa.array(["a", None]).dictionary_encode(), pa.binary()),
        (pa.array([1, None]).dictionary_encode(), pa.int64()),
        (pa.array([["a"], None, []]), pa.list_(pa.field("item", pa.binary()))),
        (pa.array([[1.0, 2.0]], pa.list_(pa.float64(), 2)), pa.list_(pa.float64())),
        (pa.array([[1]], pa.large_list(pa.int64())), pa.list_(pa.int64())),
        (pa.array([uuid.UUID(int=7).bytes], pa.uuid()), pa.binary()),
        (pa.array([dt.timedelta(1)]), pa.duration("us")),
        (pa.array([True, None]), pa.bool_()),
        (pa.array([2**60, None], pa.int64()).view(pa.time64("us")), pa.duration("us")),
        (pa.array([2**30, None], pa.int32()).view(pa.time32("ms")), pa.duration("ms")),
    ],
)
def test_types_are_plain(array: pa.Array, kind: pa.DataType) -> None:
    table, extra = decode(column_file(array), LIMITS)
    assert table["a"].type == kind
    assert table["a"].null_count == array.null_count
    assert extra == []


@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}, {"row_group_size": 1}])
@pytest.mark.parametrize("encoding", [None, "PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
def test_text_that_may_fit_is_kept_to_the_byte_and_other_text_is_replaced(options: dict, encoding: str | None) -> None:
    values = ["éé", "x" * 20, "x" * 21, None, "", "é" * 11]
    if encoding is not None:
        options = {**options, "use_dictionary": False, "column_encoding": {"a": encoding}}
    table, _ = decode(column_file(pa.array(values), **options), LIMITS)
    assert table["a"].to_pylist() == ["éé".encode(), b"x" * 20, b"?" * 6, None, b"", b"?" * 6]


@pytest.mark.parametrize(
    ("data", "reason", "words"),
    [
        (column_file(pa.nulls(1_001, pa.int8())), "too_large", "announces 1001 rows"),
        (column_file(pa.array([[0] * 10_001])), "too_large", "expands"),
        (column_file(pa.DictionaryArray.from_arrays([0] * 1_000, ["x" * 20]).cast(pa.string())), "", ""),
        (column_file(pa.array(["x" * 19] * 999), use_dictionary=False), "", ""),
        (column_file(pa.array([b"x" * 200_000]), use_dictionary=False), "too_large", "expands"),
        (column_file(pa.array([{"f": 1}])), "unreadable_file", "nested"),
        (column_file(pa.array([[[1]]])), "unreadable_file", "nested"),
        (column_file(pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64()))), "unreadable_file", "nested"),
        (forged(-5, 0), "unreadable_file", "contradicts itself"),
        (forged(2**62, 0), "too_large", "announces"),
        (forged(7, 0), "unreadable_file", "contradicts itself"),
        (forged(0, 50_000), "unreadable_file", "not whole Parquet"),
        (b"PAR1" + b"\xff" * 60 + b"PAR1", "unreadable_file", "not whole Parquet"),
        (b"", "unreadable_file", "not whole Parquet"),
    ],
)
def test_what_is_refused_has_a_reason(data: bytes, reason: str, words: str) -> None:
    if not reason:
        decode(data, LIMITS)
        return
    with pytest.raises(RefusedError, match=words) as refused:
        decode(data, LIMITS)
    assert refused.value.reason == reason


def test_lists_of_text_are_read_over_many_row_groups_and_page_kinds() -> None:
    lists = pa.array([[b"x" * 3, None], None, []] * 60)
    for options in ({"row_group_size": 7}, {"use_dictionary": False, "row_group_size": 7}):
        table, _ = decode(column_file(lists, **options), LIMITS)
        assert table["a"].to_pylist() == lists.to_pylist()
    assert decode(forged(0, 0), LIMITS)[0].num_rows == 0


def test_other_columns_are_named_so_that_they_can_be_printed() -> None:
    names = [f"column {n}" for n in range(30)] + ["a"]
    table = pa.table([pa.array([1])] * 31, names=["two\nlines", "n" * 500, *names[2:]])
    _, extra = decode(parquet(table), LIMITS)
    assert extra[:3] == ["two\\nlines", "n" * 100, "column 2"]
    assert extra[-1] == "10 more"
    assert len(extra) == 21
