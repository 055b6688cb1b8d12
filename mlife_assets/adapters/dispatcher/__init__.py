"""Sending what was approved, each text at most once."""

from mlife_assets.adapters.dispatcher.pacing import TokenBucket
from mlife_assets.adapters.dispatcher.reports import (
    DispatchReport,
    InboundReport,
    Recheck,
    Recipient,
    ReconcileReport,
    Verify,
)
from mlife_assets.adapters.dispatcher.sending import Dispatcher

__all__ = [
    "DispatchReport",
    "Dispatcher",
    "InboundReport",
    "Recheck",
    "Recipient",
    "ReconcileReport",
    "TokenBucket",
    "Verify",
]
