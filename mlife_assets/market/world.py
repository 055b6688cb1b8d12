"""What world is simulated: its size, dates, seed and injections, and the numbers that calibrate it.

Concept: a random stream is named by (seed, day, purpose), so the draw of a day depends neither on the days before nor
on how often the process was restarted.

An injection is data, not code. Behavioural ones change the truth; faults change only the export. A seeded draw per
injection chooses the people affected, so a growing share only ever adds people.

| name | kind | `size` means |
|---|---|---|
| `new_city` | behaviour | share of the dormant people of the new metro who sign up; postings appear there |
| `new_taste_cluster` | behaviour | share of people who move to a new cluster of tastes |
| `correlation_only` | behaviour | share of people whose tastes become correlated; every marginal stays as it was |
| `pay_elasticity` | behaviour | the new elasticity of applications to pay, on average (the usual one is 0.8) |
| `hidden_taste` | behaviour | shift of the first taste of everybody, which the exported embedding never shows |
| `prior_shift` | behaviour | factor on the odds of click and of apply, square root each |
| `embedding_reversed` | fault | share of snapshot rows whose taste embedding is exported in reverse order |
| `mis_keyed_join` | fault | share of snapshot rows that carry the attributes of the next user |
| `distance_zero` | fault | share of snapshot rows whose home becomes the metro's centre, where 30 % of jobs lie |
| `pay_in_cents` | fault | share of snapshot rows whose reservation pay is exported in cents |
| `labels_late` | fault | days by which clicks, applies and hires are exported late |
| `duplicate_events` | fault | share of impressions, clicks and applies that are exported twice |
| `clock_skew` | fault | hours by which the web tier's clock is ahead (impressions and clicks); may be negative |
| `bots` | fault | fake impressions, nearly all clicked, as a share of the real ones of the day |
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from enum import IntEnum
from typing import Any

import numpy as np

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.windows import add_days

BEHAVIOURS = (
    "new_city",
    "new_taste_cluster",
    "correlation_only",
    "pay_elasticity",
    "hidden_taste",
    "prior_shift",
)
FAULTS = (
    "embedding_reversed",
    "mis_keyed_join",
    "distance_zero",
    "pay_in_cents",
    "labels_late",
    "duplicate_events",
    "clock_skew",
    "bots",
)
INJECTION_NAMES = tuple(sorted(BEHAVIOURS + FAULTS))

_SHARES = frozenset(
    {
        "new_city",
        "new_taste_cluster",
        "correlation_only",
        "embedding_reversed",
        "mis_keyed_join",
        "distance_zero",
        "pay_in_cents",
        "duplicate_events",
    }
)
_BOUNDS = {"pay_elasticity": (-5.0, 5.0), "hidden_taste": (-5.0, 5.0), "prior_shift": (0.01, 100.0)}
_BOUNDS |= {"labels_late": (0.0, 60.0), "clock_skew": (-48.0, 48.0), "bots": (0.0, 10.0)}
_BOUNDS |= dict.fromkeys(_SHARES, (0.0, 1.0))

NEW_CLUSTER_CENTRE = np.array([1.2, -1.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
METROS_MAXIMUM = 16
"""Metros with people from the first day; the next one of the catalogue is the new city."""


@dataclass(frozen=True)
class Injection:
    """One drift or fault.

    Attributes:
        name: one of `INJECTION_NAMES`.
        day: the first day on which it is felt.
        ramp_days: days until full strength; 0 or 1 is full strength at once.
        size: strength; its meaning depends on the name (see the table of the module).
        duration_days: days after which it is gone; 0 is for good.
    """

    name: str
    day: date
    ramp_days: int = 0
    size: float = 1.0
    duration_days: int = 0

    def __post_init__(self) -> None:
        """Refuse unknown names and sizes without meaning."""
        if self.name not in INJECTION_NAMES:
            raise InvalidInputError(f"Injection.name is {self.name!r}; use one of {', '.join(INJECTION_NAMES)}")
        low, high = _BOUNDS[self.name]
        if not low <= self.size <= high:
            raise InvalidInputError(f"Injection.size of {self.name} is {self.size}; set it between {low} and {high}")
        if self.ramp_days < 0 or self.duration_days < 0:
            raise InvalidInputError(f"Injection.ramp_days and duration_days of {self.name} must not be negative")

    @property
    def is_fault(self) -> bool:
        """Whether it changes only the export."""
        return self.name in FAULTS

    def intensity(self, day: date) -> float:
        """Return the strength on `day` as a share of full strength, in [0, 1]."""
        age = (day - self.day).days
        if age < 0 or (self.duration_days and age >= self.duration_days):
            return 0.0
        return min(1.0, (age + 1) / max(1, self.ramp_days))


def active(injections: tuple[Injection, ...], name: str, day: date) -> list[tuple[Injection, float]]:
    """Return the injections of `name` felt on `day` with their intensity."""
    return [(one, one.intensity(day)) for one in injections if one.name == name and one.intensity(day) > 0]


def affected(seed: int, injection: Injection, rows: int, share: float) -> np.ndarray:
    """Return which of `rows` people an injection touches, bool (rows,); a larger share contains a smaller one."""
    label = zlib.crc32(f"{injection.name}/{injection.day.isoformat()}".encode())
    draws = np.random.default_rng(np.random.SeedSequence([seed, label])).random(rows)
    return draws < share


def drifted_taste(seed: int, injections: tuple[Injection, ...], day: date, taste: np.ndarray) -> np.ndarray:
    """Return the tastes on `day` as far as they ever show, float64 (n, 8): a copy where an injection is at work."""
    result = taste
    for injection, strength in active(injections, "new_taste_cluster", day):
        touched = affected(seed, injection, len(taste), injection.size * strength)
        result = np.where(touched[:, None], np.roll(result, 1, axis=1) + NEW_CLUSTER_CENTRE, result)
    for injection, strength in active(injections, "correlation_only", day):
        touched = affected(seed, injection, len(taste), injection.size * strength)
        correlated = result.copy()
        correlated[:, 1], correlated[:, 3], correlated[:, 5] = result[:, 0], -result[:, 2], result[:, 4]
        result = np.where(touched[:, None], correlated, result)
    return result


def hidden_shift(injections: tuple[Injection, ...], day: date) -> float:
    """Return how far the first true taste of everybody has moved on `day` without being exported."""
    return sum(one.size * strength for one, strength in active(injections, "hidden_taste", day))


def elasticity(injections: tuple[Injection, ...], day: date, usual: float) -> float:
    """Return the elasticity of applications to pay on `day`."""
    value = usual
    for injection, strength in active(injections, "pay_elasticity", day):
        value += strength * (injection.size - value)
    return value


def odds_shift(injections: tuple[Injection, ...], day: date) -> float:
    """Return the shift of the logits of click and of apply on `day`, half of the log factor each."""
    return 0.5 * sum(float(np.log(one.size)) * strength for one, strength in active(injections, "prior_shift", day))


class Stream(IntEnum):
    """Purpose of a random stream."""

    PEOPLE = 1
    PREFERENCES = 2
    FIRST_POSTINGS = 3
    POSTINGS = 4
    BROWSING = 5
    RESPONSES = 6
    TEXT_RESPONSES = 7
    HIRES = 8
    RECRUITERS = 9
    CONTACTS = 10
    BOTS = 11
    DUPLICATES = 12
    WITHDRAWALS = 13
    CONSENT = 14
    WEIGHTS = 15
    MAIL_RESPONSES = 16


@dataclass(frozen=True)
class People:
    """Who lives in the world, as drawn before its first day, and how late a change of taste is exported."""

    impressions_per_user_day: float = 1.37
    view_rate_sigma: float = 1.0
    distance_weight_sigma: float = 0.5
    pay_weight_sigma: float = 0.5
    taste_noise: float = 0.7
    taste_delay_days: int = 7
    consent_share: float = 0.75
    mail_consent_share: float = 0.55
    home_sd_km: float = 12.0


@dataclass(frozen=True)
class Jobs:
    """Jobs that are posted, and for how long."""

    text_noise: float = 0.15
    posting_life_shape: float = 2.0
    posting_life_scale_days: float = 11.0
    withdrawn_share_per_day: float = 0.008


@dataclass(frozen=True)
class Choice:
    """What makes people click and apply, as logits unless said otherwise.

    The elasticity of applications to pay and the effect of distance are those of click and apply together: a click
    carries `click_share` of pay, and an application repeats `apply_echo` of what moved the click. Both are averages
    over people and over the jobs they see; `pay_at_asked` and `distance_within` say how much of the average is felt
    just above the pay that somebody asks for, and within the tolerance by day.
    """

    click_intercept: float = -2.45
    apply_intercept: float = -3.285
    text_click_intercept: float = -2.845
    text_apply_intercept: float = -3.53
    same_group: float = 1.35
    same_shift: float = 0.55
    seniority_gap: float = -0.3
    taste: float = 0.75
    activity: float = 0.6
    popularity: float = 0.35
    apply_echo: float = 0.6
    distance_per_km: float = -0.0268
    distance_cap_km: float = 120.0
    distance_within: float = 0.638
    distance_tolerance_km: float = 20.0
    distance_beyond: float = 1.0
    distance_late_shift: float = 0.3
    pay_elasticity: float = 0.8
    pay_at_asked: float = 0.804
    pay_loss: float = 0.95
    pay_saturation: float = 0.5
    click_share: float = 0.375
    age_share_seen: float = 0.6
    position: float = -0.08


@dataclass(frozen=True)
class Habits:
    """What people see and when, and what follows a message, a click and an application."""

    browse_same_group: float = 0.9
    browse_popularity: float = 0.65
    browse_per_km: float = -0.01
    browse_away_share: float = 0.03
    browse_radius_km: float = 60.0
    weekday_factor: tuple[float, ...] = (1.2, 1.2, 1.05, 1.05, 0.9, 0.6, 0.6)
    fatigue_per_contact: float = 0.91
    fatigue_days: int = 14
    click_delay_median_minutes: float = 20.0
    click_delay_sigma: float = 1.6
    same_session_share: float = 0.7
    apply_delay_hours: float = 36.0
    hire_share: float = 0.2
    hire_days: float = 18.0
    hire_days_shift_work: float = 5.0
    revoke_share_per_day: float = 0.0002
    delivered_share: float = 0.965
    mail_opened_share: float = 0.35


@dataclass(frozen=True)
class Calibration:
    """Behaviour of people. Sources: the README of `data`.

    `LINEAR_TERMS` make the world linear, and nobody in it asks for mails.
    """

    people: People = People()
    jobs: Jobs = Jobs()
    choice: Choice = Choice()
    habits: Habits = Habits()

    def record(self) -> dict[str, object]:
        """Return the numbers by name; a term of `LINEAR_TERMS` that does nothing is not written down."""
        values = {name: value for group in vars(self).values() for name, value in vars(group).items()}
        return {name: value for name, value in values.items() if LINEAR_TERMS.get(name, _WRITTEN) != value}

    @classmethod
    def recorded(cls, values: Mapping[str, object]) -> Calibration:
        """Return what `record` gave, of this release or of one that knew none of the `LINEAR_TERMS`."""
        weekdays = {name: tuple(value) for name, value in values.items() if isinstance(value, Sequence)}
        return cls().changed(**(LINEAR_TERMS | dict(values) | weekdays))

    def changed(self, **values: Any) -> Calibration:
        """Return a calibration with other numbers, by the names of `record`."""
        groups = {
            name: replace(group, **{one: values.pop(one) for one in vars(group) if one in values})
            for name, group in vars(self).items()
        }
        return Calibration(**groups, **values)  # a name that is left belongs to no group, and raises TypeError


_WRITTEN = object()
LINEAR_TERMS: dict[str, float] = {
    "distance_within": 1.0,
    "distance_tolerance_km": 0.0,
    "distance_beyond": 0.0,
    "distance_late_shift": 0.0,
    "distance_weight_sigma": 0.0,
    "pay_at_asked": 1.0,
    "pay_loss": 0.0,
    "pay_saturation": 0.0,
    "pay_weight_sigma": 0.0,
    "taste_delay_days": 0,
    "mail_consent_share": 0.0,
    "mail_opened_share": 0.0,
}
"""Terms that came after release 0.1.0, with the values by which they do nothing."""

RELEASED_CALIBRATION = Calibration.recorded(
    {
        "click_intercept": -2.45,
        "apply_intercept": -3.33,
        "text_click_intercept": -2.85,
        "text_apply_intercept": -3.6,
        "taste_noise": 0.35,
    }
)
"""The world of release 0.1.0, in which a home that was begun then goes on."""


@dataclass(frozen=True)
class MarketConfig:
    """One simulated world.

    Attributes:
        seed: of everything random.
        users: signed up on the first day; as many as `dormant_share` more wait for the new city.
        jobs: open at any time, about.
        start_date: first simulated day.
        history_days: days texted by the recruiters' own tool; the days after are texted by the platform.
        injections: drifts and faults.
        metros: the largest so many of the catalogue.
        dormant_share: people of the new city as a share of `users`.
        recruiter_texts_per_day: texts of the recruiters' tool per user and day (0.2: 2,000 at 10,000 users).
        recruiter_explore_share: share of those that go to a random near job.
        messages_per_opening: texts per opening and day.
        campaign, brand: of the recruiters' texts.
    """

    seed: int = 20_260_403
    users: int = 10_000
    jobs: int = 800
    start_date: date = date(2026, 4, 3)
    history_days: int = 60
    injections: tuple[Injection, ...] = ()
    metros: int = METROS_MAXIMUM
    dormant_share: float = 0.15
    recruiter_texts_per_day: float = 0.2
    recruiter_explore_share: float = 0.1
    messages_per_opening: int = 8
    campaign: str = "job_of_the_day"
    brand: str = "Northstar Jobs"
    calibration: Calibration = Calibration()

    def __post_init__(self) -> None:
        """Refuse worlds that cannot be simulated."""
        bounds = {"users": (1, 2_000_000), "jobs": (1, 200_000), "history_days": (0, 2_000)}
        bounds |= {"metros": (1, METROS_MAXIMUM), "seed": (0, 2**63)}
        for name, (low, high) in bounds.items():
            if not low <= getattr(self, name) <= high:
                raise InvalidInputError(f"MarketConfig.{name} is {getattr(self, name)}; set it in [{low}, {high}]")

    @property
    def first_lived_date(self) -> date:
        """The first day without texts of the recruiters' tool."""
        return add_days(self.start_date, self.history_days)

    @property
    def dormant_users(self) -> int:
        """Number of later users."""
        return round(self.users * self.dormant_share)

    @property
    def fingerprint(self) -> str:
        """Hash of everything that shapes the world."""
        values = asdict(self) | {"calibration": self.calibration.record()}
        text = json.dumps(values, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def tiny_config(**changes: object) -> MarketConfig:
    """Return a world for tests: 300 people, 60 jobs, 3 metros, 20 days of history."""
    values: dict[str, object] = {"seed": 1, "users": 300, "jobs": 60, "metros": 3, "history_days": 20}
    return MarketConfig(**(values | changes))  # type: ignore[arg-type]


def generator(seed: int, stream: Stream, day: date | None = None) -> np.random.Generator:
    """Return the random generator of a purpose, on a day if it recurs daily."""
    ordinal = 0 if day is None else day.toordinal()
    return np.random.default_rng(np.random.SeedSequence([seed, int(stream), ordinal]))


def metro_shares(metros: int) -> np.ndarray:
    """Return how people and postings spread over metros by rank, Zipf-like, float64 (metros,)."""
    weights = (np.arange(metros) + 3.0) ** -0.7
    return weights / weights.sum()
