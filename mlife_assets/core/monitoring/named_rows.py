"""Rows of any model under the names that monitoring knows.

Belongs here: from the roles of a model to the columns of samples and scored examples. Does not belong here: which rows
(`sampling`), what is computed on them.

Concept: a sample says by `user_id` and `job_id` which rows are alike, scored examples say by `exposure_date` and
`label_mature_date` when they were shown and complete. A model whose columns are called so keeps its table as it is; of
another the same values are added under these names. Without an item each row is its entity's.
"""

from __future__ import annotations

import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.examples import ExampleSpec


def sample_of(rows: pa.Table, roles: ExampleSpec) -> pa.Table:
    """Return sampled rows with `user_id` and `job_id`. Raises InvalidInputError where another column is called so."""
    item = roles.entity if roles.item is None else roles.item
    return _named(rows, {"user_id": roles.entity, "job_id": item})


def examples_of(rows: pa.Table, roles: ExampleSpec) -> pa.Table:
    """Return examples with ids and dates. Raises InvalidInputError where another column is called so."""
    dated = _named(rows, {"exposure_date": roles.time, "label_mature_date": roles.label_time})
    return sample_of(dated, roles)


def _named(rows: pa.Table, names: dict[str, str]) -> pa.Table:
    for name, own in names.items():
        if own == name:
            continue
        if own not in rows.column_names:
            raise InvalidInputError(f"the rows lack column {own}; read the whole mart")
        if name in rows.column_names:
            raise InvalidInputError(f"the rows have a column {name} beside {own}, which stands for it; rename it")
        rows = rows.append_column(name, rows[own])
    return rows
