"""Rows to score of a model without an item: one per entity and day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError

DAY = "as_of_date"


@dataclass(frozen=True)
class EntityColumn:
    """The column that holds the entity."""

    name: str


@dataclass(frozen=True, eq=False)
class EntityRows:
    """Rows of one day, ordered by entity."""

    table: pa.Table
    entity: str

    @property
    def ids(self) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        """The entity of each row, twice: there is no item."""
        return self.table[self.entity], self.table[self.entity]

    @property
    def repeated(self) -> int:
        """Number of rows that repeat an entity."""
        return int(self.table.num_rows - len(pc.unique(self.table[self.entity])))

    def rows(self, chosen: npt.NDArray[np.int64] | slice = slice(None)) -> pa.Table:
        """Return all rows or the chosen ones."""
        places = np.arange(self.table.num_rows)[chosen] if isinstance(chosen, slice) else chosen
        return self.table.take(pa.array(places))


def find_entities(tables: tuple[pa.Table, ...], day: date, policy: EntityColumn) -> EntityRows:
    """Return the rows of the one table of a model without an item.

    Raises:
        InvalidInputError: there are several tables, a column is missing, or a row is of another day or without entity.
    """
    if len(tables) != 1:
        raise InvalidInputError(f"find_entities got {len(tables)} tables; name one mart with a row per entity")
    (table,) = tables
    for name in (DAY, policy.name):
        if name not in table.column_names:
            raise InvalidInputError(f"the rows to score lack column {name}; add it to their mart")
        if table[name].null_count:
            row = pc.index(table[name].is_null(), True).as_py()
            raise InvalidInputError(f"{name} is null in row {row} of the rows to score; rebuild the mart")
    other = pc.index(pc.not_equal(table[DAY], pa.scalar(day, pa.date32())), True).as_py()
    if other >= 0:
        raise InvalidInputError(f"row {other} to score is of {table[DAY][other]}, not of {day}; read one day alone")
    return EntityRows(table.sort_by([(policy.name, "ascending")]).combine_chunks(), policy.name)
