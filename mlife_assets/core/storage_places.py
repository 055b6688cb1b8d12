"""Places of a deployment outside its own disk: a bucket, a database.

Concept: a wrong address is refused before anything is opened, and never replaced by a folder.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field

from mlife_assets.core.errors import InvalidInputError

USUAL_REGION = "us-east-1"

_BUCKET_URL = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[A-Za-z0-9_.=@+,~-]+)*)/?")
_DATABASE_URL = re.compile(
    r"postgresql://([^@/\s]*@)?(\[[0-9A-Fa-f:.]+\]|[^@/:\s\[\]]*)(:[0-9]{1,5})?/[^@/?\s]+(\?\S*)?"
)


@dataclass(frozen=True)
class Credentials:
    """The key for a bucket; never shown."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Bucket:
    """A place in an S3-compatible object store.

    Attributes:
        name: of the bucket.
        prefix: common prefix of all keys, without slashes around it; empty for the whole bucket.
        credentials: its key; None if the machine's role grants access.
        endpoint: address of the object store; None for that of AWS.
        region: region of the bucket.
    """

    name: str
    prefix: str
    credentials: Credentials | None
    endpoint: str | None = None
    region: str = USUAL_REGION

    @property
    def is_in_path(self) -> bool:
        """Return whether addresses name the bucket in their path: only AWS has a host for each, and none with dots."""
        return self.endpoint is not None or "." in self.name

    @property
    def url(self) -> str:
        """Return its address, without a slash at the end."""
        return f"s3://{self.name}/{self.prefix}".rstrip("/")


def bucket_name_and_prefix(url: str) -> tuple[str, str]:
    """Return bucket and prefix of `s3://bucket/prefix`.

    Raises:
        InvalidInputError: it is another kind of address.
    """
    found = _BUCKET_URL.fullmatch(url)
    segments = [] if found is None else found[2].split("/")
    if found is None or {".", ".."} & set(segments):
        raise InvalidInputError(
            "the address is neither s3://bucket/prefix nor the whole path of a folder: a bucket is named by 3 to 63 "
            "small letters, digits, dots and hyphens, and a prefix is plain segments joined by single slashes"
        )
    return found[1], found[2].strip("/")


def require_table_url(url: str) -> None:
    """Raise InvalidInputError unless `url` names an object in a bucket that can hold a table, by its ending."""
    key = ""
    with suppress(InvalidInputError):
        key = bucket_name_and_prefix(url)[1]
    if not key.endswith((".parquet", ".csv")) or url.endswith("/"):
        raise InvalidInputError(
            "the address is not s3://bucket/key.parquet, or one that ends in .csv; a key is plain segments joined by "
            "single slashes"
        )


def require_database_url(url: str) -> None:
    """Raise InvalidInputError unless `url` names a database of PostgreSQL; the address may hold a password."""
    if not _DATABASE_URL.fullmatch(url):
        raise InvalidInputError(
            "the address is not postgresql://user:password@host:port/database (in user and password write @ as %40, "
            "/ as %2F, : as %3A); without one, the ledger is a SQLite file of the home"
        )
