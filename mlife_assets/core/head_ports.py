"""Protocols of signed heads of the event log: where they go and who signs them.

Belongs here: the two interfaces. Does not belong here: implementations, other ports (`core.ports`).

Concept: the lake is the threat, so a head is worth what its place and its key are worth. Embedded, both are on this
host; a second bucket and a key service fit the same shape.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class HeadStore(Protocol):
    """Where heads are kept: outside the lake, each written once."""

    @property
    def name(self) -> str:
        """How findings call this place."""
        ...

    def put(self, sequence: int, body: bytes, *, at: datetime, replaces: bool = False) -> None:
        """Keep a head. Raises ContentConflictError when another is there, unless it `replaces` a damaged one."""
        ...

    def get(self, sequence: int) -> bytes:
        """Return a head. Raises NotFoundError."""
        ...

    def sequences(self) -> list[int]:
        """Return the numbers of all heads, ascending."""
        ...


class HeadSigner(Protocol):
    """Who signs heads, with Ed25519: a key of this host, or a key service."""

    @property
    def public_key(self) -> bytes:
        """The 32 bytes that verify what it signs."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 bytes."""
        ...
