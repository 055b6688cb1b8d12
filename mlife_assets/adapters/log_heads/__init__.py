"""Signed heads of the event log, kept outside the lake (`Head`, `Sealer`, `audit`)."""

from mlife_assets.adapters.log_heads.audit import Audit, audit
from mlife_assets.adapters.log_heads.cross_checks import Records
from mlife_assets.adapters.log_heads.folder import FolderHeadStore, KeyPins, public_key
from mlife_assets.adapters.log_heads.head import Head, Note
from mlife_assets.adapters.log_heads.sealing import Sealer, alone_in_log, newest_head
from mlife_assets.adapters.log_heads.signing import Ed25519Signer

__all__ = [
    "Audit",
    "Ed25519Signer",
    "FolderHeadStore",
    "Head",
    "KeyPins",
    "Note",
    "Records",
    "Sealer",
    "audit",
    "alone_in_log",
    "newest_head",
    "public_key",
]
