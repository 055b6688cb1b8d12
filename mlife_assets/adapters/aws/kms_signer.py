"""Signing heads with a key that never leaves KMS, and trusting it.

Concept: the key is named by the stacks and by nobody else, so it is the root of trust: what KMS says is its public half
is pinned, and no head introduces another. It signs 4,096 bytes at most; of a longer head the hash is signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from mlife_assets.adapters.aws_clients import aws_errors_explained, client
from mlife_assets.adapters.log_heads.signing import key_id
from mlife_assets.core.errors import GateClosedError, PermanentError

SETTING = "MLIFE_HEAD_SIGNING_KEY"
MESSAGE_BYTES_MAXIMUM = 4096


class KmsSigner:
    """`ports.HeadSigner` over a key of KMS."""

    message_bytes_maximum: int | None = MESSAGE_BYTES_MAXIMUM

    def __init__(self, key: str, region: str) -> None:
        self._key, self._region = key, region

    @cached_property
    def public_key(self) -> bytes:
        """The 32 bytes that verify what it signs. Raises PermanentError where the key is of another kind."""
        with aws_errors_explained(SETTING, "kms:GetPublicKey"):
            answer = client("kms", self._region).get_public_key(KeyId=self._key)
        key = load_der_public_key(answer["PublicKey"])
        if not isinstance(key, Ed25519PublicKey):
            raise PermanentError(f"{SETTING} is no Ed25519 key; name one of the kind ECC_NIST_EDWARDS25519")
        return key.public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 bytes."""
        with aws_errors_explained(SETTING, "kms:Sign"):
            answer = client("kms", self._region).sign(
                KeyId=self._key, Message=message, MessageType="RAW", SigningAlgorithm="ED25519_SHA_512"
            )
        return bytes(answer["Signature"])


class KmsPins:
    """`log_heads.Pins` of the one key that the stacks made."""

    says_signed = False
    """The key is there before anything was signed."""

    def __init__(self, signer: KmsSigner) -> None:
        self._signer = signer

    def keys(self) -> list[bytes]:
        """Return the public key."""
        return [self._signer.public_key]

    def by_id(self) -> Mapping[str, bytes]:
        """Return the public key by its id."""
        return {key_id(key): key for key in self.keys()}

    def pin(self, key: bytes) -> None:
        """Refuse any other key. Raises GateClosedError."""
        if key not in self.keys():
            raise GateClosedError(f"heads are signed by the key of {SETTING} alone; another key is another log")
