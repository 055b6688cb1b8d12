"""The parts of an event schema: columns, their ranges, event types and their versions.

Concept: a schema is data. The same declaration gives the Arrow schema of the log, the rules of validation and the type
in each engine, so all engines read a file alike. A nullable column or an enum value that is added makes a new version,
and files of older ones are read as they are. Any other change makes a new version with an `Upcaster`. A column keeps
its type for ever: a new type needs a new name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

TIMESTAMP = pa.timestamp("us", tz="UTC")
_CONSTANT = re.compile(r"'\w+'")
TEXT_LENGTH = 200
"""Characters of an id, a name, a title or a code. Ids here have 28, and long titles end at 100 to 150."""
NOTE_LENGTH = 2_000
"""Characters of sentences; the longest that is composed here has 1,530."""
BODY_LENGTH = 400_000
"""Characters of a message body: a mail has two parts of at most 100,000 bytes, and JSON may write a byte as two."""
_NAMES = {
    pa.string(): ("varchar", "string"),
    pa.int64(): ("bigint", "bigint"),
    pa.float64(): ("double", "double"),
    pa.bool_(): ("boolean", "boolean"),
    pa.date32(): ("date", "date"),
    pa.timestamp("us", tz="UTC"): ("timestamp with time zone", "timestamp"),
}
"""Arrow's type -> its name in DuckDB, and in Hive. Hive's timestamps have no zone: ours are all in UTC."""


@dataclass(frozen=True)
class Column:
    """One column of an event: its Arrow type and valid values; `since` is the version that added it.

    `text_length` bounds the characters of a value written as text, for any type: a number has few digits. An id is
    never empty. Text holds no control characters; only where `has_lines` it may break lines.
    """

    name: str
    type: pa.DataType
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] | None = None
    list_size: int | None = None
    since: int = 1
    text_length: int = TEXT_LENGTH
    is_identifier: bool = False
    has_lines: bool = False


@dataclass(frozen=True)
class Upcaster:
    """A pure function from the rows of one version of a type to those of the next, written as data.

    Both engines that read the log, Arrow and DuckDB, run it.

    Attributes:
        version: version of its input rows; the output has `version + 1`.
        columns: payload columns of `version`.
        select: the list of a SELECT over such rows, which also carries unchanged columns over, for example `* exclude
            (surface), surface as place`.
        adds: name and expression of each column that `select` adds, if it does nothing else and none is null in later
            rows; then one pass reads rows of all versions.
    """

    version: int
    columns: tuple[Column, ...]
    select: str
    adds: tuple[tuple[str, str], ...] = ()

    @classmethod
    def adding(cls, version: int, columns: tuple[Column, ...], **expressions: str) -> Upcaster:
        """Return an upcaster that adds columns, given as SQL expressions over a row."""
        added_columns = ", ".join(f"{expression} as {name}" for name, expression in expressions.items())
        return cls(version, columns, f"*, {added_columns}", tuple(expressions.items()))

    @property
    def constants(self) -> dict[str, str] | None:
        """The constants that it adds, if nothing else: such rows need no engine."""
        found = {name: expression[1:-1] for name, expression in self.adds if _CONSTANT.fullmatch(expression)}
        return found if found and len(found) == len(self.adds) else None


@dataclass(frozen=True)
class EventType:
    """A named event with its payload columns and the exporter that owns it (`source`: market or platform).

    `version` is 1 for what 0.1.0 released and grows with each release that changes the type. `upcasters` convert
    versions that cannot be read as they are, in order.
    """

    name: str
    source: str
    columns: tuple[Column, ...]
    version: int = 1
    upcasters: tuple[Upcaster, ...] = ()

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """Envelope columns first, then the payload."""
        return ENVELOPE + self.columns

    @cached_property
    def schema(self) -> pa.Schema:
        """Arrow schema of the stored table."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in self.all_columns])

    def contract(self, version: int) -> EventType:
        """Return the contract for reading rows of `version`: today's, or that of the upcaster which takes them."""
        for upcaster in self.upcasters:
            if version <= upcaster.version:
                return EventType(self.name, self.source, upcaster.columns, upcaster.version, self.upcasters)
        return self

    def delivered(self, names: Iterable[str]) -> EventType:
        """Return the contract of an export with columns `names`: the newest that it meets, else today's."""
        given = set(names)
        older = (self.contract(upcaster.version) for upcaster in reversed(self.upcasters))
        return next((kind for kind in (self, *older) if not kind.missing(given)), self)

    @property
    def landed(self) -> EventType:
        """Return the newest contract that a landing file can meet, since one with nested values is refused."""
        return self.delivered(c.name for c in self.all_columns if not _is_nested(c.type))

    @property
    def columns_of_all_versions(self) -> tuple[Column, ...]:
        """Return the columns that an exporter of any version may deliver, each name once."""
        older = (column for upcaster in self.upcasters for column in upcaster.columns)
        return tuple({column.name: column for column in (*older, *self.all_columns)}.values())

    def missing(self, names: Iterable[str]) -> list[str]:
        """Return the columns missing from `names`, except those that exporters of an older version cannot know."""
        given = set(names)
        return [c.name for c in self.all_columns if c.name not in given and not (c.nullable and c.since > 1)]


def _is_nested(kind: pa.DataType) -> bool:
    return bool(pa.types.is_nested(kind.value_type if pa.types.is_list(kind) else kind))


ENVELOPE = (
    Column("event_id", pa.string(), is_identifier=True),
    Column("occurred_at", TIMESTAMP),
    Column("observed_at", TIMESTAMP),
)


def identifier(name: str, *, nullable: bool = False) -> Column:
    """Return a column of identifiers."""
    return Column(name, pa.string(), nullable=nullable, is_identifier=True)


def text(name: str, *, nullable: bool = False) -> Column:
    """Return a column of plain text in one line."""
    return Column(name, pa.string(), nullable=nullable)


def note(name: str, *, nullable: bool = False, longest: int = NOTE_LENGTH) -> Column:
    """Return a column of sentences, which may break lines."""
    return Column(name, pa.string(), nullable=nullable, text_length=longest, has_lines=True)


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


def text_list(name: str) -> Column:
    """Return a column of lists of text."""
    return Column(name, pa.list_(pa.string()))


def day(name: str) -> Column:
    """Return a column of days."""
    return Column(name, pa.date32())


def moment(name: str, *, nullable: bool = False) -> Column:
    """Return a column of instants."""
    return Column(name, TIMESTAMP, nullable=nullable)


def added(since: int, column: Column) -> Column:
    """Return `column` as a later version adds it: null in all rows of earlier ones."""
    return replace(column, nullable=True, since=since)


def duckdb_type(arrow: pa.DataType) -> str:
    """Return DuckDB's name of a type."""
    if pa.types.is_list(arrow):
        return duckdb_type(arrow.value_type) + "[]"
    if pa.types.is_struct(arrow):
        return f"struct({', '.join(f'{one.name} {duckdb_type(one.type)}' for one in arrow)})"
    return _NAMES[arrow][0]


def hive_type(arrow: pa.DataType) -> str:
    """Return Hive's name of a type."""
    if pa.types.is_list(arrow):
        return f"array<{hive_type(arrow.value_type)}>"
    if pa.types.is_struct(arrow):
        return f"struct<{','.join(f'{one.name}:{hive_type(one.type)}' for one in arrow)}>"
    return _NAMES[arrow][1]


def known_since(rows: pa.Table, instant: datetime) -> pa.Table:
    """Return rows whose `observed_at` is at or after an aware instant."""
    place = rows.schema.get_field_index("observed_at")
    observed, since = rows["observed_at"], pa.scalar(instant, TIMESTAMP)
    known = pc.if_else(pc.less(observed, since), since, observed)
    return rows.set_column(place, rows.schema.field(place), known)
