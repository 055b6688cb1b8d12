"""Unsubscribe tokens: who asks for no more mails, proven by the link alone.

Concept: a token is the account and the application, encrypted and authenticated (AES-SIV, RFC 5297). It can be read
without a lookup, written by nobody without the key, and shows nothing of whom it is for. The same mail gets the same
token: AES-SIV needs no random number. An account leads to its person whoever was joined since.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.ids import SEPARATOR, digest
from mlife_assets.recruiting.ids import MINIMUM_KEY_BYTES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

LONGEST_TOKEN = 400
_TAG_BYTES = 16


@dataclass(frozen=True)
class Unsubscription:
    """What a token says: this account wants no more mails; it was in one of this application."""

    user_id: str
    application: str


def unsubscribe_token(user_id: str, application: str, key: bytes) -> str:
    """Return the token of an account in the mails of an application; letters, digits, `-` and `_`.

    Raises:
        InvalidInputError: a short key, an empty id or name, or one with a separator.
    """
    parts = (user_id, application)
    if not all(parts) or any(SEPARATOR in part for part in parts):
        raise InvalidInputError("an unsubscribe token needs an account and an application; pass both")
    sealed = _cipher(key).encrypt(SEPARATOR.join(parts).encode(), None)
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def read_unsubscribe_token(token: str, key: bytes) -> Unsubscription | None:
    """Return what a token says, None when it was not made with this key."""
    from cryptography.exceptions import InvalidTag

    if not token or len(token) > LONGEST_TOKEN or not token.isascii():
        return None
    try:
        sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(sealed) <= _TAG_BYTES:
        return None
    try:
        user_id, _, application = _cipher(key).decrypt(sealed, None).decode().partition(SEPARATOR)
    except InvalidTag:
        return None
    if unsubscribe_token(user_id, application, key) != token:
        return None  # the last characters of base64 have bits that nothing reads; there is one spelling
    return Unsubscription(user_id, application)


@dataclass(frozen=True)
class LinkUse:
    """A use of the link, which is in the ledger as a message of the account that says STOP by mail."""

    inbound_id: str
    user_id: str
    received_at: datetime


def use_of_link(asked: Unsubscription, token: str, at: datetime) -> LinkUse:
    """Return a use of the link. Those within a second are one, however often a mail program posts."""
    at = at.replace(microsecond=0)
    return LinkUse("link_" + digest(("one_click", token, at.isoformat())), asked.user_id, at)


def mail_secret(key: bytes, purpose: str) -> bytes:
    """Return the key of one purpose of mails, 32 bytes. Raises InvalidInputError on a short key."""
    if len(key) < MINIMUM_KEY_BYTES:
        raise InvalidInputError(f"the key of mails has {len(key)} bytes; use {MINIMUM_KEY_BYTES} or more")
    return hmac.new(key, f"mail|{purpose}".encode(), hashlib.sha256).digest()


def _cipher(key: bytes) -> AESSIV:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    return AESSIV(mail_secret(key, "unsubscribe"))
