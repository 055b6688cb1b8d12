"""Agreement against scipy, hand-worked cases and what it must be at the extremes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import combinations, permutations
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.recruiting.panel import Panel, panel_agreement, parse_panel
from mlife_assets.recruiting.panel.agreement import kendall_w, mean_kendall_tau

POLICY = PromotionPolicy(bootstrap_resamples=400)
RANKS = st.tuples(st.integers(2, 6), st.integers(2, 9), st.integers(0, 10_000)).map(
    lambda drawn: np.array([np.random.default_rng((drawn[2], k)).permutation(drawn[1]) + 1 for k in range(drawn[0])])
)


def panel_of(files: SimpleNamespace, users: int, recruiters: int, jobs: int, noise: float, seed: int = 1) -> Panel:
    """Return recruiters who rank by a common taste of each user plus noise."""
    rng = np.random.default_rng(seed)
    rankings = []
    for user in range(users):
        taste = rng.normal(size=jobs)
        for recruiter in range(recruiters):
            order = np.argsort(taste + noise * rng.normal(size=jobs))
            rankings.append((f"r{recruiter}", f"u{user:03d}", [f"j{job}" for job in order]))
    return parse_panel(files.of(*rankings))


def test_hand_worked() -> None:
    ranks = np.array([[1, 2, 3], [1, 3, 2], [2, 1, 3]])
    # Rank sums 4, 6, 8 around 6: S = 8, W = 12 * 8 / (9 * 24).
    assert kendall_w(ranks) == pytest.approx(96 / 216)
    # Of three pairs of recruiters, taus are 1/3, 1/3 and -1/3.
    assert mean_kendall_tau(ranks) == pytest.approx(1 / 9)
    assert kendall_w(np.array([[1, 2], [2, 1]])) == 0
    assert mean_kendall_tau(np.array([[1, 2], [2, 1]])) == -1


@given(RANKS)
def test_tau_and_w_equal_scipy(ranks: np.ndarray) -> None:
    from scipy.stats import friedmanchisquare, kendalltau

    taus = [kendalltau(one, two).statistic for one, two in combinations(ranks, 2)]
    assert mean_kendall_tau(ranks) == pytest.approx(np.mean(taus), abs=1e-12)
    raters, jobs = ranks.shape
    if jobs >= 3:
        # Friedman's statistic of the same ranks is m (n - 1) W.
        assert kendall_w(ranks) == pytest.approx(
            friedmanchisquare(*ranks.T).statistic / (raters * (jobs - 1)), abs=1e-12
        )


@given(RANKS, st.randoms(use_true_random=False))
def test_the_order_of_recruiters_and_jobs_changes_no_bit(ranks: np.ndarray, random: object) -> None:
    rng = np.random.default_rng(random.randrange(1 << 30))  # type: ignore[attr-defined]
    moved = rng.permutation(rng.permutation(ranks, axis=0), axis=1)
    assert (kendall_w(moved), mean_kendall_tau(moved)) == (kendall_w(ranks), mean_kendall_tau(ranks))


@given(RANKS)
def test_equal_rankings_agree_wholly(ranks: np.ndarray) -> None:
    same = np.repeat(ranks[:1], len(ranks), axis=0)
    assert (kendall_w(same), mean_kendall_tau(same)) == (1, 1)
    assert 0 <= kendall_w(ranks) <= 1
    assert -1 <= mean_kendall_tau(ranks) <= 1


def test_a_panel_of_one_mind(files: SimpleNamespace) -> None:
    agreement = panel_agreement([panel_of(files, 20, 3, 8, noise=0)], POLICY)
    assert (agreement.kendall_w.estimate, agreement.kendall_w.lower, agreement.kendall_w.upper) == (1, 1, 1)
    assert agreement.kendall_tau.estimate == 1
    assert (agreement.users, agreement.recruiters, agreement.kendall_w.n) == (20, 3, 20)
    assert "Kendall's W 1.00 (95% interval 1.00 to 1.00; 0.33 at random)" in agreement.sentence


@pytest.mark.parametrize("recruiters", [2, 4, 25])
def test_a_random_panel_agrees_as_much_as_chance(files: SimpleNamespace, recruiters: int) -> None:
    agreement = panel_agreement([panel_of(files, 150, recruiters, 10, noise=1e9)], POLICY)
    assert agreement.random_w == pytest.approx(1 / recruiters)
    assert agreement.kendall_w.estimate == pytest.approx(1 / recruiters, abs=0.03)
    assert agreement.kendall_tau.lower < 0 < agreement.kendall_tau.upper


def test_more_noise_means_less_agreement(files: SimpleNamespace) -> None:
    found = [panel_agreement([panel_of(files, 60, 3, 10, noise=noise)], POLICY) for noise in (0.3, 1, 3)]
    assert found[0].kendall_w.lower > found[1].kendall_w.upper > found[1].kendall_w.lower > found[2].kendall_w.upper
    assert found[0].kendall_tau.lower > found[1].kendall_tau.upper


def test_users_of_one_recruiter_or_one_job_count_for_nothing(files: SimpleNamespace) -> None:
    both = [(r, u, "abc") for u in ("u1", "u2") for r in ("r1", "r2")]
    one = [("r3", "u3", "cba"), ("r1", "u4", "a"), ("r4", "u4", "a")]
    agreement = panel_agreement([parse_panel(files.of(*both, *one))], POLICY)
    assert (agreement.users, agreement.recruiters, agreement.kendall_w.estimate) == (2, 2, 1)
    for rankings in (one, [*both[:2], *one]):
        with pytest.raises(NotEnoughEvidenceError, match=r"[01] users were ranked for by two recruiters, at least 2"):
            panel_agreement([parse_panel(files.of(*rankings))], POLICY)


def test_a_user_of_two_days_counts_once_by_the_mean(files: SimpleNamespace) -> None:
    first = parse_panel(files.of(*[(r, u, "ab") for u in ("u1", "u2") for r in ("r1", "r2")]))
    second = replace(
        parse_panel(files.of(("r1", "u1", "ab"), ("r2", "u1", "ba"))), as_of_date=date(2026, 6, 3), sha256="f" * 64
    )
    agreement = panel_agreement([first, second], POLICY)
    assert agreement.users == 2
    assert agreement.kendall_w.estimate == pytest.approx((0.5 + 1) / 2)
    assert agreement.kendall_tau.estimate == pytest.approx((0 + 1) / 2)
    assert panel_agreement([second, first], POLICY) == agreement


def test_the_order_of_panels_changes_no_bit(files: SimpleNamespace) -> None:
    made = [panel_of(files, 30, 3, 7, noise=1, seed=seed) for seed in range(3)]
    panels = [replace(panel, as_of_date=date(2026, 6, 2 + day)) for day, panel in enumerate(made)]
    agreement = panel_agreement(panels, POLICY)
    assert all(panel_agreement(order, POLICY) == agreement for order in permutations(panels))
