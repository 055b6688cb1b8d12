"""Rows of any model under the names that monitoring knows.

Belongs here: from the roles of a model to the columns of scored examples. Does not belong here: which rows count
(`sampling`), what is computed on them.

Concept: scored examples say by `exposure_date` and `label_mature_date` when they were shown and complete. A model whose
columns are called so keeps its table as it is; of another the same values are added under these names.
"""

from __future__ import annotations

import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.examples import ExampleSpec


def examples_of(rows: pa.Table, roles: ExampleSpec) -> pa.Table:
    """Return examples with the days of monitoring. Raises InvalidInputError where another column is called so."""
    for name, own in (("exposure_date", roles.time), ("label_mature_date", roles.label_time)):
        if own == name:
            continue
        if own not in rows.column_names:
            raise InvalidInputError(f"the rows lack column {own}; read the whole mart")
        if name in rows.column_names:
            raise InvalidInputError(f"the rows have a column {name} beside {own}, which stands for it; rename it")
        rows = rows.append_column(name, rows[own])
    return rows
