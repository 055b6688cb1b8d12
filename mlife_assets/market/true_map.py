"""Expected MAP: how well rankings do on the true probabilities, a ceiling included.

Belongs here: drawing outcomes from the truth and ranking them. Does not belong here: the truth (`truth`), what ranks.

Concept: what people applied to also depends on what a site displayed to them, so no ranking of all candidates can be
the ceiling of a MAP on realised applications. Here every candidate is relevant with its true probability of an
application if it were shown first. The ranking by these probabilities is the ceiling.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from mlife_assets.core.ranking import prepare_ranking_rows, rank_rows
from mlife_assets.market.truth import MarketTruth, oracle_apply_probability

DRAWS = 10
"""Draws of relevance that a value is averaged over, so that little of it is the luck of a draw."""
ORACLE = "oracle"


def pair_probabilities(truth: MarketTruth, pairs: pa.Table) -> np.ndarray:
    """Return the true probability of an application to each of n pairs if it is shown first, float64 (n,)."""
    return oracle_apply_probability(truth, pairs["user_id"].to_pylist(), pairs["job_id"].to_pylist())


def expected_maps(
    pairs: pa.Table, probability: np.ndarray, scores: Mapping[str, np.ndarray], *, depth: int, seed: int
) -> dict[str, float]:
    """Return the expected MAP@`depth` of each ranking, of the oracle and of a random order.

    Args:
        pairs: candidates of one day, with `user_id` and `job_id`; n rows.
        probability: true, of shape (n,).
        scores: by name, higher first, each of shape (n,).
        depth: k of MAP@k.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    users, jobs = (np.array(pairs[name].to_pylist(), dtype=object) for name in ("user_id", "job_id"))
    ranked = {**scores, ORACLE: probability}
    found: dict[str, list[float]] = {name: [] for name in (*ranked, "random")}
    for _ in range(DRAWS):
        rows = prepare_ranking_rows(users, jobs, rng.random(len(probability)) < probability, seed)
        for name, values in ranked.items():
            result = rank_rows(rows, values, depth)
            found[name].append(result.mean)
        found["random"].append(result.random_mean)
    return {name: float(np.mean(values)) for name, values in found.items()}
