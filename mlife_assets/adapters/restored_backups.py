"""Backups put back with care, and lakes copied into them.

Concept: restoring deletes nothing: a ledger or key that it replaces is moved aside, everything else is only added. The
ledger goes where that of the home is, in a file or in a database, from wherever it was. A file is written last, after
the rest of a home was put back. In a database all is one transaction, under the lock of writers and open until the rest
was put back: a refusal comes before any change, and a crash on the way leaves the old ledger.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import sqlalchemy as sa

from mlife_assets.adapters.backups import (
    HEADS,
    KEYS,
    LAKE,
    LEDGER_FILE,
    PRIVATE_KEYS,
    Backup,
    ledger_as_it_is,
    ledger_facts,
    write_ledger_file,
)
from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.event_log.chain import Chain
from mlife_assets.adapters.event_log.manifests import (
    EVENTS,
    MANIFESTS,
    content_hash,
    decode_hour_manifest,
    parse_hour_manifest_key,
)
from mlife_assets.adapters.home_files import (
    begin_restore,
    end_restore,
    put_home_files,
    require_same_world,
    unfinished_restore,
)
from mlife_assets.adapters.ingest_report import REJECTED
from mlife_assets.adapters.model_registry import CARD_FILE, FOLDS, REGISTERED, VERSIONS
from mlife_assets.adapters.object_store import ObstoreObjectStore, read_at_once
from mlife_assets.adapters.panel_store import PANELS
from mlife_assets.adapters.postgresql import LEDGER_SCHEMA, holds_tables, open_schema
from mlife_assets.adapters.private_files import made_private, private_folder, write_private
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.send_ledger.migrations.revisions import revision_of
from mlife_assets.adapters.send_ledger.restoring import holds_rows, known_beyond, replace_rows
from mlife_assets.adapters.send_ledger.schema import log_heads, write
from mlife_assets.adapters.tables import old_tables
from mlife_assets.core.errors import ContentConflictError, IntegrityError, NotFoundError, TransientError
from mlife_assets.core.ports import ObjectStore
from mlife_assets.recruiting.retention_policy import AUDIENCE_DAYS, RetentionPolicy

NAMED_BY_LOG = (VERSIONS, FOLDS, PANELS, REJECTED)
PRUNED_SOONEST = RetentionPolicy(table_days=AUDIENCE_DAYS)
"""The shortest retention that settings allow: no pruning removes tables that it keeps."""
WRITTEN_ONCE = (EVENTS, MANIFESTS, *NAMED_BY_LOG)
_REPAIR = "`mlife log verify` lists the faults: repair them first, and meanwhile back up --without-lake"
RESTORED = "restored.json"
"""Says in a private folder that its home was put back: days since the backup may have been sent by one that is gone."""
SIDECARS = ("-wal", "-shm")
REPLACED = "replaced"
_ON_THE_WAY = "restoring-"
_REFUSED = (sa.exc.DataError, sa.exc.IntegrityError)
"""What PostgreSQL says of a value that it does not take."""


@dataclass(frozen=True)
class Restored:
    """What restoring did; `has_ledger` is False where the present ledger knows more and stayed."""

    moved_aside: tuple[Path, ...]
    filled: int
    has_ledger: bool


def restore_backup(
    backup: Backup,
    private: Path,
    *,
    replaces: bool = False,
    home: Path | None = None,
    lake: ObjectStore | None = None,
    database: str | None = None,
) -> Restored:
    """Put a backup back; nothing may have the ledger open. Safe to repeat after a crash.

    Args:
        private: folder of the keys and the heads, and of a ledger in a file.
        replaces: also when the present ledger knows more, or cannot be read, or a present key differs. Without, a
            ledger that knows more stays where there is a lake to fill up, or a key or head that was lost, and is an
            error else.
        home: the folder of the files that say which world it holds.
        lake: filled up from the backup; None leaves it as it is.
        database: address of that in which the home has its ledger, if it is in one.

    Raises:
        ContentConflictError: the home is newer or different, and `replaces` is False, or it is another world,
            another log or another home's ledger. Nothing was changed.
        IntegrityError: something in the lake does not read back, or the ledger cannot be put into the database.
        PermanentError, TransientError: the database cannot be reached or written. Nothing was changed.
    """
    first_head = f"{HEADS}/{0:08d}.json"
    first = backup.read(first_head) if first_head in backup.files else None
    has_died = unfinished_restore(private) is not None
    place = LedgerInFile(private) if database is None else LedgerInDatabase(database, private, first)
    more = [] if replaces else place.known_beyond(backup)
    # Heads and public keys that are there are newer, and stay.
    lost = [name for name in backup.files if name.partition("/")[0] in (KEYS, HEADS) and not (private / name).exists()]
    if more and lake is None and not lost and not has_died:
        raise ContentConflictError(
            f"the present ledger has rows that the backup's lacks ({', '.join(more)}); keep it, or restore with "
            "--replace to move it aside"
        )
    different_keys = sorted(
        name
        for name in backup.files
        if name.startswith(f"{KEYS}/")
        and name.endswith(PRIVATE_KEYS)
        and name not in lost
        and (private / name).read_bytes() != backup.read(name)
    )
    if different_keys and not replaces:
        raise ContentConflictError(
            f"{', '.join(different_keys)} differ from those of the backup, so hashes of numbers would not agree; "
            "restore with --replace to take those of the backup"
        )
    require_same_world(home, backup.files, backup.read)
    missing = [] if lake is None else missing_in(lake, backup.lake)
    aside = next(new for number in count(1) if not (new := private / f"{REPLACED}-{number}").exists())
    trust = ["--unsigned"] if backup.signed_by is None else ["--signed-by", backup.signed_by]
    replacing: AbstractContextManager[list[Path]] = nullcontext([]) if more else place.replaced_by(backup, aside)
    with replacing as moved:
        begin_restore(private, backup.folder, *trust, *(["--replace"] if replaces else []))
        put_home_files(home, backup.files, backup.read)  # first: a home that holds keys says whose it is
        moved += move_aside([private / name for name in different_keys], private, aside)
        if missing:
            mark = {"created_at": backup.created_at.isoformat()}
            write_private(private / RESTORED, orjson.dumps(mark))
        for name in [*lost, *different_keys]:
            write_private(private / name, backup.read(name))
        if lake is not None:
            try:
                fill_up(lake, lambda key: backup.read(f"{LAKE}/{key}"), backup.lake, missing)
            except OSError as error:
                if not (has_died or lost or different_keys) and missing_in(lake, backup.lake) == missing:
                    end_restore(private)  # the home is unchanged
                raise TransientError(f"{backup.folder} cannot be read ({error}); restore again") from error
    return Restored(tuple(moved), len(missing), not more)


@dataclass(frozen=True)
class LedgerInFile:
    """The ledger of a home on SQLite, in its private folder."""

    private: Path

    def known_beyond(self, backup: Backup) -> list[str]:
        """Return tables with rows that the backup lacks. Raises ContentConflictError if the ledger is unreadable."""
        path = self.private / LEDGER_FILE
        if not path.exists() or path.stat().st_size == 0:
            return []
        try:
            ledger_facts(path)
            with ledger_as_it_is(path) as present, _ledger_of(backup) as other:
                return known_beyond(present, other)
        except (IntegrityError, sqlite3.Error, sa.exc.SQLAlchemyError) as error:
            raise ContentConflictError(
                f"{path} is there and cannot be read ({type(error).__name__}); restore with --replace to move it aside"
            ) from error

    @contextmanager
    def replaced_by(self, backup: Backup, aside: Path) -> Iterator[list[Path]]:
        """Replace the file by a backup's at the end, and yield a list that then holds what was moved aside."""
        path = self.private / LEDGER_FILE
        there = [one for one in (path, *(path.with_name(LEDGER_FILE + end) for end in SIDECARS)) if one.exists()]
        moved: list[Path] = []
        yield moved
        moved += move_aside(there, self.private, aside)
        write_private(path, backup.read(LEDGER_FILE))


@dataclass(frozen=True)
class LedgerInDatabase:
    """The ledger of a home on PostgreSQL; one that begins with another `first_head` is another home's."""

    address: str = field(repr=False)
    private: Path
    first_head: bytes | None = field(repr=False)

    def known_beyond(self, backup: Backup) -> list[str]:
        """Return tables with rows that the backup lacks. Raises ContentConflictError for another home's ledger."""
        if not holds_tables(self.address, LEDGER_SCHEMA):
            return []
        engine = open_schema(self.address, LEDGER_SCHEMA)
        try:
            with engine.connect() as connection:
                if revision_of(connection) is None:
                    return []
                self._require_ours(connection)
                with _ledger_of(backup) as other:
                    return known_beyond(connection, other)
        finally:
            engine.dispose()

    @contextmanager
    def replaced_by(self, backup: Backup, aside: Path) -> Iterator[list[Path]]:
        """Replace the rows by a backup's, commit at the end, and yield the file that holds the former ones.

        Raises ContentConflictError if it is another home's, IntegrityError if the file holds something that cannot be
        put there, PermanentError or TransientError if the database cannot be written.
        """
        ledger = SqlLedger(open_schema(self.address, LEDGER_SCHEMA))
        try:
            with write(ledger.engine) as connection, self._folder_on_the_way() as folder:
                self._require_ours(connection)
                before = folder / LEDGER_FILE
                if holds_rows(connection):
                    write_ledger_file(connection, before)
                _put_rows(backup, connection, folder / "backup.sqlite")
                moved = list(move_aside([before] if before.exists() else [], folder, aside))
                os.sync()  # before the database forgets them
                yield moved
        finally:
            ledger.close()

    @contextmanager
    def _folder_on_the_way(self) -> Iterator[Path]:
        """Make a folder for copies, and remove it at the end, with those of killed restores."""
        private_folder(self.private)
        for left in self.private.glob(f"{_ON_THE_WAY}*"):
            shutil.rmtree(left)
        with TemporaryDirectory(prefix=_ON_THE_WAY, dir=self.private) as folder:
            yield Path(folder)

    def _require_ours(self, connection: sa.Connection) -> None:
        """Raise ContentConflictError where the first head differs from the backup's; release 0.1.0 kept none there."""
        first = self.first_head
        if first is None or not sa.inspect(connection).has_table(log_heads.name):
            return
        body = connection.execute(sa.select(log_heads.c.body).where(log_heads.c.sequence == 0)).scalar()
        if body is not None and str(body).encode() != first:
            raise ContentConflictError(
                "the ledger in the database of MLIFE_DATABASE is another home's than the backup's; name a database of "
                "its own in MLIFE_DATABASE"
            )


def move_aside(paths: Sequence[Path], root: Path, aside: Path) -> tuple[Path, ...]:
    """Move files from below `root` into a folder, which is made for the first of them, and return where they are."""
    moved = tuple(aside / path.relative_to(root).as_posix().replace("/", "-") for path in paths)
    for path, target in zip(paths, moved, strict=True):
        private_folder(aside)
        path.rename(target)
    return moved


def _ledger_of(backup: Backup) -> AbstractContextManager[sa.Connection]:
    return ledger_as_it_is(backup.folder / LEDGER_FILE, is_copy=True)


def _put_rows(backup: Backup, connection: sa.Connection, copy: Path) -> None:
    try:
        write_private(copy, backup.read(LEDGER_FILE))
        # Opening it moves it on from any released schema.
        with (
            closing(SqlLedger(f"sqlite:///{copy}", survives_power_cut=False)) as ledger,
            ledger.engine.connect() as rows,
        ):
            replace_rows(rows, connection)
    except (ValueError, sa.exc.StatementError) as error:
        fault = getattr(error, "orig", error)
        # Anything else, such as a time-out, is no fault of the file.
        if not isinstance(fault, (ValueError, sqlite3.Error)) and not isinstance(error, _REFUSED):
            raise
        words = str(fault).partition("\n")[0]
        raise IntegrityError(
            f"{backup.folder / LEDGER_FILE} holds what cannot be put into the database ({words}); use another backup"
        ) from error


def copy_lake(lake: ObjectStore, chain: Chain, folder: Path) -> dict[str, str]:
    """Copy a lake into an empty folder; returns the SHA-256 of each object. Raises IntegrityError on a damaged log."""
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
                raise IntegrityError(f"{key} was changed after it was written; {_REPAIR}")
        registered = {row["model_version"] for row in ParquetEventLog(copy).remembered(REGISTERED)[0]}
        named = [key for folder_ in NAMED_BY_LOG for key in lake.list(folder_)]
        known = [key for key in named if not _is_in(key, (VERSIONS,)) or key.split("/")[1] in registered]
        return {**derived, **log, **copied(known)}


def missing_in(lake: ObjectStore, files: Mapping[str, str]) -> list[str]:
    """Return the keys of `files` that a lake lacks. Raises ContentConflictError if it holds another history."""
    there = set(lake.list(""))
    once = sorted(key for key in files if key in there and _is_in(key, WRITTEN_ONCE) and not key.endswith(CARD_FILE))
    for key, digest in _each(lambda key: content_hash(lake.get(key)), once).items():
        if digest != files[key]:
            raise ContentConflictError(
                f"{key} in the lake differs from the backup, and nothing is overwritten; restore into an empty lake, "
                "or move the object away if `mlife log verify` says that it is damaged"
            )
    return sorted(files.keys() - there)


def fill_up(
    lake: ObjectStore, read: Callable[[str], bytes], files: Mapping[str, str], missing: Collection[str]
) -> None:
    """Put missing objects into a lake and read each back; safe to repeat. Raises IntegrityError if one differs."""
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
