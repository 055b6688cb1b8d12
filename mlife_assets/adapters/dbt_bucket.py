"""What dbt's DuckDB needs to read a lake in a bucket.

Belongs here: the plugin that `dbt_project/profiles.yml` names: loading the extension (`duckdb_extension`), setting the
key. Does not belong here: which files are read (`dbt_project/macros/event_log.sql`), the bucket of everything else
(`object_store`).

Concept: the key goes from the environment to the connection, and nowhere else: a statement of dbt's own would be in its
log, and `dbt debug` prints the profile.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dbt.adapters.duckdb.plugins import BasePlugin

from mlife_assets.adapters.duckdb_extension import extension_path

if TYPE_CHECKING:
    import duckdb

SECRET = "mlife_lake"  # noqa: S105  its name


class Plugin(BasePlugin):
    """Opens the bucket on a new connection; does nothing where the lake is a folder."""

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Load the extension and set the key. Raises MissingExtraError without the package of the extension."""
        lake = os.environ.get("MLIFE_LAKE_ROOT", "")
        if not lake.startswith("s3://"):
            return
        conn.load_extension(str(extension_path()))
        conn.execute(f"create or replace secret {SECRET} ({_secret(lake, os.environ)})")


def _secret(lake: str, environment: Mapping[str, str]) -> str:
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
