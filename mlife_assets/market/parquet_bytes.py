"""Tables of the market as bytes."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq


def parquet_bytes(table: pa.Table) -> bytes:
    """Return a table as Parquet; equal tables give equal bytes."""
    sink = pa.BufferOutputStream()
    plain = table.replace_schema_metadata(None).combine_chunks()
    pq.write_table(plain, sink, compression="zstd", row_group_size=131_072, write_page_checksum=True)
    return bytes(sink.getvalue())
