"""The keys of one home: of number hashes, link tokens, log heads, the endpoint.

Concept: each purpose has its own key, so that each can be changed separately. In the embedded world keys derive from
the seed: the same seed gives the same bytes. Elsewhere each is random, made at first use and kept in a private folder;
an empty or short key is refused, never used.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Protocol

from mlife_assets.adapters.private_files import private_folder, write_private
from mlife_assets.core.errors import GateClosedError, InvalidInputError

KEY_BYTES = 32
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Keys(Protocol):
    """Keys by name."""

    def key(self, name: str) -> bytes:
        """Return the key `name`, 32 bytes."""

    def has(self, name: str) -> bool:
        """Return whether the key `name` exists; makes none."""

    def rotate(self, name: str) -> None:
        """Replace the key `name` by a new one. Raises GateClosedError if it derives from something fixed."""


class SecretKeyring:
    """Keys by name derived from one secret, for homes without files: each machine has the same ones."""

    def __init__(self, secret: Callable[[], str]) -> None:
        self._secret = cache(secret)

    def key(self, name: str) -> bytes:
        return hmac.new(self._secret().encode(), f"mlife key|{name}".encode(), hashlib.sha256).digest()

    def has(self, name: str) -> bool:  # noqa: ARG002
        return True

    def rotate(self, name: str) -> None:
        raise GateClosedError(f"key {name} derives from the secret of MLIFE_NUMBER_HASH_KEY, which never changes")


class Keyring:
    """Keys by name: random ones in a folder, or derived from the seed of the embedded world."""

    def __init__(self, folder: Path, *, seed: int | None = None) -> None:
        self._folder, self._seed = folder, seed

    def key(self, name: str) -> bytes:
        if not _NAME.fullmatch(name):
            raise InvalidInputError(f"key name {name!r} is not valid; use lower case letters, digits and _")
        if self._seed is not None:
            return hmac.new(b"mlife embedded world", f"{self._seed}|{name}".encode(), hashlib.sha256).digest()
        path = self._folder / f"{name}.key"
        if not path.exists():
            write_private(path, secrets.token_bytes(KEY_BYTES).hex().encode() + b"\n", replaces=False)
        private_folder(self._folder)
        try:
            key = bytes.fromhex(path.read_text(encoding="ascii"))
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise InvalidInputError(
                f"{path.name} does not hold a key of {KEY_BYTES} bytes in hex digits; restore it from a backup"
            )
        return key

    def has(self, name: str) -> bool:
        return self._seed is not None or (self._folder / f"{name}.key").exists()

    def rotate(self, name: str) -> None:
        if self._seed is not None:
            raise GateClosedError(
                f"key {name} derives from the seed of the embedded world and cannot be rotated; "
                "use an environment other than dev"
            )
        self.key(name)
        write_private(self._folder / f"{name}.key", secrets.token_bytes(KEY_BYTES).hex().encode() + b"\n")
