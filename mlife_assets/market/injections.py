"""Drifts and faults that can be put into the market by name, date, ramp and size.

Concept: an injection is data, not code. Behavioural ones change the truth; faults change only what is exported. Who is
affected is a seeded draw per injection, so a growing share only ever adds people.

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

import zlib
from dataclasses import dataclass
from datetime import date

import numpy as np

from mlife_assets.core.errors import InvalidInputError

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
        """Whether it changes only what is exported."""
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
