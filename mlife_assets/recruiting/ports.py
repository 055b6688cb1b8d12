"""Protocols for dealing with people: writing to them, finding their addresses, auditing how they are treated.

Concept: another provider implements the same protocol and passes the same tests, `mlife_assets.testing`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

import pyarrow as pa

from mlife_assets.recruiting.application import Channel


@dataclass(frozen=True)
class OutboundMessage:
    """One message to hand to a provider: `address` is an E.164 number or a mail address and must not be logged, `body`
    is all that the channel sends, as one string.
    """

    message_id: str
    user_id: str
    address: str = field(repr=False)
    body: str


@dataclass(frozen=True)
class Accepted:
    """The provider took the message."""

    provider_message_id: str


@dataclass(frozen=True)
class Receipt:
    """A delivery receipt."""

    message_id: str
    provider_message_id: str
    is_delivered: bool
    received_at: datetime


@dataclass(frozen=True)
class Inbound:
    """A message from a person to us. Its personal data (address, words) may be looked up and classified, never stored.

    Attributes:
        inbound_id: unique among all channels.
        user_id: who wrote, where the provider's records say it; None where it only knows the number.
        body: the words.
        received_at: when the provider had it.
        phone_number: that it came from, as the provider writes it; None where `user_id` says who wrote.
        mail_address: the same of a mail. Anybody can write it, so it ends mails and never begins them again.
    """

    inbound_id: str
    user_id: str | None
    body: str = field(repr=False)
    received_at: datetime
    phone_number: str | None = field(default=None, repr=False)
    mail_address: str | None = field(default=None, repr=False)


class MessageGateway(Protocol):
    """A provider of one channel. No retries inside.

    Optional: `reaches_nobody = True` for a gateway that only rehearses; `has_record_from(day)`, whether its record of
    sends reaches back to a day; `look()`, for `mlife doctor`: a sentence that it can send now, or an error.
    """

    @property
    def channel(self) -> Channel:
        """The channel that it sends through."""

    @property
    def name(self) -> str:
        """Provider name, kept in events for ever; `console` for the one that texts nobody."""

    def send(self, message: OutboundMessage, *, now: datetime) -> Accepted:
        """Send once. Raises ProviderThrottledError, ProviderRejectedError or AmbiguousSendError."""

    def find(self, message_id: str) -> Accepted | None:
        """Return the provider's record of `message_id`, for reconciling an ambiguous send."""

    def receipts(self, *, until: datetime, since: datetime | None = None, of: Collection[str] = ()) -> list[Receipt]:
        """Return all delivery receipts up to `until`, oldest first; safe to read again.

        Those before `since` are left out, unless they are of the messages `of`.
        """

    def inbound(self, *, until: datetime, since: datetime | None = None) -> list[Inbound]:
        """Return all that people wrote, received from `since` up to `until`, oldest first; safe to read again."""


class SentRecord(MessageGateway, Protocol):
    """A provider that says what reached its network, as one does that sends nothing."""

    def sent_messages(self, day: date) -> pa.Table:
        """Return what reached the network on a UTC day: `message_id`, `user_id`, `sent_at`, `is_delivered`."""


class TextsRecord(Protocol):
    """The records of a provider of texts that runs on this machine; comparing them with ours shows our faults."""

    def request_counts(self) -> pa.Table:
        """Return one row per message: `message_id`, `user_id`, `requests`, `accepted`, ordered by message id."""

    def duplicate_sends(self) -> int:
        """Return how many texts were accepted beyond the first of their message."""

    def numbers_texted_twice(self) -> int:
        """Return how many (number, UTC day) got more than one text, whatever the accounts."""

    def forget_numbers(self) -> None:
        """Erase the number hashes of earlier requests."""


class ContactBook(Protocol):
    """The private directory of phone numbers, outside the lake. No `MlifeError` that it raises holds a number."""

    def phone_numbers(self, user_ids: Sequence[str]) -> Mapping[str, str | None]:
        """Return user id -> number as it is written in the book, None without one. Raises when it cannot be read."""

    def accounts_with(self, phone_number: str) -> Sequence[str]:
        """Return the user ids whose number is this one, in E.164, sorted. Raises when the book cannot be read."""


@dataclass(frozen=True)
class AddressBook:
    """Where the addresses of one channel are.

    Attributes:
        read: user ids -> address as it is written in the book, None without one; raises when it cannot be read.
        normalise: the one spelling of an address, None when nothing can be sent to it.
    """

    read: Callable[[Sequence[str]], Mapping[str, str | None]]
    normalise: Callable[[str], str | None]


@dataclass(frozen=True)
class AuditGroups:
    """Self-reported answers of n people in the order asked for, `unknown` where there is none. Personal data."""

    sex: tuple[str, ...] = field(repr=False)
    race_ethnicity: tuple[str, ...] = field(repr=False)


class AuditAttributes(Protocol):
    """The restricted audit table, outside the lake. The fairness audit alone may read it, to write aggregates."""

    def groups_of(self, user_ids: Sequence[str]) -> AuditGroups:
        """Return the answers of users. Raises when the table cannot be read, which is never an empty answer."""


@dataclass(frozen=True)
class LedgerRow:
    """One send in the ledger; `state` is a value of `recruiting.messaging.states.SendState`."""

    message_id: str
    user_id: str
    job_id: str
    campaign: str
    as_of_date: date
    body: str
    state: str
    attempts: int
    provider_message_id: str | None
    updated_at: datetime
    channel: str = Channel.SMS
