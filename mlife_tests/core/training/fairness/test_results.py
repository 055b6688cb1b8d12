"""The picture of an audit: small, the same every time, drawn even when there is nothing to draw."""

from __future__ import annotations

import numpy as np

from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.training.fairness.audit import UserOutcomes, audit_fairness
from mlife_assets.core.training.fairness.results import ETHNICITIES, SEXES, UNKNOWN, plot_impact_ratios

PNG = b"\x89PNG\r\n\x1a\n"
POLICY = PromotionPolicy(bootstrap_resamples=200)


def picture(sexes: tuple[str, ...]) -> bytes:
    rng = np.random.default_rng(1)
    sex = np.array(rng.choice(sexes, 3_000).tolist(), dtype=object)
    ethnicity = np.array(rng.choice(ETHNICITIES, 3_000).tolist(), dtype=object)
    selected = rng.random(3_000) < np.where(sex == "Female", 0.2, 0.4)
    outcomes = UserOutcomes(np.arange(3_000), selected, rng.random(3_000) < 0.5, rng.random(3_000))
    return plot_impact_ratios(audit_fairness("m", outcomes, sex, ethnicity, POLICY))


def test_a_picture_is_small_and_the_same_bytes() -> None:
    first = picture(SEXES)
    assert first.startswith(PNG)
    assert len(first) < 40_000
    assert first == picture(SEXES)
    assert first != picture((SEXES[0],))


def test_an_audit_without_a_judged_group_has_a_picture() -> None:
    nobody = np.array([UNKNOWN] * 50, dtype=object)
    outcomes = UserOutcomes(np.arange(50), np.ones(50, dtype=bool), np.ones(50, dtype=bool), np.full(50, np.nan))
    assert plot_impact_ratios(audit_fairness("m", outcomes, nobody, nobody, POLICY)).startswith(PNG)
