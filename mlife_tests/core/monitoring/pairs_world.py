"""A small job market for monitoring tests: users that persist, jobs that come and go, pairs sampled per day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

START = date(2026, 4, 1)
GROUPS = np.array(["11", "29", "35", "41", "43", "51", "53"])
METROS = np.array(["12060", "16980", "19100", "33100", "35620"])
TASTE = 8


class PairsWorld:
    """Users persist; a job lives 11 days on average, so days share jobs as real ones do. Same seed, same tables."""

    def __init__(self, seed: int, *, users: int = 3_000, jobs: int = 400, days: int = 100) -> None:
        self.seed = seed
        rng = np.random.default_rng(seed)
        self.users = self._people(rng, users)
        total = int(jobs * (days + 40) / 11)
        self.jobs = self._vacancies(rng, total)
        self.jobs["born"] = rng.integers(-40, days, total)
        self.jobs["dies"] = self.jobs["born"] + 1 + (11 * rng.weibull(2, total) / 0.886).astype(int)

    @staticmethod
    def _people(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
        group, seniority = rng.choice(len(GROUPS), n, p=[0.1, 0.1, 0.2, 0.2, 0.2, 0.1, 0.1]), rng.integers(0, 4, n)
        return {
            "group": GROUPS[group], "seniority": seniority,
            "shift": rng.choice(["day", "evening", "night"], n, p=[0.7, 0.2, 0.1]),
            "reservation": 12 * np.exp(0.2 * rng.standard_normal(n)) + 1.0 * group + 4.0 * seniority,
            "taste": rng.standard_normal((n, TASTE)), "x": 12 * rng.standard_normal((n, 2)),
            "tenure": rng.gamma(2.0, 120, n), "activity": rng.gamma(0.8, 1.0, n),
        }  # fmt: skip

    @staticmethod
    def _vacancies(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
        group, metro = rng.integers(0, len(GROUPS), n), rng.integers(0, len(METROS), n)
        return {
            "group": GROUPS[group], "metro": METROS[metro], "seniority": rng.integers(0, 4, n),
            "shift": rng.choice(["day", "evening", "night"], n, p=[0.7, 0.2, 0.1]),
            "pay": 16 * np.exp(0.3 * rng.standard_normal(n)) + 2.2 * group, "text": rng.standard_normal((n, TASTE)),
            "x": 10 * rng.standard_normal((n, 2)), "openings": 1 + rng.poisson(0.7, n),
        }  # fmt: skip

    def day(
        self, offset: int, rows: int = 2_000, *, new_city: float = 0.0, broken_correlation: float = 0.0
    ) -> pa.Table:
        """Return the sampled pairs of day START + offset."""
        rng = np.random.default_rng([self.seed, offset])
        alive = np.flatnonzero((self.jobs["born"] < offset) & (self.jobs["dies"] >= offset))
        u, j = rng.integers(0, len(self.users["group"]), rows), rng.choice(alive, rows)
        users = {name: values[u] for name, values in self.users.items()}
        jobs = {name: values[j] for name, values in self.jobs.items()}
        metro = jobs["metro"]
        distance = np.maximum(0.3, np.linalg.norm(users["x"] - jobs["x"], axis=1))
        is_new = rng.random(rows) < new_city
        metro = np.where(is_new, "47900", metro)
        distance = np.where(is_new, 1.15 * distance, distance)
        clicks = rng.poisson(users["activity"])
        tenure = np.where(is_new, rng.uniform(0, 5, rows), users["tenure"] + offset)
        clicks = np.where(is_new, 0, clicks)
        since = np.where((clicks == 0) & (rng.random(rows) < 0.3) | is_new, np.nan, rng.exponential(6, rows).round())
        taste = users["taste"].copy()
        swap = np.flatnonzero(rng.random(rows) < broken_correlation)
        reservation = users["reservation"].copy()
        ratio = np.log(jobs["pay"] / reservation)
        # A broken correlation re-deals reservation pay among rows: its own distribution stays, its links do not.
        reservation[swap] = reservation[rng.permutation(swap)]
        table = {
            "as_of_date": pa.array([START + timedelta(days=offset)] * rows, pa.date32()),
            "user_id": [f"u{k}" for k in u], "job_id": [f"j{k}" for k in j],
            "same_occupation_group": (users["group"] == jobs["group"]).astype(float),
            "same_shift": (users["shift"] == jobs["shift"]).astype(float),
            "seniority_gap": np.abs(users["seniority"] - jobs["seniority"]).astype(float), "distance_km": distance,
            "log_pay_ratio": ratio, "taste_match": (taste * jobs["text"]).sum(axis=1) / np.sqrt(TASTE),
            "user_seniority": users["seniority"], "job_seniority": jobs["seniority"], "pay_usd_per_hour": jobs["pay"],
            "reservation_pay_usd_per_hour": reservation, "user_click_rate": (clicks + 1) / (clicks + 12.0),
            "user_clicks_7d": clicks, "user_applies_28d": rng.poisson(0.1 * users["activity"]),
            "user_messages_28d": rng.poisson(1.0, rows), "days_since_last_click": pa.array(since, from_pandas=True),
            "tenure_days": tenure, "job_age_days": (offset - jobs["born"]).astype(float),
            "openings": jobs["openings"], "user_occupation_group": users["group"],
            "job_occupation_group": jobs["group"], "user_shift": users["shift"], "metro_code": metro,
        }  # fmt: skip
        table |= {f"taste_{k + 1}": taste[:, k] for k in range(TASTE)}
        table |= {f"text_{k + 1}": jobs["text"][:, k] for k in range(TASTE)}
        return pa.table(table)

    def sample(self, days: int = 14, rows: int = 2_000) -> pa.Table:
        """Return the sampled pairs of the first `days` days."""
        return pa.concat_tables([self.day(offset, rows) for offset in range(days)])


def replaced(table: pa.Table, **columns: np.ndarray) -> pa.Table:
    """Return `table` with some columns replaced."""
    for name, values in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values, from_pandas=True))
    return table


def scored_examples(
    seed: int, *, first: date, days: int, per_day: int = 3_000, slope: float = 1.0, shift: float = 0.0, pay: float = 0.0
) -> pa.Table:
    """Return scored mature examples. The model believes pay has weight 0.8; `pay` adds to its true weight."""
    rng = np.random.default_rng(seed)
    n = days * per_day
    offsets = np.repeat(np.arange(days), per_day)
    pay_ratio, distance = 0.4 * rng.standard_normal(n), rng.exponential(12, n)
    other = 0.9 * rng.standard_normal(n)
    logit = -2.6 + 0.8 * pay_ratio - 0.03 * distance + other
    true = shift + slope * (logit + 2.6) - 2.6 + pay * pay_ratio
    exposure = [first + timedelta(days=int(k)) for k in offsets]
    return pa.table(
        {
            "exposure_date": pa.array(exposure, pa.date32()),
            "label_mature_date": pa.array([day + timedelta(days=8) for day in exposure], pa.date32()),
            "user_id": [f"u{k}" for k in rng.integers(0, n // 2, n)],
            "probability": 1 / (1 + np.exp(-logit)),
            "is_positive": rng.random(n) < 1 / (1 + np.exp(-true)),
            "log_pay_ratio": pay_ratio,
            "distance_km": distance,
        }
    )


def pair_rows(days: int = 14, rows: int = 60_000) -> Mapping[date, int]:
    """Return the candidate pair counts of the reference days."""
    return {START + timedelta(days=offset): rows + 100 * offset for offset in range(days)}
