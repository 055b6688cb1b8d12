"""Invariant 11: no phone number and no secret in anything that was written, but for the contact book itself."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

FICTIONAL = re.compile(rb"(?<![0-9a-fA-F])\+?1?[-. ]?\(?([2-9]\d\d)\)?[-. ]?555[-. ]?(01\d\d)(?![0-9a-fA-F])")


def texts(path: Path) -> Iterator[bytes]:
    """Yield the text that a file holds, unpacked where its format compresses."""
    with path.open("rb") as file:
        head = file.read(16)
    if path.suffix == ".parquet":
        table = pq.read_table(path, partitioning=None)
        for name in table.column_names:
            if "string" in str(table[name].type):
                yield "\n".join(map(str, table[name].to_pylist())).encode()
    elif head.startswith(b"SQLite format 3"):
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                for row in connection.execute(f'SELECT * FROM "{table}"'):
                    yield "\n".join(map(str, row)).encode()
    elif path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as connection:
            columns = connection.execute(
                "select table_schema, table_name, column_name from information_schema.columns join "
                "information_schema.tables using (table_schema, table_name) "
                "where data_type = 'VARCHAR' and table_type = 'BASE TABLE'"
            ).fetchall()
            for schema, table, column in columns:
                rows = connection.execute(f'select distinct "{column}" from "{schema}"."{table}"').fetchall()
                yield "\n".join(str(value) for (value,) in rows).encode()
    else:
        yield path.read_bytes()


@pytest.fixture(scope="module")
def numbers(lived) -> set[bytes]:
    """Return area code and last four digits of every number that the world knows."""
    book = pq.read_table(lived.home.settings.private_folder / "contacts.parquet")
    known = [number.encode() for number in book["phone_number"].to_pylist() if number]
    assert len(known) > 1_000
    assert all(FICTIONAL.fullmatch(number) for number in known)
    return {number[2:5] + number[8:] for number in known}


@pytest.mark.parametrize(
    "text", ["+12125550142", "(212) 555-0142", "212-555-0142", "12125550142", "tel:2125550142.", "212.555.0142"]
)
def test_the_scan_finds_numbers_however_they_are_written(text) -> None:
    (found,) = FICTIONAL.findall(f"call {text} now".encode())
    assert b"".join(found) == b"2120142"


def test_the_scan_looks_into_files_that_compress(tmp_path) -> None:
    text = ["call +12125550142 now"] * 50
    table = pa.table({"text": text, "texts": [text] * 50})
    for name in ("text", "texts"):
        pq.write_table(table.select([name]), tmp_path / f"{name}.parquet", compression="zstd")
    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        connection.execute("create schema s; create table s.t as select 'call 212-555-0142' as x from range(5000)")
    with sqlite3.connect(tmp_path / "l.sqlite") as connection:
        connection.execute("create table t (x text)")
        connection.execute("insert into t values ('(212) 555-0142')")
    (tmp_path / "log.txt").write_text("+12125550142")
    paths = sorted(tmp_path.iterdir())
    assert len(paths) == 5
    for path in paths:
        assert any(FICTIONAL.search(text) for text in texts(path)), path


def test_no_file_holds_a_number_or_the_key(lived, numbers) -> None:
    settings = lived.home.settings
    key = settings.hash_key.get_secret_value().encode()
    scanned, found = 0, []
    for path in sorted(settings.home.rglob("*")):
        if not path.is_file() or path.name == "contacts.parquet":
            continue
        for text in texts(path):
            scanned += len(text)
            hits = {b"".join(hit) for hit in FICTIONAL.findall(text)} & numbers
            if hits or key in text:
                found.append(f"{path.relative_to(settings.home)}: {sorted(hits)[:3] or 'the key'}")
    assert found == []
    assert scanned > 50_000_000


def test_the_contact_book_is_private(lived) -> None:
    book = lived.home.settings.private_folder / "contacts.parquet"
    assert book.stat().st_mode & 0o077 == 0
    assert not settings_repr_leaks(lived)


def settings_repr_leaks(lived) -> bool:
    return lived.home.settings.hash_key.get_secret_value() in repr(lived.home.platform)
