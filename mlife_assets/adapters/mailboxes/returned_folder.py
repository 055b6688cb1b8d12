"""Mails that came back, one file each.

Concept: the mail server delivers bounces, complaints, unsubscriptions and replies into a folder (`*.eml`, or a Maildir
with `new` and `cur`). Nothing is moved or deleted, so reading again is safe. The time of a file is when it arrived: the
date in a mail is whatever its writer says.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mlife_assets.core.disk_faults import disk_errors_explained
from mlife_assets.core.ids import digest
from mlife_assets.recruiting.mail.mime import Stationery
from mlife_assets.recruiting.mail.returned import READ_BYTES, ReturnedKind, ReturnedMail, read_returned
from mlife_assets.recruiting.messaging.keywords import is_opt_out
from mlife_assets.recruiting.ports import Inbound, Receipt

UNSUBSCRIBE_BODY = "unsubscribe"
"""What a complaint and a mail with a token say, in the words that replies are classified by."""
_REPORTS = {ReturnedKind.DELIVERED: True, ReturnedKind.BOUNCED: False}
_FROM_PEOPLE = {ReturnedKind.COMPLAINT, ReturnedKind.UNSUBSCRIBE, ReturnedKind.REPLY}


@dataclass(frozen=True)
class _Arrived:
    key: str
    at: datetime
    mail: ReturnedMail


class ReturnedFolder:
    """The mails that came back.

    Args:
        path: the folder; a missing one is empty, as before the first mail.
        stationery: recognises what is about our mails.
    """

    def __init__(self, path: Path, stationery: Stationery) -> None:
        self._path, self._stationery = path, stationery
        self._read: dict[tuple[str, int, int], _Arrived] = {}

    def receipts(self, *, until: datetime, since: datetime | None = None, of: Collection[str] = ()) -> list[Receipt]:
        """Return delivery reports from `since` up to `until`, and all of the messages `of` up to then, oldest first."""
        return [
            Receipt(one.mail.message_id, self._stationery.wire_id(one.mail.message_id), _REPORTS[one.mail.kind], one.at)
            for one in self._arrived(until)
            if one.mail.kind in _REPORTS
            and one.mail.message_id is not None
            and (since is None or one.at >= since or one.mail.message_id in of)
        ]

    def inbound(
        self, *, until: datetime, since: datetime | None, user_of: Callable[[str], str | None]
    ) -> list[Inbound]:
        """Return complaints, unsubscriptions and replies from `since` up to `until`, oldest first.

        Args:
            until: the present.
            since: leaves out what arrived before it.
            user_of: message id -> account, None where it is not known; then a reply says from which address it came.
        """
        found = []
        for one in self._arrived(until):
            if one.mail.kind not in _FROM_PEOPLE or (since is not None and one.at < since):
                continue
            user_id = one.mail.user_id
            if user_id is None and one.mail.message_id is not None:
                user_id = user_of(one.mail.message_id)
            body = one.mail.text if one.mail.kind is ReturnedKind.REPLY else UNSUBSCRIBE_BODY
            if user_id is not None:
                found.append(Inbound(f"mail_{one.key}", user_id, body, one.at))
            elif one.mail.sender is not None:
                found.append(Inbound(f"mail_{one.key}", None, body, one.at, mail_address=one.mail.sender))
        return found

    def _arrived(self, until: datetime) -> list[_Arrived]:
        """Return what arrived up to `until`, oldest first; each file is read once, whatever it is called later."""
        with disk_errors_explained(self._path):
            found = dict(self._files())
            for key, path in found.items():
                if key not in self._read:
                    self._read[key] = self._parsed(path, key[2])
        arrived = {self._read[key].key: self._read[key] for key in found}
        return sorted((one for one in arrived.values() if one.at <= until), key=lambda one: (one.at, one.key))

    def _files(self) -> Iterator[tuple[tuple[str, int, int], Path]]:
        for folder in (self._path, self._path / "new", self._path / "cur"):
            try:
                entries = list(os.scandir(folder))
            except FileNotFoundError:
                continue
            for entry in entries:
                # A Maildir adds flags after a colon when a mail is looked at; what begins with a dot is half written.
                is_mail = folder != self._path or entry.name.endswith(".eml")
                if is_mail and not entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    yield (entry.name.split(":")[0], status.st_size, status.st_mtime_ns), Path(entry.path)

    def _parsed(self, path: Path, modified: int) -> _Arrived:
        with path.open("rb") as file:
            raw = file.read(READ_BYTES)
        key = digest(("returned", hashlib.sha256(raw).hexdigest()))
        at = datetime.fromtimestamp(modified // 1_000_000_000, UTC).replace(microsecond=modified // 1_000 % 1_000_000)
        return _Arrived(key, at, read_returned(raw, self._stationery, is_opt_out))
