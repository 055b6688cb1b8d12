"""A ledger that was lost or restored is brought up to date before anything is sent again.

Belongs here: wiring log, provider, heads and ledger for it. Does not belong here: what is read from the log
(`adapters.ledger_catch_up`), copies (`adapters.backups`).

Concept: the ledger is about to be rebuilt from the log, so the log is verified against its signed heads first. Only
findings about the ledger itself do not count, nor heads that it alone still has: sealing gives them back.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from mlife_assets.adapters.log_heads.cross_checks import LEDGER_KEY
from mlife_assets.components.messages.sending import signed_positions
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.platform.sealing import audit_log, seal
from mlife_assets.core.errors import IntegrityError
from mlife_assets.recruiting.application import Channel

if TYPE_CHECKING:
    from mlife_assets.adapters.ledger_catch_up import CaughtUp


def require_intact_log(platform: Platform) -> None:
    """Raise IntegrityError when the log is not what was written and signed."""
    found = audit_log(platform).verification.findings
    faulty = {one.key for one in found}
    held = platform.ledger.heads.sequences() if platform.has_ledger else []
    copied = {f"{platform.head_store.name}/{number}" for number in held if f"{LEDGER_KEY}/{number}" not in faulty}
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


def bring_forward(platform: Platform, *, now: datetime) -> CaughtUp:
    """Add to the ledger whatever the log and the provider know and it does not, then sign what that published."""
    from mlife_assets.adapters.ledger_catch_up import catch_up

    result = catch_up(
        platform.ledger,
        platform.outbox,
        find=lambda channel, message_id: platform.gateways[Channel(channel)].find(message_id),
        signed=signed_positions(platform),
        now=now,
    )
    seal(platform)
    return result
