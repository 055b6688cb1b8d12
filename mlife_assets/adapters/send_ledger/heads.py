"""Heads of the event log in the ledger's database, and how far the ledger has come.

Concept: the ledger is outside the lake, so a head in it is a second witness; a head in turn says how far the ledger had
come, so that an older copy of it shows.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import sqlalchemy as sa

from mlife_assets.adapters.send_ledger.schema import (
    inbound_texts,
    log_heads,
    send_transitions,
    switches,
    write,
)
from mlife_assets.core.errors import ContentConflictError, NotFoundError

STREAMS = {"inbound": inbound_texts, "switches": switches, "transitions": send_transitions}


class LedgerHeads:
    """`ports.HeadStore` over the database of a ledger."""

    def __init__(self, engine: sa.Engine) -> None:
        """Use the connections of the ledger."""
        self._engine = engine

    @property
    def name(self) -> str:
        """How findings call this place."""
        return "ledger"

    def put(self, sequence: int, body: bytes, *, at: datetime, replaces: bool = False) -> None:
        """Keep a head. Raises ContentConflictError when another is there, unless it `replaces` a damaged one."""
        row = {"sha256": hashlib.sha256(body).hexdigest(), "body": body.decode(), "at": at}
        is_ours = log_heads.c.sequence == sequence
        with write(self._engine) as connection:
            known = connection.execute(sa.select(log_heads.c.body).where(is_ours)).scalar()
            if known is None:
                connection.execute(sa.insert(log_heads).values(sequence=sequence, **row))
            elif replaces:
                connection.execute(sa.update(log_heads).where(is_ours).values(**row))
            elif known != row["body"]:
                raise ContentConflictError(f"the ledger holds another head {sequence}; a head is written once")

    def get(self, sequence: int) -> bytes:
        """Return a head. Raises NotFoundError."""
        query = sa.select(log_heads.c.body).where(log_heads.c.sequence == sequence)
        with self._engine.connect() as connection:
            body = connection.execute(query).scalar()
        if body is None:
            raise NotFoundError(f"head {sequence} is not in the ledger")
        return str(body).encode()

    def sequences(self) -> list[int]:
        """Return the numbers of all heads, ascending."""
        query = sa.select(log_heads.c.sequence).order_by(log_heads.c.sequence)
        with self._engine.connect() as connection:
            return [int(number) for number in connection.execute(query).scalars()]


def positions(engine: sa.Engine) -> dict[str, int]:
    """Return the last sequence of each stream of a ledger, 0 where it is empty."""
    with engine.connect() as connection:
        return {
            name: int(connection.execute(sa.select(sa.func.max(table.c.sequence))).scalar() or 0)
            for name, table in STREAMS.items()
        }
