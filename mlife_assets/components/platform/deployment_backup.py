"""Backups of a whole deployment: what of a platform is backed up, and where it is put back.

Belongs here: wiring lake, ledger, keys and home for it. Does not belong here: how a backup is made (`adapters.backups`)
and put back (`adapters.restored_backups`), bringing the restored ledger up to date (`ledger_recovery`).
"""

from datetime import datetime
from pathlib import Path

from mlife_assets.adapters.backups import Backup, create_backup
from mlife_assets.adapters.home_files import DEPLOYMENT
from mlife_assets.adapters.lake_copy import copy_lake
from mlife_assets.adapters.restored_backups import Restored, restore_backup
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.errors import ContentConflictError, InvalidInputError


def back_up(platform: Platform, to: Path, *, now: datetime, has_lake: bool = True) -> Backup:
    """Write a backup of a home to a new or empty folder; without its lake it is of ledger, keys and heads.

    Raises:
        InvalidInputError: the folder lies in the lake, or holds something, or there is no home to back up.
        IntegrityError: the log is damaged, or what was written does not read back.
    """
    _require_home(platform)
    lake = platform.lake
    if lake.root is not None and to.is_relative_to(lake.root):
        raise InvalidInputError(f"{to} lies in the lake that it would be a copy of; name a folder on another disk")
    return create_backup(
        platform.ledger,
        platform.settings.private_folder,
        to,
        now=now,
        home=platform.settings.home,
        copy_lake=(lambda folder: copy_lake(lake, platform.event_log.chain, folder)) if has_lake else None,
    )


def put_back(platform: Platform, backup: Backup, *, replaces: bool = False) -> Restored:
    """Restore a backup into the home of a platform, which nobody else has open; then open the home anew.

    Raises:
        ContentConflictError: something there is newer or different; nothing was changed.
        InvalidInputError: there is no home to restore into.
    """
    _require_home(platform)
    if DEPLOYMENT in backup.files and platform.settings.is_home_of_a_market:
        raise ContentConflictError(
            f"{platform.settings.home} holds a simulated market and the backup none; restore into a home of its own"
        )
    database = platform.settings.database
    return restore_backup(
        backup,
        platform.settings.private_folder,
        replaces=replaces,
        home=platform.settings.home,
        lake=platform.lake if backup.lake else None,
        database=None if database is None else database.get_secret_value(),
    )


def _require_home(platform: Platform) -> None:
    if platform.services is not None:
        raise InvalidInputError(
            "a home on AWS ends with its task; the log is locked, the ledger is backed up by the stacks: see "
            "infra/templates/80-observability.yaml"
        )
