"""Letting a DuckDB connection read a lake in a bucket.

Belongs here: loading the extension (`duckdb_extension`), setting the key. Does not belong here: whose connection it is
(`dbt_bucket`, `sql_session`), which files are read.

Concept: the key goes from settings to the connection, limited to the lake's prefix, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mlife_assets.adapters.duckdb_extension import extension_path

if TYPE_CHECKING:
    import duckdb

SECRET = "mlife_lake"  # noqa: S105  its name


def open_bucket(connection: duckdb.DuckDBPyConnection, environment: Mapping[str, str]) -> None:
    """Let a connection read the lake that the variables of dbt name; a lake in a folder needs nothing.

    Raises MissingExtraError without the package of the extension.
    """
    lake = environment.get("MLIFE_LAKE_ROOT", "")
    if not lake.startswith("s3://"):
        return
    connection.load_extension(str(extension_path()))
    connection.execute(f"create or replace secret {SECRET} ({_options(lake, environment)})")


def _options(lake: str, environment: Mapping[str, str]) -> str:
    """Return the options of the secret."""
    endpoint = urlsplit(environment.get("MLIFE_LAKE_ENDPOINT", ""))
    has_dots = "." in urlsplit(lake).netloc
    options = {
        "key_id": environment.get("MLIFE_LAKE_KEY_ID"),
        "secret": environment.get("MLIFE_LAKE_SECRET"),
        "session_token": environment.get("MLIFE_LAKE_TOKEN"),
        "region": environment.get("MLIFE_LAKE_REGION"),
        "endpoint": endpoint.netloc + endpoint.path.rstrip("/"),
        "url_style": "path" if endpoint.netloc or has_dots else None,
        "scope": lake,
    }
    stated = [f"{name} '{_escaped(value)}'" for name, value in options.items() if value]
    return ", ".join(["type s3", *stated, *(["use_ssl false"] if endpoint.scheme == "http" else [])])


def _escaped(value: str) -> str:
    return value.replace("'", "''")
