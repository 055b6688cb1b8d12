"""What every home keeps to itself: its private folder, its keys, and signed heads of the event log.

Concept: whoever asks for a key has the whole folder narrowed first. Heads of the log are looked at without making
anything: a home that is only read gets no folder. Who has the key of manifests and may write to the lake can add one
that the next honest head signs, so it is replaced together with the key of heads: a head names the one that every
manifest after it carries, and before the first rotation it is the first.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from mlife_assets.adapters.keyring import Keyring, Keys
from mlife_assets.adapters.log_heads import Ed25519Signer, FolderHeadStore, Head, KeyPins
from mlife_assets.adapters.log_heads.head import ManifestKey
from mlife_assets.adapters.private_files import private_tree
from mlife_assets.components.platform.shared_port import shared_port
from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.ports import HeadPins, HeadSigner, HeadStore
from mlife_assets.home_settings import HomeSettings

MANIFEST_KEY, HEAD_KEY = "log_manifests", "log_heads"


@dataclass(frozen=True)
class HomeKeys:
    """The private ports of any home; adapters are made when first asked for."""

    settings: HomeSettings

    @shared_port
    def private_folder(self) -> Path:
        """Where people's data and keys are; what an earlier release left open to others is narrowed."""
        return private_tree(self.settings.private_folder)

    @shared_port
    def keyring(self) -> Keys:
        """Keys of this home; those of the embedded world derive from its seed."""
        return Keyring(self.private_folder / "keys", seed=self.settings.key_seed)

    @shared_port
    def head_store(self) -> HeadStore:
        """Where signed heads of the event log are kept, beside the ledger: outside the lake."""
        return FolderHeadStore(self.settings.private_folder / "heads")

    @shared_port
    def head_pins(self) -> HeadPins:
        """The public keys that may sign heads."""
        return KeyPins(self.settings.private_folder / "keys" / "log_heads.pub")

    def head_signer(self, generation: int) -> HeadSigner:
        """Return who signs heads after so many rotations of the key."""
        return Ed25519Signer(self.keyring.key(head_key_name(generation)))


def head_key_name(generation: int) -> str:
    """Return the name of the key that signs heads after so many rotations."""
    return HEAD_KEY if generation == 0 else f"{HEAD_KEY}_{generation}"


def new_manifest_key(keys: Keys, generation: int) -> ManifestKey:
    """Return how heads name the key of manifests after so many rotations, which is made where it is not there."""
    return ManifestKey(generation, _named(keys.key(f"{MANIFEST_KEY}_{generation}")))


def manifest_key(keys: Keys, head: Head | None) -> bytes:
    """Return the key that manifests after a head carry. Raises IntegrityError where it is not at hand."""
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
