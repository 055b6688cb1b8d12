"""Small histories with a known law, detectors that cost nothing, and a store in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.model import Model
from mlife_assets.core.monitoring import latent
from mlife_assets.core.monitoring.outcomes import METRICS, learn_concept_thresholds
from mlife_assets.core.monitoring.reference import numbers
from mlife_assets.core.monitoring.thresholds import Statistic, Threshold
from mlife_assets.core.policies import BacktestPolicy, MonitoringPolicy, PromotionPolicy, RetrainPolicy, TrainingPolicy
from mlife_assets.lifecycle.backtest import History, Replayed, prepare_history, replay

FIRST = date(2025, 1, 1)
TODAY = date(2026, 1, 1)
DAYS, ROWS_PER_DAY = 130, 60
ROLES = ExampleSpec(
    entity="who", time="day", label="won", label_time="known", features=("strength", "noise"), categoricals=("kind",)
)


def make_model(**changes: object) -> Model:
    """Return a model whose policies fit a history of some thousand rows."""
    model = Model(
        name="winners",
        title="Who wins",
        outcome="somebody wins",
        source="made up for a test",
        roles=ROLES,
        training=TrainingPolicy(
            formulations=("binary",), recipes=("plain",), trees_maximum=30, learning_rate=0.2,
            minimum_child_examples=40, minimum_examples=500, validation_days=7,
        ),
        promotion=PromotionPolicy(
            minimum_users_with_positives=200, bootstrap_resamples=400, parity_rows=20,
            calibration_slope_minimum=0.4, calibration_slope_maximum=2.5, calibration_level_minimum=0.4,
            calibration_level_maximum=2.5,
        ),
        monitoring=MonitoringPolicy(sample_rows_per_day=120, minimum_mature_positives=50),
        retrain=RetrainPolicy(),
        backtest=BacktestPolicy(warmup_days=40, bootstrap_resamples=400),
    )  # fmt: skip
    return replace(model, **changes)


def make_rows(
    *, change_on: int | None = None, shift_on: int | None = None, window_days: int = 1, seed: int = 3, days: int = DAYS
) -> pa.Table:
    """Return rows whose label follows `strength`; from day `change_on` on it follows `noise` instead.

    From day `shift_on` on `strength` is two higher although the law stays. A label is known after `window_days`.
    """
    rng = np.random.default_rng(seed)
    rows = days * ROWS_PER_DAY
    day = np.repeat(np.arange(days), ROWS_PER_DAY)
    strength = rng.normal(size=rows) + (0.0 if shift_on is None else 2.0 * (day >= shift_on))
    noise = rng.normal(size=rows)
    cause = strength if change_on is None else np.where(day >= change_on, noise, strength)
    exposed = np.datetime64(FIRST) + day
    return pa.table(
        {
            "who": [f"w{row}" for row in range(rows)], "day": pa.array(exposed),
            "won": pa.array(rng.random(rows) < 1 / (1 + np.exp(1.0 - 2.0 * cause))),
            "known": pa.array(exposed + window_days), "strength": strength, "noise": noise,
            "kind": np.array(["a", "b"])[rng.integers(0, 2, rows)].tolist(),
        }
    )  # fmt: skip


class MemoryStore:
    """An object store in a dict."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_if_absent(self, key: str, data: bytes) -> bool:
        is_new = key not in self.objects
        if not is_new and self.objects[key] != data:
            raise AssertionError(f"{key} is written twice with other bytes")
        self.objects[key] = data
        return is_new

    def replace(self, key: str, data: bytes) -> None:
        self.objects[key] = data

    def get(self, key: str) -> bytes:
        if key not in self.objects:
            raise NotFoundError(key)
        return self.objects[key]

    def exists(self, key: str) -> bool:
        return key in self.objects


class PlainDetectors:
    """Distances of means in standard deviations; outcomes by the limits that `core.monitoring.concept` learns."""

    def __init__(self) -> None:
        self.calls = 0

    def limits(self, reference, policy) -> tuple[Threshold, ...]:
        names = reference.columns.watched
        columns = [Threshold("mean", name, 0.1, 0.1, 0.6, 14, 0.001) for name in names]
        joint = [Threshold(latent.DOMAIN_CLASSIFIER, latent.FEATURES, 0.5, 0.05, 0.9, 14, 0.001)]
        return (*columns, *joint, *learn_concept_thresholds(reference, policy))

    def drift(self, reference, rows) -> tuple[Statistic, ...]:
        self.calls += 1
        found = []
        for name in reference.columns.watched:
            value = 0.0
            if name in reference.columns.numeric:
                usual = numbers(reference.sample, name)
                value = abs(float(np.mean(np.nan_to_num(numbers(rows, name))) - np.mean(usual))) / float(np.std(usual))
            found.append(Statistic("mean", name, value))
        return tuple(found)

    def latent(self, reference, rows, policy) -> tuple[Statistic, ...]:
        return (Statistic(latent.DOMAIN_CLASSIFIER, latent.FEATURES, 0.5),)

    def performance(self, reference, examples) -> tuple[Statistic, ...]:
        return tuple(Statistic(kind, metric, 0.7) for kind in ("estimated", "realised") for metric in METRICS)


class Tick:
    """A stopwatch that moves by a second each time it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture(scope="session")
def model() -> Callable[..., Model]:
    return make_model


@pytest.fixture(scope="session")
def rows() -> Callable[..., pa.Table]:
    return make_rows


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture(scope="session")
def detectors() -> type[PlainDetectors]:
    return PlainDetectors


@pytest.fixture(scope="session")
def history() -> Callable[..., History]:
    def build(table: pa.Table, model: Model | None = None) -> History:
        return prepare_history(table, model or make_model(), today=TODAY)

    return build


@pytest.fixture(scope="session")
def replayed() -> Callable[..., Replayed]:
    """Replay rows with detectors that cost nothing."""

    def run(table: pa.Table, model: Model | None = None, store: MemoryStore | None = None, progress=None) -> Replayed:
        built = prepare_history(table, model or make_model(), today=TODAY)
        return replay(built, PlainDetectors(), store or MemoryStore(), stopwatch=Tick(), progress=progress)

    return run


@pytest.fixture(scope="session")
def changed(replayed, made_once) -> Replayed:
    """A replay of an abrupt change of concept on day 80."""
    return made_once("changed_replay", lambda _: replayed(make_rows(change_on=80))).result


@pytest.fixture(scope="session")
def kept_calm(replayed, made_once) -> tuple[Replayed, dict[str, bytes]]:
    """A replay without drift, and what its store holds."""

    def made(_: Path) -> tuple[Replayed, dict[str, bytes]]:
        store = MemoryStore()
        return replayed(make_rows(), store=store), store.objects

    return made_once("calm_replay", made).result


@pytest.fixture(scope="session")
def calm(kept_calm) -> Replayed:
    """A replay without drift."""
    return kept_calm[0]
