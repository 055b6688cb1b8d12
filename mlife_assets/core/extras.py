"""Packages of the extras, and the message when one is missing.

Concept: mlife as a library brings the dependencies of a ConversionModel. Everything else is imported on use; a missing
package is reported with the command that installs it.
"""

from __future__ import annotations

from mlife_assets.core.errors import MissingExtraError

EXTRAS = {
    "alembic": "messages",
    "boto3": "aws",
    "dagster_aws": "aws",
    "dagster_dbt": "dbt",
    "dagster_postgres": "server",
    "dagster_webserver": "market",
    "dbt": "dbt",
    "duckdb_extension_httpfs": "server",
    "filelock": "dbt",
    "nannyml": "nannyml",
    "ortools": "messages",
    "psutil": "market",
    "psycopg2": "server",
    "sqlalchemy": "messages",
    "statsmodels": "nannyml",
}
"""Module -> the extra that has its package."""


def missing_extra(error: ImportError) -> MissingExtraError | None:
    """Return the error for a failed import; None unless a package of an extra is missing."""
    top = (error.name or "").partition(".")[0]
    extra = EXTRAS.get(top) if isinstance(error, ModuleNotFoundError) else None
    return None if extra is None else MissingExtraError(f"{top} is not installed; run: pip install 'mlife[{extra}]'")
