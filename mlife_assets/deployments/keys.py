"""Keys of a home, and signed heads of the event log.

Concept: reading heads creates nothing: a home that is only read gets no folder. A thief of the manifest key who can
write to the lake can add a manifest that the next honest head signs, so this key is replaced together with the key of
heads: a head names the key of all later manifests; before the first rotation it is the first key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlife_assets.adapters.keyring import Keys
from mlife_assets.adapters.log_heads import Ed25519Signer, FolderHeadStore, Head, KeyPins
from mlife_assets.adapters.log_heads.head import ManifestKey
from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.ports import HeadPins, HeadSigner, HeadStore

MANIFEST_KEY, HEAD_KEY = "log_manifests", "log_heads"


@dataclass(frozen=True)
class LogHeads:
    """Signed heads outside the lake, the public keys that may sign them, and the signer after so many rotations."""

    store: HeadStore
    pins: HeadPins
    signer: Callable[[int], HeadSigner]


def heads_in_folder(private_folder: Path, keyring: Callable[[], Keys]) -> LogHeads:
    """Return the heads of a home in its private folder, without creating anything."""
    return LogHeads(
        FolderHeadStore(private_folder / "heads"),
        KeyPins(private_folder / "keys" / "log_heads.pub"),
        lambda generation: Ed25519Signer(keyring().key(head_key_name(generation))),
    )


def head_key_name(generation: int) -> str:
    return HEAD_KEY if generation == 0 else f"{HEAD_KEY}_{generation}"


def new_manifest_key(keys: Keys, generation: int) -> ManifestKey:
    return ManifestKey(generation, _named(keys.key(f"{MANIFEST_KEY}_{generation}")))


def manifest_key(keys: Keys, head: Head | None) -> bytes:
    """Return the key of manifests after a head. Raises IntegrityError if it is missing."""
    named = None if head is None else head.manifest_key
    if named is None:
        return keys.key(MANIFEST_KEY)
    name = f"{MANIFEST_KEY}_{named.generation}"
    if keys.has(name) and _named(keys.key(name)) == named.sha256:
        return keys.key(name)
    raise IntegrityError(
        f"{name} is not the key that the newest head names; put the keys of this home back, or, if they are lost, run "
        "`mlife log rotate-key --lost`"
    )


def _named(key: bytes) -> str:
    return hashlib.sha256(b"mlife key of manifests\n" + key).hexdigest()
