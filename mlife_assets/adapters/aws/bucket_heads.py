"""Signed heads in the witness's bucket, which nobody of the environment administers."""

from __future__ import annotations

import re
from datetime import datetime

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.storage_places import Bucket

_KEY = re.compile(r"\d{8}\.json")


class BucketHeads:
    """`ports.HeadStore` over a bucket."""

    name = "witness"

    def __init__(self, place: Bucket) -> None:
        self._store = ObstoreObjectStore.in_bucket(place)

    def put(self, sequence: int, body: bytes, *, at: datetime, replaces: bool = False) -> None:  # noqa: ARG002
        """Keep a head. Raises ContentConflictError when another is there: the witness replaces none, damaged or not."""
        self._store.put_if_absent(self._key(sequence), body)

    def get(self, sequence: int) -> bytes:
        """Return a head. Raises NotFoundError."""
        try:
            return self._store.get(self._key(sequence))
        except NotFoundError as error:
            raise NotFoundError(f"head {sequence} is not with the {self.name}") from error

    def sequences(self) -> list[int]:
        """Return the numbers of all heads, ascending."""
        return [int(key.removesuffix(".json")) for key in self._store.list("") if _KEY.fullmatch(key)]

    @staticmethod
    def _key(sequence: int) -> str:
        return f"{sequence:08d}.json"
