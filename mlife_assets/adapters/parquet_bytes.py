"""Tables as Parquet bytes: the same table gives the same bytes.

Concept: content addressing needs determinism, so chunking, file metadata and row-group sizes are fixed before writing.
The writer's name in the footer is that of the pinned pyarrow; another pyarrow may write other bytes for equal rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_ROWS = 131_072


def encode_table(table: pa.Table, footer: Mapping[str, str] | None = None) -> bytes:
    """Return `table` as zstd Parquet, whatever its chunks and metadata; `footer` is kept beside the columns."""
    plain = table.replace_schema_metadata(dict(footer) if footer else None).combine_chunks()
    sink = pa.BufferOutputStream()
    pq.write_table(
        plain,
        sink,
        compression="zstd",
        row_group_size=ROW_GROUP_ROWS,
        write_page_checksum=True,
    )
    return bytes(sink.getvalue())


def decode_table(data: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the table in `data`, or those of `columns` that it has. Raises pyarrow errors on all but whole Parquet."""
    # Not `pq.read_table`: threads of its own would hold `data`, and abort a process that ends before they let go of it.
    return open_table(data).read(None if columns is None else list(columns), use_threads=False)


def open_table(data: bytes) -> pq.ParquetFile:
    """Return the Parquet file in `data`, of which only the footer is read. Raises pyarrow errors as `decode_table`."""
    return pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
