"""Sending what was approved, each text at most once."""

from typing import TYPE_CHECKING, Any

from mlife_assets.adapters.dispatcher.reports import (
    Checks,
    DispatchReport,
    InboundReport,
    Recheck,
    Recipient,
    ReconcileReport,
    TokenBucket,
    Verify,
)

if TYPE_CHECKING:
    from mlife_assets.adapters.dispatcher.sending import Dispatcher

__all__ = [
    "Checks",
    "DispatchReport",
    "Dispatcher",
    "InboundReport",
    "Recheck",
    "Recipient",
    "ReconcileReport",
    "TokenBucket",
    "Verify",
]


def __getattr__(name: str) -> Any:
    """Import the dispatcher when it is asked for: its ledger imports SQLAlchemy, what it reports does not."""
    if name != "Dispatcher":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mlife_assets.adapters.dispatcher.sending import Dispatcher

    return Dispatcher
