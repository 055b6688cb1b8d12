"""Evaluation: all rankers on the same users, the cohort named, the random value beside them."""

from __future__ import annotations

import numpy as np
import pytest

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.training.evaluate import evaluate_rankings

POLICY = PromotionPolicy(bootstrap_resamples=400)


def world(seed: int = 1, users: int = 800) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    utility = rng.normal(size=(users, 20))
    relevant = rng.random((users, 20)) < 1 / (1 + np.exp(3.0 - 1.2 * utility))
    scores = {
        name: (weight * utility + rng.normal(size=utility.shape)).ravel()
        for name, weight in (("model", 1.0), ("rule", 0.3))
    }
    return np.repeat(np.arange(users), 20), np.tile(np.arange(20), users), relevant.ravel(), scores


def test_a_better_ranker_has_the_higher_map_on_the_same_users() -> None:
    users, jobs, relevant, scores = world()
    constant = {"constant": np.zeros(len(users)), "oracle": relevant.astype(float)}
    result = evaluate_rankings(users, jobs, relevant, scores | constant, POLICY)
    assert [ranker.name for ranker in result.rankers] == ["model", "rule", "constant", "oracle"]
    assert {ranker.mean_average_precision.n for ranker in result.rankers} == {result.users_with_positives}
    assert 1.0 == result.map_of("oracle") > result.map_of("model") > result.map_of("rule") > result.random_map
    model, rule, _, oracle = result.rankers
    assert 1.0 == oracle.ndcg > model.ndcg > rule.ndcg
    assert 1.0 == oracle.recall > model.recall > rule.recall
    constant_map = result.rankers[2].mean_average_precision
    assert constant_map.lower < result.random_map < constant_map.upper


def test_the_cohort_and_its_counts_are_reported() -> None:
    users, jobs, relevant, scores = world()
    with_positives = len(np.unique(users[relevant]))
    result = evaluate_rankings(users, jobs, relevant, scores, POLICY, cohort="randomised_slice")
    assert (result.cohort, result.depth, result.rows) == ("randomised_slice", 10, len(users))
    assert (result.cohort_users, result.users_with_positives) == (800, with_positives)
    assert result.share_without_positives == pytest.approx(1 - with_positives / 800)
    assert result.positives == relevant.sum()


def test_windows_are_ranked_apart_and_users_count_once() -> None:
    users, jobs, relevant, scores = world()
    days = np.repeat(np.array(["2026-06-02", "2026-06-09"], dtype="datetime64[D]"), len(users))
    twice = {name: np.tile(values, 2) for name, values in scores.items()}
    one = evaluate_rankings(users, jobs, relevant, scores, POLICY)
    two = evaluate_rankings(np.tile(users, 2), np.tile(jobs, 2), np.tile(relevant, 2), twice, POLICY, as_of_dates=days)
    assert two.cohort_users == one.cohort_users
    assert [r.mean_average_precision for r in two.rankers] == [r.mean_average_precision for r in one.rankers]


def test_unknown_names_are_refused() -> None:
    users, jobs, relevant, scores = world(users=50)
    with pytest.raises(InvalidInputError, match="cohort is 'all'"):
        evaluate_rankings(users, jobs, relevant, scores, POLICY, cohort="all")
    with pytest.raises(InvalidInputError, match="scores_by_name is empty"):
        evaluate_rankings(users, jobs, relevant, {}, POLICY)
    with pytest.raises(InvalidInputError, match="no ranker 'human'; evaluated were model, rule"):
        evaluate_rankings(users, jobs, relevant, scores, POLICY).map_of("human")


def test_nobody_with_positives_is_not_enough_evidence() -> None:
    users, jobs, relevant, scores = world(users=50)
    with pytest.raises(NotEnoughEvidenceError):
        evaluate_rankings(users, jobs, np.zeros_like(relevant), scores, POLICY)
