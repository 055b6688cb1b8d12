"""Heads and pinned keys in a private folder of this host.

Concept: the folder lies outside the lake, so who may write to the lake alone cannot touch it. The first pinned key is
the root of trust; each later one was introduced by a head.
"""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path

from mlife_assets.adapters.log_heads.head import key_id
from mlife_assets.adapters.private_files import write_private
from mlife_assets.core.errors import ContentConflictError, IntegrityError, NotFoundError

PUBLIC_KEY_BYTES = 32
_FILE = re.compile(r"\d{8}\.json")


class FolderHeadStore:
    """`ports.HeadStore` over a folder: one file per head, readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        """Remember the folder; it is made with the first head."""
        self._folder = folder

    @property
    def name(self) -> str:
        """How findings call this place."""
        return self._folder.name

    def put(self, sequence: int, body: bytes, *, at: datetime, replaces: bool = False) -> None:  # noqa: ARG002
        """Keep a head. Raises ContentConflictError when another is there, unless it `replaces` a damaged one."""
        path = self._path(sequence)
        if not write_private(path, body, replaces=replaces) and path.read_bytes() != body:
            raise ContentConflictError(f"{self.name}/{path.name} is another head; a head is written once")

    def get(self, sequence: int) -> bytes:
        """Return a head. Raises NotFoundError."""
        try:
            return self._path(sequence).read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError(f"head {sequence} is not in {self.name}") from error

    def sequences(self) -> list[int]:
        """Return the numbers of all heads, ascending."""
        try:
            names = os.listdir(self._folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(int(name.removesuffix(".json")) for name in names if _FILE.fullmatch(name))

    def _path(self, sequence: int) -> Path:
        return self._folder / f"{sequence:08d}.json"


class KeyPins:
    """Public keys that may sign heads, one per line in hex digits, oldest first."""

    says_signed = True

    def __init__(self, path: Path) -> None:
        """Remember the file; it is made with the first key."""
        self._path = path

    def keys(self) -> list[bytes]:
        """Return the pinned keys, the root of trust first. Raises IntegrityError when the file holds anything else."""
        if not self._path.exists():
            return []
        try:
            return [public_key(line) for line in self._path.read_text(encoding="ascii").splitlines()]
        except ValueError as error:
            raise IntegrityError(
                f"{self._path.name} does not hold public keys in hex digits; restore it from a backup"
            ) from error

    def by_id(self) -> dict[str, bytes]:
        """Return the pinned keys by their ids."""
        return {key_id(key): key for key in self.keys()}

    def pin(self, key: bytes) -> None:
        """Trust one more key; again is a no-op."""
        keys = self.keys()
        if key not in keys:
            write_private(self._path, "".join(f"{one.hex()}\n" for one in (*keys, key)).encode())


def public_key(line: str) -> bytes:
    """Return the public key in hex digits. Raises ValueError."""
    key = bytes.fromhex(line)
    if len(key) != PUBLIC_KEY_BYTES:
        raise ValueError(line)
    return key
