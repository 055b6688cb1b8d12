"""The people of the market: their attributes, homes and tastes.

Concept: people never change after the draw except through injections, so they are drawn again from the seed instead of
being stored. The true taste, the activity and what somebody weighs are hidden; an exporter shows a noisy image of the
taste of some days ago.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from mlife_assets.core.windows import add_days, day_start
from mlife_assets.market.catalogue import Catalogue
from mlife_assets.market.world import MarketConfig, Stream, active, affected, drifted_taste, generator, metro_shares
from mlife_assets.recruiting.events import EMBEDDING_SIZE, OCCUPATION_GROUPS, SHIFTS

KM_PER_DEGREE_LATITUDE = 110.574
KM_PER_DEGREE_LONGITUDE = 111.320
MICROSECONDS_PER_DAY = 86_400_000_000
SENIORITY_SHARES = (0.35, 0.35, 0.2, 0.1)
SHIFT_SHARES = (0.6, 0.25, 0.15)
SECOND_STATE_SHARE = 0.2
MISSING_SHARE = 0.004
TENURE_DAYS = 720
LOWEST_PAY = 7.25
RESERVATION_SIGMA = 0.15
SENIORITY_PAY = 0.08
NEW_CITY_SPREAD = 1.5
NEW_CITY_GROUPS = ("51", "53", "47", "49")
NEW_CITY_TILT = 4.0


@dataclass(frozen=True)
class Population:
    """All n people, those of the new city last (`dormant`); every array has length n.

    Attributes:
        user_ids: stable ids.
        metro, group, seniority, shift: small integers.
        state_codes, time_zones: object arrays; None where unknown.
        latitude, longitude: degrees.
        reservation_pay: US dollars per hour.
        taste, shown_taste: hidden truth and its exported noisy image, (n, 8).
        activity: hidden propensity to click, a logit.
        pay_weight, distance_weight: hidden factors of what pay and distance mean to somebody, mean 1.
        view_rate: hidden mean impressions per day.
        is_consented_at_signup: whether texts were allowed when signing up.
        signed_up_us: microseconds since 1970; -1 while dormant.
    """

    user_ids: np.ndarray
    metro: np.ndarray
    group: np.ndarray
    seniority: np.ndarray
    shift: np.ndarray
    state_codes: np.ndarray
    time_zones: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    reservation_pay: np.ndarray
    taste: np.ndarray
    shown_taste: np.ndarray
    activity: np.ndarray
    pay_weight: np.ndarray
    distance_weight: np.ndarray
    view_rate: np.ndarray
    is_consented_at_signup: np.ndarray
    signed_up_us: np.ndarray

    @property
    def has_time_zone(self) -> np.ndarray:
        """Whose zone is known, bool (n,)."""
        return np.array([zone is not None for zone in self.time_zones], dtype=bool)

    @property
    def has_state(self) -> np.ndarray:
        """Whose state is known, bool (n,)."""
        return np.array([state is not None for state in self.state_codes], dtype=bool)

    def __len__(self) -> int:
        return len(self.metro)


def epoch_us(day: date) -> int:
    """Return `day` 00:00 UTC in microseconds since 1970."""
    return int(day_start(day).timestamp()) * 1_000_000


def scattered(
    rng: np.random.Generator, latitude: np.ndarray, longitude: np.ndarray, spread_km: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates normally spread around centres (degrees), standard deviation in km along each axis."""
    north, east = rng.normal(0.0, 1.0, (2, len(latitude))) * spread_km
    new_latitude = latitude + north / KM_PER_DEGREE_LATITUDE
    new_longitude = longitude + east / (KM_PER_DEGREE_LONGITUDE * np.cos(np.radians(latitude)))
    return new_latitude, new_longitude


def _drawn_groups(rng: np.random.Generator, shares: np.ndarray, metro: np.ndarray) -> np.ndarray:
    cumulative = np.cumsum(shares, axis=1)[metro]
    return np.minimum((rng.random(len(metro))[:, None] > cumulative).sum(axis=1), len(OCCUPATION_GROUPS) - 1)


def draw_population(config: MarketConfig, catalogue: Catalogue) -> Population:
    """Return all people of a world; those who wait for the new city come last, not yet signed up."""
    rng = generator(config.seed, Stream.PEOPLE)
    settled, total = config.users, config.users + config.dormant_users
    is_new = np.arange(total) >= settled
    metro = rng.choice(config.metros, total, p=metro_shares(config.metros))
    metro[is_new] = config.metros
    shares = catalogue.group_shares()
    tilt = np.where(np.isin(OCCUPATION_GROUPS, NEW_CITY_GROUPS), NEW_CITY_TILT, 1.0)
    shares[config.metros] = shares[config.metros] * tilt / (shares[config.metros] * tilt).sum()
    group = _drawn_groups(rng, shares, metro)
    seniority = rng.choice(len(SENIORITY_SHARES), total, p=SENIORITY_SHARES)
    shift = rng.choice(len(SHIFTS), total, p=SHIFT_SHARES)
    centres = np.array([(one.latitude, one.longitude) for one in catalogue.metros])[metro]
    spread = config.calibration.people.home_sd_km * np.where(is_new, NEW_CITY_SPREAD, 1.0)
    latitude, longitude = scattered(rng, centres[:, 0], centres[:, 1], spread)
    log_pay = catalogue.group_log_wage()[metro, group] - 0.05 + SENIORITY_PAY * (seniority - 1.0)
    pay = np.round(np.maximum(LOWEST_PAY, np.exp(log_pay + rng.normal(0.0, RESERVATION_SIGMA, total))), 2)
    states = np.array([(*one.state_codes, *one.state_codes[:1])[:2] for one in catalogue.metros], dtype=object)
    second = (rng.random(total) < SECOND_STATE_SHARE).astype(np.int64)
    state_codes = states[metro, second]
    time_zones = np.array([one.time_zone for one in catalogue.metros], dtype=object)[metro]
    missing = rng.random((2, total)) < MISSING_SHARE
    state_codes[missing[0]] = None
    time_zones[missing[1]] = None
    consented = rng.random(total) < config.calibration.people.consent_share
    tenure = rng.random(total) * TENURE_DAYS * MICROSECONDS_PER_DAY
    signed_up = epoch_us(config.start_date) - tenure.astype(np.int64) - 1
    order = rng.random(total)
    return Population(
        user_ids=np.array([f"usr_{index:07d}" for index in range(total)]),
        metro=metro,
        group=group,
        seniority=seniority,
        shift=shift,
        state_codes=state_codes,
        time_zones=time_zones,
        latitude=np.round(latitude, 5),
        longitude=np.round(longitude, 5),
        reservation_pay=pay,
        **_drawn_preferences(config, total),
        **_drawn_weights(config, total),
        is_consented_at_signup=consented,
        signed_up_us=np.where(is_new, _new_city_sign_ups(config, order), signed_up),
    )


def _drawn_preferences(config: MarketConfig, total: int) -> dict[str, np.ndarray]:
    rng = generator(config.seed, Stream.PREFERENCES)
    calibration = config.calibration.people
    taste = rng.normal(0.0, 1.0, (total, EMBEDDING_SIZE))
    noise = rng.normal(0.0, calibration.taste_noise, (total, EMBEDDING_SIZE))
    activity, rate = rng.normal(0.0, 1.0, (2, total))
    sigma = calibration.view_rate_sigma
    rate = np.exp(sigma * (0.5 * activity + np.sqrt(0.75) * rate) - sigma**2 / 2)
    return {
        "taste": taste,
        "shown_taste": taste + noise,
        "activity": activity,
        "view_rate": calibration.impressions_per_user_day * rate,
    }


def _drawn_weights(config: MarketConfig, total: int) -> dict[str, np.ndarray]:
    """Return log-normal factors with mean 1, from a stream of their own."""
    calibration = config.calibration.people
    sigmas = {"pay_weight": calibration.pay_weight_sigma, "distance_weight": calibration.distance_weight_sigma}
    draws = generator(config.seed, Stream.WEIGHTS).normal(0.0, 1.0, (len(sigmas), total))
    return {
        name: np.exp(sigma * draw - sigma**2 / 2) for (name, sigma), draw in zip(sigmas.items(), draws, strict=True)
    }


def published_taste(config: MarketConfig, people: Population, day: date) -> np.ndarray:
    """Return the tastes that an exporter shows on `day`, float64 (people, 8).

    They are those of `taste_delay_days` before, with noise; zeros for who had not signed up by the end of that day.
    """
    then = add_days(day, -config.calibration.people.taste_delay_days)
    noise = people.shown_taste - people.taste
    shown = drifted_taste(config.seed, config.injections, then, people.taste) + noise
    is_known = (people.signed_up_us >= 0) & (people.signed_up_us < epoch_us(add_days(then, 1)))
    return np.where(is_known[:, None], shown, 0.0)


def _new_city_sign_ups(config: MarketConfig, order: np.ndarray) -> np.ndarray:
    """Return when people of the new city sign up, microseconds since 1970; -1 for never."""
    signed_up = np.full(len(order), -1, dtype=np.int64)
    for injection in config.injections:
        if injection.name != "new_city":
            continue
        days = np.floor(order / max(injection.size, 1e-12) * max(1, injection.ramp_days)).astype(np.int64)
        hours = 8 + np.floor(order * 1e6) % 14
        moment = epoch_us(injection.day) + days * MICROSECONDS_PER_DAY + (hours * 3.6e9).astype(np.int64)
        signed_up = np.where((order < injection.size) & (signed_up < 0), moment, signed_up)
    return signed_up


def new_city_open(config: MarketConfig, day: date) -> bool:
    """Return whether employers post in the new city on `day`."""
    return bool(active(config.injections, "new_city", day))


def touched_rows(config: MarketConfig, name: str, day: date, rows: int) -> np.ndarray:
    """Return which of `rows` people an injection of share type touches on `day`, bool (rows,)."""
    touched = np.zeros(rows, dtype=bool)
    for injection, strength in active(config.injections, name, day):
        touched |= affected(config.seed, injection, rows, injection.size * strength)
    return touched
