"""Data quality: is what arrived what it claims to be? A fault here blocks; it never retrains."""

from mlife_assets.core.monitoring.quality.arrivals import Refusal
from mlife_assets.core.monitoring.quality.report import REPORT, data_quality_report
from mlife_assets.core.monitoring.quality.shares import KIND, schema_fault

__all__ = [
    "KIND",
    "REPORT",
    "Refusal",
    "data_quality_report",
    "schema_fault",
]
