"""Access of dbt's DuckDB to a lake in a bucket.

Concept: the key goes from the environment to the connection, and nowhere else: a statement of dbt's own would be in its
log, and `dbt debug` prints the profile.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dbt.adapters.duckdb.plugins import BasePlugin

from mlife_assets.adapters.duckdb_bucket import open_bucket

if TYPE_CHECKING:
    import duckdb


class Plugin(BasePlugin):
    """Opens the bucket on a new connection; a no-op for a lake in a folder."""

    def configure_connection(self, conn: duckdb.DuckDBPyConnection) -> None:
        """Load the extension and set the key. Raises MissingExtraError if its package is missing."""
        open_bucket(conn, os.environ)
