"""Names in the event log: where a batch of rows and a manifest lie.

Concept: a key says type, day and hour of `observed_at`, who wrote the batch and what its bytes hash to, so a listing
answers most questions without opening a file.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

from mlife_assets.core.errors import InvalidInputError

EVENTS = "events"
MANIFESTS = "manifests"
CHAIN = f"{MANIFESTS}/chain"
MANIFESTS_PER_FOLDER = 1_000
DIGEST_LENGTH = 16

_WRITER = re.compile(r"[a-z][a-z0-9_]*")
_BATCH = re.compile(r"[a-z0-9]+")
_DAY = re.compile(r"dt=(?P<day>\d{4}-\d\d-\d\d)")
_FILE = re.compile(
    r"events/event_type=(?P<event_type>[a-z0-9_]+)/dt=(?P<day>\d{4}-\d\d-\d\d)/hour=(?P<hour>[01]\d|2[0-3])/"
    r"(?P<writer>[a-z][a-z0-9_]*)-(?P<batch>[a-z0-9]+)-(?P<digest>[0-9a-f]{16})\.parquet"
)
_MANIFEST = re.compile(r"manifests/chain/\d{9}/(?P<sequence>\d{12})\.json")
_HOUR_MANIFEST = re.compile(r"manifests/(?P<hour>dt=\d{4}-\d\d-\d\d/hour=(?:[01]\d|2[0-3]))/(?P<sequence>\d{8})\.json")


@dataclass(frozen=True)
class LogFile:
    """One data file of the log, as its key says. `digest` is the start of the SHA-256 of its bytes."""

    key: str
    event_type: str
    day: date
    hour: int
    writer: str
    batch: str
    digest: str

    @property
    def begin(self) -> datetime:
        """Return when its hour begins."""
        return datetime(self.day.year, self.day.month, self.day.day, self.hour, tzinfo=UTC)


def content_hash(data: bytes) -> str:
    """Return the SHA-256 of `data` as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def hour_of(microseconds: int) -> str:
    """Return the partition `dt=YYYY-MM-DD/hour=HH` of an `observed_at` in microseconds since 1970 UTC."""
    moment = datetime.fromtimestamp(microseconds // 1_000_000, tz=UTC)
    return f"dt={moment.date().isoformat()}/hour={moment.hour:02d}"


def hour_of_key(key: str) -> str:
    """Return the partition `dt=YYYY-MM-DD/hour=HH` of a data file's key."""
    return "/".join(key.split("/")[2:4])


def data_key(event_type: str, hour: str, writer: str, batch: str, digest: str) -> str:
    """Return the key of a batch. Raises `InvalidInputError` when writer or batch would make it ambiguous."""
    if not _WRITER.fullmatch(writer):
        raise InvalidInputError(f"writer {writer!r} is not valid; use lower case letters, digits and _")
    if not _BATCH.fullmatch(batch):
        raise InvalidInputError(f"batch {batch!r} is not valid; use lower case letters and digits")
    return f"{EVENTS}/event_type={event_type}/{hour}/{writer}-{batch}-{digest[:DIGEST_LENGTH]}.parquet"


def parse_data_key(key: str) -> LogFile | None:
    """Return what `key` says, None when it is not the key of a data file."""
    match = _FILE.fullmatch(key)
    if match is None:
        return None
    try:
        day = date.fromisoformat(match["day"])
    except ValueError:
        return None
    return LogFile(
        key=key,
        event_type=match["event_type"],
        day=day,
        hour=int(match["hour"]),
        writer=match["writer"],
        batch=match["batch"],
        digest=match["digest"],
    )


def parse_day(folder: str) -> date | None:
    """Return the day that the name of a folder says, None when it is not `dt=YYYY-MM-DD`."""
    match = _DAY.fullmatch(folder)
    try:
        return None if match is None else date.fromisoformat(match["day"])
    except ValueError:
        return None


def manifest_key(sequence: int) -> str:
    """Return the key of manifest number `sequence` of the chain."""
    return f"{CHAIN}/{sequence // MANIFESTS_PER_FOLDER:09d}/{sequence:012d}.json"


def parse_manifest_key(key: str) -> int | None:
    """Return the sequence of a manifest's key, None when it is not one."""
    match = _MANIFEST.fullmatch(key)
    if match is None or manifest_key(int(match["sequence"])) != key:
        return None
    return int(match["sequence"])


def hour_manifest_key(hour: str, sequence: int) -> str:
    """Return the key of manifest number `sequence` of partition `hour`, as release 0.1.0 wrote them."""
    return f"{MANIFESTS}/{hour}/{sequence:08d}.json"


def parse_hour_manifest_key(key: str) -> tuple[str, int] | None:
    """Return (partition, sequence) of the key of a manifest of release 0.1.0, None when it is not one."""
    match = _HOUR_MANIFEST.fullmatch(key)
    return None if match is None else (match["hour"], int(match["sequence"]))
