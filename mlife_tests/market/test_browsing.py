"""Organic traffic: near, of one's own trade, mostly at home, numbered in order, and the same every time."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date

import numpy as np
import pytest

from mlife_assets.core.windows import add_days
from mlife_assets.market.behaviour import distance_km
from mlife_assets.market.browsing import EXPORT_US, FEED_SHARE, Impressions, browse, utc_offset_hours
from mlife_assets.market.catalogue import load_catalogue
from mlife_assets.market.population import MICROSECONDS_PER_DAY, Population, draw_population, epoch_us
from mlife_assets.market.vacancies import Vacancies, first_postings
from mlife_assets.market.world import Calibration, MarketConfig

METROS = 4
CONFIG = MarketConfig(users=4_000, jobs=400, metros=METROS, seed=11)
DAY = CONFIG.start_date
CATALOGUE = load_catalogue()


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
    return replace(CONFIG, calibration=replace(Calibration(), **changes))


def kilometres(people: Population, jobs: Vacancies, views: Impressions) -> np.ndarray:
    person, job = views.person, views.job
    return distance_km(people.latitude[person], people.longitude[person], jobs.latitude[job], jobs.longitude[job])


def is_home(people: Population, jobs: Vacancies, views: Impressions) -> np.ndarray:
    return people.metro[views.person] == jobs.metro[views.job]


def same_group(people: Population, jobs: Vacancies, views: Impressions) -> float:
    return float((people.group[views.person] == jobs.group[views.job]).mean())


def same(first: Impressions, second: Impressions) -> bool:
    return all(np.array_equal(getattr(first, one.name), getattr(second, one.name)) for one in fields(Impressions))


def local_hours(people: Population, views: Impressions) -> np.ndarray:
    """Undo the squeeze of 24 hours into the time before the export, then look at the local clock."""
    utc = (views.moment_us - epoch_us(DAY)) / EXPORT_US * 24.0
    return (utc + utc_offset_hours(CATALOGUE, DAY)[people.metro[views.person]]) % 24.0


def test_the_same_day_gives_the_same_views(people, jobs, views) -> None:
    assert same(views, browse(CONFIG, CATALOGUE, people, jobs, DAY))


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
    none, usual, strong = (same_group(people, jobs, one) for one in (neutral, views, keen))
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
    starts = np.unique(views.person)
    assert np.array_equal(
        np.bincount(views.person)[starts], [views.position[views.person == one].max() for one in starts]
    )


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
    factors = np.array([CONFIG.calibration.weekday_factor[add_days(DAY, offset).weekday()] for offset in range(7)])
    ratios = np.array(week) / factors
    assert ratios.max() / ratios.min() < 1.15
    silent = replace(people, view_rate=np.zeros_like(people.view_rate))
    assert len(browse(CONFIG, CATALOGUE, silent, jobs, DAY)) == 0


def test_people_look_by_day_and_before_the_export(people, views) -> None:
    morning = epoch_us(DAY)
    assert (views.moment_us >= morning).all()
    assert (views.moment_us < morning + EXPORT_US).all()
    shares = np.bincount(local_hours(people, views).astype(np.int64), minlength=24) / len(views)
    assert shares[1:5].sum() < 0.05
    assert shares[18:22].sum() > 0.2


def test_a_third_of_the_views_are_of_the_feed(views) -> None:
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
