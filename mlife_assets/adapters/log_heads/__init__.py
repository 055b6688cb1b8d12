"""Signed heads of the event log, kept outside the lake (`Head`, `Sealer`, `audit`)."""

from mlife_assets.adapters.log_heads.audit import Audit, Records, audit
from mlife_assets.adapters.log_heads.head import Ed25519Signer, FolderHeadStore, Head, KeyPins, Note, public_key
from mlife_assets.adapters.log_heads.sealing import Sealer, alone_in_log, newest_head

__all__ = [
    "Audit",
    "Ed25519Signer",
    "FolderHeadStore",
    "Head",
    "KeyPins",
    "Note",
    "Records",
    "Sealer",
    "alone_in_log",
    "audit",
    "newest_head",
    "public_key",
]
