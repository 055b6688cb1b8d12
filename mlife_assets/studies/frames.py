"""Tables that people hold, of pandas, polars or Arrow, on their way in and out.

Concept: every kind comes in as an Arrow table, and rows with new columns go out as the kind that came. No library is
imported that the caller has not.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError

Table: TypeAlias = Any
"""A DataFrame of pandas or polars, a table of Arrow, anything with `__arrow_c_stream__`, or the path of a file."""


def source_of(table: Table) -> Path | pa.Table:
    """Return the path of a file, or an Arrow table. Raises InvalidInputError for anything else."""
    if isinstance(table, str | Path):
        return Path(table)
    try:
        if _library(table) == "pandas":
            return pa.Table.from_pandas(table, preserve_index=False)
        if hasattr(table, "__arrow_c_stream__"):
            return pa.table(table)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InvalidInputError(f"the table cannot be read: {error}; give each column one type and name") from error
    raise InvalidInputError(
        f"a {type(table).__name__} is no table; pass a DataFrame of pandas or polars, a table of Arrow, or the path of "
        "a file"
    )


def name_of(table: Table) -> str:
    """Return the name of a file, or the kind of a table, such as "pandas.DataFrame"."""
    return Path(table).name if isinstance(table, str | Path) else f"{_library(table)}.{type(table).__name__}"


def with_columns(table: Table, rows: pa.Table, columns: Mapping[str, pa.Array]) -> Any:
    """Return rows with more columns, as the kind of `table`; those of a file as an Arrow table.

    Raises InvalidInputError when there is such a column.
    """
    if there := [name for name in columns if name in rows.column_names]:
        raise InvalidInputError(f"the rows have a column {there[0]}; rename it")
    if _library(table) == "pandas":
        return table.assign(
            **{
                name: column.to_pylist() if pa.types.is_list(column.type) else column.to_numpy()
                for name, column in columns.items()
            }
        )
    for name, column in columns.items():
        rows = rows.append_column(name, column)
    return sys.modules["polars"].from_arrow(rows) if _library(table) == "polars" else rows


def _library(table: Table) -> str:
    return type(table).__module__.partition(".")[0]
