"""The event log: append-only Parquet with one hash chain of manifests (`ParquetEventLog`, `verify`)."""

from mlife_assets.adapters.event_log.chain import ChainEnd
from mlife_assets.adapters.event_log.log import ParquetEventLog, upcast
from mlife_assets.adapters.event_log.manifests import LogFile
from mlife_assets.adapters.event_log.verification import Finding, Verification, verify

__all__ = ["ChainEnd", "Finding", "LogFile", "ParquetEventLog", "Verification", "upcast", "verify"]
