"""Ed25519: signing what is sealed, and checking it with a public key alone.

Concept: a key is named by the hash of its public half. Signatures are deterministic: the same head under the same key
has the same bytes.
"""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_ID_LENGTH = 16


class Ed25519Signer:
    """`ports.HeadSigner` over a key in memory."""

    message_bytes_maximum: int | None = None

    def __init__(self, seed: bytes) -> None:
        """Make the key of a seed of 32 bytes."""
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public_key(self) -> bytes:
        """The 32 bytes that verify what it signs."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 bytes."""
        return self._key.sign(message)


def key_id(public_key: bytes) -> str:
    """Return the name of a key: the start of the hash of its public half."""
    return hashlib.sha256(public_key).hexdigest()[:KEY_ID_LENGTH]


def is_signed(message: bytes, signature: bytes, public_key: bytes) -> bool:
    """Return whether the holder of `public_key` signed `message`."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
