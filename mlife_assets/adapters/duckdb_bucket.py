"""Access of a DuckDB connection to a lake in a bucket.

Concept: the key goes from settings to the connection, limited to the lake's prefix, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.extras import missing_extra
from mlife_assets.core.storage_places import Credentials

if TYPE_CHECKING:
    import duckdb

SECRET = "mlife_lake"  # noqa: S105  its name
PLACES = {SECRET: "MLIFE_LAKE_ROOT", "mlife_tables": "MLIFE_TABLES_ROOT"}
"""Name of a secret -> variable of the address that it opens: the log, and tables stored elsewhere."""


def open_bucket(connection: duckdb.DuckDBPyConnection, environment: Mapping[str, str]) -> None:
    """Let a connection read lake and log by dbt's variables or the machine's role. Raises MissingExtraError."""
    lake = environment.get("MLIFE_LAKE_ROOT", "")
    if not lake.startswith("s3://"):
        return
    connection.load_extension(str(extension_path()))
    key = _key(environment)
    for name, variable in PLACES.items():
        if place := environment.get(variable):
            connection.execute(f"create or replace secret {name} ({_options(place, key, environment)})")


def _key(environment: Mapping[str, str]) -> Credentials:
    if key_id := environment.get("MLIFE_LAKE_KEY_ID"):
        return Credentials(key_id, environment.get("MLIFE_LAKE_SECRET", ""), environment.get("MLIFE_LAKE_TOKEN"))
    from mlife_assets.adapters.aws_clients import role_key

    return role_key()


def _options(place: str, key: Credentials, environment: Mapping[str, str]) -> str:
    """Return the options of the secret."""
    endpoint = urlsplit(environment.get("MLIFE_LAKE_ENDPOINT", ""))
    has_dots = "." in urlsplit(place).netloc
    options = {
        "key_id": key.access_key_id,
        "secret": key.secret_access_key,
        "session_token": key.session_token,
        "region": environment.get("MLIFE_LAKE_REGION"),
        "endpoint": endpoint.netloc + endpoint.path.rstrip("/"),
        "url_style": "path" if endpoint.netloc or has_dots else None,
        "scope": place,
    }
    stated = [name + " '" + value.replace("'", "''") + "'" for name, value in options.items() if value]
    return ", ".join(["type s3", *stated, *(["use_ssl false"] if endpoint.scheme == "http" else [])])


def extension_path() -> Path:
    """Return the extension of the running DuckDB. Raises MissingExtraError or InvalidInputError."""
    try:
        import duckdb
        import duckdb_extension_httpfs
    except ModuleNotFoundError as error:
        raise missing_extra(error) or error from error
    folder = Path(str(duckdb_extension_httpfs.__file__)).parent / "extensions"
    path = folder / f"v{duckdb.__version__}" / "httpfs.duckdb_extension"
    if not path.exists():
        there = ", ".join(sorted(one.name.removeprefix("v") for one in folder.glob("v*")))
        raise InvalidInputError(
            f"duckdb is {duckdb.__version__}, duckdb-extension-httpfs is for {there}; install the same version of both"
        )
    return path
