"""Evaluation of several rankings on the same mature examples.

Concept: all rankers of one evaluation see the same users.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.ranking.metrics import rank_rows
from mlife_assets.core.ranking.rows import prepare_ranking_rows
from mlife_assets.core.row_keys import IdColumn, encode_days
from mlife_assets.core.statistics import Interval, paired_bootstrap_interval


@dataclass(frozen=True)
class RankerEvaluation:
    """MAP of one ranker with its interval over users, and mean NDCG and recall at the same depth."""

    name: str
    mean_average_precision: Interval
    ndcg: float
    recall: float


@dataclass(frozen=True)
class Evaluation:
    """Rankers compared on the same users.

    Attributes:
        depth: k of MAP@k.
        rankers: one entry per ranker, in the order given.
        random_map: average MAP of a random ranking of the same rows (analytic).
        users_with_positives: users that count in MAP.
    """

    depth: int
    rankers: tuple[RankerEvaluation, ...]
    random_map: float
    users_with_positives: int

    def map_of(self, name: str) -> float:
        """Return MAP@depth of the ranker `name`.

        Raises:
            InvalidInputError: there is no such ranker.
        """
        for ranker in self.rankers:
            if ranker.name == name:
                return ranker.mean_average_precision.estimate
        raise InvalidInputError(f"no ranker {name!r}; evaluated were {', '.join(r.name for r in self.rankers)}")


def evaluate_rankings(
    user_ids: IdColumn,
    item_ids: IdColumn,
    is_relevant: np.ndarray,
    scores_by_name: Mapping[str, np.ndarray],
    policy: PromotionPolicy,
    *,
    as_of_dates: np.ndarray | None = None,
) -> Evaluation:
    """Return MAP@`policy.ranking_depth` of each ranker on the same n rows.

    Args:
        user_ids: user of each row.
        item_ids: item of each row.
        is_relevant: whether the outcome happened, bool of shape (n,).
        scores_by_name: one float array of shape (n,) per ranker; higher comes first.
        policy: depth, bootstrap and seed.
        as_of_dates: datetime64[D] of shape (n,) when users occur on several days: a user is ranked once per day and
            counts once.

    Raises:
        InvalidInputError: no ranker, a NaN score, columns of unlike length, or a repeated row.
        NotEnoughEvidenceError: fewer than two users with positives.
    """
    if not scores_by_name:
        raise InvalidInputError("scores_by_name is empty; pass at least one ranker")
    windows = None if as_of_dates is None else encode_days(as_of_dates, "as_of_dates")
    rows = prepare_ranking_rows(user_ids, item_ids, is_relevant, policy.seed, windows)
    results = {name: rank_rows(rows, scores, policy.ranking_depth) for name, scores in scores_by_name.items()}
    first = next(iter(results.values()))
    rankers = tuple(
        RankerEvaluation(
            name,
            paired_bootstrap_interval(
                result.average_precision, policy.bootstrap_resamples, policy.one_sided_alpha, policy.seed
            ),
            result.mean_ndcg,
            result.mean_recall,
        )
        for name, result in results.items()
    )
    return Evaluation(
        depth=policy.ranking_depth,
        rankers=rankers,
        random_map=first.random_mean,
        users_with_positives=len(first.users),
    )
