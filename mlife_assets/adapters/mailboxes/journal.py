"""The journal of mails handed to a relay: no mail goes out twice, whatever else is lost.

Belongs here: what was handed over, on our side. Does not belong here: the ledger (`send_ledger`), which decides whether
a mail may go out.

Concept: a relay cannot be asked what it took. So a file per mail is made before the last byte goes out, and a mail that
has one is never handed over again; the answer is written into it. The file is taken back only when the relay refused.
No address is in it.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from mlife_assets.adapters.private_files import private_folder, write_private
from mlife_assets.core.disk_faults import disk_errors_explained
from mlife_assets.core.errors import IntegrityError

ENTRY = ".json"


@dataclass(frozen=True)
class HandedOver:
    """A mail that was handed over; `is_accepted` is False as long as the relay's answer is unknown."""

    user_id: str
    at: str
    is_accepted: bool


def has_entries(folder: Path) -> bool:
    """Return whether a mail was handed over, by the journal in a folder; asking makes none."""
    with disk_errors_explained(folder):
        if not folder.is_dir():
            return False
        with os.scandir(folder) as entries:
            return any(entry.name.endswith(ENTRY) for entry in entries)


class SendJournal:
    """A private folder with a file for each mail that was handed over."""

    def __init__(self, folder: Path) -> None:
        """Open or create the folder."""
        self._folder = private_folder(folder)

    def begin(self, message_id: str, user_id: str, now: datetime) -> bool:
        """Note that a mail is about to be handed over; False when it was before, and must not be again."""
        return self._write(message_id, HandedOver(user_id, now.isoformat(), False), replaces=False)

    def accept(self, message_id: str, user_id: str, now: datetime) -> None:
        """Note that the relay accepted it."""
        self._write(message_id, HandedOver(user_id, now.isoformat(), True), replaces=True)

    def take_back(self, message_id: str) -> None:
        """Forget a mail that the relay refused: it may be handed over again."""
        path = self._path(message_id)
        with disk_errors_explained(path):
            path.unlink(missing_ok=True)

    def look_up(self, message_id: str) -> HandedOver | None:
        """Return what is known of a mail, None when it was never handed over.

        Raises:
            IntegrityError: its file cannot be understood.
        """
        path = self._path(message_id)
        try:
            with disk_errors_explained(path):
                content = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return HandedOver(**json.loads(content))
        except (ValueError, TypeError) as error:
            raise IntegrityError(f"the journal of {message_id} is damaged; find out what the relay says") from error

    def _write(self, message_id: str, entry: HandedOver, *, replaces: bool) -> bool:
        return write_private(self._path(message_id), json.dumps(asdict(entry)).encode(), replaces=replaces)

    def _path(self, message_id: str) -> Path:
        return self._folder / f"{message_id}{ENTRY}"
