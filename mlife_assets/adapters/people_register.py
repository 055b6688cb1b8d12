"""The people behind accounts: the contact book, the key of address hashes and the ledger brought together.

Concept: asked before planning and again before each chunk of messages, so that an account which took over a number in
between is the person whose number it is. Numbers always join people; mail addresses do where mails are sent. An address
leaves this module only towards the gateway's call. Where the owner has named no book, plans use the people that the
ledger knows, and a lookup of an address is refused: sends wait for a book and are not given up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlife_assets.core.errors import GateClosedError, MlifeError, NotGivenError
from mlife_assets.core.ids import keyed_hash
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.messaging.people import normalise, stranger_id
from mlife_assets.recruiting.ports import AddressBook, ContactBook

if TYPE_CHECKING:
    from mlife_assets.adapters.send_ledger import SqlLedger

NO_BOOKS: Mapping[Channel, AddressBook] = MappingProxyType({})


@dataclass(frozen=True)
class Contact:
    """An account, the person behind it and how to reach them; `without_book` says why nobody knows."""

    person_id: str
    is_in_book: bool
    address: str | None = field(repr=False)
    without_book: str = ""

    @property
    def has_address(self) -> bool:
        """Return whether the book has an address. Raises GateClosedError without a book."""
        if self.without_book:
            raise GateClosedError(self.without_book)
        return self.is_in_book


class PeopleRegister:
    """Registers accounts in the ledger by their addresses. `books`: the addresses of channels other than texts."""

    def __init__(
        self, ledger: SqlLedger, contacts: ContactBook, *, key: bytes, books: Mapping[Channel, AddressBook] = NO_BOOKS
    ) -> None:
        self._ledger, self._contacts, self._key = ledger, contacts, key
        numbers = AddressBook(contacts.phone_numbers, normalise)
        self._books = {Channel.SMS: numbers, Channel.CALL: numbers, **books}

    def register(self, user_ids: Iterable[str], *, now: datetime, channel: Channel = Channel.SMS) -> dict[str, Contact]:
        """Return the contact of each account in a channel, after joining the people who share an address.

        Raises GateClosedError if a book cannot be read, or the channel has none; nothing was registered. Not where the
        owner has named no book: then `Contact.has_address` raises it.
        """
        wanted = sorted(set(user_ids))
        if channel not in self._books:
            raise GateClosedError(f"there is no book of addresses for {channel}, so nothing is sent; pass one")
        written: Mapping[str, str | None] = {}
        without = ""
        for one in dict.fromkeys((Channel.SMS, channel)):
            try:
                written, addresses = self._read(one, wanted)
            except NotGivenError as error:
                written, addresses, without = {}, dict.fromkeys(wanted), str(error)
            people = self._ledger.people.register(self._hashes(addresses), now=now)
        return {u: Contact(people[u], written.get(u) is not None, addresses[u], without) for u in wanted}

    def account_behind(self, address: str, inbound_id: str, *, now: datetime, channel: Channel = Channel.SMS) -> str:
        """Return the account of the sender of a text or a mail, by the ledger, else by the contact book.

        An unknown address is a stranger's, named by `inbound_id` and registered: its later owner counts as the same
        person, so a STOP holds. Raises GateClosedError if the book is needed and cannot be read.
        """
        if channel is Channel.EMAIL:
            written: Iterable[str] = dict.fromkeys((address, address.lower()))
        else:  # some providers leave the plus out
            written = [number for one in (address, f"+{address}") if (number := normalise(one)) is not None]
        hashes = {one: keyed_hash(self._key, one) for one in written}
        for hashed in hashes.values():
            if (known := self._ledger.people.account_with(hashed, channel)) is not None:
                return known
        for one, hashed in hashes.items():
            if accounts := self._accounts_with(one, channel):
                self._ledger.people.register(dict.fromkeys(accounts, hashed), now=now)
                return accounts[0]
        stranger = stranger_id(inbound_id)
        self._ledger.people.register({stranger: next(iter(hashes.values()), None)}, now=now)
        return stranger

    def _accounts_with(self, address: str, channel: Channel) -> list[str]:
        if channel is Channel.EMAIL:
            return self._mail_accounts.get(address.lower(), []) if channel in self._books else []
        try:
            return list(self._contacts.accounts_with(address))
        except MlifeError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001  its text may hold the number
            reason = f"the contact book could not be read ({type(error).__name__}); repair it"
        raise GateClosedError(f"nobody knows whose a text is that came in: {reason}, then read replies again")

    @cached_property
    def _mail_accounts(self) -> dict[str, list[str]]:
        """Mail address in lower case -> accounts that the ledger knows."""
        found: dict[str, list[str]] = {}
        for user_id, address in self._known(Channel.EMAIL, self._ledger.people.user_ids()).items():
            if address is not None:
                found.setdefault(address.lower(), []).append(user_id)
        return found

    def require_books(self) -> None:
        for channel in self._books:
            self._known(channel, self._ledger.people.user_ids())

    def rehash(self, *, now: datetime) -> int:
        """Replace all hashes by this key's and forget unused addresses; returns their count. Raises GateClosedError."""
        everybody = self._ledger.people.user_ids()
        channels = [channel for channel in self._books if channel is not Channel.CALL]  # its numbers are those of texts
        read = {channel: self._hashes(self._known(channel, everybody)) for channel in channels}
        known = self._ledger.people.rehash(read.pop(Channel.SMS), now=now)
        for seen in read.values():
            self._ledger.people.register(seen, now=now)
            known += len({one for one in seen.values() if one is not None})
        return known

    def _hashes(self, addresses: Mapping[str, str | None]) -> dict[str, str | None]:
        return {user: None if one is None else keyed_hash(self._key, one) for user, one in addresses.items()}

    def _known(self, channel: Channel, user_ids: Sequence[str]) -> dict[str, str | None]:
        """Return normalised addresses. Raises GateClosedError also where the owner has named no book."""
        try:
            return self._read(channel, user_ids)[1]
        except NotGivenError as error:
            without = str(error)
        raise GateClosedError(without)

    def _read(
        self, channel: Channel, user_ids: Sequence[str]
    ) -> tuple[Mapping[str, str | None], dict[str, str | None]]:
        """Return addresses as they are written, and normalised. Raises NotGivenError where nobody named a book."""
        book = self._books[channel]
        try:
            found = book.read(user_ids)
            written = {user_id: found.get(user_id) for user_id in user_ids}
        except NotGivenError:  # its text is of a setting
            raise
        except MlifeError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001  any failure to read means no send; its text may hold the address
            reason = f"{type(error).__name__}; repair it"
        else:
            return written, {user: None if one is None else book.normalise(one) for user, one in written.items()}
        raise GateClosedError(
            f"the contact book could not be read, so nothing more was sent: {reason}, and run this again"
        )
