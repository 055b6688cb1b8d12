"""The types of columns as the engines that are asked in SQL call them.

Belongs here: names of Arrow's types in DuckDB and in a catalogue of Hive's kind, which Athena reads. Does not belong
here: which columns there are.

Concept: one declaration of a column gives its type everywhere, so that no engine reads a file as something else.
"""

from __future__ import annotations

import pyarrow as pa

_NAMES = {
    pa.string(): ("varchar", "string"),
    pa.int64(): ("bigint", "bigint"),
    pa.float64(): ("double", "double"),
    pa.bool_(): ("boolean", "boolean"),
    pa.date32(): ("date", "date"),
    pa.timestamp("us", tz="UTC"): ("timestamp with time zone", "timestamp"),
}
"""Arrow's type -> its name in DuckDB, and in Hive. Hive's timestamps have no zone: ours are all in UTC."""


def duckdb_type(arrow: pa.DataType) -> str:
    """Return what DuckDB calls a type."""
    if pa.types.is_list(arrow):
        return duckdb_type(arrow.value_type) + "[]"
    if pa.types.is_struct(arrow):
        return f"struct({', '.join(f'{one.name} {duckdb_type(one.type)}' for one in arrow)})"
    return _NAMES[arrow][0]


def hive_type(arrow: pa.DataType) -> str:
    """Return what a catalogue of Hive's kind calls a type."""
    if pa.types.is_list(arrow):
        return f"array<{hive_type(arrow.value_type)}>"
    if pa.types.is_struct(arrow):
        return f"struct<{','.join(f'{one.name}:{hive_type(one.type)}' for one in arrow)}>"
    return _NAMES[arrow][1]
