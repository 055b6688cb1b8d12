"""Checks of a deployment's storage places.

Concept: a person checks everything at once (`look_at_places`). Commands that start work check only places outside the
home (`require_sound_places`): a folder of the home is as sound as the disk, a bucket may be anybody's. Frequent loads
only read, and ignore transient faults (`require_places_are_there`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mlife_assets.adapters.alert_webhook import look_at_webhook
from mlife_assets.adapters.clock import SystemClock
from mlife_assets.adapters.duckdb_bucket import extension_path
from mlife_assets.adapters.event_log.chain import last_number
from mlife_assets.adapters.event_log.manifests import MANIFESTS, decode_manifest, is_authentic, manifest_key
from mlife_assets.adapters.keyring import Keyring
from mlife_assets.adapters.object_store import ObstoreObjectStore, look_at_disk, look_at_new_folder, look_at_store
from mlife_assets.adapters.s3_bucket import FEW_RETRIES
from mlife_assets.core.checkup import Finding, faults_found
from mlife_assets.core.disk_faults import disk_errors_explained
from mlife_assets.core.errors import IntegrityError, InvalidInputError, MlifeError, TransientError
from mlife_assets.core.ports import ObjectStore
from mlife_assets.core.storage_places import Bucket
from mlife_assets.deployments.keys import MANIFEST_KEY
from mlife_assets.deployments.record import Deployment
from mlife_assets.home_settings import HomeSettings
from mlife_assets.settings import Settings

_LOGGER = logging.getLogger(__name__)
LAKE, HOME, DATABASE, DUCKDB, DEPLOYMENT = "MLIFE_LAKE", "MLIFE_HOME", "MLIFE_DATABASE", "DuckDB", "MLIFE_DEPLOYMENT"


def look_at_places(settings: HomeSettings) -> list[Finding]:
    """Return the findings on each place; leaves two small objects in the lake."""
    found = [look_at_disk(HOME, settings.home)]
    if isinstance(settings.places.lake, Path):
        is_there = settings.places.lake.exists()
        found += _look_at_lake(settings) if is_there else [look_at_new_folder(LAKE, settings.places.lake)]
    found += _look_elsewhere(settings)
    if isinstance(settings, Settings):
        found += look_at_deployment(settings)
        if settings.owner.alert_webhook is not None:
            found += look_at_webhook(settings.owner.alert_webhook)
    return found


def deployment_in(settings: Settings) -> Deployment:
    """Return the deployment of a home without creating anything."""
    from mlife_assets.deployments.board_ports import board_ports

    return board_ports(settings).deployment


def look_at_deployment(settings: Settings) -> list[Finding]:
    """Return the findings on the owner's inputs of a deployment, and on its services."""
    found: list[Finding] = []
    with faults_found(DEPLOYMENT, found):
        deployment = deployment_in(settings)
        for part, look in deployment.looks:
            with faults_found(part, found):
                look()
                found.append(Finding(part, "it can be read"))
        said = deployment.look
        found += [Finding(DEPLOYMENT, "it does not list its needs")] if said is None else said()
    return found


def require_sound_places(settings: HomeSettings) -> None:
    """Raise an error with the remedy if a place outside the home, or a named input, is unusable."""
    if isinstance(settings, Settings):
        deployment_in(settings).require()
    found = _look_elsewhere(settings)
    if settings.lake is not None and not isinstance(settings.places.lake, Bucket):
        with faults_found(LAKE, found):  # no test object for a folder, which is as sound as the disk
            _require_ours(settings)
    for one in found:
        if one.is_fault:
            raise InvalidInputError(f"{one.part}: {one.says}; {one.remedy}")


def require_places_are_there(settings: HomeSettings) -> None:
    """Raise an error if a place outside the home, or a named input, is permanently unreadable; writes nothing."""
    looks: list[tuple[str, Callable[[], object]]] = []
    if settings.lake is not None:
        looks.append((LAKE, lambda: _require_ours(settings)))
    if isinstance(settings, Settings):
        deployment = deployment_in(settings)
        try:
            deployment.require()
        except TransientError as error:
            _LOGGER.warning("%s", error)
        if isinstance(settings.places.lake, Bucket):
            looks.append((DUCKDB, extension_path))
        if (database := settings.owner.database) is not None:
            from mlife_assets.adapters.postgresql import LEDGER_SCHEMA, holds_tables

            looks.append((DATABASE, lambda: holds_tables(database.get_secret_value(), LEDGER_SCHEMA)))
        looks += deployment.looks
    for part, look in looks:
        try:
            look()
        except TransientError as error:
            _LOGGER.warning("%s cannot be read now: %s", part, error)
        except MlifeError as error:
            raise InvalidInputError(f"{part}: {error}") from None


def _require_ours(settings: HomeSettings) -> None:
    """Raise InvalidInputError if the lake holds another home's log; writes nothing.

    A home with signed heads, or with a ledger of release 0.1.0, is checked by those elsewhere. For others, the newest
    manifest must carry the home's own key.
    """
    place, private = settings.places.lake, settings.private_folder
    with disk_errors_explained(private):
        has_heads = any((private / "heads").glob("*")) or (private / "ledger.sqlite").exists()
        if isinstance(place, Path) and not (place / MANIFESTS).is_dir():
            return
    store = ObstoreObjectStore.at(place, retries=FEW_RETRIES)
    holds_log = bool(store.folders(MANIFESTS))
    if holds_log and not has_heads and not _is_written_with(store, _manifest_key(settings)):
        raise InvalidInputError(
            "the lake holds the log of another home; name a place of its own in MLIFE_LAKE, or restore the private "
            f"folder of that home to {private}"
        )


def _manifest_key(settings: HomeSettings) -> bytes | None:
    """Return the key of this home's manifests, None if there is none; none is made."""
    keys = settings.private_folder / "keys"
    if settings.key_seed is None and not (keys / f"{MANIFEST_KEY}.key").exists():
        return None
    return Keyring(keys, seed=settings.key_seed).key(MANIFEST_KEY)


def _is_written_with(store: ObjectStore, key: bytes | None) -> bool:
    """Return whether the newest readable manifest carries a key; a power cut may have left one unreadable."""
    last = last_number(store)
    for number in range(last, max(last - 2, -1), -1):
        data = store.get(manifest_key(number))
        with suppress(IntegrityError):
            decode_manifest(manifest_key(number), data)
            return key is not None and is_authentic(data, key)
    return False


def _look_at_lake(settings: HomeSettings) -> list[Finding]:
    found: list[Finding] = []
    with faults_found(LAKE, found):
        _require_ours(settings)
        store = ObstoreObjectStore.at(settings.places.lake, retries=FEW_RETRIES)
        found += look_at_store(LAKE, settings.places.lake_name, store, SystemClock().now)
    return found


def _look_elsewhere(settings: HomeSettings) -> list[Finding]:
    """Return the findings on bucket, its reader, and database; empty without them."""
    found = _look_at_lake(settings) if isinstance(settings.places.lake, Bucket) else []
    if not isinstance(settings, Settings):
        return found
    if isinstance(settings.places.lake, Bucket):  # dbt reads a job board's lake
        with faults_found(DUCKDB, found):
            found.append(Finding(DUCKDB, f"its extension for buckets is {extension_path().parent.name}"))
    if settings.owner.database is not None:
        from mlife_assets.adapters.database_checkup import look_at_database
        from mlife_assets.adapters.postgresql import DAGSTER_SCHEMA, LEDGER_SCHEMA

        schemas = (LEDGER_SCHEMA, DAGSTER_SCHEMA)
        found += look_at_database(
            DATABASE, settings.owner.database.get_secret_value(), schemas, LEDGER_SCHEMA, SystemClock().now
        )
    return found
