"""A small job market whose truth is known, for tests of candidates, features, training and serving."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa

from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.recruiting.events import OCCUPATION_GROUPS, SHIFTS, TIMESTAMP
from mlife_assets.recruiting.features import pair_features

DAY = date(2026, 6, 2)
FIRST_EXPOSURE = date(2026, 4, 3)
METROS = 4
POLICY = TrainingPolicy(recipes=("plain",), trees_maximum=60, learning_rate=0.05, minimum_child_examples=20)
DAY_US = 86_400_000_000


def places(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    metro = rng.integers(0, METROS, size)
    return metro, 30.0 + 2.0 * metro + rng.normal(0, 0.1, size), -110.0 + 5.0 * metro + rng.normal(0, 0.1, size)


def user_features(size: int, *, seed: int = 1, day: date = DAY) -> pa.Table:
    rng = np.random.default_rng(seed)
    metro, latitude, longitude = places(rng, size)
    impressions = rng.poisson(8, size)
    clicks = rng.binomial(impressions, 0.1)
    columns = {
        "as_of_date": pa.array([day] * size, pa.date32()), "user_id": [f"u{i:05d}" for i in range(size)],
        "metro_code": pa.array([f"m{code}" for code in metro], pa.string()),
        "state_code": pa.array(["CA"] * size, pa.string()), "latitude": latitude, "longitude": longitude,
        "user_occupation_group": np.array(OCCUPATION_GROUPS)[rng.integers(0, 4, size)],
        "user_seniority": rng.integers(0, 4, size), "user_shift": np.array(SHIFTS)[rng.integers(0, 3, size)],
        "reservation_pay_usd_per_hour": np.round(np.exp(3 + rng.normal(0, 0.2, size)), 2),
        **{f"taste_{k}": rng.normal(size=size) for k in range(1, 9)}, "user_impressions_7d": impressions,
        "user_clicks_7d": clicks, "user_clicks_28d": clicks + rng.poisson(2, size),
        "user_applies_28d": rng.poisson(0.3, size), "user_messages_28d": rng.integers(0, 8, size),
        "days_since_last_click": pa.array(rng.integers(1, 60, size), pa.int64(), mask=rng.random(size) < 0.3),
        "tenure_days": rng.integers(1, 700, size),
    }  # fmt: skip
    return pa.table(columns)


def job_features(size: int, *, seed: int = 2, day: date = DAY) -> pa.Table:
    rng = np.random.default_rng(seed)
    metro, latitude, longitude = places(rng, size)
    impressions = rng.poisson(60, size)
    clicks = rng.binomial(impressions, 0.1)
    midnight = np.datetime64(day, "us").astype(np.int64)
    columns = {
        "as_of_date": pa.array([day] * size, pa.date32()), "job_id": [f"j{i:04d}" for i in range(size)],
        "employer_name": [f"Firm {i % 9}" for i in range(size)], "title": ["Nurse"] * size,
        "job_metro_code": pa.array([f"m{code}" for code in metro], pa.string()), "job_latitude": latitude,
        "job_longitude": longitude, "job_occupation_group": np.array(OCCUPATION_GROUPS)[rng.integers(0, 4, size)],
        "job_seniority": rng.integers(0, 4, size), "job_shift": np.array(SHIFTS)[rng.integers(0, 3, size)],
        "pay_usd_per_hour": np.round(np.exp(3 + rng.normal(0, 0.25, size)), 2), "openings": rng.integers(1, 10, size),
        "bid_usd_per_apply": np.round(rng.uniform(1, 9, size), 2),
        "posted_at": pa.array(midnight - rng.integers(1, 20, size) * DAY_US).cast(TIMESTAMP),
        "expires_at": pa.array(midnight + rng.integers(5, 20, size) * DAY_US).cast(TIMESTAMP),
        "job_age_days": rng.integers(0, 20, size), **{f"text_{k}": rng.normal(size=size) for k in range(1, 9)},
        "job_impressions_7d": impressions, "job_clicks_7d": clicks, "job_applies_7d": rng.binomial(clicks, 0.1),
        "job_messages_7d": rng.poisson(10, size),
    }  # fmt: skip
    return pa.table(columns)


def true_probability(pairs: pa.Table) -> np.ndarray:
    """Return P(apply | shown) of pairs with derived features; driven by taste, trade, shift and distance."""
    own, shift, taste, distance = (
        pairs[name].to_numpy() for name in ("same_occupation_group", "same_shift", "taste_match", "distance_km")
    )
    log_odds = -3.2 + 1.2 * own + 0.5 * shift + 1.0 * taste - 0.03 * np.minimum(distance, 120)
    probability: np.ndarray = 1 / (1 + np.exp(-log_odds))
    return probability


def labelled_examples(rows: int, *, days: int = 40, seed: int = 3) -> pa.Table:
    """Return exposures of `days` days from `FIRST_EXPOSURE`, labelled by the truth, in random order."""
    rng = np.random.default_rng(seed)
    users, jobs = (table.drop_columns(["as_of_date"]) for table in (user_features(800), job_features(120)))
    user_metro, job_metro = (np.array(t[c].to_pylist()) for t, c in ((users, "metro_code"), (jobs, "job_metro_code")))
    user = rng.integers(0, users.num_rows, rows)
    job = np.empty(rows, dtype=np.int64)
    for metro in np.unique(user_metro):
        here = np.flatnonzero(user_metro[user] == metro)
        job[here] = rng.choice(np.flatnonzero(job_metro == metro), len(here))
    table = users.take(pa.array(user))
    for field in jobs.schema:
        table = table.append_column(field, jobs[field.name].take(pa.array(job)))
    shown = np.datetime64(FIRST_EXPOSURE, "D") + rng.integers(0, days, rows)
    applied = rng.random(rows) < true_probability(pair_features(table))
    extra = {
        "exposure_id": pa.array([f"x{i:07d}" for i in range(rows)]), "exposure_date": pa.array(shown),
        "exposure_kind": pa.array(np.where(rng.random(rows) < 0.2, "message", "impression")),
        "slice": pa.array(["organic"] * rows), "is_clicked": pa.array(applied | (rng.random(rows) < 0.1)),
        "is_applied": pa.array(applied), "label_mature_date": pa.array(shown + 8),
    }  # fmt: skip
    for name, values in extra.items():
        table = table.append_column(name, values)
    return table
