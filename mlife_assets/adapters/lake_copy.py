"""A lake in a backup: copied so that it fits together while others write, and put back over nothing.

Concept: the chain of manifests says what the log is at one moment, so that is copied: its manifests and the files that
they list, against their hashes. Whatever a later run writes is in neither. What is derived (tables, reports, pages, the
position of the outbox) is copied before, since a report may not know more than the log; what the log names (models,
panels, rejected rows) after, since that is written first. A model that this log does not register yet is left out.
Putting back adds what is missing. What is written once must be the same where it is there already; what is derived
stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import date
from pathlib import Path

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.event_log.chain import Chain
from mlife_assets.adapters.event_log.manifests import (
    EVENTS,
    MANIFESTS,
    content_hash,
    decode_hour_manifest,
    parse_hour_manifest_key,
)
from mlife_assets.adapters.ingest_report import REJECTED
from mlife_assets.adapters.model_registry import CARD_FILE, FOLDS, REGISTERED, VERSIONS
from mlife_assets.adapters.object_store import ObstoreObjectStore, read_at_once
from mlife_assets.adapters.panel_store import PANELS
from mlife_assets.adapters.private_files import made_private
from mlife_assets.adapters.tables import old_tables
from mlife_assets.core.errors import ContentConflictError, IntegrityError, NotFoundError
from mlife_assets.core.ports import ObjectStore
from mlife_assets.recruiting.retention_policy import AUDIENCE_DAYS, RetentionPolicy

NAMED_BY_LOG = (VERSIONS, FOLDS, PANELS, REJECTED)
PRUNED_SOONEST = RetentionPolicy(table_days=AUDIENCE_DAYS)
"""What it keeps, no pruning removes."""
WRITTEN_ONCE = (EVENTS, MANIFESTS, *NAMED_BY_LOG)
_REPAIR = "`mlife log verify` says what is wrong: repair that first, and meanwhile back up --without-lake"


def copy_lake(lake: ObjectStore, chain: Chain, folder: Path) -> dict[str, str]:
    """Copy a lake into an empty folder, readable by its owner alone, and return the SHA-256 of each object by key.

    Nothing waits for the disk: that is for whoever says that the copy is whole.

    Args:
        lake: what is copied.
        chain: of its event log.
        folder: where to.

    Raises:
        IntegrityError: the log is damaged, so this copy could not stand for it.
    """
    with made_private():
        copy = ObstoreObjectStore.local(folder, survives_power_cut=False)

        def copied(keys: Collection[str]) -> dict[str, str]:
            return _each(lambda key: _copied(key, lake, copy), keys)

        old = {key for keys in old_tables(lake, PRUNED_SOONEST, date.max).values() for key in keys}
        keys = [key for key in lake.list("") if not _is_in(key, WRITTEN_ONCE)]
        derived = _each(lambda key: _copied_if_there(key, lake, copy, may_be_gone=key in old), keys)
        derived = {key: digest for key, digest in derived.items() if digest}
        listed = _listed(lake, chain)
        try:
            log = copied(listed)
        except NotFoundError as error:
            raise IntegrityError(f"{error}, though a manifest lists it; {_REPAIR}") from error
        for key, digest in log.items():
            if digest != listed[key]:
                raise IntegrityError(f"{key} is not what was written; {_REPAIR}")
        registered = {row["model_version"] for row in ParquetEventLog(copy).remembered(REGISTERED)[0]}
        named = [key for folder_ in NAMED_BY_LOG for key in lake.list(folder_)]
        known = [key for key in named if not _is_in(key, (VERSIONS,)) or key.split("/")[1] in registered]
        return {**derived, **log, **copied(known)}


def missing_in(lake: ObjectStore, files: Mapping[str, str]) -> list[str]:
    """Return the keys that a lake lacks of a copy, in order.

    Args:
        lake: that is to be filled up.
        files: key -> SHA-256 of the copy's objects.

    Raises:
        ContentConflictError: it holds another history; nothing was changed.
    """
    there = set(lake.list(""))
    once = sorted(key for key in files if key in there and _is_in(key, WRITTEN_ONCE) and not key.endswith(CARD_FILE))
    for key, digest in _each(lambda key: content_hash(lake.get(key)), once).items():
        if digest != files[key]:
            raise ContentConflictError(
                f"{key} in the lake is not what was backed up, and nothing is overwritten; restore into an empty lake, "
                "or move the object away if `mlife log verify` says that it is damaged"
            )
    return sorted(files.keys() - there)


def fill_up(
    lake: ObjectStore, read: Callable[[str], bytes], files: Mapping[str, str], missing: Collection[str]
) -> None:
    """Put the missing objects of a copy, which `read` returns, into a lake and read each back; safe to repeat.

    Raises:
        IntegrityError: something does not read back as it was.
    """
    _each(lambda key: str(lake.put_if_absent(key, read(key))), missing)
    for key, digest in _each(lambda key: content_hash(lake.get(key)), missing).items():
        if digest != files[key]:
            raise IntegrityError(f"{key} does not read back as it was written; check the disk or bucket of the lake")


def _listed(lake: ObjectStore, chain: Chain) -> dict[str, str]:
    """Return the SHA-256 of all manifests by key, and of the files that they list."""
    found = dict[str, str]()
    for link, manifest in chain.since(-1):
        found[link.key] = link.sha256
        found.update((entry.key, entry.sha256) for entry in manifest.entries)
    for key in lake.list(MANIFESTS):
        if parse_hour_manifest_key(key) is not None:
            data = lake.get(key)
            found[key] = content_hash(data)
            found.update((entry.key, entry.sha256) for entry in decode_hour_manifest(key, data).entries)
    return found


def _is_in(key: str, folders: Collection[str]) -> bool:
    return key.partition("/")[0] in folders


def _copied(key: str, source: ObjectStore, target: ObjectStore) -> str:
    data = source.get(key)
    target.put_if_absent(key, data)
    return content_hash(data)


def _copied_if_there(key: str, source: ObjectStore, target: ObjectStore, *, may_be_gone: bool) -> str:
    """Copy a derived object; an empty answer is that of an old table that was pruned since it was listed."""
    try:
        return _copied(key, source, target)
    except NotFoundError:
        if not may_be_gone:
            raise
        return ""


def _each(read: Callable[[str], str], keys: Collection[str]) -> dict[str, str]:
    return dict(zip(keys, read_at_once(read, keys), strict=True))
