"""What a job board keeps to itself: its keys of links and numbers, and where people's data stand.

Belongs here: which adapter keeps what of people in the private folder. Does not belong here: what every home has there
(`home_keys`), the rest of the wiring (`resources`).

Concept: whoever asks for a file of the ledger has the whole folder narrowed first, so that no part of it is
opened while another is still readable to others. A database is one home's: another would count and publish its sends.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlife_assets.adapters.private_files import private_file, private_tree
from mlife_assets.components.platform.home_keys import HomeKeys
from mlife_assets.components.platform.shared_port import shared_port
from mlife_assets.core.errors import IntegrityError, NotFoundError
from mlife_assets.core.ports import HeadStore
from mlife_assets.settings import Settings

if TYPE_CHECKING:
    from mlife_assets.adapters.send_ledger import SqlLedger


@dataclass(frozen=True)
class PrivateParts(HomeKeys):
    """The private ports of one job board; adapters are made when first asked for."""

    settings: Settings

    @shared_port
    def private_folder(self) -> Path:
        """Where people's data and keys are; the home says which deployment it is of before the first is made."""
        self.settings.remember_deployment()
        return private_tree(self.settings.private_folder)

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
        from mlife_assets.adapters.restored_backups import RESTORED

        return (self.settings.private_folder / RESTORED).exists()

    @property
    def database(self) -> str | None:
        """The address of the database, None where the ledger is a file of the home."""
        address = self.settings.database
        return None if address is None else address.get_secret_value()

    @shared_port
    def ledger(self) -> SqlLedger:
        """Every send: in the database of the settings, else in a file of the home."""
        from mlife_assets.adapters.ledger_file import LEDGER_FILE
        from mlife_assets.adapters.postgresql import LEDGER_SCHEMA, open_schema
        from mlife_assets.adapters.send_ledger import SqlLedger

        if self.database is not None:
            ledger = SqlLedger(open_schema(self.database, LEDGER_SCHEMA))
            self.require_our_ledger(ledger)
            return ledger
        path = private_file(self.private_folder / LEDGER_FILE)
        # A real person says STOP once; in a simulated world the console forgets as much as the ledger.
        is_simulated = self.settings.deployment == "embedded" and self.settings.environment == "dev"
        return SqlLedger(f"sqlite:///{path}", survives_power_cut=not is_simulated)

    def require_our_ledger(self, ledger: SqlLedger) -> None:
        """Close a ledger and raise IntegrityError when it is another home's: the first signed heads differ."""
        first = {head for store in (self.head_store, ledger.heads) if (head := _first_head(store)) is not None}
        if len(first) > 1:
            ledger.close()
            raise IntegrityError(
                "the ledger in the database of MLIFE_DATABASE is another home's, or its first head was rewritten; name "
                f"the database of {self.settings.home} in MLIFE_DATABASE: no two homes share one"
            )

    @property
    def has_ledger(self) -> bool:
        """Whether there is a ledger; asking makes none."""
        from mlife_assets.adapters.ledger_file import LEDGER_FILE
        from mlife_assets.adapters.postgresql import LEDGER_SCHEMA, holds_tables

        if self.database is not None:
            return holds_tables(self.database, LEDGER_SCHEMA)
        return (self.settings.private_folder / LEDGER_FILE).exists()


def _first_head(store: HeadStore) -> bytes | None:
    try:
        return store.get(0)
    except NotFoundError:
        return None
