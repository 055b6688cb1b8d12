"""Backups put back with care.

Belongs here: what of a backup goes where, in which order, and what must not be replaced. Does not belong here: making
and reading one (`backups`), replacing a ledger (`ledger_places`), what tells one home from another (`home_files`),
bringing a restored ledger up to date (`ledger_catch_up`).

Concept: restoring deletes nothing: a ledger or key that it replaces is moved aside, everything else is only added. The
ledger goes where that of the home is, in a file or in a database, from wherever it was.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import orjson

from mlife_assets.adapters.backups import HEADS, KEYS, LAKE, PRIVATE_KEYS, Backup
from mlife_assets.adapters.home_files import put_home_files, require_same_world
from mlife_assets.adapters.lake_copy import fill_up, missing_in
from mlife_assets.adapters.ledger_file import LEDGER_FILE
from mlife_assets.adapters.ledger_places import LedgerInDatabase, LedgerInFile, move_aside, next_aside
from mlife_assets.adapters.private_files import write_private
from mlife_assets.core.errors import ContentConflictError
from mlife_assets.core.ports import ObjectStore

RESTORED = "restored.json"
"""Says in a private folder that its home was put back: days since the backup may have been sent by one that is gone."""


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
        backup: as `read_backup` returned it.
        private: folder of the keys and the heads, and of a ledger in a file.
        replaces: also when the present ledger knows more, or cannot be read, or a present key differs. Without, a
            ledger that knows more stays where there is a lake to fill up, or a key or head that was lost, and is an
            error else.
        home: the folder of the files that say which world it holds.
        lake: filled up from the backup; None leaves it as it is.
        database: address of that in which the home has its ledger, if it is in one.

    Raises:
        ContentConflictError: what is there is newer or different, and `replaces` is False, or it is another world,
            another log or another home's ledger. Nothing was changed.
        IntegrityError: something in the lake does not read back, or the ledger cannot be put into the database.
        PermanentError, TransientError: the database cannot be reached or written. Nothing was changed.
    """
    place = (
        LedgerInFile(private) if database is None else LedgerInDatabase(database, private, heads=backup.folder / HEADS)
    )
    source = backup.folder / LEDGER_FILE
    more = place.known_beyond(source) if backup.has_ledger and not replaces else []
    puts_ledger = backup.has_ledger and not more
    # Heads and public keys that are there are newer, and stay.
    lost = [name for name in backup.files if name.partition("/")[0] in (KEYS, HEADS) and not (private / name).exists()]
    if backup.has_ledger and not puts_ledger and lake is None and not lost:
        raise ContentConflictError(
            f"the present ledger knows what the backup's does not ({', '.join(more)}); keep it, or restore with "
            "--replace to move it aside"
        )
    different_keys = sorted(
        name
        for name in backup.files
        if name.startswith(f"{KEYS}/")
        and name.endswith(PRIVATE_KEYS)
        and name not in lost
        and (private / name).read_bytes() != (backup.folder / name).read_bytes()
    )
    if different_keys and not replaces:
        raise ContentConflictError(
            f"{', '.join(different_keys)} differ from those of the backup, so hashes of numbers would not agree; "
            "restore with --replace to take those of the backup"
        )
    require_same_world(home, backup.folder, backup.files)
    missing = [] if lake is None else missing_in(lake, backup.lake)
    aside = next_aside(private)
    replacing = place.replaced_by(source, aside) if puts_ledger else nullcontext(())
    with replacing as moved:
        put_home_files(home, backup.folder, backup.files)  # first: a home that holds keys says whose it is
        moved += move_aside([private / name for name in different_keys], private, aside)
        if missing:
            mark = {"created_at": backup.created_at.isoformat()}
            write_private(private / RESTORED, orjson.dumps(mark))
        for name in [*lost, *different_keys]:
            write_private(private / name, (backup.folder / name).read_bytes())
    if lake is not None:
        fill_up(lake, backup.folder / LAKE, backup.lake, missing)
    return Restored(moved, len(missing), puts_ledger)
