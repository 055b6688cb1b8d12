"""What of a home is compared: files of the lake and of the heads as they are, databases as rows in a fixed order.

Concept: a file of DuckDB or SQLite has other bytes for the same rows, so its tables are written as Parquet and as JSON
lines. Everything that a home keeps for people or for later days is taken; what Dagster and dbt keep of their runs, the
market's own state and landing files are not: the events that came of them are.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

PARTS = ("lake", "private/heads", "private/mail", "summary.json", "world.json", "deployment.json", "answers")
"""What is taken as it is: the lake, signed heads, mails as sent, the summary, which world it is, what commands said."""


def gather(home: Path, into: Path) -> None:
    """Write what is compared of `home` to the folder `into`, replacing what is there."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    for part, name in ((home / part, Path(part).name) for part in PARTS):
        if part.is_dir():
            shutil.copytree(part, into / name)
        elif part.is_file():
            shutil.copy(part, into / name)
    for database in sorted((home / "private").glob("*.sqlite")):
        _write_sqlite(database, into / database.stem)
    if (home / "warehouse.duckdb").is_file():
        _write_duckdb(home / "warehouse.duckdb", into / "warehouse")


def _write_sqlite(database: Path, folder: Path) -> None:
    folder.mkdir()
    connection = sqlite3.connect(database)
    try:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        for (name,) in names.fetchall():
            rows = connection.execute(f'SELECT * FROM "{name}"')
            columns = [column[0] for column in rows.description]
            lines = [json.dumps(dict(zip(columns, row, strict=True)), default=bytes.hex) for row in rows]
            (folder / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in sorted(lines)), encoding="utf-8")
    finally:
        connection.close()


def _write_duckdb(database: Path, folder: Path) -> None:
    import duckdb
    import pyarrow.parquet as pq

    folder.mkdir()
    with duckdb.connect(str(database), read_only=True) as connection:
        connection.execute("SET enable_progress_bar = false")
        tables = connection.execute("SELECT schema_name, table_name FROM duckdb_tables() ORDER BY ALL").fetchall()
        for schema, name in tables:
            rows = connection.execute(f'SELECT * FROM "{schema}"."{name}" ORDER BY ALL').arrow().read_all()
            pq.write_table(rows, folder / f"{schema}.{name}.parquet", compression="zstd")
