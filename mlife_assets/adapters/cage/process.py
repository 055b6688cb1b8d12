"""The sandbox: one worker process that decodes strangers' files, replaced if a file breaks it.

Concept: the worker starts with the first file, serves all later ones, and ends with this process, which closes its
input. A file that takes too much memory or time, or crashes the worker, is refused; verdicts do not depend on earlier
files, because after a failure a new worker tries the file once more.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from mlife_assets.core.errors import TransientError
from mlife_assets.core.event_columns import Column
from mlife_assets.core.policies import LandingPolicy
from mlife_assets.core.validation import FileFault, Reason

WORKER = Path(__file__).with_name("worker.py")
HEADER_BYTES_MAXIMUM = 64 * 1024
ANSWER_BYTES_MAXIMUM = 2**32
PIPE_BYTES = 1024 * 1024
START_SECONDS = 60
ENVIRONMENT = {"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Few threads and no pool that reserves addresses, so that the limit counts used memory."""


@dataclass(frozen=True)
class Decoded:
    """Decoded columns of the contract, text as bytes, and names of other columns."""

    table: pa.Table
    extra_columns: tuple[str, ...]


class DecodingCage:
    """Decodes files of landing in a worker process. Safe to share between threads."""

    def __init__(self, policy: LandingPolicy) -> None:
        self._policy = policy
        self.cpu_seconds = 0.0
        """CPU seconds of decoding so far; a file without an answer counts with its limit."""
        self._lock = threading.Lock()
        self._worker: _Worker | None = None

    def decode(self, data: bytes, columns: Sequence[Column]) -> Decoded | FileFault:
        """Return those of `columns` that a file holds, or why it is refused. Raises TransientError without a worker."""
        policy = self._policy
        limits = {
            "rows": policy.maximum_rows,
            "values": policy.maximum_values,
            "decoded_bytes": policy.maximum_decoded_bytes,
            "text_lengths": {column.name: column.text_length for column in columns},
        }
        request = {"size": len(data), "cpu_seconds": policy.decoding_cpu_seconds, "limits": limits}
        with self._lock:
            answer = self._ask(request, data)
        if isinstance(answer, FileFault):
            return answer
        record, payload = answer
        if record["reason"] is not None:
            return FileFault(Reason(record["reason"]), record["detail"])
        try:
            table = pa.ipc.open_stream(payload).read_all()
            table.validate(full=True)
        except (pa.ArrowException, OSError, ValueError):
            return FileFault(Reason.UNREADABLE_FILE, "the file holds values that its types cannot; export it again")
        return Decoded(table, tuple(record["extra"]))

    def close(self) -> None:
        with self._lock:
            self._end()

    def _ask(self, request: dict[str, Any], data: bytes) -> _Answer | FileFault:
        while True:
            worker = self._running()
            was_fresh, worker.is_fresh, before = worker.is_fresh, False, worker.cpu_seconds
            answer = worker.ask(request, data, time.monotonic() + self._policy.decoding_seconds)
            if isinstance(answer, FileFault):
                self.cpu_seconds += self._policy.decoding_cpu_seconds
            else:
                self.cpu_seconds += max(0.0, worker.cpu_seconds - before)
                if not answer[0].get("is_exhausted"):
                    return answer
            self._end()
            if was_fresh:
                return answer

    def _running(self) -> _Worker:
        if self._worker is None or not self._worker.is_alive:
            self._end()
            self._worker = _Worker(self._policy.worker_memory_bytes)
        return self._worker

    def _end(self) -> None:
        if self._worker is not None:
            self._worker.end()
            self._worker = None


_Answer = tuple[dict[str, Any], pa.Buffer]


class _BrokenError(Exception):
    """The worker gave no answer."""


class _Worker:
    """One process and its two pipes."""

    def __init__(self, memory_bytes: int) -> None:
        self.is_fresh = True
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(WORKER), str(memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            cwd="/",
            bufsize=0,
        )
        self.end = weakref.finalize(self, _end_process, self._process)
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise TransientError("the decoding worker has no pipes; run again")
        self._stdin, self._stdout = stdin, stdout
        os.set_blocking(self._stdin.fileno(), False)
        os.set_blocking(self._stdout.fileno(), False)
        try:
            self._exchange(b"", b"", time.monotonic() + START_SECONDS)
        except (_BrokenError, TimeoutError) as error:
            self.end()
            raise TransientError(
                "the decoding worker does not start; check memory and pyarrow, then run again"
            ) from error

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of the process by the system, since its own report cannot be trusted; 0 after its end."""
        import psutil

        try:
            times = psutil.Process(self._process.pid).cpu_times()
        except psutil.Error:
            return 0.0
        return float(times.user + times.system)

    def ask(self, request: dict[str, Any], data: bytes, deadline: float) -> _Answer | FileFault:
        """Return the answer, or the fault of a file without one."""
        try:
            return self._exchange(json.dumps(request).encode() + b"\n", data, deadline)
        except TimeoutError:
            return FileFault(Reason.TOO_SLOW, "reading the file takes longer than landing waits; split the export")
        except _BrokenError:
            self._stdin.close()
            self._process.kill()
            if self._process.wait() == -signal.SIGXCPU:
                return FileFault(
                    Reason.TOO_SLOW, "reading the file takes more time than landing gives; split the export"
                )
            return FileFault(Reason.UNREADABLE_FILE, "the file breaks the process that reads it; export it again")

    def _exchange(self, header: bytes, data: bytes, deadline: float) -> _Answer:
        """Write a request while reading the answer to it."""
        unsent = [memoryview(part) for part in (header, data) if part]
        received = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            if unsent:
                selector.register(self._stdin, selectors.EVENT_WRITE)
            while (answer := _complete(received)) is None:
                left = deadline - time.monotonic()
                events = selector.select(left) if left > 0 else []
                if not events:
                    raise TimeoutError
                for key, _ in events:
                    if key.fileobj is self._stdin:
                        _write_some(self._stdin, unsent)
                        if not unsent:
                            selector.unregister(self._stdin)
                    else:
                        received += _read_some(self._stdout)
        return answer


def _write_some(pipe: IO[bytes], unsent: list[memoryview]) -> None:
    try:
        written = os.write(pipe.fileno(), unsent[0][:PIPE_BYTES])
    except BlockingIOError:
        return
    except OSError as error:
        raise _BrokenError from error
    unsent[0] = unsent[0][written:]
    if not unsent[0]:
        del unsent[0]


def _read_some(pipe: IO[bytes]) -> bytes:
    try:
        data = os.read(pipe.fileno(), PIPE_BYTES)
    except BlockingIOError:
        return b""
    except OSError as error:
        raise _BrokenError from error
    if not data:
        raise _BrokenError
    return data


def _complete(received: bytearray) -> _Answer | None:
    """Return the answer once it is complete. Raises _BrokenError if it cannot be one."""
    end = received.find(b"\n", 0, HEADER_BYTES_MAXIMUM)
    if end < 0:
        if len(received) > HEADER_BYTES_MAXIMUM:
            raise _BrokenError
        return None
    try:
        record = json.loads(received[:end])
        size = int(record["size"])
    except (ValueError, KeyError, TypeError) as error:
        raise _BrokenError from error
    if size > ANSWER_BYTES_MAXIMUM:
        raise _BrokenError
    if len(received) < end + 1 + size:
        return None
    return record, pa.py_buffer(received).slice(end + 1, size)


def _end_process(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None and not pipe.closed:
            pipe.close()
