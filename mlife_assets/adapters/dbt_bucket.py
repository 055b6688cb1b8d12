"""What dbt's DuckDB needs to read a lake in a bucket.

Belongs here: the plugin that `dbt_project/profiles.yml` names: loading the extension (`duckdb_extension`), setting the
key. Does not belong here: which files are read (`dbt_project/macros/event_log.sql`), the bucket of everything else
(`object_store`).

Concept: the key is set on the connection: a statement of dbt's own would be in its log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dbt.adapters.duckdb.plugins import BasePlugin

from mlife_assets.adapters.duckdb_extension import extension_path

if TYPE_CHECKING:
    import duckdb

SECRET = "mlife_lake"  # noqa: S105  its name


class Plugin(BasePlugin):
    """Opens the bucket on a new connection; does nothing where the lake is a folder."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Take `lake`, `endpoint`, `region`, `access_key_id`, `secret_access_key` and `session_token` as texts."""
        self._opened_by = {name: str(value or "") for name, value in plugin_config.items()}

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Load the extension and set the key. Raises MissingExtraError without the package of the extension."""
        lake = self._opened_by["lake"]
        if not lake.startswith("s3://"):
            return
        conn.load_extension(str(extension_path()))
        conn.execute(f"create or replace secret {SECRET} ({_secret(lake, self._opened_by)})")


def _secret(lake: str, opened_by: dict[str, str]) -> str:
    """Return the options of the secret."""
    endpoint = urlsplit(opened_by["endpoint"])
    options = {
        "key_id": opened_by["access_key_id"],
        "secret": opened_by["secret_access_key"],
        "session_token": opened_by["session_token"],
        "region": opened_by["region"],
        "endpoint": endpoint.netloc + endpoint.path.rstrip("/"),
        "url_style": "path" if endpoint.netloc else "",
        "scope": lake,
    }
    stated = [f"{name} '{_escaped(value)}'" for name, value in options.items() if value]
    return ", ".join(["type s3", *stated, *(["use_ssl false"] if endpoint.scheme == "http" else [])])


def _escaped(value: str) -> str:
    return value.replace("'", "''")
