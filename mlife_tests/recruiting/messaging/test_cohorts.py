from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from mlife_assets.recruiting.messaging.cohorts import audience_of, cohort_name, holdout_mask, is_holdout, panel_of

USERS = [f"u{i}" for i in range(20_000)]


def test_the_holdout_has_its_share_and_nests_when_the_share_grows():
    small = holdout_mask(USERS, salt="s", share=0.05)
    large = holdout_mask(USERS, salt="s", share=0.10)
    assert small.mean() == pytest.approx(0.05, abs=0.005)
    assert not (small & ~large).any()


FROZEN = [1, 6, 31, 76, 89, 124, 146, 186, 228, 330, 345, 372, 376, 387]


def test_the_arm_is_frozen_across_releases():
    assert holdout_mask(USERS[:400], salt="2026-holdout", share=0.05).nonzero()[0].tolist() == FROZEN
    assert is_holdout(USERS[FROZEN[0]], salt="2026-holdout", share=0.05)


def test_another_process_assigns_the_same_arms():
    code = (
        "from mlife_assets.recruiting.messaging.cohorts import holdout_mask;"
        "print(holdout_mask([f'u{i}' for i in range(2000)], salt='s', share=0.05).nonzero()[0].tolist())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert eval(other) == holdout_mask(USERS[:2000], salt="s", share=0.05).nonzero()[0].tolist()


def test_panels_are_of_equal_size_and_independent_of_the_arm():
    panels = np.array([panel_of(u, salt="s") for u in USERS])
    holdout = holdout_mask(USERS, salt="s", share=0.5)
    for panel in "abcd":
        assert (panels == panel).mean() == pytest.approx(0.25, abs=0.015)
        assert holdout[panels == panel].mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    ("tenure", "click", "audience"),
    [(None, None, "everyone"), (3, None, "new"), (100, 2, "active"), (100, 60, "quiet"), (100, None, "quiet")],
)
def test_audiences(tenure, click, audience):
    assert audience_of(tenure, click) == audience
    name = cohort_name("u1", salt="s", tenure_days=tenure, days_since_last_click=click)
    assert name == f"{audience}_{panel_of('u1', salt='s')}"
