"""Which columns of the rows that a model scores are watched, and how; what rows and outcomes are called.

Concept: a column is watched in the way that fits what it is. A physical unit has a range, a closed vocabulary has no
new values, and a column that moves with the calendar or with what we do ourselves is shown but never counted as drift.

Statistics of the label have plain names. What has to happen before it is an outcome too, known sooner and more
frequent; its statistics have the name of the step in front. Scored examples say by `exposure_date` and
`label_mature_date` when they were shown and complete; a model with other names has them added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

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


@dataclass(frozen=True)
class MonitoringColumns:
    """Which columns of a row are watched, and how. Every name must be a column of the sampled rows."""

    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    embedding: tuple[str, ...] = ()
    """`<name>_1`, `<name>_2`, ... of each embedding."""
    embedded: tuple[str, ...] = ()
    """Features through which embeddings reach a model that does not take them as they are: what they matter by."""
    contribution: tuple[str, ...] = ()
    """Columns that hold the champion's SHAP values (`contributions`); which there are follows from the model."""
    unalarmed: tuple[str, ...] = ()
    """Columns that move with the calendar or with what we do ourselves: shown, but no evidence of drift."""
    closed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Closed vocabularies: any other value is a fault."""
    ranged: tuple[str, ...] = ()
    """Columns with a physical unit: a value beyond those of the reference is a fault."""
    residual: tuple[str, ...] = ()
    """Columns of scored examples along which outcomes are held against the model's expectation. Few, for power."""
    never_zero: tuple[str, ...] = ()
    entity_blocks: tuple[str, ...] = ()
    """Blocks (`<name>_embeddings`) that speak of the entity alone, so that rows of a sample are nearly independent."""

    @property
    def watched(self) -> tuple[str, ...]:
        """Columns whose drift is measured one by one: numeric, then categorical."""
        return self.numeric + self.categorical

    @property
    def alarming(self) -> tuple[str, ...]:
        """Watched columns whose movement is evidence of drift."""
        return tuple(name for name in self.watched if name not in self.unalarmed)

    @property
    def embedding_blocks(self) -> Mapping[str, tuple[str, ...]]:
        """Columns of each embedding (`<name>_embeddings`), looked at one embedding at a time.

        Rows of one item share its embedding, rows of one entity hardly meet in a sample: looked at together, the few
        items would set the limit for the many entities. Of the blocks of `entity_blocks` more rows say more; any other
        is worth as many rows as there are items, however many it has.
        """
        blocks: dict[str, tuple[str, ...]] = {}
        for name in self.embedding:
            block = name.rpartition("_")[0] + "_embeddings"
            blocks[block] = (*blocks.get(block, ()), name)
        return blocks

    def restricted_to(self, names: Sequence[str]) -> MonitoringColumns:
        """Return these columns without those that a table with columns `names` lacks.

        What never alarms stays: a model may take what no sample shows, and what explains it has to leave that out.
        """
        known = set(names)

        def keep(columns: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(name for name in columns if name in known)

        return replace(
            self,
            numeric=keep(self.numeric),
            categorical=keep(self.categorical),
            embedding=keep(self.embedding),
            embedded=keep(self.embedded),
            contribution=keep(self.contribution),
            closed={name: values for name, values in self.closed.items() if name in known},
            ranged=keep(self.ranged),
            never_zero=keep(self.never_zero),
        )
