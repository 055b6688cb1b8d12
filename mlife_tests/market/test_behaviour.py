"""What people do and weigh: known answers of the curves, base rates, organic traffic, and what a drift changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.windows import add_days
from mlife_assets.market import behaviour
from mlife_assets.market.behaviour import APPLY, CLICK, Mood, Response, felt_distance, felt_pay, mood_of_day, respond
from mlife_assets.market.catalogue import load_catalogue
from mlife_assets.market.population import MICROSECONDS_PER_DAY, Population, draw_population, epoch_us
from mlife_assets.market.traffic import EXPORT_US, FEED_SHARE, Impressions, browse, utc_offset_hours
from mlife_assets.market.vacancies import Vacancies, first_postings
from mlife_assets.market.world import (
    BEHAVIOURS,
    LINEAR_TERMS,
    RELEASED_CALIBRATION,
    Calibration,
    Choice,
    Injection,
    MarketConfig,
    affected,
    drifted_taste,
    tiny_config,
)

CHOICE = Choice(
    distance_within=0.5, distance_tolerance_km=20.0, distance_beyond=1.5, distance_late_shift=0.4,
    pay_at_asked=0.8, pay_loss=1.0, pay_saturation=0.5,
)  # fmt: skip
METROS = 4
CONFIG = MarketConfig(users=4_000, jobs=400, metros=METROS, seed=11)
DAY = CONFIG.start_date
CATALOGUE = load_catalogue()
START = tiny_config().start_date
SHIFT_DAY = add_days(START, 5)


@pytest.mark.parametrize(
    ("kilometres", "is_late_shift", "felt"),
    [(10.0, False, 5.0), (20.0, False, 10.0), (30.0, False, 22.5), (30.0, True, 31.5), (300.0, False, 135.0)],
)
def test_a_kilometre_weighs_more_beyond_the_tolerance_and_for_late_shifts(
    kilometres: float, is_late_shift: bool, felt: float
) -> None:
    found = felt_distance(CHOICE, np.array([kilometres]), np.array([is_late_shift]))
    assert found == pytest.approx(felt)


@pytest.mark.parametrize(("log_ratio", "felt"), [(-0.5, -0.8), (0.0, 0.0), (0.5, 0.32), (2.0, 0.8), (1e9, 1.6)])
def test_pay_below_what_is_asked_weighs_more_and_pay_above_less_and_less(log_ratio: float, felt: float) -> None:
    assert felt_pay(CHOICE, np.array([log_ratio])) == pytest.approx(felt)


def test_linear_terms_make_both_curves_straight(rng) -> None:
    linear = Calibration().changed(**LINEAR_TERMS).choice
    kilometres, log_ratio = rng.uniform(0.0, 110.0, 500), rng.normal(0.0, 1.0, 500)
    assert np.array_equal(felt_distance(linear, kilometres, kilometres > 50), kilometres)
    assert np.array_equal(felt_pay(linear, log_ratio), log_ratio)


def test_the_weights_of_a_person_turn_pay_and_distance_up_and_down(mid_world) -> None:
    people, jobs, record = mid_world.market.people, mid_world.market.state.vacancies, mid_world.records[20]
    choice, mood = mid_world.market.config.calibration.choice, Mood(people.taste, 0.8, 0.0)
    person, job, moment = record.impressions.person, record.impressions.job, epoch_us(record.day)

    def logit(population: Population, vacancies: Vacancies) -> np.ndarray:
        response = respond(choice, population, vacancies, mood, person, job, moment)
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


def rare_odds(choice: Choice, mid_world, step_pay: float, step_km: float) -> np.ndarray:
    """Log odds of click plus those of apply of what was shown at home, as if pay or distance were a little larger."""
    parts = []
    people = mid_world.market.people
    for record in mid_world.records[::3]:
        jobs, views = record.vacancies, record.impressions
        shown = np.flatnonzero(people.metro[views.person] == jobs.metro[views.job])
        person, job = views.person[shown], views.job[shown]
        paid = replace(jobs, pay=jobs.pay * np.exp(step_pay))
        far = replace(choice, distance_tolerance_km=choice.distance_tolerance_km - step_km)
        mood = mood_of_day(mid_world.market.config, people, record.day)
        response = respond(far, people, paid, mood, person, job, epoch_us(record.day))
        odds = np.log(response.click / (1 - response.click)) + np.log(response.apply / (1 - response.apply))
        # A kilometre more for everybody is a tolerance that is a kilometre shorter, and the step itself within it.
        factor = choice.distance_within * (1 + choice.distance_late_shift * (jobs.shift[job] > 0))
        parts.append(odds + choice.distance_per_km * factor * people.distance_weight[person] * step_km)
    return np.concatenate(parts)


def test_pay_and_distance_act_as_in_the_literature_on_average_over_what_is_shown(mid_world) -> None:
    """Sources: the README of the market's data. 4,000 people; the weights drawn for them are part of the average."""
    choice = mid_world.market.config.calibration.choice
    usual = rare_odds(choice, mid_world, 0.0, 0.0)
    elasticity = (rare_odds(choice, mid_world, 1e-4, 0.0) - usual).mean() / 1e-4
    slope = (rare_odds(choice, mid_world, 0.0, 1e-4) - usual).mean() / 1e-4
    assert elasticity == pytest.approx(choice.pay_elasticity, rel=0.03)
    assert slope == pytest.approx(choice.distance_per_km, rel=0.03)
    assert (choice.pay_elasticity, choice.distance_per_km) == (0.8, -0.0268)


def expected_rates(calibration: Calibration, people: Population, mid_world, *, is_text: bool) -> tuple[float, float]:
    """Expected clicks per exposure and applications per click of everything that was shown or texted."""
    clicks = applications = exposures = 0.0
    for record in mid_world.records:
        source = record.texts if is_text else record.impressions
        mood = mood_of_day(mid_world.market.config, people, record.day)
        response: Response = respond(
            calibration.choice, people, record.vacancies, mood, source.person, source.job, epoch_us(record.day),
            None if is_text else record.impressions.position,
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


@pytest.fixture(scope="module")
def people() -> Population:
    return draw_population(CONFIG, CATALOGUE)


@pytest.fixture(scope="module")
def jobs() -> Vacancies:
    return first_postings(CONFIG, CATALOGUE)


@pytest.fixture(scope="module")
def views(people, jobs) -> Impressions:
    return browse(CONFIG, CATALOGUE, people, jobs, DAY)


def calibrated(**changes: float) -> MarketConfig:
    return replace(CONFIG, calibration=Calibration().changed(**changes))


def kilometres(people: Population, jobs: Vacancies, views: Impressions) -> np.ndarray:
    person, job = views.person, views.job
    return behaviour.distance_km(
        people.latitude[person], people.longitude[person], jobs.latitude[job], jobs.longitude[job]
    )


def is_home(people: Population, jobs: Vacancies, views: Impressions) -> np.ndarray:
    return people.metro[views.person] == jobs.metro[views.job]


def local_hours(people: Population, views: Impressions) -> np.ndarray:
    """Undo the squeeze of 24 hours into the time before the export, then look at the local clock."""
    utc = (views.moment_us - epoch_us(DAY)) / EXPORT_US * 24.0
    return (utc + utc_offset_hours(CATALOGUE, DAY)[people.metro[views.person]]) % 24.0


def test_another_seed_or_week_gives_other_views(people, jobs, views) -> None:
    week_later = add_days(DAY, 7)
    steady = replace(jobs, expires_us=np.full(len(jobs), epoch_us(add_days(DAY, 40))))
    for config, day in ((replace(CONFIG, seed=12), DAY), (CONFIG, week_later)):
        other = browse(config, CATALOGUE, people, steady, day)
        counts = [np.bincount(one.person, minlength=len(people)) for one in (views, other)]
        active = people.view_rate > 1
        assert (counts[0] == counts[1])[active].mean() < 0.5


def test_at_home_nobody_looks_beyond_the_radius(people, jobs, views) -> None:
    home, distance = is_home(people, jobs, views), kilometres(people, jobs, views)
    assert distance[home].max() <= 60.0
    config = calibrated(browse_radius_km=9.0)
    near = browse(config, CATALOGUE, people, jobs, DAY)
    near_home, near_distance = is_home(people, jobs, near), kilometres(people, jobs, near)
    assert near_distance[near_home].max() <= 9.0
    assert near_distance[near_home].max() > 8.5
    assert near_distance[~near_home].min() > 60.0
    assert (distance[home] > 9.0).mean() > 0.3
    assert len(near) < len(views)


def test_nearer_jobs_are_seen_more(people, jobs, views) -> None:
    indifferent = browse(calibrated(browse_per_km=0.0), CATALOGUE, people, jobs, DAY)
    repelled = browse(calibrated(browse_per_km=-0.1), CATALOGUE, people, jobs, DAY)
    means = [kilometres(people, jobs, one)[is_home(people, jobs, one)].mean() for one in (repelled, views, indifferent)]
    assert means[0] + 2 < means[1] < means[2]


def test_views_lean_to_the_own_group(people, jobs, views) -> None:
    neutral = browse(calibrated(browse_same_group=0.0), CATALOGUE, people, jobs, DAY)
    keen = browse(calibrated(browse_same_group=3.0), CATALOGUE, people, jobs, DAY)
    none, usual, strong = ((people.group[one.person] == jobs.group[one.job]).mean() for one in (neutral, views, keen))
    odds = usual / (1 - usual) * (1 - none) / none
    assert 0.7 * np.exp(0.9) < odds < 1.2 * np.exp(0.9)
    assert strong > usual + 0.15


def test_popular_and_fresh_jobs_are_seen_more(people, jobs, views) -> None:
    stock = jobs.open_at(epoch_us(DAY))
    flat = browse(calibrated(browse_popularity=0.0, age_share_seen=0.0), CATALOGUE, people, jobs, DAY)
    young = browse(calibrated(browse_popularity=0.0, age_share_seen=1.5), CATALOGUE, people, jobs, DAY)
    assert jobs.seen[views.job].mean() > jobs.seen[flat.job].mean() + 0.3
    assert abs(jobs.seen[flat.job].mean() - jobs.seen[stock].mean()) < 0.15
    assert jobs.posted_us[young.job].mean() > jobs.posted_us[flat.job].mean() + 0.2 * MICROSECONDS_PER_DAY


def test_a_few_views_go_to_other_metros(people, jobs, views) -> None:
    share = 0.03 * (METROS - 1) / METROS
    assert 0.6 * share < (~is_home(people, jobs, views)).mean() < 1.5 * share
    homebodies = browse(calibrated(browse_away_share=0.0), CATALOGUE, people, jobs, DAY)
    assert is_home(people, jobs, homebodies).all()
    travellers = browse(calibrated(browse_away_share=1.0), CATALOGUE, people, jobs, DAY)
    visited = np.bincount(jobs.metro[travellers.job], minlength=METROS) / len(travellers)
    assert np.abs(visited - 1 / METROS).max() < 0.05


def test_positions_number_the_views_of_each_person_in_order_of_time(people, views) -> None:
    order = np.lexsort((views.moment_us, views.person))
    person, position = views.person[order], views.position[order]
    starts = np.r_[True, person[1:] != person[:-1]]
    assert (position[starts] == 1).all()
    assert (np.diff(position)[~starts[1:]] == 1).all()
    assert views.position.max() > 5
    assert (np.diff(views.moment_us) >= 0).all()


def test_nobody_sees_a_job_twice_a_day(people, jobs) -> None:
    eager = replace(people, view_rate=people.view_rate * 20)
    views = browse(CONFIG, CATALOGUE, eager, jobs, DAY)
    pairs = views.person * len(jobs) + views.job
    assert len(np.unique(pairs)) == len(pairs)
    assert len(views) > 20_000


def test_only_open_jobs_are_shown(people, jobs) -> None:
    morning = epoch_us(DAY)
    closed = np.full(len(jobs), -1, dtype=np.int64)
    closed[::3] = morning
    expires = jobs.expires_us.copy()
    expires[1::3] = morning
    posted = jobs.posted_us.copy()
    posted[2::6] = morning
    few = replace(jobs, closed_us=closed, expires_us=expires, posted_us=posted)
    shown = np.unique(browse(CONFIG, CATALOGUE, people, few, DAY).job)
    assert len(shown) > 30
    assert (shown % 6 == 5).all()


def test_without_jobs_there_are_no_views(people, jobs) -> None:
    gone = replace(jobs, closed_us=np.full(len(jobs), 1, dtype=np.int64))
    assert len(browse(CONFIG, CATALOGUE, people, gone, DAY)) == 0
    elsewhere = replace(jobs, metro=np.zeros_like(jobs.metro))
    views = browse(calibrated(browse_away_share=0.0), CATALOGUE, people, elsewhere, DAY)
    assert (people.metro[views.person] == 0).all()
    assert len(views) > 0


def test_only_those_who_signed_up_before_the_morning_browse(people, jobs) -> None:
    morning = epoch_us(DAY)
    signed_up = np.array([-1, morning, morning - 1])[np.arange(len(people)) % 3]
    seen = np.unique(browse(CONFIG, CATALOGUE, replace(people, signed_up_us=signed_up), jobs, DAY).person)
    assert len(seen) > 300
    assert (seen % 3 == 2).all()


def test_traffic_follows_rates_and_weekdays(people, jobs) -> None:
    steady = replace(jobs, expires_us=np.full(len(jobs), epoch_us(add_days(DAY, 40))))
    steady = replace(steady, closed_us=np.full(len(jobs), -1, dtype=np.int64))
    week = [len(browse(CONFIG, CATALOGUE, people, steady, add_days(DAY, offset))) for offset in range(7)]
    factors = np.roll(CONFIG.calibration.habits.weekday_factor, -DAY.weekday())
    ratios = np.array(week) / factors
    assert ratios.max() / ratios.min() < 1.15
    silent = replace(people, view_rate=np.zeros_like(people.view_rate))
    assert len(browse(CONFIG, CATALOGUE, silent, jobs, DAY)) == 0


def test_people_look_by_day_and_before_the_export_and_a_third_of_it_is_the_feed(people, views) -> None:
    morning = epoch_us(DAY)
    assert (views.moment_us >= morning).all()
    assert (views.moment_us < morning + EXPORT_US).all()
    shares = np.bincount(local_hours(people, views).astype(np.int64), minlength=24) / len(views)
    assert shares[1:5].sum() < 0.05
    assert shares[18:22].sum() > 0.2
    assert abs(views.is_feed.mean() - FEED_SHARE) < 0.04


@pytest.mark.parametrize(("day", "shift"), [(date(2026, 1, 15), 0.0), (date(2026, 7, 15), 1.0)])
def test_offsets_follow_daylight_saving(day: date, shift: float) -> None:
    zones = [metro.time_zone for metro in CATALOGUE.metros]
    offsets = utc_offset_hours(CATALOGUE, day)
    assert offsets[zones.index("America/New_York")] == -5.0 + shift
    assert offsets[zones.index("America/Chicago")] == -6.0 + shift
    assert offsets[zones.index("America/Denver")] == -7.0 + shift


def test_how_often_somebody_comes_says_more_of_their_return_than_when_they_came_last(people, jobs) -> None:
    """What `churn_risk` can find (ADR 22): among people last seen on the same day, the frequent come back more."""
    steady = replace(jobs, expires_us=np.full(len(jobs), epoch_us(add_days(DAY, 60))))
    days = [browse(CONFIG, CATALOGUE, people, steady, add_days(DAY, offset)) for offset in range(28)]
    seen = np.array([np.bincount(views.person, minlength=len(people)) > 0 for views in days])
    known, later = seen[:21], seen[21:].any(axis=0)
    asked = np.flatnonzero(known[-1] | known[-2])
    active = known[:, asked].sum(axis=0)
    rare, often = (later[asked][mask].mean() for mask in (active <= 4, active >= 15))
    assert often > 0.98
    assert rare < 0.85


def world(*injections: Injection) -> MarketConfig:
    return tiny_config(injections=injections)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InvalidInputError, match=r"new_city.*pay_elasticity"):
        Injection("earthquake", SHIFT_DAY)


@pytest.mark.parametrize(("name", "size"), [("new_city", 1.5), ("prior_shift", 0.0), ("pay_in_cents", -0.1)])
def test_sizes_without_meaning_are_refused(name: str, size: float) -> None:
    with pytest.raises(InvalidInputError, match="size"):
        Injection(name, SHIFT_DAY, size=size)


@given(st.integers(0, 10), st.integers(0, 10), st.integers(-5, 40))
def test_strength_ramps_up_and_ends(ramp: int, duration: int, offset: int) -> None:
    injection = Injection("hidden_taste", SHIFT_DAY, ramp_days=ramp, duration_days=duration)
    strength = injection.intensity(SHIFT_DAY + timedelta(days=offset))
    if offset < 0 or (duration and offset >= duration):
        assert strength == 0
    else:
        assert strength == min(1, (offset + 1) / max(1, ramp))


def test_a_growing_share_only_adds_people() -> None:
    injection = Injection("new_taste_cluster", SHIFT_DAY)
    small, large = (affected(1, injection, 5_000, share) for share in (0.2, 0.5))
    assert not (small & ~large).any()
    assert 0.17 < small.mean() < 0.23


def test_new_taste_cluster_moves_its_share(rng) -> None:
    taste = rng.normal(size=(4_000, 8))
    moved = drifted_taste(1, (Injection("new_taste_cluster", SHIFT_DAY, size=0.3),), SHIFT_DAY, taste)
    assert 0.27 < (moved != taste).any(axis=1).mean() < 0.33
    assert moved[:, 0].mean() - taste[:, 0].mean() > 0.25
    assert drifted_taste(1, (Injection("new_taste_cluster", SHIFT_DAY),), add_days(SHIFT_DAY, -1), taste) is taste


def test_correlation_only_keeps_the_marginals(rng) -> None:
    taste = rng.normal(size=(20_000, 8))
    moved = drifted_taste(1, (Injection("correlation_only", SHIFT_DAY, size=1.0),), SHIFT_DAY, taste)
    assert np.allclose(moved.mean(axis=0), 0, atol=0.03)
    assert np.allclose(moved.std(axis=0), 1, atol=0.03)
    correlations = np.corrcoef(moved.T)
    assert correlations[0, 1] > 0.99
    assert correlations[2, 3] < -0.99
    assert abs(correlations[6, 7]) < 0.03


@pytest.mark.parametrize("size", [2.5, 5.0, -0.5])
def test_pay_elasticity_is_the_new_average_over_what_is_shown(size: float, mid_world) -> None:
    """Measured where the probability of an application is small, so that its log odds are its logarithm."""
    day, people = mid_world.records[20].day, mid_world.market.people
    config = replace(mid_world.market.config, injections=(Injection("pay_elasticity", day, size=size),))
    views, jobs = mid_world.records[20].impressions, mid_world.records[20].vacancies
    rare = replace(people, activity=np.full(len(people), -20.0))
    mood = mood_of_day(config, rare, day)
    found = []
    for pay in (jobs.pay, jobs.pay * np.exp(1e-4)):
        paid = replace(jobs, pay=pay)
        response = respond(config.calibration.choice, rare, paid, mood, views.person, views.job, epoch_us(day))
        found.append(np.log(response.click * response.apply).mean())
    assert (found[1] - found[0]) / 1e-4 == pytest.approx(size, rel=0.04)


def test_hidden_taste_moves_the_truth_but_not_the_export(toolbox, clean_exports) -> None:
    config = world(Injection("hidden_taste", SHIFT_DAY, size=2.0))
    market, _ = toolbox.lived(config, 1)
    shifted = mood_of_day(config, market.people, SHIFT_DAY).taste - market.people.taste
    assert np.allclose(shifted[:, 0], 2.0)
    assert np.allclose(shifted[:, 1:], 0.0)
    exported = toolbox.exports(config, 7)
    assert exported[6]["user_snapshot"].equals(clean_exports[6]["user_snapshot"])
    assert not exported[5]["click"].equals(clean_exports[5]["click"])


def test_prior_shift_multiplies_responses(toolbox) -> None:
    totals = []
    for found in ((), (Injection("prior_shift", START, size=4.0),)):
        _, records = toolbox.lived(world(*found), 10)
        kinds = np.concatenate([record.outcomes.kind for record in records])
        totals.append(((kinds == CLICK).sum(), (kinds == APPLY).sum()))
    assert 1.5 < totals[1][0] / totals[0][0] < 2.2
    assert 2.0 < totals[1][1] / totals[0][1] < 4.5


def test_new_city_opens_with_people_and_postings(toolbox) -> None:
    market, records = toolbox.lived(world(Injection("new_city", SHIFT_DAY, ramp_days=3, size=1.0)), 15)
    city = market.config.metros
    members = [int((market.people.metro[record.members] == city).sum()) for record in records]
    assert members[4] == 0
    assert 0 < members[5] < members[6] < members[7] == market.config.dormant_users == 45
    postings = [int((record.vacancies.metro[record.posted] == city).sum()) for record in records]
    assert sum(postings[:5]) == 0
    assert sum(postings[5:]) > 0
    viewers = np.concatenate([record.impressions.person for record in records[6:]])
    assert (market.people.metro[viewers] == city).sum() > 10
    consents = np.concatenate([record.consents.person for record in records[5:8]])
    assert (market.people.metro[consents] == city).sum() == 45


def test_without_injections_people_stay_as_they_are(clean_exports) -> None:
    first, last = (clean_exports[day]["user_snapshot"].drop_columns(["event_id"]) for day in (7, -1))
    moved = {name for name in first.column_names if not first[name].equals(last[name])}
    assert moved == {"occurred_at", "observed_at"}


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_nothing_changes_before_the_day(name: str, toolbox, clean_exports) -> None:
    for offset, tables in enumerate(toolbox.exports(world(Injection(name, SHIFT_DAY)), 6)[:5]):
        assert tables == clean_exports[offset]
