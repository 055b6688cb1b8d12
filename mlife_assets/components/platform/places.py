"""Whether the places that a deployment keeps things in can be worked with.

Belongs here: which places there are to look at. Does not belong here: how each is tried out (`adapters.store_checkup`),
printing what was found (`cli.doctor`).

Concept: a person asks for everything at once (`look_at_places`). What starts work asks only where something lies
elsewhere (`require_sound_places`): a folder of the home is as sound as the disk, a bucket may be anybody's.
"""

from __future__ import annotations

from mlife_assets.adapters.clock import SystemClock
from mlife_assets.adapters.duckdb_extension import extension_path
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.store_checkup import look_at_disk, look_at_store
from mlife_assets.core.checkup import Finding, faults_found
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.storage_places import Bucket
from mlife_assets.home_settings import HomeSettings
from mlife_assets.settings import Settings

LAKE, HOME, DATABASE, DUCKDB = "MLIFE_LAKE", "MLIFE_HOME", "MLIFE_DATABASE", "DuckDB"


def look_at_places(settings: HomeSettings) -> list[Finding]:
    """Return what was found of each place; leaves two small objects in the lake."""
    found = [look_at_disk(HOME, settings.home)]
    with faults_found(LAKE, found):
        store = ObstoreObjectStore.at(settings.lake_place)
        found += look_at_store(LAKE, settings.lake_name, store, SystemClock().now)
    if isinstance(settings, Settings) and isinstance(settings.lake_place, Bucket):  # dbt reads the job board's lake
        with faults_found(DUCKDB, found):
            found.append(Finding(DUCKDB, f"its extension for buckets is {extension_path().parent.name}"))
    if isinstance(settings, Settings) and settings.database is not None:
        from mlife_assets.adapters.database_checkup import look_at_database
        from mlife_assets.adapters.postgresql import DAGSTER_SCHEMA, LEDGER_SCHEMA

        schemas = (LEDGER_SCHEMA, DAGSTER_SCHEMA)
        address = settings.database.get_secret_value()
        found += look_at_database(DATABASE, address, schemas, LEDGER_SCHEMA, SystemClock().now)
    return found


def require_sound_places(settings: HomeSettings) -> None:
    """Raise InvalidInputError, with the remedy, when something that lies elsewhere cannot be worked with."""
    has_database = isinstance(settings, Settings) and settings.database is not None
    if isinstance(settings.lake_place, Bucket) or has_database:
        for one in look_at_places(settings):
            if one.is_fault:
                raise InvalidInputError(f"{one.part}: {one.says}; {one.remedy}")
