"""The transactional record of every send, on SQLite and PostgreSQL."""

from mlife_assets.adapters.send_ledger.ledger import SqlLedger, Transition

__all__ = ["SqlLedger", "Transition"]
