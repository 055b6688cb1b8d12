"""The transactional record of every send, on SQLite and PostgreSQL."""

from mlife_assets.adapters.send_ledger.ledger import SqlLedger, Transition
from mlife_assets.adapters.send_ledger.restoring import Move, RestoredSend

__all__ = ["Move", "RestoredSend", "SqlLedger", "Transition"]
