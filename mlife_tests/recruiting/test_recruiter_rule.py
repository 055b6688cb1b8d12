"""The recruiter rule is frozen: these numbers never change."""

from __future__ import annotations

import pyarrow as pa
import pytest

from mlife_assets.recruiting.recruiter_rule import RULE_NAME, recruiter_scores


def test_the_rule_is_what_was_agreed() -> None:
    pairs = pa.table(
        {
            "same_occupation_group": [1.0, 0.0],
            "distance_km": [10.0, 2.0],
            "log_pay_ratio": [0.2, -0.1],
            "same_shift": [0.0, 1.0],
            "taste_match": [9.0, -9.0],
        }
    )
    assert recruiter_scores(pairs) == pytest.approx([1.2 - 0.5 + 0.2, -0.1 - 0.1 + 0.3])
    assert RULE_NAME == "recruiter_rule_v1"
