"""The objective: what it is, how sure it is, and that noise does not choose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from mlife_assets.core.training.gate.comparing import average_precision
from mlife_assets.core.training.objective import LOOKS_WITHOUT_GAIN, Looks, Ranked, best_of, measured, recalibrated_loss


def drawn(rows: int = 400, seed: int = 1, days: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores with ties, outcomes that follow them, and days."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(size=rows).round(1)
    return raw, rng.random(rows) < 1 / (1 + np.exp(1 - raw)), rng.integers(0, days, rows)


def test_it_is_the_average_precision_of_all_rows_whatever_their_order() -> None:
    raw, outcome, day = drawn()
    found = measured(raw, outcome, day, is_by_cluster=False)
    assert found.value == pytest.approx(average_precision_score(outcome, raw)) == average_precision(raw, outcome)
    assert found.weight == outcome.sum()
    places = np.random.default_rng(2).permutation(len(raw))
    other = measured(raw[places], outcome[places], day[places], is_by_cluster=False)
    assert other.value == pytest.approx(found.value, abs=1e-12)
    assert other.influence == pytest.approx(found.influence, abs=1e-12)


def test_with_items_it_is_the_mean_over_entities_that_have_both_classes() -> None:
    raw, outcome, entity = drawn(days=60)
    outcome[entity == 3] = False
    outcome[entity == 4] = True
    own = [
        average_precision_score(outcome[entity == one], raw[entity == one])
        for one in range(60)
        if 0 < outcome[entity == one].sum() < (entity == one).sum()
    ]
    found = measured(raw, outcome, entity, is_by_cluster=True)
    assert found.value == pytest.approx(np.mean(own))
    assert np.sqrt(np.sum(found.influence**2)) == pytest.approx(np.std(own) / np.sqrt(len(own)))
    assert not found.influence[[3, 4]].any()


def test_an_influence_is_how_the_objective_moves_with_the_weight_of_a_day() -> None:
    raw, outcome, day = drawn()
    found = measured(raw, outcome, day, is_by_cluster=False)
    assert found.influence.sum() == pytest.approx(0.0, abs=1e-12)
    for one in range(8):
        step = 1e-6
        moved = average_precision_score(outcome, raw, sample_weight=np.where(day == one, 1 + step, 1.0))
        assert (moved - found.value) / step == pytest.approx(found.influence[one], abs=1e-5)


def test_where_nothing_can_be_ranked_nothing_is_said() -> None:
    raw, outcome, day = drawn()
    for alone in (np.zeros_like(outcome), np.ones_like(outcome)):
        found = measured(raw, alone, day, is_by_cluster=False)
        assert (found.value, found.weight, found.influence.any()) == (0.0, 0.0, False)
        assert recalibrated_loss(raw, alone) == 0.0
    kept = Ranked.of_folds([found, measured(raw, outcome, day, is_by_cluster=False)])
    assert kept.value == measured(raw, outcome, day, is_by_cluster=False).value


def test_folds_weigh_as_much_as_they_have_positives() -> None:
    folds = [Ranked(0.2, np.array([0.1, -0.1]), 30.0), Ranked(0.6, np.array([0.2, -0.2]), 10.0)]
    found = Ranked.of_folds(folds)
    assert found.value == pytest.approx(0.3)
    assert found.influence == pytest.approx([0.075, -0.075, 0.05, -0.05])
    assert found.has_error


def test_a_fold_of_one_day_shows_no_error() -> None:
    raw, outcome, day = drawn(300, 1, days=3)
    several, one = (measured(raw, outcome, of, is_by_cluster=False) for of in (day, np.zeros_like(day)))
    assert [several.has_error, one.has_error, Ranked.of_folds([several, one]).has_error] == [True, False, False]


@pytest.mark.parametrize(("gap", "chosen"), [(0.05, 1), (0.15, 0)])
def test_a_lower_loss_decides_within_a_standard_error_and_not_beyond(gap: float, chosen: int) -> None:
    """The error of the paired difference is .1."""
    first = Ranked(0.5, np.array([0.1, -0.1]), 10.0)
    second = replace(first, value=0.5 - gap, influence=first.influence - np.array([0.1, -0.1]) / np.sqrt(2))
    assert best_of([first, second], [0.7, 0.6].__getitem__) == chosen
    assert best_of([first, second], [0.6, 0.7].__getitem__) == 0
    assert best_of([first, first], [0.6, 0.6].__getitem__) == 0


def test_of_many_that_say_the_same_noise_chooses_the_one_of_lower_loss() -> None:
    """Two scores of one law: which of them is ahead on 60 positives is luck, and the sharper loss decides."""
    wins = 0
    for seed in range(40):
        raw, outcome, day = drawn(300, seed, days=30)
        noisy = raw + 0.3 * np.random.default_rng(seed + 1000).normal(size=len(raw))
        sides = [measured(one, outcome, day, is_by_cluster=False) for one in (noisy, raw)]
        losses = [recalibrated_loss(one, outcome) for one in (noisy, raw)]
        wins += best_of(sides, losses.__getitem__)
    assert wins >= 26


def test_a_fit_is_seen_until_nothing_has_been_gained_for_some_looks() -> None:
    raw, outcome, day = drawn()
    judged = np.arange(len(raw)) >= 50
    looks = Looks(np.zeros((len(raw), 1)), judged, outcome[judged], day[judged], False)
    assert not looks.see(raw)
    for number in range(LOOKS_WITHOUT_GAIN):
        assert looks.see(-raw) == (number == LOOKS_WITHOUT_GAIN - 1)
    assert looks.found[0].value == pytest.approx(average_precision_score(outcome[judged], raw[judged]))
    assert looks.loss(0) == recalibrated_loss(raw[judged], outcome[judged]) < looks.loss(1)
