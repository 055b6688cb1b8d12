"""Protocols of signed heads of the event log: where they go, who signs them, who is trusted to.

Belongs here: the interfaces. Does not belong here: implementations, other ports (`core.ports`).

Concept: the lake is the threat, so a head is worth what its place and its key are worth. Embedded, both are on this
host; a second bucket and a key service fit the same shape.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    def message_bytes_maximum(self) -> int | None:
        """How many bytes it signs at most; None for any number."""
        ...

    @property
    def public_key(self) -> bytes:
        """The 32 bytes that verify what it signs."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 bytes."""
        ...


class HeadPins(Protocol):
    """Public keys that may sign heads."""

    @property
    def says_signed(self) -> bool:
        """Whether a key is pinned by signing with it, so that one without heads says that they are gone."""
        ...

    def keys(self) -> list[bytes]:
        """Return the pinned keys, the root of trust first."""
        ...

    def by_id(self) -> Mapping[str, bytes]:
        """Return the pinned keys by their ids."""
        ...

    def pin(self, key: bytes) -> None:
        """Trust one more key; again is a no-op."""
        ...
