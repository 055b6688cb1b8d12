"""The catalogue of the simulated market: real metros, occupations, wages and seasons.

Concept: everything that varies by place or trade is looked up by a small integer: the rank of a metro, the position of
an occupation or of its group in `recruiting.events.OCCUPATION_GROUPS`.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files

import numpy as np

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.events import OCCUPATION_GROUPS

WAGE_SCORES = np.array([-1.2816, -0.6745, 0.0, 0.6745, 1.2816])
"""Standard normal scores of the wage percentiles 10, 25, 50, 75 and 90."""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MEAN_MONTH_DAYS = 30.4


@dataclass(frozen=True)
class Metro:
    """One metropolitan area; coordinates are those of its city, in degrees."""

    metro_code: str
    name: str
    city: str
    state_codes: tuple[str, ...]
    time_zone: str
    latitude: float
    longitude: float


@dataclass(frozen=True)
class Catalogue:
    """The whole catalogue; m metros (by rank), o occupations, g groups.

    Attributes:
        metros: by rank, the largest first.
        occupation_codes: SOC codes, o.
        titles: short job titles, o.
        occupation_group: position of the group of each occupation, int64 (o,).
        employment: float64 (m, o).
        log_wages: natural logs of hourly US dollars at percentiles 10, 25, 50, 75, 90, float64 (m, o, 5).
        seasonal: month factors with mean 1, float64 (g, 12).
    """

    metros: tuple[Metro, ...]
    occupation_codes: tuple[str, ...]
    titles: tuple[str, ...]
    occupation_group: np.ndarray
    employment: np.ndarray
    log_wages: np.ndarray
    seasonal: np.ndarray

    def group_shares(self) -> np.ndarray:
        """Return how the people of each metro spread over groups, float64 (m, g).

        Shares follow square roots of employment, so that no group is too rare to be seen.
        """
        totals = np.zeros((len(self.metros), len(OCCUPATION_GROUPS)))
        np.add.at(totals.T, self.occupation_group, self.employment.T)
        roots = np.sqrt(totals)
        return roots / roots.sum(axis=1, keepdims=True)

    def log_wage(self, metro: np.ndarray, occupation: np.ndarray, score: np.ndarray) -> np.ndarray:
        """Return the log hourly wage at standard normal `score`, interpolated between the percentiles; all (n,)."""
        knots = self.log_wages[metro, occupation]
        bounded = np.clip(score, WAGE_SCORES[0], WAGE_SCORES[-1])
        interval = np.clip(np.searchsorted(WAGE_SCORES, bounded, side="right") - 1, 0, len(WAGE_SCORES) - 2)
        row = np.arange(len(interval))
        share = (bounded - WAGE_SCORES[interval]) / (WAGE_SCORES[interval + 1] - WAGE_SCORES[interval])
        low, high = knots[row, interval], knots[row, interval + 1]
        return low + share * (high - low)

    def group_log_wage(self) -> np.ndarray:
        """Return the employment-weighted median log wage of each metro and group, float64 (m, g)."""
        weighted = np.zeros((len(self.metros), len(OCCUPATION_GROUPS)))
        weights = np.zeros_like(weighted)
        np.add.at(weighted.T, self.occupation_group, (self.employment * self.log_wages[:, :, 2]).T)
        np.add.at(weights.T, self.occupation_group, self.employment.T)
        return weighted / weights

    def season(self, day: date) -> np.ndarray:
        """Return the factor of each group on `day`, float64 (g,), linear between mid-months."""
        position = (day.month - 1) + (day.day - MEAN_MONTH_DAYS / 2) / MEAN_MONTH_DAYS
        first = int(np.floor(position)) % 12
        share = position - np.floor(position)
        return self.seasonal[:, first] * (1 - share) + self.seasonal[:, (first + 1) % 12] * share


def _rows(name: str) -> list[dict[str, str]]:
    text = files("mlife_assets.market").joinpath("data", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@lru_cache(maxsize=1)
def load_catalogue() -> Catalogue:
    """Return the shipped catalogue. Raises InvalidInputError when a metro lacks the wage of an occupation."""
    metros = tuple(
        Metro(
            row["metro_code"],
            row["metro_name"],
            row["city"],
            tuple(row["state_codes"].split("|")),
            row["time_zone"],
            float(row["latitude"]),
            float(row["longitude"]),
        )
        for row in _rows("metros.csv")
    )
    occupations = _rows("occupations.csv")
    codes = [row["occupation_code"] for row in occupations]
    metro_at = {metro.metro_code: index for index, metro in enumerate(metros)}
    code_at = {code: index for index, code in enumerate(codes)}
    employment = np.full((len(metros), len(codes)), np.nan)
    log_wages = np.full((len(metros), len(codes), len(WAGE_SCORES)), np.nan)
    for row in _rows("wages.csv"):
        at = metro_at[row["metro_code"]], code_at[row["occupation_code"]]
        employment[at] = float(row["employment"])
        log_wages[at] = np.log([float(row[f"pay_p{percentile}"]) for percentile in (10, 25, 50, 75, 90)])
    if np.isnan(log_wages).any():
        metro, occupation = np.argwhere(np.isnan(log_wages))[0][:2]
        raise InvalidInputError(f"wages.csv lacks {metros[metro].metro_code} x {codes[occupation]}; add the row")
    seasonal = {
        row["occupation_group"]: [float(row[month]) for month in MONTHS] for row in _rows("seasonal_factors.csv")
    }
    return Catalogue(
        metros=metros,
        occupation_codes=tuple(codes),
        titles=tuple(row["title"] for row in occupations),
        occupation_group=np.array([OCCUPATION_GROUPS.index(row["occupation_group"]) for row in occupations]),
        employment=employment,
        log_wages=log_wages,
        seasonal=np.array([seasonal[group] for group in OCCUPATION_GROUPS]),
    )


def area_codes() -> dict[str, tuple[str, ...]]:
    """Return the area codes of each IANA time zone, in order."""
    zones: dict[str, list[str]] = {}
    for row in _rows("area_codes.csv"):
        zones.setdefault(row["time_zone"], []).append(row["area_code"])
    return {zone: tuple(codes) for zone, codes in zones.items()}
