"""Thinning: of many rows on which nothing happened, few that stand for all.

Belongs here: which rows are left out, and what the others weigh. Does not belong here: learning from them (`fit`).

Concept: what can be learned is bounded by the rarer class; beyond some thousand rows more negatives cost time and say
little. Of each run of k negatives in canonical order, which starts with the day, one is drawn and counts k times, so
every stretch of days keeps its share and probabilities stay what they are. Weighted negatives are no weighted classes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mlife_assets.core.policies import TrainingPolicy


def thinned_weights(outcome: npt.NDArray[np.bool_], policy: TrainingPolicy) -> npt.NDArray[np.float64]:
    """Return how many rows each of n rows stands for, float64 (n,); 0 where it is left out.

    A run is as long as `policy.negatives_per_kept`, or shorter where fewer than `policy.negatives_minimum` would stay.
    Positives stand for themselves; the weights of negatives sum to their number.

    Args:
        outcome: whether anything happened to each row, in canonical order, bool (n,).
        policy: how long runs are, and the seed of the draw.
    """
    weights = np.ones(len(outcome))
    negatives = np.flatnonzero(~outcome)
    run = min(policy.negatives_per_kept, len(negatives) // policy.negatives_minimum)
    if run < 2:
        return weights
    starts = np.arange(0, len(negatives), run)
    lengths = np.minimum(run, len(negatives) - starts)
    drawn = starts + np.random.default_rng(policy.seed).integers(0, lengths)
    weights[negatives] = 0.0
    weights[negatives[drawn]] = lengths
    return weights
