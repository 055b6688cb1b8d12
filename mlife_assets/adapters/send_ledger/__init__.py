"""The transactional record of every send, on SQLite and PostgreSQL."""

from mlife_assets.adapters.send_ledger.ledger import SqlLedger, Transition
from mlife_assets.adapters.send_ledger.restoring import Move, RestoredSend, accepted_moves

__all__ = ["Move", "RestoredSend", "SqlLedger", "Transition", "accepted_moves"]
