"""What a deployment keeps to itself: its private folder, its keys, and what stands behind them.

Belongs here: which adapter keeps what in the private folder. Does not belong here: the rest of the wiring
(`resources`), how files are made private (`adapters.private_files`).

Concept: whoever asks for keys, ledger or gateway has the whole folder narrowed first, so that no part of it is opened
while another is still readable to others. Heads of the log are looked at without making anything: a home that is only
read gets no folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlife_assets.adapters.console_gateway import ConsoleGateway
from mlife_assets.adapters.keyring import Keyring
from mlife_assets.adapters.log_heads import Ed25519Signer, FolderHeadStore, KeyPins
from mlife_assets.adapters.private_files import private_file, private_tree
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.components.platform.shared_port import shared_port
from mlife_assets.core.head_ports import HeadSigner, HeadStore
from mlife_assets.settings import Settings

MANIFEST_KEY, HEAD_KEY = "log_manifests", "log_heads"


@dataclass(frozen=True)
class PrivateParts:
    """The private ports of one deployment; adapters are made when first asked for."""

    settings: Settings

    @shared_port
    def private_folder(self) -> Path:
        """Where people's data and keys are; what an earlier release left open to others is narrowed."""
        return private_tree(self.settings.private_folder)

    @shared_port
    def keyring(self) -> Keyring:
        """Keys of this home; those of the embedded world derive from its seed."""
        seed = self.settings.seed if self.settings.environment == "dev" else None
        return Keyring(self.private_folder / "keys", seed=seed)

    @property
    def link_key(self) -> bytes:
        """The key of link tokens."""
        return self.keyring.key("links")

    @property
    def number_key(self) -> bytes:
        """The key of number hashes, on which nothing else depends: the setting's, else this home's own."""
        key = self.settings.hash_key
        return self.keyring.key("numbers") if key is None else key.get_secret_value().encode()

    @shared_port
    def head_store(self) -> HeadStore:
        """Where signed heads of the event log are kept, beside the ledger: outside the lake."""
        return FolderHeadStore(self.settings.private_folder / "heads")

    @shared_port
    def head_pins(self) -> KeyPins:
        """The public keys that may sign heads."""
        return KeyPins(self.settings.private_folder / "keys" / "log_heads.pub")

    def head_signer(self, generation: int) -> HeadSigner:
        """Return who signs heads after so many rotations of the key."""
        return Ed25519Signer(self.keyring.key(HEAD_KEY if generation == 0 else f"{HEAD_KEY}_{generation}"))

    @shared_port
    def ledger(self) -> SqlLedger:
        """Every send."""
        path = private_file(self.private_folder / "ledger.sqlite")
        return SqlLedger(f"sqlite:///{path}", survives_power_cut=self.settings.environment != "dev")

    @shared_port
    def gateway(self) -> ConsoleGateway:
        """The provider of text messages."""
        return ConsoleGateway(
            private_file(self.private_folder / "gateway.sqlite"),
            seed=self.settings.seed,
            hash_key=self.number_key,
        )
