"""Feature rows derived again from raw events, to the bit: the one unlabelled defence against wrong joins."""

from mlife_assets.recruiting.recompute.compare import (
    METHOD,
    ROW,
    Mismatch,
    compare_rows,
    pair_rows,
    recompute_findings,
)
from mlife_assets.recruiting.recompute.features import job_features, user_features
from mlife_assets.recruiting.recompute.source import SOURCE_COLUMNS, SourceEvents, deciding_consents

__all__ = [
    "METHOD",
    "ROW",
    "SOURCE_COLUMNS",
    "Mismatch",
    "SourceEvents",
    "compare_rows",
    "deciding_consents",
    "job_features",
    "pair_rows",
    "recompute_findings",
    "user_features",
]
