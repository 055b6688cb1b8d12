"""Which columns are watched: kinds that follow each other, and blocks of embeddings."""

from __future__ import annotations

from mlife_assets.core.monitoring.columns import MonitoringColumns
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS


def test_every_restricted_kind_of_column_follows() -> None:
    columns = PAIR_COLUMNS.restricted_to(["distance_km", "metro_code", "text_1", "tenure_days"])
    assert columns.watched == ("distance_km", "tenure_days", "metro_code")
    assert (columns.embedding, columns.ranged, columns.never_zero) == (("text_1",), ("distance_km",), ("distance_km",))
    assert (columns.alarming, columns.closed) == (("distance_km", "metro_code"), {})
    assert columns.unalarmed == PAIR_COLUMNS.unalarmed, "also what a sample lacks stays hidden from SHAP values"


def test_the_columns_of_an_embedding_are_one_block() -> None:
    columns = MonitoringColumns(embedding=("taste_1", "taste_2", "job_text_1"))
    assert columns.embedding_blocks == {
        "taste_embeddings": ("taste_1", "taste_2"),
        "job_text_embeddings": ("job_text_1",),
    }
