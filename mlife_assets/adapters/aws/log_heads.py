"""Signed heads on AWS: signed with a key that never leaves KMS, kept in a witness's bucket.

Concept: only the stacks name the key, so it is the root of trust: its public half from KMS is pinned, and no head
introduces another. It signs at most 4,096 bytes; for a longer head it signs the hash.

Heads are in the bucket of a witness, outside the environment's administration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from mlife_assets.adapters.aws_clients import aws_errors_explained, client
from mlife_assets.adapters.log_heads.head import key_id
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.errors import GateClosedError, NotFoundError, PermanentError
from mlife_assets.core.storage_places import Bucket

_KEY = re.compile(r"\d{8}\.json")
SETTING = "MLIFE_HEAD_SIGNING_KEY"
MESSAGE_BYTES_MAXIMUM = 4096


class KmsSigner:
    """`ports.HeadSigner` over a key of KMS."""

    message_bytes_maximum: int | None = MESSAGE_BYTES_MAXIMUM

    def __init__(self, key: str, region: str) -> None:
        self._key, self._region = key, region

    @cached_property
    def public_key(self) -> bytes:
        """The 32 bytes that verify its signatures. Raises PermanentError for a key of another kind."""
        with aws_errors_explained(SETTING, "kms:GetPublicKey"):
            answer = client("kms", self._region).get_public_key(KeyId=self._key)
        key = load_der_public_key(answer["PublicKey"])
        if not isinstance(key, Ed25519PublicKey):
            raise PermanentError(f"{SETTING} is no Ed25519 key; name one of the kind ECC_NIST_EDWARDS25519")
        return key.public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        with aws_errors_explained(SETTING, "kms:Sign"):
            answer = client("kms", self._region).sign(
                KeyId=self._key, Message=message, MessageType="RAW", SigningAlgorithm="ED25519_SHA_512"
            )
        return bytes(answer["Signature"])


class KmsPins:
    """`log_heads.Pins` of the one key made by the stacks."""

    says_signed = False
    """The key exists before the first signature."""

    def __init__(self, signer: KmsSigner) -> None:
        self._signer = signer

    def keys(self) -> list[bytes]:
        return [self._signer.public_key]

    def by_id(self) -> Mapping[str, bytes]:
        return {key_id(key): key for key in self.keys()}

    def pin(self, key: bytes) -> None:
        if key not in self.keys():
            raise GateClosedError(f"heads are signed by the key of {SETTING} alone; another key is another log")


class BucketHeads:
    """`ports.HeadStore` over a bucket."""

    name = "witness"

    def __init__(self, place: Bucket) -> None:
        self._store = ObstoreObjectStore.in_bucket(place)

    def put(self, sequence: int, body: bytes, *, at: datetime, replaces: bool = False) -> None:  # noqa: ARG002
        """Keep a head. Raises ContentConflictError if another exists: the witness replaces none, damaged or not."""
        self._store.put_if_absent(self._key(sequence), body)

    def get(self, sequence: int) -> bytes:
        try:
            return self._store.get(self._key(sequence))
        except NotFoundError as error:
            raise NotFoundError(f"head {sequence} is not with the {self.name}") from error

    def sequences(self) -> list[int]:
        return [int(key.removesuffix(".json")) for key in self._store.list("") if _KEY.fullmatch(key)]

    @staticmethod
    def _key(sequence: int) -> str:
        return f"{sequence:08d}.json"
