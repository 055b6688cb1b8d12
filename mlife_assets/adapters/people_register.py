"""The people behind accounts: the contact book, the key of number hashes and the ledger brought together.

Belongs here: reading numbers, hashing them, registering whom they belong to. Does not belong here: what joins people
(`recruiting.messaging.people`), storing them (`send_ledger`).

Concept: asked before planning and again before each chunk of texts, so that an account which took over a number in
between is the person whose number it is. A number leaves this module only towards the gateway's call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.core.errors import GateClosedError
from mlife_assets.core.ids import keyed_hash
from mlife_assets.recruiting.messaging.phone_numbers import normalise
from mlife_assets.recruiting.ports import ContactBook


@dataclass(frozen=True)
class Contact:
    """An account, the person behind it and how to reach them.

    Attributes:
        person_id: the person.
        has_number: whether the contact book has a number of the account, usable or not.
        phone_number: that number in E.164, None when there is none or nothing can be sent to it.
    """

    person_id: str
    has_number: bool
    phone_number: str | None = field(repr=False)


class PeopleRegister:
    """Registers accounts in the ledger by the numbers of a contact book.

    Args:
        ledger: where people and hashes are stored.
        contacts: the numbers.
        key: of the hashes.
    """

    def __init__(self, ledger: SqlLedger, contacts: ContactBook, *, key: bytes) -> None:
        """Wire the register; nothing is read."""
        self._ledger, self._contacts, self._key = ledger, contacts, key

    def register(self, user_ids: Iterable[str], *, now: datetime) -> dict[str, Contact]:
        """Return the contact of each account, after joining the people who share a number.

        Raises:
            GateClosedError: the contact book cannot be read; nothing was registered.
        """
        wanted = sorted(set(user_ids))
        written = self._read(wanted)
        numbers = _normalised(written)
        people = self._ledger.register(self._hashes(numbers), now=now)
        return {u: Contact(people[u], written.get(u) is not None, numbers[u]) for u in wanted}

    def rehash(self, *, now: datetime) -> int:
        """Replace all number hashes by those of this register's key. Returns how many numbers are known now.

        Nobody's person id changes. Numbers that no account has any more are forgotten: nobody could hash them again.

        Raises:
            GateClosedError: the contact book cannot be read; the ledger keeps the old hashes.
        """
        return self._ledger.rehash(self._hashes(_normalised(self._read(self._ledger.user_ids()))), now=now)

    def _hashes(self, numbers: Mapping[str, str | None]) -> dict[str, str | None]:
        return {user: None if number is None else keyed_hash(self._key, number) for user, number in numbers.items()}

    def _read(self, user_ids: Sequence[str]) -> dict[str, str | None]:
        try:
            found = self._contacts.phone_numbers(user_ids)
            return {user_id: found.get(user_id) for user_id in user_ids}
        except Exception as error:  # noqa: BLE001  any failure to read means no send; its text may hold the number
            kind = type(error).__name__
        raise GateClosedError(
            f"the contact book could not be read ({kind}), so nothing more was sent; repair it and run this again"
        )


def _normalised(written: Mapping[str, str | None]) -> dict[str, str | None]:
    return {user_id: None if number is None else normalise(number) for user_id, number in written.items()}
