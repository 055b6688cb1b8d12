"""Organic traffic: which jobs people see when they look for themselves.

Concept: people browse the open jobs of their metro within 60 km of home. Pages lean to their own trade, to popular and
to fresh postings; a few views go to another metro. One metro is one matrix of views x jobs, so nothing loops over
people.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np

from mlife_assets.core.windows import run_time
from mlife_assets.market.behaviour import distance_km, freshness
from mlife_assets.market.catalogue import Catalogue
from mlife_assets.market.population import Population, epoch_us
from mlife_assets.market.vacancies import Vacancies
from mlife_assets.market.world import MarketConfig, Stream, generator

EXPORT_US = int(23.5 * 3.6e9)
"""Time of the daily export within its day: 23:30 UTC."""

FEED_SHARE = 0.35
HOUR_WEIGHTS = np.array([2, 1, 1, 1, 1, 2, 4, 6, 8, 9, 9, 9, 10, 9, 8, 8, 8, 8, 9, 10, 11, 10, 7, 4], dtype=np.float64)
"""Traffic by local hour."""


@dataclass(frozen=True)
class Impressions:
    """Views of one day in order of time, n rows.

    Attributes:
        person, job: row numbers.
        moment_us: when, microseconds since 1970.
        position: the how-manieth view of this person on this day, from 1.
        is_feed: shown in the feed instead of a search.
    """

    person: np.ndarray
    job: np.ndarray
    moment_us: np.ndarray
    position: np.ndarray
    is_feed: np.ndarray

    def __len__(self) -> int:
        return len(self.person)


def utc_offset_hours(catalogue: Catalogue, day: date) -> np.ndarray:
    """Return the UTC offset of each metro on `day`, hours, float64 (metros,)."""
    moment: datetime = run_time(day)
    offsets = (moment.astimezone(ZoneInfo(metro.time_zone)).utcoffset() for metro in catalogue.metros)
    return np.array([0.0 if offset is None else offset.total_seconds() / 3600 for offset in offsets])


def _chosen_jobs(
    config: MarketConfig,
    people: Population,
    jobs: Vacancies,
    person: np.ndarray,
    stock: np.ndarray,
    moment_us: int,
    draws: np.ndarray,
    is_home: bool,
) -> np.ndarray:
    calibration = config.calibration
    common = calibration.browse_popularity * jobs.seen[stock]
    common += calibration.age_share_seen * freshness(jobs, stock, moment_us)
    kilometres = distance_km(
        people.latitude[person][:, None], people.longitude[person][:, None], jobs.latitude[stock], jobs.longitude[stock]
    )
    logit = common[None, :] + calibration.browse_same_group * (people.group[person][:, None] == jobs.group[stock])
    if is_home:
        logit = logit + calibration.browse_per_km * kilometres
        logit = np.where(kilometres > calibration.browse_radius_km, -np.inf, logit)
    cumulative = np.cumsum(np.exp(logit), axis=1)
    total = cumulative[:, -1]
    chosen = (draws[:, None] * total[:, None] >= cumulative).sum(axis=1)
    return np.where(total > 0, stock[np.minimum(chosen, len(stock) - 1)], -1)


def browse(config: MarketConfig, catalogue: Catalogue, people: Population, jobs: Vacancies, day: date) -> Impressions:
    """Return the organic impressions of `day`, at most one per (person, job)."""
    rng = generator(config.seed, Stream.BROWSING, day)
    morning = epoch_us(day)
    rate = people.view_rate * config.calibration.weekday_factor[day.weekday()] * catalogue.season(day)[people.group]
    views = rng.poisson(rate)
    views[(people.signed_up_us < 0) | (people.signed_up_us >= morning)] = 0
    person = np.repeat(np.arange(len(people)), views)
    away = rng.random(len(person)) < config.calibration.browse_away_share
    other = rng.integers(0, config.metros, len(person))
    metro = np.where(away, other, people.metro[person])
    draws = rng.random(len(person))
    hour = rng.choice(24, len(person), p=HOUR_WEIGHTS / HOUR_WEIGHTS.sum()) + rng.random(len(person))
    is_feed = rng.random(len(person)) < FEED_SHARE
    stock = jobs.open_at(morning)
    job = np.full(len(person), -1, dtype=np.int64)
    for place in np.unique(metro):
        local_stock = stock[jobs.metro[stock] == place]
        if len(local_stock) == 0:
            continue
        for is_home in (True, False):
            rows = np.flatnonzero((metro == place) & ((people.metro[person] == place) == is_home))
            job[rows] = _chosen_jobs(config, people, jobs, person[rows], local_stock, morning, draws[rows], is_home)
    offset = utc_offset_hours(catalogue, day)[people.metro[person]]
    moment = morning + ((hour - offset) % 24.0 / 24.0 * (EXPORT_US - 1)).astype(np.int64)
    order = np.lexsort((job, moment, person))
    order = order[job[order] >= 0]
    return _without_repeats(Impressions(person[order], job[order], moment[order], order, is_feed[order]), len(jobs))


def _without_repeats(views: Impressions, job_count: int) -> Impressions:
    """Keep the first view of each (person, job), number them per person, order them by time."""
    _, first = np.unique(views.person * job_count + views.job, return_index=True)
    kept = np.sort(first)
    person = views.person[kept]
    starts = np.flatnonzero(np.r_[True, person[1:] != person[:-1]]) if len(person) else np.zeros(0, dtype=np.int64)
    lengths = np.diff(np.r_[starts, len(person)])
    position = np.arange(len(person)) - np.repeat(starts, lengths) + 1
    order = np.lexsort((position, person, views.moment_us[kept]))
    return Impressions(
        person[order], views.job[kept][order], views.moment_us[kept][order], position[order], views.is_feed[kept][order]
    )
