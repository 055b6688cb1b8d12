"""Backups of a deployment, made whole and read back.

Belongs here: writing a backup, checking one. Does not belong here: how a ledger or a lake is copied (`ledger_file`,
`lake_copy`), restoring one (`restored_backups`).

Concept: a backup is a folder: the ledger as one file, wherever it is, the signed heads of the log, its lake, the keys,
which world the home says that it holds, and a manifest with the hash of each, written last and read back before it
counts. The order makes it fit together while others write: a log that is copied after ledger and heads is never older
than they are, and a ledger that is older is brought up to date from it.

The contact book is not in it: it is a copy of another system's directory and comes back from there. Neither are
warehouse and Dagster's records, which are derived.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from mlife_assets.adapters.home_files import home_files
from mlife_assets.adapters.ledger_file import LEDGER_FILE, copy_ledger, ledger_facts
from mlife_assets.adapters.private_files import private_folder, write_private
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.core.errors import IntegrityError, InvalidInputError, NotFoundError, TransientError

MANIFEST = "manifest.json"
HEADS, KEYS = "heads", "keys"
LAKE = "lake"
PRIVATE_KEYS = ".key"
"""Ends the names of keys that must fit the ledger."""
NAMED_MAXIMUM = 3


@dataclass(frozen=True)
class Backup:
    """A backup that was read back and found whole.

    Attributes:
        folder: where it is.
        created_at: when it was made.
        files: name -> SHA-256.
        rows: table of the ledger -> rows; empty where the ledger is not in it.
    """

    folder: Path
    created_at: datetime
    files: Mapping[str, str]
    rows: Mapping[str, int]

    @property
    def has_ledger(self) -> bool:
        """Return whether the ledger is in it; releases before 0.2.0 was finished left out one on PostgreSQL."""
        return LEDGER_FILE in self.files

    @property
    def lake(self) -> dict[str, str]:
        """Return key -> SHA-256 of the objects of the lake; none where it was left out."""
        prefix = f"{LAKE}/"
        return {name.removeprefix(prefix): digest for name, digest in self.files.items() if name.startswith(prefix)}


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
        ledger: in a file or in a database.
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
    copy_ledger(ledger, to / LEDGER_FILE)
    sources = {f"{HEADS}/{path.name}": path for path in _files(private / HEADS)}
    sources |= home_files(home)
    names = [LEDGER_FILE, *_copied(sources, to)]
    copied = copy_lake(to / LAKE) if copy_lake is not None else {}
    # Keys last, since a head or a message of this moment may be signed by one that was just made.
    names += _copied({f"{KEYS}/{path.name}": path for path in _files(private / KEYS)}, to)
    if any(_sha256(to / name) != digest for name, digest in keys.items()):
        raise TransientError("a key was changed while the backup was made, so ledger and keys may not fit; try again")
    manifest: dict[str, Any] = {
        "created_at": now.isoformat(),
        "files": {name: _sha256(to / name) for name in names} | {f"{LAKE}/{key}": copied[key] for key in copied},
        **asdict(ledger_facts(to / LEDGER_FILE)),
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
    rows = ledger_facts(folder / LEDGER_FILE).rows if LEDGER_FILE in files else {}
    return Backup(folder, created_at, files, rows)


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


def _sha256(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None
