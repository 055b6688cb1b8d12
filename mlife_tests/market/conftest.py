"""Worlds that several tests look at: lived once, read by all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.ids import unit_interval
from mlife_assets.core.windows import add_days
from mlife_assets.market.simulation import DayRecord, Market
from mlife_assets.market.source import EmbeddedEventSource, exported_day
from mlife_assets.market.texts import DELIVERED_SCHEMA
from mlife_assets.market.world import MarketConfig, tiny_config


def holdout(user_id: str) -> bool:
    return unit_interval("salt", user_id) < 0.05


def nothing_sent(day: date) -> pa.Table:
    return DELIVERED_SCHEMA.empty_table()


def lived(config: MarketConfig, days: int) -> tuple[Market, list[DayRecord]]:
    market = Market(config, holdout)
    return market, [market.advance(add_days(config.start_date, offset)) for offset in range(days)]


def exports(config: MarketConfig, days: int) -> list[dict[str, pa.Table]]:
    market = Market(config, holdout)
    return [exported_day(market, add_days(config.start_date, offset))[1] for offset in range(days)]


def event_source(config: MarketConfig, home: Path, sent=nothing_sent) -> EmbeddedEventSource:
    for name in ("landing", "truth"):
        (home / name).mkdir(parents=True, exist_ok=True)
    return EmbeddedEventSource(
        config=config, landing=ObstoreObjectStore.local(home / "landing"),
        truth=ObstoreObjectStore.local(home / "truth"), state_folder=home / "private", sent_messages=sent,
        never_texted=holdout,
    )  # fmt: skip


@dataclass(frozen=True)
class Toolbox:
    """Functions of this file for tests, which cannot import a conftest."""

    holdout = staticmethod(holdout)
    nothing_sent = staticmethod(nothing_sent)
    lived = staticmethod(lived)
    exports = staticmethod(exports)
    event_source = staticmethod(event_source)


@pytest.fixture(scope="session")
def toolbox() -> Toolbox:
    return Toolbox()


@dataclass(frozen=True)
class MidWorld:
    """4,000 people, 42 days."""

    market: Market
    records: list[DayRecord]

    def outcomes(self, kind: int, *, is_text: bool) -> int:
        chosen = (int(((one.outcomes.kind == kind) & (one.outcomes.is_text == is_text)).sum()) for one in self.records)
        return sum(chosen)


@pytest.fixture(scope="session")
def mid_world() -> MidWorld:
    return MidWorld(*lived(MarketConfig(users=4_000, jobs=400, history_days=60, seed=5), 42))


@pytest.fixture(scope="session")
def clean_exports() -> list[dict[str, pa.Table]]:
    return exports(tiny_config(), 12)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)
