"""What rows and outcomes are called: in tables, in names of statistics, and in sentences for people.

Belongs here: from the roles of a model to the columns of scored examples; the outcome of the label, prefixes, words.
Does not belong here: which outcomes a model has (`core.model`), which rows count (`sampling`), what is computed of
them (`outcomes`).

Concept: a model is about its label, so statistics of the label have plain names. What has to happen before it is an
outcome too, known sooner and more frequent; its statistics have the name of the step in front.

Scored examples say by `exposure_date` and `label_mature_date` when they were shown and complete. A model whose columns
are called so keeps its table as it is; of another the same values are added under these names.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.examples import ExampleSpec

LABEL = ""
"""The outcome that a model is about; an earlier step is called by its name."""


@dataclass(frozen=True)
class Wording:
    """How an outcome is spoken of: `plural` is several of them, `verb` what a row does that has it."""

    plural: str = "outcomes"
    verb: str = "converts"


PLAIN_WORDS = {LABEL: Wording()}
"""Words for a model that says nothing but its label."""


def capitalised(words: str) -> str:
    """Return words as a sentence begins with them; what is written in capitals stays."""
    return words[:1].upper() + words[1:]


def prefix_of(outcome: str) -> str:
    """Return what names of statistics of an outcome begin with."""
    return f"{outcome}_" if outcome else ""


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
