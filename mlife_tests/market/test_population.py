"""Who people are: what they weigh, and what is published of their tastes, late and noisy."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from mlife_assets.core.windows import add_days
from mlife_assets.market.catalogue import load_catalogue
from mlife_assets.market.injections import Injection, drifted_taste
from mlife_assets.market.population import Population, draw_population, epoch_us, published_taste
from mlife_assets.market.world import RELEASED_CALIBRATION, Calibration, MarketConfig

CONFIG = MarketConfig(users=4_000, jobs=50, seed=4)
CATALOGUE = load_catalogue()
DRIFT = add_days(CONFIG.start_date, 30)
DELAY = Calibration().taste_delay_days


def drawn(config: MarketConfig) -> Population:
    return draw_population(config, CATALOGUE)


@pytest.fixture(scope="module")
def people() -> Population:
    return drawn(CONFIG)


def test_people_differ_in_what_they_weigh_and_weigh_the_average_together(people) -> None:
    for weight in (people.pay_weight, people.distance_weight):
        assert weight.mean() == pytest.approx(1.0, abs=0.03)
        assert np.log(weight).std() == pytest.approx(0.5, abs=0.03)
        assert weight.min() > 0
    together = np.corrcoef([people.pay_weight, people.distance_weight, people.activity, people.view_rate])
    assert np.abs(together[0, 1:]).max() < 0.05
    assert np.abs(together[1, 2:]).max() < 0.05


def test_the_weights_leave_every_older_draw_alone(people) -> None:
    released = drawn(replace(CONFIG, calibration=RELEASED_CALIBRATION))
    for name in ("latitude", "reservation_pay", "taste", "activity", "view_rate", "signed_up_us"):
        assert np.array_equal(getattr(people, name), getattr(released, name))
    assert (released.pay_weight == 1.0).all()
    assert (released.distance_weight == 1.0).all()
    noise, less = people.shown_taste - people.taste, released.shown_taste - released.taste
    assert np.allclose(noise / 0.7, less / 0.35)


def test_a_third_of_what_is_published_of_a_taste_is_noise(people) -> None:
    shown = published_taste(CONFIG, people, DRIFT)
    known = (shown != 0).any(axis=1)
    share = np.corrcoef(shown[known].ravel(), people.taste[known].ravel())[0, 1] ** 2
    assert share == pytest.approx(1 / 1.49, abs=0.02)


@pytest.mark.parametrize("name", ["new_taste_cluster", "correlation_only"])
def test_a_drift_of_tastes_is_published_when_it_is_a_week_old(name: str) -> None:
    config = replace(CONFIG, injections=(Injection(name, DRIFT, size=0.5),))
    people = drawn(config)
    noise = people.shown_taste - people.taste
    before, after = (published_taste(config, people, add_days(DRIFT, DELAY + late)) for late in (-1, 0))
    unmoved = published_taste(CONFIG, people, add_days(DRIFT, DELAY - 1))
    assert np.array_equal(before, unmoved)
    moved = drifted_taste(config.seed, config.injections, DRIFT, people.taste)
    known = people.signed_up_us >= 0
    assert np.allclose(after[known], (moved + noise)[known])
    assert 0.4 < (after != before).any(axis=1)[known].mean() < 0.6


def test_who_has_just_signed_up_has_no_taste_until_the_first_publication() -> None:
    config = replace(CONFIG, injections=(Injection("new_city", DRIFT, size=1.0),))
    people = drawn(config)
    late = epoch_us(add_days(DRIFT, 1)) - 1
    assert people.signed_up_us.max() <= late
    newcomers = people.signed_up_us >= epoch_us(DRIFT)
    assert newcomers.sum() == config.dormant_users
    assert (published_taste(config, people, add_days(DRIFT, DELAY - 1))[newcomers] == 0).all()
    shown = published_taste(config, people, add_days(DRIFT, DELAY))
    assert np.allclose(shown, people.shown_taste)


def test_without_delay_a_taste_is_published_on_the_day_it_is_felt(people) -> None:
    prompt = replace(CONFIG, calibration=replace(CONFIG.calibration, taste_delay_days=0))
    shown = published_taste(prompt, people, CONFIG.start_date)
    known = people.signed_up_us >= 0
    assert np.allclose(shown[known], people.shown_taste[known])
    first = published_taste(CONFIG, people, CONFIG.start_date)
    recent = known & (people.signed_up_us >= epoch_us(add_days(CONFIG.start_date, 1 - DELAY)))
    assert 10 < recent.sum() < 100
    assert np.array_equal((first == 0).all(axis=1)[known], recent[known])


def test_a_day_begins_at_midnight_utc() -> None:
    assert epoch_us(date(1970, 1, 2)) == 86_400_000_000
