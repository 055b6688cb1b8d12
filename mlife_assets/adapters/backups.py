"""Backups of a deployment, made whole and put back with care.

Belongs here: writing a backup, checking one, restoring it. Does not belong here: how a lake is copied (`lake_copy`),
what tells one home from another (`home_files`), bringing a restored ledger up to date (`ledger_catch_up`).

Concept: a backup is a folder: the ledger as one file (`VACUUM INTO`: consistent while others write), the signed heads
of the log, its lake, the keys, which world the home says that it holds, and a manifest with the hash of each, written
last and read back before it counts. The order makes it fit together while others write: a log that is copied after
ledger and heads is never older than they are, and a ledger that is older is brought up to date from it.

The contact book is not in it: it is a copy of another system's directory and comes back from there. Neither are
warehouse and Dagster's records, which are derived. Restoring deletes nothing: a ledger or key that it replaces is moved
aside, with SQLite's `-wal`, which would otherwise be played into the restored file; everything else is only added.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from mlife_assets.adapters.home_files import home_files, put_home_files, require_same_world
from mlife_assets.adapters.lake_copy import fill_up, missing_in
from mlife_assets.adapters.ledger_file import LedgerFacts, copy_ledger, ledger_facts
from mlife_assets.adapters.private_files import private_folder, write_private
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.core.errors import (
    ContentConflictError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    TransientError,
)
from mlife_assets.core.ports import ObjectStore

MANIFEST = "manifest.json"
LEDGER = "ledger.sqlite"
HEADS, KEYS = "heads", "keys"
LAKE = "lake"
SIDECARS = ("-wal", "-shm")
REPLACED = "replaced"
PRIVATE_KEYS = ".key"
"""Ends the names of keys that must fit the ledger. Heads and public keys that are there are newer, and stay."""
RESTORED = "restored.json"
"""Says in a private folder that its home was put back: days since the backup may have been sent by one that is gone."""
NAMED_MAXIMUM = 3


@dataclass(frozen=True)
class Backup:
    """A backup that was read back and found whole.

    Attributes:
        folder: where it is.
        created_at: when it was made.
        files: name -> SHA-256.
        rows: table of the ledger -> rows; none where the ledger is not in it.
        last_transition: the newest sequence of the ledger's outbox, 0 when there is none.
    """

    folder: Path
    created_at: datetime
    files: Mapping[str, str]
    rows: Mapping[str, int]
    last_transition: int

    @property
    def has_ledger(self) -> bool:
        """Return whether the ledger is in it; one on PostgreSQL backs itself up."""
        return LEDGER in self.files

    @property
    def lake(self) -> dict[str, str]:
        """Return key -> SHA-256 of the objects of the lake; none where it was left out."""
        prefix = f"{LAKE}/"
        return {name.removeprefix(prefix): digest for name, digest in self.files.items() if name.startswith(prefix)}


@dataclass(frozen=True)
class Restored:
    """What restoring did.

    Attributes:
        moved_aside: what was replaced.
        filled: how many objects the lake lacked.
        has_ledger: whether the ledger is the backup's now; False where it holds none, or the present one knows more.
    """

    moved_aside: tuple[Path, ...]
    filled: int
    has_ledger: bool


def create_backup(
    ledger: SqlLedger,
    private: Path,
    to: Path,
    *,
    now: datetime,
    home: Path | None = None,
    copy_lake: Callable[[Path], Mapping[str, str]] | None = None,
) -> Backup:
    """Write a backup to a new or empty folder.

    Args:
        ledger: left out where it is not on SQLite: such a one backs itself up, before this.
        private: folder of the keys and the heads.
        to: the folder, on another disk.
        now: the present.
        home: the folder with the files that say which world it holds, if there are any.
        copy_lake: copies the lake into a folder and returns hashes by key; None leaves it out.

    Raises:
        InvalidInputError: `to` holds something.
        IntegrityError: what was written does not read back.
        TransientError: a key was changed meanwhile.
    """
    if to.exists() and any(to.iterdir()):
        raise InvalidInputError(f"{to} is not empty; name a folder of its own for each backup")
    private_folder(to)
    keys = _keys(private)
    names = [LEDGER] if copy_ledger(ledger, to / LEDGER) else []
    sources = {f"{HEADS}/{path.name}": path for path in _files(private / HEADS)}
    sources |= home_files(home)
    names += _copied(sources, to)
    copied = copy_lake(to / LAKE) if copy_lake is not None else {}
    # Keys last, since a head or a message of this moment may be signed by one that was just made.
    names += _copied({f"{KEYS}/{path.name}": path for path in _files(private / KEYS)}, to)
    if any(_sha256(to / name) != digest for name, digest in keys.items()):
        raise TransientError("a key was changed while the backup was made, so ledger and keys may not fit; try again")
    manifest: dict[str, Any] = {
        "created_at": now.isoformat(),
        "files": {name: _sha256(to / name) for name in names} | {f"{LAKE}/{key}": copied[key] for key in copied},
        **(asdict(ledger_facts(to / LEDGER)) if LEDGER in names else {}),
    }
    os.sync()  # before it looks whole: nothing of the lake waited for the disk
    write_private(to / MANIFEST, orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2))
    return read_backup(to)


def read_backup(folder: Path) -> Backup:
    """Return a backup after reading every byte of it.

    Raises:
        NotFoundError: the folder holds none, or one that was cut off.
        IntegrityError: a file is missing, was changed or is no sound ledger of a schema that this release knows.
    """
    try:
        manifest = orjson.loads((folder / MANIFEST).read_bytes())
        files, created_at = dict(manifest["files"]), datetime.fromisoformat(manifest["created_at"])
    except FileNotFoundError as error:
        raise NotFoundError(
            f"{folder} holds no whole backup: its {MANIFEST}, which is written last, is not there; name a folder that "
            "`mlife backup create` finished"
        ) from error
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"{folder / MANIFEST} cannot be read ({error}); use another backup") from error
    wrong = [name for name, sha256 in sorted(files.items()) if _sha256(folder / name) != sha256]
    if wrong:
        more = f" and {len(wrong) - NAMED_MAXIMUM} more" if len(wrong) > NAMED_MAXIMUM else ""
        raise IntegrityError(
            f"{', '.join(wrong[:NAMED_MAXIMUM])}{more} in {folder} is not what was backed up; use another backup"
        )
    facts = ledger_facts(folder / LEDGER) if LEDGER in files else LedgerFacts({}, 0, None)
    return Backup(folder, created_at, files, facts.rows, facts.last_transition)


def restore_backup(
    backup: Backup,
    private: Path,
    *,
    replaces: bool = False,
    home: Path | None = None,
    lake: ObjectStore | None = None,
) -> Restored:
    """Put a backup back; nothing may have the ledger open. Safe to repeat after a crash.

    Args:
        backup: as `read_backup` returned it.
        private: folder of the ledger, the keys and the heads.
        replaces: also when the present ledger knows more, or cannot be read, or a present key differs. Without, a
            ledger that knows more stays where there is a lake to fill up, and is an error else.
        home: the folder of the files that say which world it holds.
        lake: filled up from the backup; None leaves it as it is.

    Raises:
        ContentConflictError: what is there is newer or different, and `replaces` is False, or it is another world or
            another log. Nothing was changed.
        IntegrityError: something in the lake does not read back.
    """
    present = private / LEDGER
    puts_ledger = backup.has_ledger and (replaces or _is_older(present, backup))
    if backup.has_ledger and not puts_ledger and lake is None:
        raise ContentConflictError(
            f"the present ledger is newer than the backup's {backup.last_transition} moves; keep it, or restore with "
            "--replace to move it aside"
        )
    different_keys = sorted(
        name
        for name in backup.files
        if name.startswith(f"{KEYS}/")
        and name.endswith(PRIVATE_KEYS)
        and _sha256(private / name) not in (None, backup.files[name])
    )
    if different_keys and not replaces:
        raise ContentConflictError(
            f"{', '.join(different_keys)} differ from those of the backup, so hashes of numbers would not agree; "
            "restore with --replace to take those of the backup"
        )
    require_same_world(home, backup.folder, backup.files)
    missing = [] if lake is None else missing_in(lake, backup.lake)
    put_home_files(home, backup.folder, backup.files)  # first: a home that holds keys says whose it is
    replaced = [present, *(present.with_name(LEDGER + end) for end in SIDECARS)] if puts_ledger else []
    replaced += map(private.joinpath, different_keys)
    moved = _move_aside(private, [path for path in replaced if path.exists()])
    if missing:
        mark = {"created_at": backup.created_at.isoformat()}
        write_private(private / RESTORED, orjson.dumps(mark))
    for name in backup.files:
        if name.partition("/")[0] in (KEYS, HEADS) and not (private / name).exists():
            write_private(private / name, (backup.folder / name).read_bytes())
    if puts_ledger:
        write_private(present, (backup.folder / LEDGER).read_bytes())
    if lake is not None:
        fill_up(lake, backup.folder / LAKE, backup.lake, missing)
    return Restored(moved, len(missing), puts_ledger)


def _files(folder: Path) -> list[Path]:
    """Return the files of a folder, but for those that are just being written."""
    return sorted(path for path in folder.glob("*") if path.is_file() and path.suffix != ".partial")


def _keys(private: Path) -> dict[str, str | None]:
    """Return the hashes of the keys that must fit the ledger, by name."""
    return {f"{KEYS}/{path.name}": _sha256(path) for path in _files(private / KEYS) if path.suffix == PRIVATE_KEYS}


def _copied(sources: Mapping[str, Path], to: Path) -> list[str]:
    """Copy files into a backup and return their names in it."""
    for name, path in sources.items():
        write_private(to / name, path.read_bytes())
    return list(sources)


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


def _is_older(present: Path, backup: Backup) -> bool:
    """Return whether a ledger knows no more than the backup's. Raises ContentConflictError when it cannot be read."""
    if not present.exists() or present.stat().st_size == 0:
        return True
    try:
        return ledger_facts(present).last_transition <= backup.last_transition
    except (IntegrityError, sqlite3.Error, sa.exc.SQLAlchemyError) as error:
        raise ContentConflictError(
            f"{present} is there and cannot be read ({type(error).__name__}); restore with --replace to move it aside"
        ) from error


def _sha256(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None
