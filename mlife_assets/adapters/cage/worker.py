"""The decoding worker: a separate process that turns strangers' bytes into plain Arrow columns.

Concept: run by its path, with the standard library and pyarrow alone. A request is a line of JSON and the bytes of a
file; an answer is a line of JSON and an Arrow stream. The footer is checked before decoding, but never trusted: text is
read as dictionaries and measured before expansion, and the process has limits on memory and CPU time in case the footer
lies. The output has few plain types, with text as undecoded bytes.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

TOO_LARGE = "too_large"
UNREADABLE = "unreadable_file"

BATCH_ROWS = 65_536
COLUMNS_MAXIMUM = 2_000
ROW_GROUPS_MAXIMUM = 10_000
EXTRA_NAMES_MAXIMUM = 20
NAME_LENGTH_MAXIMUM = 100
THRIFT_BYTES_MAXIMUM = 16 * 2**20
THRIFT_ITEMS_MAXIMUM = 1_000_000
CHARACTER_BYTES_MAXIMUM = 4
NO_MEMORY = "the file needs more memory than landing gives; split the export"
WIDEST_VALUE, OFFSET_BYTES = 32, 4

_TEXTS = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_fixed_size_binary,
)
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


@dataclass(frozen=True)
class Limits:
    """Limits of a file: rows; values, including elements of lists; expanded bytes of all columns.

    `text_lengths` has the maximum characters per wanted column; a longer text comes back as question marks, one over
    the maximum.
    """

    rows: int
    values: int
    decoded_bytes: int
    text_lengths: dict[str, int]


class RefusedError(Exception):
    """The file is refused: a value of `core.validation.Reason`, and the remedy."""

    def __init__(self, reason: str, detail: str, *, is_exhausted: bool = False) -> None:
        """Keep the arguments for the answer; `is_exhausted` if this process ran out of memory."""
        super().__init__(detail)
        self.reason, self.detail, self.is_exhausted = reason, detail, is_exhausted


@dataclass
class _Budget:
    """The rest of the limits."""

    values: int
    size: int

    def spend(self, values: int, size: int) -> None:
        """Raise RefusedError if more is requested than is left."""
        self.values -= values
        self.size -= size
        if self.values < 0 or self.size < 0:
            raise RefusedError(TOO_LARGE, "the file expands beyond what landing takes; split the export")


def decode(data: pa.Buffer | bytes, limits: Limits) -> tuple[pa.Table, list[str]]:
    """Return the wanted columns in plain types, and names of some others. Raises RefusedError on a bad file."""
    try:
        metadata = _opened(data).metadata
        names = list(metadata.schema.to_arrow_schema().names)
        _check_footer(metadata, names, limits)
        wanted = [name for name in names if name in limits.text_lengths]
        budget = _Budget(limits.values, limits.decoded_bytes)
        if not wanted:
            return pa.table({}), _shown(names)
        batches = list(_batches(data, metadata, wanted, limits, budget))
    except (pa.ArrowMemoryError, MemoryError) as error:
        raise RefusedError(TOO_LARGE, NO_MEMORY, is_exhausted=True) from error
    except UnicodeDecodeError as error:
        raise RefusedError(UNREADABLE, "the name of a column is not UTF-8; export it again") from error
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, OverflowError) as error:
        detail = f"the file is not whole Parquet ({type(error).__name__}); export it again"
        raise RefusedError(UNREADABLE, detail) from error
    table = pa.Table.from_batches(batches) if batches else pa.table({name: pa.nulls(0) for name in wanted})
    return table, _shown([name for name in names if name not in limits.text_lengths])


def _opened(data: pa.Buffer | bytes, **options: Any) -> pq.ParquetFile:
    return pq.ParquetFile(
        pa.BufferReader(data),
        page_checksum_verification=True,
        thrift_string_size_limit=THRIFT_BYTES_MAXIMUM,
        thrift_container_size_limit=THRIFT_ITEMS_MAXIMUM,
        **options,
    )


def _check_footer(metadata: pq.FileMetaData, names: Sequence[str], limits: Limits) -> None:
    """Refuse a footer that contradicts itself or announces too much; hidden content hits limits later."""
    rows, groups = metadata.num_rows, metadata.num_row_groups
    if metadata.num_columns > COLUMNS_MAXIMUM or groups > ROW_GROUPS_MAXIMUM:
        raise RefusedError(TOO_LARGE, "the file has too many columns or row groups; export fewer, larger ones")
    if len(set(names)) != len(names):
        raise RefusedError(UNREADABLE, "the file has two columns of one name; write each column once")
    if rows > limits.rows:
        raise RefusedError(TOO_LARGE, f"the file announces {rows} rows, {limits.rows} are taken; split the export")
    values = size = 0
    counts = []
    for place in range(groups):
        group = metadata.row_group(place)
        counts.append(group.num_rows)
        for index in range(group.num_columns):
            chunk = group.column(index)
            if min(group.num_rows, chunk.num_values, chunk.total_compressed_size, chunk.total_uncompressed_size) < 0:
                raise RefusedError(UNREADABLE, "the footer of the file has negative counts; export it again")
            if chunk.path_in_schema.partition(".")[0] in limits.text_lengths:
                values += chunk.num_values
                size += chunk.total_uncompressed_size
    if rows < 0 or sum(counts) != rows:
        raise RefusedError(UNREADABLE, "the footer of the file contradicts itself about rows; export it again")
    _Budget(limits.values, limits.decoded_bytes).spend(values, size)


def _batches(
    data: pa.Buffer | bytes, metadata: pq.FileMetaData, wanted: list[str], limits: Limits, budget: _Budget
) -> Iterator[pa.RecordBatch]:
    file = _opened(data, metadata=metadata, read_dictionary=_dictionary_leaves(metadata, wanted))
    for name in wanted:
        _require_flat(name, file.schema_arrow.field(name).type)
    rows = 0
    for batch in file.iter_batches(BATCH_ROWS, columns=wanted, use_threads=False):
        rows += batch.num_rows
        if rows > limits.rows:
            raise RefusedError(TOO_LARGE, f"the file has more than {limits.rows} rows; split the export")
        columns = [_plain(batch.column(name), limits.text_lengths[name], budget) for name in wanted]
        yield pa.RecordBatch.from_arrays(columns, names=wanted)
    if rows != metadata.num_rows:
        raise RefusedError(UNREADABLE, "the file holds other rows than its footer says; export it again")


def _dictionary_leaves(metadata: pq.FileMetaData, wanted: list[str]) -> list[str]:
    """Return columns of text that can be read as dictionaries; pyarrow cannot for lists and delta-encoded text.

    A footer may falsely deny dictionaries: their expansion then hits the limit on memory.
    """
    leaves = [metadata.schema.column(index) for index in range(metadata.num_columns)]
    chosen = {leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY" and leaf.path in wanted}
    for place in range(metadata.num_row_groups):
        group = metadata.row_group(place)
        chunks = [group.column(index) for index in range(group.num_columns)]
        chosen -= {chunk.path_in_schema for chunk in chunks if any("DELTA" in name for name in chunk.encodings)}
    return sorted(chosen)


def _require_flat(name: str, found: pa.DataType) -> None:
    """Refuse types that no event column has: structs, maps, lists of lists."""
    value = _storage(found)
    value = _storage(value.value_type) if _is_list(value) else value
    if pa.types.is_nested(value) or pa.types.is_run_end_encoded(value):
        raise RefusedError(UNREADABLE, f"{name} holds nested values; write plain ones")


def _storage(found: pa.DataType) -> pa.DataType:
    found = found.storage_type if isinstance(found, pa.BaseExtensionType) else found
    return found.value_type if pa.types.is_dictionary(found) else found


def _plain(array: pa.Array, length: int, budget: _Budget) -> pa.Array:
    """Return an array without dictionaries and extensions; text becomes bytes, measured first."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_time(array.type):  # a time beyond midnight would make the table invalid
        whole = array.view(pa.int32() if array.type.bit_width == 32 else pa.int64())
        array = whole.cast(pa.int64()).cast(pa.duration(array.type.unit))
    if _is_list(array.type):
        return _plain_list(array, length, budget)
    if pa.types.is_dictionary(array.type):
        values = _bounded_text(array.dictionary, length)
        array = pa.DictionaryArray.from_arrays(array.indices, values)
        size = WIDEST_VALUE * len(array)
        if _is_text(values.type):
            lengths = pc.binary_length(values).cast(pa.int64()).take(array.indices)
            size = (pc.sum(lengths).as_py() or 0) + OFFSET_BYTES * len(array)
        budget.spend(len(array), size)
        return array.dictionary_decode()
    budget.spend(len(array), (array := _bounded_text(array, length)).nbytes)
    return array


def _plain_list(array: pa.Array, length: int, budget: _Budget) -> pa.Array:
    """Return the list with plain elements and offsets that start at zero."""
    if not pa.types.is_list(array.type):
        array = array.cast(pa.list_(array.type.value_type))
    lengths = pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64())
    total = pc.sum(lengths).as_py() or 0
    budget.spend(len(array) + total, OFFSET_BYTES * len(array))
    elements = _plain(array.flatten(), length, budget)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths).cast(pa.int32())])
    return pa.ListArray.from_arrays(offsets, elements, mask=array.is_null())


def _bounded_text(array: pa.Array, length: int) -> pa.Array:
    """Return text as bytes, with certainly overlong values replaced; other arrays unchanged."""
    if not _is_text(array.type):
        return array
    is_large = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    array = array.cast(pa.large_binary() if is_large else pa.binary())
    is_long = pc.greater(pc.binary_length(array), CHARACTER_BYTES_MAXIMUM * length)
    if pc.any(is_long).as_py():
        array = pc.if_else(is_long, pa.scalar(b"?" * (length + 1), array.type), array)
    return array


def _is_list(found: pa.DataType) -> bool:
    return any(is_kind(found) for is_kind in _LISTS)


def _is_text(found: pa.DataType) -> bool:
    return any(is_kind(found) for is_kind in _TEXTS)


def _shown(names: Sequence[str]) -> list[str]:
    """Return the first names as short printable text, and the number of others."""
    printable = [name if name.isprintable() else ascii(name)[1:-1] for name in names[:EXTRA_NAMES_MAXIMUM]]
    more = len(names) - len(printable)
    return [name[:NAME_LENGTH_MAXIMUM] for name in printable] + ([f"{more} more"] if more else [])


def _answer(out: BinaryIO, record: dict[str, Any], payload: pa.Buffer | bytes = b"") -> None:
    out.write(json.dumps({**record, "size": len(payload)}).encode() + b"\n")
    out.write(payload)
    out.flush()


def _limit_cpu(seconds: int) -> None:
    """Allow `seconds` more; beyond them the kernel ends this process."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + seconds + 1, hard))


def _limit_process(memory_bytes: int) -> None:
    """Limit this process's additional memory, and forbid it to write files."""
    with open("/proc/self/statm", encoding="ascii") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + memory_bytes, taken + memory_bytes))
    for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(kind, (0, 0))


def main() -> None:
    """Answer requests until the input ends, as it does when the parent process ends."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    _limit_process(int(sys.argv[1]))
    _answer(answers, {"reason": None})
    while line := requests.readline():
        request = json.loads(line)
        data = requests.read(request["size"])
        _limit_cpu(request["cpu_seconds"])
        try:
            table, extra = decode(data, Limits(**request["limits"]))
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
            _answer(answers, {"reason": None, "extra": extra}, sink.getvalue())
        except RefusedError as refused:
            _answer(answers, vars(refused))
        except (pa.ArrowMemoryError, MemoryError):
            _answer(answers, {"reason": TOO_LARGE, "detail": NO_MEMORY, "is_exhausted": True})


if __name__ == "__main__":
    main()
