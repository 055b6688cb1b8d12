"""What people weigh: known answers of the curves, averages over what is shown, base rates, the linear world."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlife_assets.market.behaviour import Mood, Response, felt_distance, felt_pay, mood_of_day, respond
from mlife_assets.market.population import Population, draw_population, epoch_us
from mlife_assets.market.vacancies import Vacancies
from mlife_assets.market.world import LINEAR_TERMS, RELEASED_CALIBRATION, Calibration

CALIBRATION = replace(
    Calibration(), distance_within=0.5, distance_tolerance_km=20.0, distance_beyond=1.5, distance_late_shift=0.4,
    pay_at_asked=0.8, pay_loss=1.0, pay_saturation=0.5,
)  # fmt: skip


@pytest.mark.parametrize(
    ("kilometres", "is_late_shift", "felt"),
    [(10.0, False, 5.0), (20.0, False, 10.0), (30.0, False, 22.5), (30.0, True, 31.5), (300.0, False, 135.0)],
)
def test_a_kilometre_weighs_more_beyond_the_tolerance_and_for_late_shifts(
    kilometres: float, is_late_shift: bool, felt: float
) -> None:
    found = felt_distance(CALIBRATION, np.array([kilometres]), np.array([is_late_shift]))
    assert found == pytest.approx(felt)


@pytest.mark.parametrize(("log_ratio", "felt"), [(-0.5, -0.8), (0.0, 0.0), (0.5, 0.32), (2.0, 0.8), (1e9, 1.6)])
def test_pay_below_what_is_asked_weighs_more_and_pay_above_less_and_less(log_ratio: float, felt: float) -> None:
    assert felt_pay(CALIBRATION, np.array([log_ratio])) == pytest.approx(felt)


def test_linear_terms_make_both_curves_straight(rng) -> None:
    linear = replace(Calibration(), **LINEAR_TERMS)
    kilometres, log_ratio = rng.uniform(0.0, 110.0, 500), rng.normal(0.0, 1.0, 500)
    assert np.array_equal(felt_distance(linear, kilometres, kilometres > 50), kilometres)
    assert np.array_equal(felt_pay(linear, log_ratio), log_ratio)


def test_the_weights_of_a_person_turn_pay_and_distance_up_and_down(mid_world) -> None:
    people, jobs, record = mid_world.market.people, mid_world.market.state.vacancies, mid_world.records[20]
    calibration, mood = mid_world.market.config.calibration, Mood(people.taste, 0.8, 0.0)
    person, job, moment = record.impressions.person, record.impressions.job, epoch_us(record.day)

    def logit(population: Population, vacancies: Vacancies) -> np.ndarray:
        response = respond(calibration, population, vacancies, mood, person, job, moment, is_text=False)
        return np.log(response.click / (1 - response.click))

    twice = {name: replace(people, **{name: 2 * getattr(people, name)}) for name in ("pay_weight", "distance_weight")}
    without = {name: replace(people, **{name: 0 * getattr(people, name)}) for name in twice}
    usual = logit(people, jobs)
    for name, changed in twice.items():
        effect = usual - logit(without[name], jobs)
        assert np.allclose(logit(changed, jobs) - usual, effect)
        assert effect.std() > 0.05
    better = replace(jobs, pay=jobs.pay * 2)
    assert np.allclose(logit(without["pay_weight"], better), logit(without["pay_weight"], jobs))


def rare_odds(calibration: Calibration, mid_world, step_pay: float, step_km: float) -> np.ndarray:
    """Log odds of click plus those of apply of what was shown at home, as if pay or distance were a little larger."""
    parts = []
    people = mid_world.market.people
    for record in mid_world.records[::3]:
        jobs, views = record.vacancies, record.impressions
        shown = np.flatnonzero(people.metro[views.person] == jobs.metro[views.job])
        person, job = views.person[shown], views.job[shown]
        paid = replace(jobs, pay=jobs.pay * np.exp(step_pay))
        far = replace(calibration, distance_tolerance_km=calibration.distance_tolerance_km - step_km)
        mood = mood_of_day(mid_world.market.config, people, record.day)
        response = respond(far, people, paid, mood, person, job, epoch_us(record.day), is_text=False)
        odds = np.log(response.click / (1 - response.click)) + np.log(response.apply / (1 - response.apply))
        # A kilometre more for everybody is a tolerance that is a kilometre shorter, and the step itself within it.
        factor = calibration.distance_within * (1 + calibration.distance_late_shift * (jobs.shift[job] > 0))
        parts.append(odds + calibration.distance_per_km * factor * people.distance_weight[person] * step_km)
    return np.concatenate(parts)


def test_pay_and_distance_act_as_in_the_literature_on_average_over_what_is_shown(mid_world) -> None:
    """Sources: the README of the market's data. 4,000 people; the weights drawn for them are part of the average."""
    calibration = mid_world.market.config.calibration
    usual = rare_odds(calibration, mid_world, 0.0, 0.0)
    elasticity = (rare_odds(calibration, mid_world, 1e-4, 0.0) - usual).mean() / 1e-4
    slope = (rare_odds(calibration, mid_world, 0.0, 1e-4) - usual).mean() / 1e-4
    assert elasticity == pytest.approx(calibration.pay_elasticity, rel=0.03)
    assert slope == pytest.approx(calibration.distance_per_km, rel=0.03)
    assert (calibration.pay_elasticity, calibration.distance_per_km) == (0.8, -0.0268)


def expected_rates(calibration: Calibration, people: Population, mid_world, *, is_text: bool) -> tuple[float, float]:
    """Expected clicks per exposure and applications per click of everything that was shown or texted."""
    clicks = applications = exposures = 0.0
    for record in mid_world.records:
        source = record.texts if is_text else record.impressions
        mood = mood_of_day(mid_world.market.config, people, record.day)
        response: Response = respond(
            calibration, people, record.vacancies, mood, source.person, source.job, epoch_us(record.day),
            is_text=is_text, position=None if is_text else record.impressions.position,
        )  # fmt: skip
        exposures += len(source)
        clicks += response.click.sum()
        applications += (response.click * response.apply).sum()
    return clicks / exposures, applications / clicks


@pytest.mark.parametrize("is_text", [False, True])
def test_base_rates_are_those_of_the_linear_world(is_text: bool, mid_world) -> None:
    config = mid_world.market.config
    linear = draw_population(replace(config, calibration=RELEASED_CALIBRATION), mid_world.market.catalogue)
    found = expected_rates(config.calibration, mid_world.market.people, mid_world, is_text=is_text)
    expected = expected_rates(RELEASED_CALIBRATION, linear, mid_world, is_text=is_text)
    assert found == pytest.approx(expected, rel=0.02)


def test_the_world_is_not_linear_in_pay_or_distance() -> None:
    """Sizes: the README of the market's data."""
    calibration, step = Calibration(), 1e-4
    kilometres, log_ratio = np.linspace(1.0, 50.0, 50), np.linspace(-0.6, 0.8, 50)
    late = np.zeros(50, dtype=bool)
    by_km = (felt_distance(calibration, kilometres + step, late) - felt_distance(calibration, kilometres, late)) / step
    by_pay = (felt_pay(calibration, log_ratio + step) - felt_pay(calibration, log_ratio)) / step
    assert by_km[kilometres > 21].min() / by_km[kilometres < 20].max() == pytest.approx(2.0)
    assert by_pay[log_ratio < -0.01].min() / by_pay[log_ratio > 0.01].max() == pytest.approx(1.95, rel=0.04)
    assert (np.diff(by_pay[log_ratio > 0]) < 0).all()
    late_slopes = felt_distance(calibration, kilometres, ~late) / felt_distance(calibration, kilometres, late)
    assert late_slopes == pytest.approx(1.3)
