"""Copies of the ledger and of what belongs to it, made whole and put back with care.

Belongs here: writing a backup, checking one, restoring it. Does not belong here: bringing a restored ledger forward
(`ledger_catch_up`).

Concept: a backup is a folder: the ledger as one file (`VACUUM INTO`: consistent while others write), the keys, the
signed heads of the log, and a manifest with the hash of each, read back before it counts. The contact book is not in
it: it is a copy of another system's directory and comes back from there. Restoring deletes nothing: what it replaces is
moved aside, with SQLite's `-wal`, which would otherwise be played into the restored file.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from mlife_assets.adapters.private_files import private_file, private_folder, write_private
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.send_ledger.migrations.revisions import revision_of
from mlife_assets.core.errors import ContentConflictError, IntegrityError, InvalidInputError, NotFoundError

MANIFEST = "manifest.json"
LEDGER = "ledger.sqlite"
SIDECARS = ("-wal", "-shm")
REPLACED = "replaced"
PRIVATE_KEYS = ".key"
"""Ends the names of keys that must fit the ledger. Heads and public keys that are there are newer, and stay."""
FOLDERS = ("keys", "heads")
"""Folders beside the ledger that are backed up with it, where they exist."""
COUNTED = ("sends", "send_transitions", "inbound_texts", "suppressions", "switches", "approvals")


@dataclass(frozen=True)
class Backup:
    """A backup that was read back and found whole.

    Attributes:
        folder: where it is.
        created_at: when it was made.
        files: name -> SHA-256.
        rows: table of the ledger -> rows.
        last_transition: the newest sequence of the ledger's outbox, 0 when there is none.
    """

    folder: Path
    created_at: datetime
    files: Mapping[str, str]
    rows: Mapping[str, int]
    last_transition: int


def create_backup(ledger: SqlLedger, private: Path, to: Path, *, now: datetime) -> Backup:
    """Write a backup of the ledger, the keys and the heads in the folder `private` to a new or empty folder.

    Raises:
        InvalidInputError: the ledger is not on SQLite, or `to` holds something.
        IntegrityError: what was written does not read back.
    """
    if ledger.engine.dialect.name != "sqlite":
        raise InvalidInputError(
            f"the ledger is on {ledger.engine.dialect.name}, which backs itself up: use pg_dump or point-in-time "
            "recovery, and copy the folders of keys and heads"
        )
    if to.exists() and any(to.iterdir()):
        raise InvalidInputError(f"{to} is not empty; name a folder of its own for each backup")
    private_folder(to)
    with closing(sqlite3.connect(str(ledger.engine.url.database))) as connection:
        connection.execute("VACUUM INTO ?", (str(private_file(to / LEDGER)),))
    names = [LEDGER]
    for folder in FOLDERS:
        for path in sorted((private / folder).glob("*")):
            write_private(to / folder / path.name, path.read_bytes())
            names.append(f"{folder}/{path.name}")
    manifest: dict[str, Any] = {
        "created_at": now.isoformat(),
        "files": {name: _sha256(to / name) for name in names},
        **_facts(to / LEDGER),
    }
    write_private(to / MANIFEST, orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2))
    return read_backup(to)


def read_backup(folder: Path) -> Backup:
    """Return a backup after reading every byte of it.

    Raises:
        NotFoundError: the folder holds none.
        IntegrityError: a file is missing, was changed or is no sound ledger of a schema that this release knows.
    """
    try:
        manifest = orjson.loads((folder / MANIFEST).read_bytes())
        files, created_at = dict(manifest["files"]), datetime.fromisoformat(manifest["created_at"])
    except FileNotFoundError as error:
        raise NotFoundError(f"{folder} holds no backup; name the folder that `mlife backup create` wrote") from error
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"{folder / MANIFEST} cannot be read ({error}); use another backup") from error
    wrong = [name for name, sha256 in sorted(files.items()) if _sha256(folder / name) != sha256]
    if wrong or LEDGER not in files:
        raise IntegrityError(f"{', '.join(wrong) or LEDGER} in {folder} is not what was backed up; use another backup")
    facts = _facts(folder / LEDGER)
    return Backup(folder, created_at, files, facts["rows"], facts["last_transition"])


def restore_backup(backup: Backup, private: Path, *, replaces: bool = False) -> tuple[Path, ...]:
    """Put the files of a backup into the folder `private`; nothing may have the ledger open.

    Args:
        backup: as `read_backup` returned it.
        private: folder of the ledger, the keys and the heads.
        replaces: also when the present ledger knows more, or cannot be read, or a present key differs.

    Returns:
        What was moved aside.

    Raises:
        ContentConflictError: what is there is newer or different, and `replaces` is False. Nothing was changed.
    """
    present = private / LEDGER
    if not replaces:
        _require_older(present, backup)
    different_keys = sorted(
        name
        for name in backup.files
        if name.endswith(PRIVATE_KEYS) and _sha256(private / name) not in (None, backup.files[name])
    )
    if different_keys and not replaces:
        raise ContentConflictError(
            f"{', '.join(different_keys)} differ from those of the backup, so hashes of numbers would not agree; "
            "restore with --replace to take those of the backup"
        )
    replaced = [present, *(present.with_name(LEDGER + end) for end in SIDECARS), *map(private.joinpath, different_keys)]
    moved = _move_aside(private, [path for path in replaced if path.exists()])
    for name in backup.files:
        if name != LEDGER and not (private / name).exists():
            write_private(private / name, (backup.folder / name).read_bytes())
    write_private(present, (backup.folder / LEDGER).read_bytes())
    return moved


def _move_aside(private: Path, paths: Sequence[Path]) -> tuple[Path, ...]:
    """Move files into a new folder and return where they are; an earlier restore's folder is never touched."""
    if not paths:
        return ()
    number = 1
    while (private / f"{REPLACED}-{number}").exists():
        number += 1
    aside = private_folder(private / f"{REPLACED}-{number}")
    moved = tuple(aside / path.relative_to(private).as_posix().replace("/", "-") for path in paths)
    for path, target in zip(paths, moved, strict=True):
        path.rename(target)
    return moved


def _require_older(present: Path, backup: Backup) -> None:
    if not present.exists() or present.stat().st_size == 0:
        return
    try:
        last = _facts(present)["last_transition"]
    except (IntegrityError, sqlite3.Error, sa.exc.SQLAlchemyError) as error:
        raise ContentConflictError(
            f"{present} is there and cannot be read ({type(error).__name__}); restore with --replace to move it aside"
        ) from error
    if last > backup.last_transition:
        raise ContentConflictError(
            f"the present ledger is newer ({last} moves, the backup has {backup.last_transition}); keep it, or restore "
            "with --replace to move it aside"
        )


def _facts(path: Path) -> dict[str, Any]:
    """Return what a ledger file holds. Raises IntegrityError when it is damaged or of an unknown schema."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            sound = [row[0] for row in connection.execute("PRAGMA integrity_check")]
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            rows = {
                name: int(connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0])
                for name in COUNTED
                if name in tables
            }
            last = connection.execute("SELECT max(sequence) FROM send_transitions").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise IntegrityError(f"{path} is no ledger ({error}); use another backup") from error
    if sound != ["ok"]:
        raise IntegrityError(f"{path} is damaged ({sound[0]}); use another backup")
    engine = sa.create_engine(f"sqlite:///{path}")
    try:
        with engine.connect() as connection_:
            revision = revision_of(connection_)
    finally:
        engine.dispose()
    return {"rows": rows, "last_transition": int(last or 0), "revision": revision}


def _sha256(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None
