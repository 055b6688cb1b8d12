"""The ledger's schema through the releases, and the way from each to this one."""

from mlife_assets.adapters.send_ledger.migrations.revisions import HEAD, upgrade

__all__ = ["HEAD", "upgrade"]
