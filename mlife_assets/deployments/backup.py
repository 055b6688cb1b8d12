"""Backups of a whole deployment: the parts of a home, and their restore.

Concept: the ledger will be rebuilt from the log, so the log is verified against its signed heads first. Findings about
the ledger itself do not count, nor heads that only the ledger still has: sealing restores them.
"""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from mlife_assets.adapters.backups import Backup, create_backup
from mlife_assets.adapters.home_files import DEPLOYMENT
from mlife_assets.adapters.log_heads import public_key
from mlife_assets.adapters.log_heads.audit import LEDGER_KEY
from mlife_assets.adapters.restored_backups import Restored, copy_lake, restore_backup
from mlife_assets.core.errors import (
    ContentConflictError,
    GateClosedError,
    IntegrityError,
    InvalidInputError,
    MlifeError,
    NotFoundError,
)
from mlife_assets.deployment_settings import holds_market
from mlife_assets.deployments.board_ports import BoardHome
from mlife_assets.deployments.sealing import (
    audit_log,
    head_signer_at_hand,
    replace_lost_keys,
    seal,
    signed_positions,
)
from mlife_assets.recruiting.application import Channel

if TYPE_CHECKING:
    from mlife_assets.adapters.ledger_catch_up import CaughtUp

_LOGGER = logging.getLogger(__name__)
NEWEST_BACKUP = "backups/newest.json"
"""Key in the lake, which may outlive the home: time of the newest backup."""


def back_up(home: BoardHome, to: Path, *, now: datetime, has_lake: bool = True) -> Backup:
    """Write a backup to an empty folder, perhaps without the lake. Raises InvalidInputError or IntegrityError."""
    _require_home(home)
    lake = home.lake
    if lake.root is not None and to.is_relative_to(lake.root):
        raise InvalidInputError(f"{to} lies in the lake that it would be a copy of; name a folder on another disk")
    made = create_backup(
        home.ledger,
        home.settings.private_folder,
        to,
        now=now,
        signer=head_signer_at_hand(home),
        home=home.settings.home,
        copy_lake=(lambda folder: copy_lake(lake, home.event_log.chain, folder)) if has_lake else None,
    )
    try:
        lake.replace(NEWEST_BACKUP, orjson.dumps({"created_at": made.created_at.isoformat()}))
    except MlifeError as error:
        words = "the backup is whole, but the lake does not know of it, so a restore takes an older one, too"
        _LOGGER.warning("%s; make another once the lake can be written: %s", words, error)
    return made


def trusted_key(home: BoardHome, signed_by: str | None) -> bytes:
    """Return the key that must have signed a backup: the named one, else this home's. Raises InvalidInputError."""
    if signed_by is not None:
        try:
            return public_key(signed_by)
        except ValueError as error:
            raise InvalidInputError(
                "--signed-by is no public key of 64 hex digits; copy it from what `mlife backup create` printed"
            ) from error
    pinned = home.private.heads.pins.keys()
    if not pinned and home.settings.key_seed is None:
        raise InvalidInputError(
            f"{home.settings.home} has no key to hold the backup against. Say --signed-by with the public key that "
            "`mlife backup create` printed, or --unsigned for a backup of before there were signatures"
        )
    return pinned[-1] if pinned else home.private.heads.signer(0).public_key


def put_back(home: BoardHome, backup: Backup, *, replaces: bool = False, takes_older: bool = False) -> Restored:
    """Restore a backup into a home that no other process has open; then open the home anew.

    Raises ContentConflictError if something is newer or different, GateClosedError if there is a newer backup and not
    `takes_older`, InvalidInputError without a home.
    """
    _require_home(home)
    if not takes_older:
        _require_newest(home, backup)
    if DEPLOYMENT in backup.files and holds_market(home.settings.home):
        raise ContentConflictError(
            f"{home.settings.home} holds a simulated market and the backup none; restore into a home of its own"
        )
    database = home.settings.owner.database
    return restore_backup(
        backup,
        home.settings.private_folder,
        replaces=replaces,
        home=home.settings.home,
        lake=home.lake if backup.lake else None,
        database=None if database is None else database.get_secret_value(),
    )


def renew_lost_keys(home: BoardHome, backup: Backup) -> str | None:
    """Replace lost signing keys; returns the new public key, if any. Raises GateClosedError on unvouched manifests."""
    vouched = {} if backup.signed_by is None else backup.lake
    reason = "no backup holds the keys that sign the log"
    head = replace_lost_keys(home, actor="mlife backup restore", reason=reason, vouched=vouched)
    return None if head is None else home.private.heads.pins.keys()[-1].hex()


def _require_newest(home: BoardHome, backup: Backup) -> None:
    """Raise GateClosedError if the surviving lake knows a newer backup."""
    try:
        newest = orjson.loads(home.lake.get(NEWEST_BACKUP))["created_at"]
        is_newest = datetime.fromisoformat(newest) <= backup.created_at
    except NotFoundError:
        return
    except (KeyError, TypeError, ValueError):
        newest, is_newest = f"a time that {NEWEST_BACKUP} does not say", False
    if not is_newest:
        raise GateClosedError(
            f"{backup.folder} is of {backup.created_at.isoformat()} and the newest backup of this lake of {newest}: "
            "who asked between them to be left alone, by post, would be forgotten. Restore that, or say --older"
        )


def _require_home(home: BoardHome) -> None:
    if home.deployment.services is not None:
        raise InvalidInputError(
            "a home on AWS ends with its task; the log is locked, the ledger is backed up by the stacks: see "
            "infra/templates/80-observability.yaml"
        )


def require_intact_log(home: BoardHome) -> None:
    """Raise IntegrityError unless the log is as written and signed."""
    found = audit_log(home).verification.findings
    faulty = {one.key for one in found}
    ledger = home.ledger_if(is_made=False)
    held = [] if ledger is None else ledger.heads.sequences()
    copied = {f"{home.private.heads.store.name}/{number}" for number in held if f"{LEDGER_KEY}/{number}" not in faulty}
    findings = [
        one
        for one in found
        if one.key.split("/")[0] != LEDGER_KEY and not (one.kind == "missing_head" and one.key in copied)
    ]
    if findings:
        raise IntegrityError(
            f"the event log has {len(findings)} findings, the first at {findings[0].key}, so a ledger cannot be "
            "rebuilt from it; see `mlife log verify`"
        )


def bring_forward(home: BoardHome, *, now: datetime, vouches: bool = False) -> CaughtUp:
    """Add events that only log and provider know to the ledger, then sign; `vouches` is as in `catch_up`."""
    from mlife_assets.adapters.ledger_catch_up import catch_up

    result = catch_up(
        home.ledger,
        home.messengers.outbox,
        find=lambda channel, message_id: home.messengers.gateways[Channel(channel)].find(message_id),
        signed=signed_positions(home),
        now=now,
        vouches=vouches,
    )
    seal(home)
    return result
