"""Ranking quality: AP, NDCG and recall at depth k per user, their means, and what a random ranking would get."""

from __future__ import annotations

from mlife_assets.core.ranking.metrics import (
    RankingResult,
    mean_average_precision,
    random_ndcg_expectation,
    random_ranking_expectation,
    random_recall_expectation,
    rank_rows,
)
from mlife_assets.core.ranking.rows import RankingRows, prepare_ranking_rows
from mlife_assets.core.row_keys import tie_keys

__all__ = [
    "RankingResult",
    "RankingRows",
    "mean_average_precision",
    "prepare_ranking_rows",
    "random_ndcg_expectation",
    "random_ranking_expectation",
    "random_recall_expectation",
    "rank_rows",
    "tie_keys",
]
