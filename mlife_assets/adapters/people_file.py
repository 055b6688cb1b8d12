"""The contact book of a deployment's owner: phone numbers and mail addresses in a file, or an object in a bucket.

Concept: a book that was not named, or cannot be read, is an error, which forbids sending, and is never taken for an
empty one: that somebody has no number would be final. It is read anew when it was changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlife_assets.adapters.owners_table import USER_ID, OwnersFile, State, owners_table, row_of
from mlife_assets.core.errors import NotGivenError
from mlife_assets.core.storage_places import Bucket
from mlife_assets.recruiting.messaging.people import accounts_by_number, normalise

SETTING = "MLIFE_CONTACTS"
NUMBER, ADDRESS = "phone_number", "mail_address"


class OwnersContacts:
    """Implements `recruiting.ports.ContactBook`, and has mail addresses, too.

    Args:
        place: of the book, with the columns `user_id`, `phone_number` and, where mails are sent, `mail_address`; None
            where none was named.
    """

    def __init__(self, place: Path | Bucket | None) -> None:
        self._file = None if place is None else OwnersFile(place, SETTING)
        self._state: State = None
        self._columns: dict[str, dict[str, str | None]] = {}
        self._accounts: dict[str, list[str]] | None = None

    def phone_numbers(self, user_ids: Sequence[str]) -> dict[str, str | None]:
        """Return user id -> number as it is written, None without one. Raises when no file can be read."""
        return self._read(NUMBER, user_ids)

    def mail_addresses(self, user_ids: Sequence[str]) -> dict[str, str | None]:
        """Return user id -> address as it is written, None without one. Raises when no file can be read."""
        return self._read(ADDRESS, user_ids)

    def accounts_with(self, phone_number: str) -> list[str]:
        """Return the user ids whose number is this one, in E.164, sorted. Raises when no file can be read."""
        self._read(NUMBER, ())
        if self._accounts is None:
            self._accounts = accounts_by_number(self._columns[NUMBER])
        return self._accounts.get(phone_number, [])

    def count(self) -> int:
        """Return how many people are in the book. Raises when the file cannot be read."""
        self._load()
        return len(self._columns.get(NUMBER, {}))

    def unusable(self) -> tuple[int, str]:
        """Return how many numbers are none, and where the first is. Raises when the file cannot be read."""
        self._load()
        numbers = enumerate(self._columns.get(NUMBER, {}).values())
        wrong = [row for row, number in numbers if number is not None and normalise(number) is None]
        return len(wrong), row_of(self._file, wrong[0]) if self._file is not None and wrong else ""

    def _read(self, column: str, user_ids: Sequence[str]) -> dict[str, str | None]:
        if self._file is None:
            raise NotGivenError(
                f"{SETTING} names no contact book, so nobody can be reached; write user_id and phone_number to a file "
                "in the private folder and name it there"
            )
        self._load()
        if not self._columns[NUMBER]:
            raise NotGivenError(f"{SETTING}: {self._file.name} holds nobody yet; fill it")
        known = self._columns.get(column, {})
        return {user_id: known.get(user_id) for user_id in user_ids}

    def _load(self) -> None:
        if self._file is None or (found := self._file.changed(self._state)) is None:
            return
        state, data = found
        table = owners_table(self._file, data, (NUMBER,), optional=(ADDRESS,))
        users = table[USER_ID].to_pylist()
        self._columns = {
            name: dict(zip(users, table[name].to_pylist(), strict=True))
            for name in table.column_names
            if name != USER_ID
        }
        self._state, self._accounts = state, None
