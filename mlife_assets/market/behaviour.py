"""How people respond to a job, and what of it is on its way: the truth that a model can only estimate.

Concept: two logits. What attracts a click (same trade, shift, seniority, taste, nearness, pay, a popular and fresh
posting, an active person) echoes in the application; pay and distance have the elasticities of the literature for both
steps together, on average. A kilometre weighs more beyond half an hour's way and for evenings and nights, pay weighs
more below what somebody asks for than above, and people differ in how they weigh both. A text is a weaker prompt than a
search result, and each recent text weakens the next. An outcome is drawn with its exposure but happens later; until
then it waits in a queue that is part of the state.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from typing import Protocol

import numpy as np

from mlife_assets.market.population import MICROSECONDS_PER_DAY, Population
from mlife_assets.market.world import Choice, Habits, MarketConfig, drifted_taste, elasticity, hidden_shift, odds_shift
from mlife_assets.recruiting.events import EMBEDDING_SIZE, OCCUPATION_GROUPS

CLICK, APPLY, HIRE = 0, 1, 2
KINDS = ("click", "apply", "hire")
ID_TYPE = "<U32"
"""Wide enough for a message id and a place."""
EARTH_RADIUS_KM = 6371.0088
GROUP_APPLY_OFFSETS = dict(
    zip(
        OCCUPATION_GROUPS,
        (-0.30, -0.15, 0.0, -0.20, 0.25, 0.10, 0.30, 0.20, 0.05, 0.10, -0.10, -0.20, 0.05, 0.15),
        strict=True,
    )
)
"""Applications per click differ by trade (6-20 %)."""
_APPLY_OFFSETS = np.array(list(GROUP_APPLY_OFFSETS.values()))
AGE_DAYS = (1.0, 2.0, 7.0, 30.0)
AGE_LOG_FACTORS = (0.0, -0.693, -1.099, -1.386)
"""Applications halve after the first day and have lost two thirds after a week."""


@dataclass(frozen=True)
class Outcomes:
    """n outcomes.

    Attributes:
        kind: CLICK, APPLY or HIRE, int64.
        moment_us: when, microseconds since 1970.
        person, job: row numbers.
        is_text: whether the exposure was a message: a text or a job of a mail.
        exposure_id: impression event id or message id; of a mail with the place of the job.
        due_day: day since 1970 whose export shows it.
    """

    kind: np.ndarray
    moment_us: np.ndarray
    person: np.ndarray
    job: np.ndarray
    is_text: np.ndarray
    exposure_id: np.ndarray
    due_day: np.ndarray

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, rows: np.ndarray) -> Outcomes:
        """Return the rows selected by numbers or by a mask."""
        return Outcomes(*(getattr(self, field.name)[rows] for field in fields(Outcomes)))

    def in_order(self) -> Outcomes:
        """Return the rows by time; ties by kind and exposure."""
        return self.take(np.lexsort((self.exposure_id, self.kind, self.moment_us)))


def no_outcomes() -> Outcomes:
    nothing = np.zeros(0, dtype=np.int64)
    return outcomes(CLICK, nothing, nothing, nothing, nothing, nothing)


def outcomes(
    kind: int, moment_us: np.ndarray, person: np.ndarray, job: np.ndarray, is_text: np.ndarray, exposure_id: np.ndarray
) -> Outcomes:
    """Return outcomes of one kind, not yet due."""
    count = len(moment_us)
    return Outcomes(
        np.full(count, kind, dtype=np.int64),
        moment_us.astype(np.int64),
        person.astype(np.int64),
        job.astype(np.int64),
        is_text.astype(bool),
        exposure_id.astype(ID_TYPE),
        np.zeros(count, dtype=np.int64),
    )


def joined(parts: list[Outcomes]) -> Outcomes:
    return Outcomes(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Outcomes)))


def rank_within(values: np.ndarray) -> np.ndarray:
    """Return for each row how many rows before it hold the same value, int64 (n,)."""
    if len(values) == 0:
        return np.zeros(0, dtype=np.int64)
    order = np.argsort(values, kind="stable")
    arranged = values[order]
    starts = np.flatnonzero(np.r_[True, arranged[1:] != arranged[:-1]])
    within = np.arange(len(values)) - np.repeat(starts, np.diff(np.r_[starts, len(values)]))
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[order] = within
    return ranks


class Seekers(Protocol):
    """The people of `respond`: arrays by row."""

    @property
    def group(self) -> np.ndarray:
        """Position of the occupation group."""

    @property
    def seniority(self) -> np.ndarray:
        """0 to 3."""

    @property
    def shift(self) -> np.ndarray:
        """Position in `SHIFTS`."""

    @property
    def latitude(self) -> np.ndarray:
        """Degrees."""

    @property
    def longitude(self) -> np.ndarray:
        """Degrees."""

    @property
    def reservation_pay(self) -> np.ndarray:
        """US dollars per hour."""

    @property
    def activity(self) -> np.ndarray:
        """Propensity to click, standard normal."""

    @property
    def pay_weight(self) -> np.ndarray:
        """What pay means to the person; mean 1."""

    @property
    def distance_weight(self) -> np.ndarray:
        """What distance means to the person; mean 1."""


class Offers(Protocol):
    """The jobs of `respond`: arrays by row."""

    @property
    def group(self) -> np.ndarray:
        """Position of the occupation group."""

    @property
    def seniority(self) -> np.ndarray:
        """0 to 3."""

    @property
    def shift(self) -> np.ndarray:
        """Position in `SHIFTS`."""

    @property
    def latitude(self) -> np.ndarray:
        """Degrees."""

    @property
    def longitude(self) -> np.ndarray:
        """Degrees."""

    @property
    def pay(self) -> np.ndarray:
        """US dollars per hour."""

    @property
    def posted_us(self) -> np.ndarray:
        """Microseconds since 1970."""

    @property
    def appeal(self) -> np.ndarray:
        """Popularity in being clicked, standard normal."""

    @property
    def quality(self) -> np.ndarray:
        """What tastes respond to, (n, 8)."""


@dataclass(frozen=True)
class Mood:
    """What people want on one day: everything that injections can move.

    Attributes:
        taste: true tastes, float64 (people, 8).
        elasticity: of applications to pay, on average.
        odds_shift: added to the logits of click and of apply.
    """

    taste: np.ndarray
    elasticity: float
    odds_shift: float


@dataclass(frozen=True)
class Response:
    """Probabilities of n pairs, float64 (n,): of a click given shown, of an application given a click."""

    click: np.ndarray
    apply: np.ndarray


def mood_of_day(config: MarketConfig, people: Population, day: date) -> Mood:
    """Return the people's preferences on `day`."""
    taste = drifted_taste(config.seed, config.injections, day, people.taste)
    shift = hidden_shift(config.injections, day)
    if shift:
        taste = taste + shift * (np.arange(EMBEDDING_SIZE) == 0)
    usual = config.calibration.choice.pay_elasticity
    return Mood(taste, elasticity(config.injections, day, usual), odds_shift(config.injections, day))


def distance_km(
    latitude: np.ndarray, longitude: np.ndarray, other_latitude: np.ndarray, other_longitude: np.ndarray
) -> np.ndarray:
    """Return great-circle distances in km between points in degrees."""
    first, second = np.radians(latitude), np.radians(other_latitude)
    half = np.sin((second - first) / 2) ** 2
    half = half + np.cos(first) * np.cos(second) * np.sin(np.radians(other_longitude - longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(1.0, half)))


def pair_distance_km(people: Seekers, jobs: Offers, person: np.ndarray, job: np.ndarray) -> np.ndarray:
    """Return home-to-job distances of pairs."""
    return distance_km(people.latitude[person], people.longitude[person], jobs.latitude[job], jobs.longitude[job])


def freshness(jobs: Offers, job: np.ndarray, moment_us: np.ndarray | int) -> np.ndarray:
    """Return the log factor of a posting's age, 0 on its first day and falling."""
    age = (moment_us - jobs.posted_us[job]) / MICROSECONDS_PER_DAY
    return np.interp(age, AGE_DAYS, AGE_LOG_FACTORS)


def felt_distance(choice: Choice, kilometres: np.ndarray, is_late_shift: np.ndarray) -> np.ndarray:
    """Return how far a job feels to the average person, in kilometres of average weight, float64 (n,).

    A hinge: beyond `distance_tolerance_km` each kilometre weighs `distance_beyond` more, and for a job of evenings or
    nights every one weighs `distance_late_shift` more, shares of what one within the tolerance weighs by day. Beyond
    `distance_cap_km` nothing changes.
    """
    capped = np.minimum(kilometres, choice.distance_cap_km)
    felt = capped + choice.distance_beyond * np.maximum(capped - choice.distance_tolerance_km, 0.0)
    return felt * (choice.distance_within * (1.0 + choice.distance_late_shift * is_late_shift))


def felt_pay(choice: Choice, log_ratio: np.ndarray) -> np.ndarray:
    """Return what pay feels like to the average person, in log units of average weight, float64 (n,).

    With x = log(pay / asked pay): (1 + loss) x below 0 and x / (1 + saturation x) above, times `pay_at_asked`.
    """
    gain = np.maximum(log_ratio, 0.0)
    below = np.minimum(log_ratio, 0.0)
    felt = (1.0 + choice.pay_loss) * below + gain / (1.0 + choice.pay_saturation * gain)
    return choice.pay_at_asked * felt


def _logistic(logit: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-logit))


def respond(
    choice: Choice,
    people: Seekers,
    jobs: Offers,
    mood: Mood,
    person: np.ndarray,
    job: np.ndarray,
    moment_us: np.ndarray | int,
    position: np.ndarray | int | None = 1,
) -> Response:
    """Return the true probabilities of pairs.

    Args:
        choice: how people choose.
        people, jobs: the world.
        mood: of the day.
        person, job: row numbers, int64 (n,).
        moment_us: when shown, microseconds since 1970.
        position: place on the page from 1, (n,); None where a text shows the job, to somebody without recent texts.
    """
    attraction = choice.same_group * (people.group[person] == jobs.group[job])
    attraction = attraction + choice.same_shift * (people.shift[person] == jobs.shift[job])
    attraction += choice.seniority_gap * np.abs(people.seniority[person] - jobs.seniority[job])
    match = np.einsum("nk,nk->n", mood.taste[person], jobs.quality[job]) / np.sqrt(EMBEDDING_SIZE)
    attraction += choice.taste * match + choice.popularity * jobs.appeal[job]
    attraction += choice.activity * people.activity[person]
    echo = choice.apply_echo
    distance = felt_distance(choice, pair_distance_km(people, jobs, person, job), jobs.shift[job] > 0)
    nearness = choice.distance_per_km / (1.0 + echo) * (people.distance_weight[person] * distance)
    pay = felt_pay(choice, np.log(jobs.pay[job] / people.reservation_pay[person]))
    pay = mood.elasticity * (people.pay_weight[person] * pay)
    age = (1.0 - choice.age_share_seen) * freshness(jobs, job, moment_us)
    click = attraction + nearness + choice.click_share * pay + age + mood.odds_shift
    if position is None:
        click += choice.text_click_intercept
    else:
        click += choice.click_intercept
        click = click + choice.position * (np.minimum(position, 10) - 1)
    offsets = _APPLY_OFFSETS[jobs.group[job]]
    apply = echo * (attraction + nearness) + (1.0 - choice.click_share) * pay + offsets + mood.odds_shift
    apply += choice.text_apply_intercept if position is None else choice.apply_intercept
    return Response(_logistic(click), _logistic(apply))


def text_click_delay_us(habits: Habits, rng: np.random.Generator, size: int) -> np.ndarray:
    """Return the time from a text to its click, lognormal, in microseconds."""
    minutes = habits.click_delay_median_minutes * np.exp(habits.click_delay_sigma * rng.normal(size=size))
    return (minutes * 6e7).astype(np.int64) + 1


def apply_delay_us(habits: Habits, rng: np.random.Generator, size: int) -> np.ndarray:
    """Return the time from a click to its application: mostly minutes, else exponential days, in microseconds."""
    same_session = rng.random(size) < habits.same_session_share
    minutes = rng.exponential(6.0, size)
    hours = rng.exponential(habits.apply_delay_hours, size)
    return np.where(same_session, minutes * 6e7, hours * 3.6e9).astype(np.int64) + 1
