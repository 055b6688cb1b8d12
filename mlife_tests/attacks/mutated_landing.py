"""A landing folder of mutated rows and files, ingested in a process of its own; prints what became of it as JSON.

python mutated_landing.py <home> <rows> <files> <seed>
"""

from __future__ import annotations

import json
import resource
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from mlife_assets.deployments.board_ports import board_ports
from mlife_assets.recruiting.events import EVENT_TYPES, MARKET_EVENT_TYPES
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings

EVE, DAY = date(2026, 6, 1), date(2026, 6, 2)
OBSERVED = datetime(2026, 6, 1, 12, tzinfo=UTC)
ROWS_OF_A_FILE = 500
TEXTS: tuple[bytes | None, ...] = (
    None, b"", b" ", b"x", b"organic", b"\x00", b"a\x1fb", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", "é".encode(),
    b"x" * 199, b"x" * 201, b"x" * 5_000, "\u202e".encode(), "\u2028".encode(),
    b"2026-06-01T10:00:00Z", b"2026-02-30T00:00:00Z",
    b"2026-06-01", b"9999-12-31T23:59:59Z", b"0001-01-01T00:00:00Z", b"noon", b"1", b"-1", b"1e400", b"nan", b"inf",
    b"0x10", b"9" * 30, b"' or 1=1 --", b"{}", b"<b>", b"{{ 1 }}", b"%s%n",
)  # fmt: skip
NUMBERS = (None, 0.0, -0.0, 1.0, -1.0, 0.5, 1e308, -1e308, float("nan"), float("inf"), 2.0**53 + 2, 2.0**63, 1e-320)
WHOLE = (None, 0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63))


def is_nested(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) and pa.types.is_struct(kind.value_type)


def plain_value(column: Any, place: int) -> Any:
    """Return a good value of a column."""
    if column.nullable:
        return None
    if column.allowed:
        return column.allowed[0]
    if pa.types.is_timestamp(column.type):
        return OBSERVED - timedelta(seconds=place if column.name == "occurred_at" else 0)
    if pa.types.is_date(column.type):
        return EVE
    if pa.types.is_boolean(column.type):
        return True
    if pa.types.is_list(column.type):
        return [0.25] * (column.list_size or 1)
    if pa.types.is_string(column.type):
        return f"{column.name}-{place}"
    return column.minimum if column.minimum is not None else 1


def good_rows(event_type: str, first: int, count: int) -> pa.Table:
    newest = EVENT_TYPES[event_type]
    # Nested values are refused with their file: exporters write the newest version that has none.
    kind = newest.delivered(c.name for c in newest.all_columns if not is_nested(c.type))
    rows = [{c.name: plain_value(c, first + n) for c in kind.all_columns} for n in range(count)]
    return pa.Table.from_pylist(rows, schema=kind.schema)


def hostile_column(rng: np.random.Generator, count: int, good: pa.Array) -> pa.Array:
    """Return a column of another type or of bad values, some good ones among them."""
    kind = int(rng.integers(7))
    picks = rng.integers(0, 1_000, count)
    if kind == 0:
        return pa.array([TEXTS[n % len(TEXTS)] for n in picks], pa.binary())
    if kind == 1:
        values = pa.array([TEXTS[n % len(TEXTS)] for n in picks], pa.binary())
        return pa.Array.from_buffers(pa.string(), count, values.buffers())
    if kind == 2:
        return pa.array([NUMBERS[n % len(NUMBERS)] for n in picks], pa.float64())
    if kind == 3:
        return pa.array([WHOLE[n % len(WHOLE)] for n in picks], pa.int64())
    if kind == 4:
        unit = ("s", "ms", "us", "ns")[int(rng.integers(4))]
        values = rng.integers(-(2**62), 2**62, count) >> int(rng.integers(12 if unit == "s" else 0, 40))
        return pa.array(values, pa.timestamp(unit, tz="UTC"))
    if kind == 5:
        wide = pa.array(rng.integers(-(2**62), 2**62, count) >> int(rng.integers(0, 60)))
        narrow = pa.array(rng.integers(-(2**31), 2**31, count), pa.int32())
        strange = (
            narrow.view(pa.date32()), narrow.view(pa.time32("ms")), wide.view(pa.time64("ns")),
            wide.view(pa.duration("us")), wide.cast(pa.decimal128(38, 5)),
            pa.array([[TEXTS[n % len(TEXTS)]] * int(n % 3) for n in picks], pa.list_(pa.binary())),
        )  # fmt: skip
        return strange[int(rng.integers(len(strange)))]
    is_lost = pa.array(rng.random(count) < 0.3)
    return pa.compute.if_else(is_lost, pa.scalar(None, good.type), good)


def mutated_rows(rng: np.random.Generator, event_type: str, first: int, count: int) -> pa.Table:
    """Return rows with one to three hostile columns, sometimes one missing or doubled ids."""
    table = good_rows(event_type, first, count)
    for name in rng.choice(table.column_names, int(rng.integers(1, 4)), replace=False):
        place = table.column_names.index(name)
        hostile = hostile_column(rng, count, table.column(place).combine_chunks())
        table = table.set_column(place, pa.field(name, hostile.type), hostile)
    if rng.random() < 0.05:
        table = table.drop_columns([str(rng.choice(table.column_names))])
    return table


def parquet(rng: np.random.Generator, table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(
        table, sink, compression=str(rng.choice(["none", "zstd", "snappy", "gzip"])),
        use_dictionary=bool(rng.random() < 0.7), data_page_version=str(rng.choice(["1.0", "2.0"])),
        row_group_size=int(rng.choice([37, 1_000])), write_page_checksum=bool(rng.random() < 0.2),
    )  # fmt: skip
    return bytes(sink.getvalue())


def mutated_file(rng: np.random.Generator, data: bytes) -> bytes:
    """Return the bytes of a file with some of them changed, cut, doubled or moved; half of the time in the footer."""
    changed = bytearray(data)
    footer = len(changed) - 8 - int.from_bytes(changed[-8:-4], "little")
    for _ in range(int(rng.integers(1, 3))):
        first = footer if rng.random() < 0.4 else 0
        place = int(rng.integers(first, len(changed)))
        width = int(rng.integers(1, 9))
        kind = int(rng.integers(6))
        if kind == 0:
            changed[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            changed[place : place + width] = rng.bytes(min(width, len(changed) - place))
        elif kind == 2:
            changed[place : place + width] = b"\xff" * min(width, len(changed) - place)
        elif kind == 3 and len(changed) > 200:
            del changed[place : place + width]
        elif kind == 4:
            changed[place:place] = changed[max(place - width, 0) : place]
        else:
            changed[-8:-4] = int(rng.integers(0, 2**32)).to_bytes(4, "little")
        footer = min(footer, len(changed) - 1)
    return bytes(changed)


def main(home: Path, rows: int, files: int, seed: int) -> dict[str, Any]:
    """Land, ingest, count."""
    platform = board_ports(Settings(home=home), policies=Policies())
    rng = np.random.default_rng(seed)

    def land(event_type: str, name: str, data: bytes) -> None:
        folder = platform.settings.places.landing_folder / event_type / f"dt={EVE}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)

    for number in range(rows // ROWS_OF_A_FILE):
        event_type = MARKET_EVENT_TYPES[number % len(MARKET_EVENT_TYPES)]
        table = mutated_rows(rng, event_type, number * ROWS_OF_A_FILE, ROWS_OF_A_FILE)
        land(event_type, f"rows-{number:05}.parquet", parquet(rng, table))
    of_rows = platform.home.intake.ingest_at(DAY).ingest(EVE)
    for number in range(files):
        event_type = MARKET_EVENT_TYPES[number % len(MARKET_EVENT_TYPES)]
        data = parquet(rng, good_rows(event_type, 10**7 + number * 40, 40))
        land(event_type, f"file-{number:05}.parquet", mutated_file(rng, data))
    of_all = platform.home.intake.ingest_at(DAY).ingest(EVE)
    again = platform.home.intake.ingest_at(DAY).ingest(EVE)
    platform.home.intake.cage.close()
    whole = Counter[str]()
    for entry in MARKET_EVENT_TYPES:
        stored = platform.home.intake.ingest_at(DAY).rejected.rows(EVE, entry)
        refused = stored.filter(pa.compute.equal(stored["row"], -1))["source"].to_pylist()
        whole.update(source for source in refused if "/file-" in source)
    # Not ru_maxrss of our own: it counts the memory of whoever started us, too.
    status = Path("/proc/self/status").read_text().splitlines()
    own = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    used = [own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]
    return {
        "rows": {"accepted": of_rows.accepted, "rejected": of_rows.rejected, "reasons": of_rows.rejected_by_reason},
        "files": {
            "delivered": of_all.files - of_rows.files,
            "refused": len(whole),
            "rows": of_all.accepted + of_all.rejected - of_rows.accepted - of_rows.rejected - len(whole),
        },
        "is_same_again": again == of_all,
        "maximum_bytes": max(used) * 1024,
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), *map(int, sys.argv[2:]))))
