"""All rows of a ledger and where its numbering stands, carried from one database to another.

Concept: both sides have this release's schema, so values pass through its column types and are equal on every database.
Rows are streamed, so a long history needs no more memory than a short one. A counter may be ahead of its newest row,
since numbers that were published are never given again; so it is carried, too.
"""

from __future__ import annotations

import sqlalchemy as sa

from mlife_assets.adapters.send_ledger.schema import accounts, metadata, numbers, send_transitions, sends

BATCH = 1_000
"""Rows that are in memory at once."""

_NUMBERED = tuple(table for table in metadata.sorted_tables if table.autoincrement_column is not None)
_SQLITE_COUNTERS = sa.table("sqlite_sequence", sa.column("name"), sa.column("seq"))
_POSTGRESQL_COUNTER = sa.text(
    "SELECT last_value FROM pg_catalog.pg_sequences WHERE quote_ident(schemaname) || '.' || quote_ident(sequencename) "
    "= pg_get_serial_sequence(:table, 'sequence')"
)


def last_number(connection: sa.Connection, table: sa.Table) -> int:
    """Return the number after which new rows of a table go on; 0 where there was none."""
    if connection.dialect.name == "postgresql":
        counter = connection.execute(_POSTGRESQL_COUNTER, {"table": table.name}).scalar()
    else:
        of_table = sa.select(_SQLITE_COUNTERS.c.seq).where(_SQLITE_COUNTERS.c.name == table.name)
        counter = connection.execute(of_table).scalar()
    newest = connection.execute(sa.select(sa.func.max(table.c.sequence))).scalar()
    return max(counter or 0, newest or 0)


def continue_numbering(connection: sa.Connection, table: sa.Table, last: int) -> None:
    """Let the next row of a table get the number after `last`."""
    if connection.dialect.name == "postgresql":
        sequence = sa.func.pg_get_serial_sequence(table.name, "sequence")
        connection.execute(sa.select(sa.func.setval(sequence, max(last, 1), last > 0)))
        return
    connection.execute(sa.delete(_SQLITE_COUNTERS).where(_SQLITE_COUNTERS.c.name == table.name))
    connection.execute(sa.insert(_SQLITE_COUNTERS).values(name=table.name, seq=last))


def known_beyond(one: sa.Connection, other: sa.Connection) -> list[str]:
    """Return the tables of which one ledger knows what another does not, by name; each of any released schema.

    Moves are numbered, so the last number says it, and sends follow them. Accounts and numbers are registered anew from
    the contact book. Of every other table it is a row that the other lacks, or has otherwise, as in another release's
    columns: a reply, somebody who must not be written to, an approval, a signed head.
    """
    found = []
    for table in metadata.sorted_tables:
        names, others = _columns(one, table), _columns(other, table)
        if table in (accounts, numbers, sends) or not names:
            continue
        if table is send_transitions:
            is_beyond = last_number(one, table) > (last_number(other, table) if others else 0)
        else:
            rows = sa.select(*(column for column in table.c if column.name in names))
            known = set(map(tuple, other.execute(rows))) if names == others else set()
            is_beyond = not set(map(tuple, one.execute(rows))) <= known
        if is_beyond:
            found.append(table.name)
    return sorted(found)


def _columns(connection: sa.Connection, table: sa.Table) -> set[str]:
    """Return the columns that a table has in a database; none where it is not there."""
    inspector = sa.inspect(connection)
    return {one["name"] for one in inspector.get_columns(table.name)} if inspector.has_table(table.name) else set()


def holds_rows(connection: sa.Connection) -> bool:
    """Return whether anything is in a ledger."""
    return any(connection.execute(sa.select(table).limit(1)).first() is not None for table in metadata.sorted_tables)


def replace_rows(source: sa.Connection, target: sa.Connection) -> None:
    """Make one ledger hold what a transaction sees of another, instead of what it held."""
    # First: other writers of the source go on, and a number that they take meanwhile would only be skipped.
    last_numbers = {table: last_number(source, table) for table in _NUMBERED}
    for table in metadata.sorted_tables:
        target.execute(sa.delete(table))
        in_order = sa.select(table).order_by(*table.primary_key).execution_options(yield_per=BATCH)
        for batch in source.execute(in_order).mappings().partitions():
            target.execute(sa.insert(table), [dict(row) for row in batch])
    for table, last in last_numbers.items():
        continue_numbering(target, table, last)
