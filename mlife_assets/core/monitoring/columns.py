"""The monitored columns of scored rows, and the names of rows and outcomes.

Concept: the kind of a column decides how it is monitored. A physical unit has a range, a closed vocabulary has no new
values, and a column that moves with the calendar or with our own acts is shown but never counts as drift.

Statistics of the label have plain names. Earlier steps are outcomes too, known sooner and more frequent; their
statistics have the step's name as a prefix. Scored examples have the columns `exposure_date` and `label_mature_date`,
which are added if the model names them otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.examples import ExampleSpec

LABEL = ""
"""The label; an earlier step goes by its name."""


@dataclass(frozen=True)
class Wording:
    """Words for an outcome: `plural`, and `verb` for a row that has it."""

    plural: str = "outcomes"
    verb: str = "converts"


PLAIN_WORDS = {LABEL: Wording()}
"""Words for a model that names only its label."""


def capitalised(words: str) -> str:
    """Return words with a capital first letter; other capitals stay."""
    return words[:1].upper() + words[1:]


def prefix_of(outcome: str) -> str:
    """Return the prefix of an outcome's statistics."""
    return f"{outcome}_" if outcome else ""


def examples_of(rows: pa.Table, roles: ExampleSpec) -> pa.Table:
    """Return examples with the days of monitoring. Raises InvalidInputError if another column has such a name."""
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
    """Monitored columns and how each is monitored. Every name must be a column of the sampled rows."""

    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    embedding: tuple[str, ...] = ()
    """`<name>_1`, `<name>_2`, ... of each embedding."""
    embedded: tuple[str, ...] = ()
    """Features computed from embeddings, for a model that does not take these directly: they give the importance."""
    contribution: tuple[str, ...] = ()
    """Columns that hold the champion's SHAP values (`contributions`), as the model requires."""
    unalarmed: tuple[str, ...] = ()
    """Columns that move with the calendar or with our own acts: shown, but no evidence of drift."""
    closed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Closed vocabularies: any other value is a fault."""
    ranged: tuple[str, ...] = ()
    """Columns with a physical unit: a value beyond those of the reference is a fault."""
    residual: tuple[str, ...] = ()
    """Columns of scored examples along which outcomes are compared with the model's expectation. Few, for power."""
    never_zero: tuple[str, ...] = ()
    entity_blocks: tuple[str, ...] = ()
    """Blocks (`<name>_embeddings`) of the entity alone, so that rows of a sample are nearly independent."""

    @property
    def watched(self) -> tuple[str, ...]:
        """Columns whose drift is measured singly: numeric, then categorical."""
        return self.numeric + self.categorical

    @property
    def alarming(self) -> tuple[str, ...]:
        """Watched columns whose movement is evidence of drift."""
        return tuple(name for name in self.watched if name not in self.unalarmed)

    @property
    def embedding_blocks(self) -> Mapping[str, tuple[str, ...]]:
        """Columns of each embedding (`<name>_embeddings`), tested one embedding at a time.

        Many sampled rows share an item's embedding, few share an entity's: tested together, the few items would set the
        limit for the many entities. More rows add information only to blocks of `entity_blocks`; any other is worth as
        many rows as it has items.
        """
        blocks: dict[str, tuple[str, ...]] = {}
        for name in self.embedding:
            block = name.rpartition("_")[0] + "_embeddings"
            blocks[block] = (*blocks.get(block, ()), name)
        return blocks

    def restricted_to(self, names: Sequence[str]) -> MonitoringColumns:
        """Return the columns that are among `names`.

        `unalarmed` stays complete: a model may take columns that no sample has, which its explanation must leave out.
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
