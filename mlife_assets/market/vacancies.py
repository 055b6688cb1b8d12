"""The postings of the market: what employers offer, from posting to closing.

Concept: a posting is a row that is appended once; only `hired` and `closed_us` change. A posting of day D is shown from
D + 1 on. Three in ten postings name only the city and therefore lie exactly in the centre of their metro.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date

import numpy as np

from mlife_assets.market.catalogue import Catalogue
from mlife_assets.market.population import (
    LOWEST_PAY,
    MICROSECONDS_PER_DAY,
    SENIORITY_PAY,
    SENIORITY_SHARES,
    SHIFT_SHARES,
    epoch_us,
    new_city_open,
    scattered,
)
from mlife_assets.market.world import MarketConfig, Stream, generator, metro_shares
from mlife_assets.recruiting.events import EMBEDDING_SIZE, OCCUPATION_GROUPS, SHIFTS

CITY_LEVEL_SHARE = 0.3
EMPLOYERS_PER_METRO = 24
OPENINGS = (1, 2, 3, 4, 5, 8)
OPENINGS_SHARES = (0.4, 0.25, 0.15, 0.1, 0.06, 0.04)
SHIFT_PAY = (0.0, 0.03, 0.08)
NEW_CITY_JOBS_SHARE = 0.06
REFILL_PER_DAY = 0.3
POSTING_WEEKDAY = (1.25, 1.25, 1.2, 1.15, 1.05, 0.55, 0.55)
NOT_CLOSED = -1
CLOSE_REASONS = ("filled", "expired", "withdrawn")

_FIRST_NAMES = (
    *("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Foxglove", "Granite", "Harbor", "Indigo", "Juniper", "Kestrel"),
    *(
        "Linden",
        "Maple",
        "Nutmeg",
        "Orchard",
        "Pinecrest",
        "Quarry",
        "Redwood",
        "Sparrow",
        "Tamarack",
        "Union",
        "Violet",
    ),
    *("Willow", "Yarrow"),
)
_LAST_NAMES = (
    *("Partners", "Group", "Services", "Works", "Company", "Supply", "Care", "Foods", "Logistics", "Systems", "Stores"),
    *("Associates", "Industries", "Staffing", "Holdings", "Brothers", "Collective"),
)


@dataclass
class Vacancies:
    """All postings so far; every array has their number n as length.

    Attributes:
        metro, employer, occupation, group, seniority, shift, openings: small integers.
        latitude, longitude: degrees. pay: US dollars per hour. bid: US dollars per application.
        posted_us, expires_us: microseconds since 1970. closed_us: the same, -1 while open.
        hired: openings filled so far.
        quality: hidden truth that tastes respond to, (n, 8); text: its exported noisy image.
        seen, appeal: hidden popularity, in being shown and in being clicked.
    """

    metro: np.ndarray
    employer: np.ndarray
    occupation: np.ndarray
    group: np.ndarray
    seniority: np.ndarray
    shift: np.ndarray
    openings: np.ndarray
    hired: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    pay: np.ndarray
    bid: np.ndarray
    posted_us: np.ndarray
    expires_us: np.ndarray
    closed_us: np.ndarray
    quality: np.ndarray
    text: np.ndarray
    seen: np.ndarray
    appeal: np.ndarray

    def __len__(self) -> int:
        return len(self.metro)

    def extended(self, more: Vacancies) -> Vacancies:
        columns = ((field.name, getattr(self, field.name), getattr(more, field.name)) for field in fields(Vacancies))
        return Vacancies(**{name: np.concatenate([old, new]) for name, old, new in columns})

    def open_at(self, moment_us: int) -> np.ndarray:
        """Return the rows that were posted before and not closed by `moment_us`, ascending."""
        is_open = (self.posted_us < moment_us) & (self.expires_us > moment_us)
        return np.flatnonzero(is_open & ((self.closed_us == NOT_CLOSED) | (self.closed_us > moment_us)))


def job_ids(rows: np.ndarray) -> np.ndarray:
    return np.array([f"job_{row:07d}" for row in rows.tolist()], dtype="<U11")


def employer_names(employers: np.ndarray) -> list[str]:
    """Return the invented names of employers."""
    first, last = len(_FIRST_NAMES), len(_LAST_NAMES)
    return [f"{_FIRST_NAMES[one % first]} {_LAST_NAMES[(one // 3) % last]}" for one in employers.tolist()]


def targets(config: MarketConfig) -> np.ndarray:
    """Return how many postings each metro has open on average, the new city last, float64 (metros + 1,)."""
    return np.append(config.jobs * metro_shares(config.metros), config.jobs * NEW_CITY_JOBS_SHARE)


def _life_days(config: MarketConfig, rng: np.random.Generator, size: int) -> np.ndarray:
    calibration = config.calibration.jobs
    return calibration.posting_life_scale_days * rng.weibull(calibration.posting_life_shape, size)


def _drawn(
    config: MarketConfig,
    catalogue: Catalogue,
    rng: np.random.Generator,
    metro: np.ndarray,
    posted_us: np.ndarray,
    life_days: np.ndarray,
) -> Vacancies:
    count = len(metro)
    shares = np.cumsum(catalogue.group_shares(), axis=1)[metro]
    group = np.minimum((rng.random(count)[:, None] > shares).sum(axis=1), len(OCCUPATION_GROUPS) - 1)
    weights = np.sqrt(catalogue.employment)[metro] * (catalogue.occupation_group[None, :] == group[:, None])
    cumulative = np.cumsum(weights, axis=1)
    draws = rng.random(count) * cumulative[:, -1]
    occupation = np.minimum((draws[:, None] >= cumulative).sum(axis=1), weights.shape[1] - 1)
    seniority = rng.choice(len(SENIORITY_SHARES), count, p=SENIORITY_SHARES)
    shift = rng.choice(len(SHIFTS), count, p=SHIFT_SHARES)
    employer = metro * EMPLOYERS_PER_METRO + np.floor(EMPLOYERS_PER_METRO * rng.random(count) ** 1.5).astype(np.int64)
    log_pay = catalogue.log_wage(metro, occupation, rng.normal(0.0, 0.8, count))
    log_pay += SENIORITY_PAY * (seniority - 1.0) + np.array(SHIFT_PAY)[shift]
    centres = np.array([(one.latitude, one.longitude) for one in catalogue.metros])[metro]
    latitude, longitude = scattered(rng, centres[:, 0], centres[:, 1], config.calibration.people.home_sd_km)
    is_city_level = rng.random(count) < CITY_LEVEL_SHARE
    quality = rng.normal(0.0, 1.0, (count, EMBEDDING_SIZE))
    last_day = posted_us // MICROSECONDS_PER_DAY + np.maximum(1, np.round(life_days)).astype(np.int64)
    return Vacancies(
        metro=metro,
        employer=employer,
        occupation=occupation,
        group=group,
        seniority=seniority,
        shift=shift,
        openings=rng.choice(OPENINGS, count, p=OPENINGS_SHARES),
        hired=np.zeros(count, dtype=np.int64),
        latitude=np.where(is_city_level, centres[:, 0], np.round(latitude, 5)),
        longitude=np.where(is_city_level, centres[:, 1], np.round(longitude, 5)),
        pay=np.round(np.maximum(LOWEST_PAY, np.exp(log_pay)), 2),
        bid=np.round(np.clip(9.0 * np.exp(rng.normal(0.0, 0.45, count)), 2.0, 60.0), 2),
        posted_us=posted_us,
        expires_us=(last_day + 1) * MICROSECONDS_PER_DAY,
        closed_us=np.full(count, NOT_CLOSED, dtype=np.int64),
        quality=quality,
        text=quality + rng.normal(0.0, config.calibration.jobs.text_noise, (count, EMBEDDING_SIZE)),
        seen=rng.normal(0.0, 1.0, count),
        appeal=rng.normal(0.0, 1.0, count),
    )


def first_postings(config: MarketConfig, catalogue: Catalogue) -> Vacancies:
    """Return the stock of the first morning: ages and lives as in a market that has always existed."""
    rng = generator(config.seed, Stream.FIRST_POSTINGS)
    counts = np.round(targets(config)[:-1]).astype(np.int64)
    metro = np.repeat(np.arange(config.metros), counts)
    pool = _life_days(config, rng, 20_000)
    life = rng.choice(pool, len(metro), p=pool / pool.sum())
    age = rng.random(len(metro)) * np.maximum(life, 0.0)
    posted = epoch_us(config.start_date) - 1 - (age * MICROSECONDS_PER_DAY).astype(np.int64)
    order = np.argsort(posted, kind="stable")
    still = np.maximum(life, age + 0.5)[order]
    return _drawn(config, catalogue, rng, metro[order], posted[order], still)


def new_postings(config: MarketConfig, catalogue: Catalogue, vacancies: Vacancies, day: date) -> Vacancies:
    """Return the postings of `day`: as many as expire on average, more where too few are open, fewer at weekends."""
    rng = generator(config.seed, Stream.POSTINGS, day)
    wanted = targets(config)
    wanted[-1] *= new_city_open(config, day)
    is_open = vacancies.open_at(epoch_us(day))
    stock = np.bincount(vacancies.metro[is_open], minlength=len(wanted))[: len(wanted)]
    mean_life = config.calibration.jobs.posting_life_scale_days * 0.886 + 0.5
    expected = wanted / mean_life * POSTING_WEEKDAY[day.weekday()] + REFILL_PER_DAY * (wanted - stock)
    season = catalogue.season(day).mean()
    counts = rng.poisson(np.maximum(0.0, expected * season))
    metro = np.repeat(np.arange(len(wanted)), counts)
    hours = 12.0 + 11.0 * rng.random(len(metro))
    posted = epoch_us(day) + (np.sort(hours) * 3.6e9).astype(np.int64)
    return _drawn(config, catalogue, rng, rng.permutation(metro), posted, _life_days(config, rng, len(metro)))


def withdrawals(config: MarketConfig, vacancies: Vacancies, day: date) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that employers withdraw during `day` and when (microseconds)."""
    rng = generator(config.seed, Stream.WITHDRAWALS, day)
    is_open = vacancies.open_at(epoch_us(day))
    rows = is_open[rng.random(len(is_open)) < config.calibration.jobs.withdrawn_share_per_day]
    moments = epoch_us(day) + ((13.0 + 9.0 * rng.random(len(rows))) * 3.6e9).astype(np.int64)
    return rows, moments
