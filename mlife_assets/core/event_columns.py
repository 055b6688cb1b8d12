"""The parts of an event schema: columns, their ranges, and event types.

Belongs here: what can be said of a column. Does not belong here: which events exist (`core.events`), validating rows
(`core.validation`).

Concept: a schema is data. The same declaration gives the Arrow schema of the log and the rules of validation.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")
EMBEDDING_SIZE = 8
EMBEDDING = pa.list_(pa.float64())

OCCUPATION_GROUPS = ("11", "21", "25", "29", "31", "33", "35", "37", "41", "43", "47", "49", "51", "53")
"""SOC major groups of the simulated catalogue; `occupation_group` holds one of them."""

SHIFTS = ("day", "evening", "night")


@dataclass(frozen=True)
class Column:
    """One column of an event: its Arrow type and what a valid value is."""

    name: str
    type: pa.DataType
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] | None = None
    list_size: int | None = None


@dataclass(frozen=True)
class EventType:
    """A named event with its payload columns and the exporter that owns it (`source`: market or platform)."""

    name: str
    source: str
    columns: tuple[Column, ...]

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """Envelope columns first, then the payload."""
        return ENVELOPE + self.columns

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the stored table."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in self.all_columns])


ENVELOPE = (
    Column("event_id", pa.string()),
    Column("occurred_at", TIMESTAMP),
    Column("observed_at", TIMESTAMP),
)


def identifier(name: str, *, nullable: bool = False) -> Column:
    """Return a column that names something."""
    return Column(name, pa.string(), nullable=nullable)


def text(name: str, *, nullable: bool = False) -> Column:
    """Return a column of plain text."""
    return Column(name, pa.string(), nullable=nullable)


def number(name: str, minimum: float | None = None, maximum: float | None = None, *, nullable: bool = False) -> Column:
    """Return a column of numbers in [minimum, maximum]."""
    return Column(name, pa.float64(), nullable=nullable, minimum=minimum, maximum=maximum)


def integer(name: str, minimum: float | None = None, maximum: float | None = None) -> Column:
    """Return a column of whole numbers in [minimum, maximum]."""
    return Column(name, pa.int64(), minimum=minimum, maximum=maximum)


def choice(name: str, *allowed: str) -> Column:
    """Return a column that holds one of `allowed`."""
    return Column(name, pa.string(), allowed=allowed)


def flag(name: str) -> Column:
    """Return a column of true or false."""
    return Column(name, pa.bool_())


def texts(name: str) -> Column:
    """Return a column of lists of text."""
    return Column(name, pa.list_(pa.string()))


def day(name: str) -> Column:
    """Return a column of days."""
    return Column(name, pa.date32())
