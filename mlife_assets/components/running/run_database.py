"""Dagster's own records (runs, events, schedules) in the database of MLIFE_DATABASE.

Concept: the settings file of an instance names this class and the variable, so every process of Dagster finds the same
records and no file holds a password. Everything else is Dagster's storage for PostgreSQL.
"""

from typing import Any

from dagster_postgres import DagsterPostgresStorage

from mlife_assets.adapters.postgresql import DAGSTER_SCHEMA, database_errors_explained, open_schema

SETTINGS = {
    "storage": {
        "custom": {
            "module": __name__,
            "class": "RunDatabase",
            "config": {"postgres_url": {"env": "MLIFE_DATABASE"}},
        }
    }
}
"""The storage section of an instance's settings file."""


class RunDatabase(DagsterPostgresStorage):
    """`DagsterPostgresStorage` in its own schema, created if missing."""

    def __init__(self, postgres_url: str, inst_data: Any = None) -> None:
        """Open the records. Raises PermanentError or TransientError on a fault of the database."""
        engine = open_schema(postgres_url, DAGSTER_SCHEMA)
        engine.dispose()
        with database_errors_explained():
            super().__init__(engine.url.render_as_string(hide_password=False), inst_data=inst_data)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "RunDatabase":
        return cls(config_value["postgres_url"], inst_data)
