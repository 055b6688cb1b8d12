"""A head: the signed state of the event log at an instant.

Concept: a head names the newest manifest by number and hash, which pins the whole chain before it, and the manifests
since the head before, so that a row is proven by file -> manifest -> head without any other. It carries the hash of the
head before; a new key is introduced by a head that the old one signed, or, where the old one is lost, by one that says
so and that a key signed which the home pinned itself.

Signatures are Ed25519: the same head under the same key has the same bytes. A key is named by the hash of its public
half.

Heads and pinned keys lie in a private folder of this host, outside the lake.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mlife_assets.adapters.event_log.chain import ChainEnd
from mlife_assets.adapters.event_log.manifests import Link, content_hash
from mlife_assets.adapters.private_files import write_private
from mlife_assets.core.errors import ContentConflictError, IntegrityError, NotFoundError
from mlife_assets.core.ports import HeadSigner

PUBLIC_KEY_BYTES = 32
_FILE = re.compile(r"\d{8}\.json")
KEY_ID_LENGTH = 16
VERSION = 1
CONTEXT = b"mlife head of the event log\n"
"""Signed with every head, so that no other signature of the key can stand for one."""
HASH_CONTEXT = b"mlife hash of a head of the event log\n"
"""The same, where a signer takes fewer bytes than a head has: its hash is signed instead."""

History = Literal["none", "unsigned", "adopted"]
"""State of the log before the first head: no log of release 0.1.0, one that nobody vouched for, or an adopted one."""


@dataclass(frozen=True)
class Note:
    """Why a head was made, apart from days that ran: `kind` is `adopted`, `key_rotated` or `keys_replaced`."""

    kind: str
    actor: str
    reason: str


@dataclass(frozen=True)
class ManifestKey:
    """A key of the keyed hash of manifests: how many rotations came before it, and its hash."""

    generation: int
    sha256: str


@dataclass(frozen=True)
class Head:
    """A signed state of the log.

    Attributes:
        day: the newest day of `observed_at` that was sealed.
        chain: the newest manifest.
        manifests: those since the head before, in order.
        rows: rows that they list, by event type.
        ledger: how far the ledger's sequences had come at least, by stream.
        previous: hash of the head before; None in number 0.
        history: whether the log of release 0.1.0 below it was adopted.
        note: why, apart from days that ran.
        next_key: public key, in hex digits, of the signer of the next head; None when the key stays.
        manifest_key: which every manifest after it carries; None before the first rotation.
    """

    sequence: int
    day: date
    chain: ChainEnd
    manifests: tuple[Link, ...]
    rows: Mapping[str, int]
    ledger: Mapping[str, int]
    previous: str | None = None
    history: History = "none"
    note: Note | None = None
    next_key: str | None = None
    manifest_key: ManifestKey | None = None


@dataclass(frozen=True)
class SignedHead:
    """A head as it is kept. `sha256` is the hash of `body`, `key` names who signed it."""

    head: Head
    body: bytes = field(repr=False)
    key: str

    @property
    def sha256(self) -> str:
        return content_hash(self.body)


def sign_head(head: Head, signer: HeadSigner) -> SignedHead:
    """Return `head` with its signature."""
    content = _content(head)
    key = key_id(signer.public_key)
    whole, by_hash = _messages(content)
    most = signer.message_bytes_maximum
    signature = signer.sign(whole if most is None or len(whole) <= most else by_hash).hex()
    body = _dumped({"head": content, "key": key, "signature": signature}) + b"\n"
    return SignedHead(head, body, key)


def read_head(sequence: int, body: bytes, keys: Mapping[str, bytes], where: str) -> SignedHead:
    """Return the head in `body` if it has its number and one of `keys` signed it. Raises IntegrityError otherwise."""
    try:
        raw = orjson.loads(body)
        content, key, signature = raw["head"], str(raw["key"]), bytes.fromhex(raw["signature"])
        head = _head(content)
        is_plain = _dumped(raw) + b"\n" == body and _content(head) == content
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(f"{where} is no head of the event log; restore it from a copy") from error
    if not is_plain or head.sequence != sequence:
        raise IntegrityError(f"{where} is not the head that its place says; restore it from a copy")
    if key not in keys or not any(is_signed(message, signature, keys[key]) for message in _messages(content)):
        raise IntegrityError(
            f"{where} is not signed by a key that is pinned; restore it from a copy, or, if it is another home's, name "
            "a database of this home's own in MLIFE_DATABASE"
        )
    return SignedHead(head, body, key)


def _messages(content: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Return the two messages that a signer may sign for a head: the head itself, or its hash."""
    body = _dumped(content)
    return CONTEXT + body, HASH_CONTEXT + content_hash(body).encode()


def _content(head: Head) -> dict[str, Any]:
    note, key = head.note, head.manifest_key
    named = {} if key is None else {"manifest_key": {"generation": key.generation, "sha256": key.sha256}}
    return {
        **named,
        "chain": {"sequence": head.chain.sequence, "sha256": head.chain.sha256},
        "day": head.day.isoformat(),
        "history": head.history,
        "ledger": dict(head.ledger),
        "manifests": [{"key": link.key, "sha256": link.sha256} for link in head.manifests],
        "next_key": head.next_key,
        "note": None if note is None else {"kind": note.kind, "actor": note.actor, "reason": note.reason},
        "previous": head.previous,
        "rows": dict(head.rows),
        "sequence": head.sequence,
        "version": VERSION,
    }


def _head(raw: Mapping[str, Any]) -> Head:
    note, key = raw["note"], raw.get("manifest_key")
    return Head(
        sequence=raw["sequence"],
        day=date.fromisoformat(raw["day"]),
        chain=ChainEnd(raw["chain"]["sequence"], raw["chain"]["sha256"]),
        manifests=tuple(Link(one["key"], one["sha256"]) for one in raw["manifests"]),
        rows={str(name): int(count) for name, count in raw["rows"].items()},
        ledger={str(name): int(count) for name, count in raw["ledger"].items()},
        previous=raw["previous"],
        history=raw["history"],
        note=None if note is None else Note(note["kind"], note["actor"], note["reason"]),
        next_key=raw["next_key"],
        manifest_key=None if key is None else ManifestKey(int(key["generation"]), str(key["sha256"])),
    )


def _dumped(content: Mapping[str, Any]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


class Ed25519Signer:
    """`ports.HeadSigner` over a key in memory."""

    message_bytes_maximum: int | None = None

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public_key(self) -> bytes:
        return self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def key_id(public_key: bytes) -> str:
    return hashlib.sha256(public_key).hexdigest()[:KEY_ID_LENGTH]


def is_signed(message: bytes, signature: bytes, public_key: bytes) -> bool:
    """Return whether the holder of `public_key` signed `message`."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class FolderHeadStore:
    """`ports.HeadStore` over a folder: one file per head, readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def name(self) -> str:
        return self._folder.name

    def put(self, sequence: int, body: bytes, *, at: datetime, replaces: bool = False) -> None:  # noqa: ARG002
        path = self._path(sequence)
        if not write_private(path, body, replaces=replaces) and path.read_bytes() != body:
            raise ContentConflictError(f"{self.name}/{path.name} is another head; a head is written once")

    def get(self, sequence: int) -> bytes:
        try:
            return self._path(sequence).read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError(f"head {sequence} is not in {self.name}") from error

    def sequences(self) -> list[int]:
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
        return {key_id(key): key for key in self.keys()}

    def pin(self, key: bytes) -> None:
        keys = self.keys()
        if key not in keys:
            write_private(self._path, "".join(f"{one.hex()}\n" for one in (*keys, key)).encode())


def public_key(line: str) -> bytes:
    """Return the public key in hex digits. Raises ValueError."""
    key = bytes.fromhex(line)
    if len(key) != PUBLIC_KEY_BYTES:
        raise ValueError(line)
    return key
