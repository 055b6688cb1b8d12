"""What landing refused, kept in the lake: rows with their reasons, files that could not be read as they were.

Concept: rejections are written once, under a digest of their bytes, and stay when their rows are taken later. The
folder of an event type that nobody knows begins with `unknown_`, so no name of a stranger is a path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.adapters.event_log.layout import content_hash
from mlife_assets.adapters.object_store import put_addressed
from mlife_assets.adapters.parquet_bytes import decode_table, encode_table
from mlife_assets.core.ports import ObjectStore
from mlife_assets.core.validation import REJECTED_SCHEMA, WHOLE_FILE, Reason
from mlife_assets.recruiting.events import EVENT_TYPES

REJECTED = "rejected"
STORED_ROWS_MAXIMUM = 131_072
"""Rows of one stored object of rejections."""

STORED_REJECTED_SCHEMA = pa.schema([pa.field("source", pa.string(), nullable=False), *REJECTED_SCHEMA])
"""A stored rejection: the landing key, then the columns of `core.validation.REJECTED_SCHEMA`."""

NEVER_READ = frozenset({Reason.UNSAFE_NAME, Reason.NOT_A_FILE, Reason.TOO_MANY_FILES, Reason.TOO_LARGE})
"""Why files are refused whose bytes are mostly not kept."""

_KEY = re.compile(rf"{REJECTED}/event_type=([A-Za-z0-9_]+)/dt=(\d{{4}}-\d{{2}}-\d{{2}})/")


@dataclass(frozen=True, order=True)
class RejectedFolder:
    """The rejections of a landing day and a type; `name` is the event type, or begins with `unknown_`."""

    day: date
    name: str

    @property
    def prefix(self) -> str:
        """Return where its objects lie."""
        return f"{REJECTED}/event_type={self.name}/dt={self.day.isoformat()}"


def folder_of(day: date, event_type: str) -> RejectedFolder:
    """Return the folder of rejections of a delivered type, whatever its name is."""
    safe = event_type if event_type in EVENT_TYPES else "unknown_" + re.sub(r"[^A-Za-z0-9_]", "_", event_type)
    return RejectedFolder(day, safe)


def never_read(whole: Sequence[pa.Table], kept: int) -> list[tuple[str, pa.Table]]:
    """Return source and rejection of files that cannot be judged again, because their bytes are not there.

    Args:
        whole: stored rejections of whole files.
        kept: how many files of them were kept as they were.
    """
    rows = _each_once(pa.concat_tables([STORED_REJECTED_SCHEMA.empty_table(), *whole]))
    places = sorted(range(rows.num_rows), key=lambda place: rows["reason"][place].as_py() not in NEVER_READ)
    left = rows.take(pa.array(places[: max(0, len(places) - kept)], pa.int64()))
    return [
        (left["source"][place].as_py(), left.slice(place, 1).drop_columns(["source"])) for place in range(left.num_rows)
    ]


def _each_once(rows: pa.Table) -> pa.Table:
    """Leave out what is said of a file twice: alone by an earlier release, and together with the day's others since."""
    seen, kept = set[tuple[object, ...]](), []
    for place in pc.indices_nonzero(pc.equal(rows["row"], WHOLE_FILE)).to_pylist():
        said = tuple(rows[name][place].as_py() for name in ("source", "reason", "detail"))
        kept += [place] if said in seen else []
        seen.add(said)
    return rows.take(pa.array(sorted({*range(rows.num_rows)} - {*kept}), pa.int64())) if kept else rows


class RejectedRows:
    """The rejections of a lake."""

    def __init__(self, lake: ObjectStore) -> None:
        self._lake = lake

    def store(
        self, day: date, event_type: str, rejections: Sequence[tuple[str, pa.Table]], data: bytes | None = None
    ) -> None:
        """Store rejected rows by the source of each, together, and the bytes of a file that was refused as a whole."""
        prefix = folder_of(day, event_type).prefix
        rejected = pa.concat_tables([REJECTED_SCHEMA.empty_table(), *(rows for _, rows in rejections)])
        if data is not None and pc.any(pc.equal(rejected.column("row"), WHOLE_FILE)).as_py():
            put_addressed(self._lake, f"{prefix}/{content_hash(data)}.bin", data, content_hash(data))
        sources = [source for source, rows in rejections for _ in range(rows.num_rows)]
        for start in range(0, rejected.num_rows, STORED_ROWS_MAXIMUM):
            end = start + STORED_ROWS_MAXIMUM
            part = rejected.slice(start, STORED_ROWS_MAXIMUM).combine_chunks()
            columns = [pa.array(sources[start:end], pa.string()), *part.columns]
            stored = encode_table(pa.table(columns, schema=STORED_REJECTED_SCHEMA))
            put_addressed(self._lake, f"{prefix}/{content_hash(stored)}.parquet", stored, content_hash(stored))

    def folders(self) -> list[RejectedFolder]:
        """Return every folder that holds a rejection, oldest day first."""
        found = {_KEY.match(key) for key in self._lake.list(f"{REJECTED}/")}
        return sorted({RejectedFolder(date.fromisoformat(one[2]), one[1]) for one in found if one})

    def objects(self, folder: RejectedFolder) -> Iterator[tuple[str, bytes]]:
        """Yield key and bytes of what is stored: rows in Parquet, a file that could not be read as `.bin`."""
        for key in self._lake.list(folder.prefix):
            yield key, self._lake.get(key)

    def rows(self, day: date, event_type: str) -> pa.Table:
        """Return the stored rejections of a landing day and type: `STORED_REJECTED_SCHEMA`, by file and row."""
        return self.rows_in(folder_of(day, event_type))

    def rows_in(self, folder: RejectedFolder) -> pa.Table:
        """Return the stored rejections of a folder: `STORED_REJECTED_SCHEMA`, by file and row."""
        keys = [key for key in self._lake.list(folder.prefix) if key.endswith(".parquet")]
        tables = [decode_table(self._lake.get(key)).cast(STORED_REJECTED_SCHEMA) for key in keys]
        return _each_once(pa.concat_tables([STORED_REJECTED_SCHEMA.empty_table(), *tables]))
