"""The recruiter rule: the frozen proxy of how people rank jobs today.

Concept: a model has to beat what people do now, not chance. The rule is frozen, named a proxy wherever it is shown, and
knows nothing of taste or behaviour. What is unknown counts as a mismatch: a person does not rank what they cannot see.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

RULE_NAME = "recruiter_rule_v1"
UNKNOWN_DISTANCE_KM = 100.0
"""Stands for a distance that nobody knows: farther than any candidate."""


def recruiter_scores(pairs: pa.Table) -> npt.NDArray[np.float64]:
    """Return the rule's score of n pairs that have their derived features, float64 of shape (n,)."""
    own, pay, shift = (
        np.nan_to_num(pairs[name].to_numpy(), nan=0.0)
        for name in ("same_occupation_group", "log_pay_ratio", "same_shift")
    )
    distance = np.nan_to_num(pairs["distance_km"].to_numpy(), nan=UNKNOWN_DISTANCE_KM)
    scores: npt.NDArray[np.float64] = 1.2 * own - 0.05 * distance + 1.0 * pay + 0.3 * shift
    return scores
