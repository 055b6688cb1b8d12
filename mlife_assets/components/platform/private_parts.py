"""What a job board keeps to itself: its keys of links and numbers, and where people's data stand.

Belongs here: which adapter keeps what of people in the private folder. Does not belong here: what every home has there
(`home_keys`), the rest of the wiring (`resources`).

Concept: whoever asks for ledger or gateway has the whole folder narrowed first, so that no part of it is opened while
another is still readable to others.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlife_assets.adapters.backups import RESTORED
from mlife_assets.adapters.console_gateway import ConsoleGateway
from mlife_assets.adapters.private_files import private_file
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.components.platform.home_keys import HomeKeys
from mlife_assets.components.platform.shared_port import shared_port
from mlife_assets.settings import Settings


@dataclass(frozen=True)
class PrivateParts(HomeKeys):
    """The private ports of one job board; adapters are made when first asked for."""

    settings: Settings

    @property
    def link_key(self) -> bytes:
        """The key of link tokens."""
        return self.keyring.key("links")

    @property
    def number_key(self) -> bytes:
        """The key of number hashes, on which nothing else depends: the setting's, else this home's own."""
        key = self.settings.hash_key
        return self.keyring.key("numbers") if key is None else key.get_secret_value().encode()

    @property
    def is_put_back(self) -> bool:
        """Whether the home was restored: days since its backup may have been sent by one that is gone."""
        return (self.settings.private_folder / RESTORED).exists()

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
