"""Exploration: a pure hash decides, picks are uniform, propensities add up."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import chisquare

from mlife_assets.core.inference.exploration import explore

DAY = date(2026, 6, 2)
USERS, JOBS = 4_000, 5
USER_IDS = pa.chunked_array([pa.array([f"u{i}" for i in range(USERS) for _ in range(JOBS)])])
JOB_IDS = pa.chunked_array([pa.array([f"j{k}" for _ in range(USERS) for k in range(JOBS)])])
SCORES = np.tile(np.array([0.1, 0.5, 0.3, 0.2, 0.4]), USERS)


def test_ranks_and_propensities_of_each_user() -> None:
    found = explore(USER_IDS, JOB_IDS, SCORES, share=0.05, salt="s", as_of=DAY)
    assert found.rank.reshape(USERS, JOBS).tolist() == [[5, 1, 3, 4, 2]] * USERS
    assert found.propensity.reshape(USERS, JOBS).sum(axis=1) == pytest.approx(np.ones(USERS))
    assert found.propensity[:5] == pytest.approx([0.01, 0.96, 0.01, 0.01, 0.01])


def test_about_the_share_explores_and_picks_are_uniform() -> None:
    found = explore(USER_IDS, JOB_IDS, SCORES, share=0.3, salt="s", as_of=DAY)
    picks = found.is_exploration.reshape(USERS, JOBS)
    assert picks.sum(axis=1).max() == 1
    assert picks.sum() == pytest.approx(0.3 * USERS, rel=0.1)
    assert chisquare(picks.sum(axis=0)).pvalue > 0.001
    assert not explore(USER_IDS, JOB_IDS, SCORES, share=0.0, salt="s", as_of=DAY).is_exploration.any()


def test_neither_order_nor_scores_nor_other_users_move_a_pick() -> None:
    found = explore(USER_IDS, JOB_IDS, SCORES, share=0.3, salt="s", as_of=DAY)
    order = np.random.default_rng(1).permutation(len(SCORES))
    shuffled = explore(
        USER_IDS.take(pa.array(order)), JOB_IDS.take(pa.array(order)), SCORES[order], share=0.3, salt="s", as_of=DAY
    )
    for name in ("rank", "is_exploration", "propensity"):
        assert np.array_equal(getattr(shuffled, name), getattr(found, name)[order])
    part = explore(USER_IDS[:50], JOB_IDS[:50], -SCORES[:50], share=0.3, salt="s", as_of=DAY)
    assert np.array_equal(part.is_exploration, found.is_exploration[:50])


def test_day_and_salt_choose_others() -> None:
    found = explore(USER_IDS, JOB_IDS, SCORES, share=0.3, salt="s", as_of=DAY).is_exploration
    tomorrow = explore(USER_IDS, JOB_IDS, SCORES, share=0.3, salt="s", as_of=date(2026, 6, 3)).is_exploration
    salted = explore(USER_IDS, JOB_IDS, SCORES, share=0.3, salt="t", as_of=DAY).is_exploration
    assert (found & tomorrow).sum() < found.sum() / 2
    assert (found & salted).sum() < found.sum() / 2


def test_equal_scores_have_distinct_ranks_that_favour_no_job() -> None:
    found = explore(USER_IDS, JOB_IDS, np.zeros(len(SCORES)), share=0.0, salt="s", as_of=DAY)
    ranks = found.rank.reshape(USERS, JOBS)
    assert (np.sort(ranks, axis=1) == np.arange(1, JOBS + 1)).all()
    assert chisquare((ranks == 1).sum(axis=0)).pvalue > 0.001


def test_no_rows() -> None:
    nothing = pa.chunked_array([], pa.string())
    assert len(explore(nothing, nothing, np.zeros(0), share=0.1, salt="s", as_of=DAY).rank) == 0
