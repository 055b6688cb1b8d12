"""The embedded event source: landing files of the simulated market, as a production exporter would leave them.

Belongs here: `core.ports.EventSource` on top of the market: simulating days, writing files, saving state. Does not
belong here: what happens in the market or in a file.

Concept: files first, state second. A crash between the two repeats the day from the saved state and finds its own bytes
in place; a day that was simulated already is only listed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.ports import ObjectStore
from mlife_assets.core.windows import add_days, days_between
from mlife_assets.market.exporter import World, honest_tables, landing_key
from mlife_assets.market.faults import exported_tables
from mlife_assets.market.parquet_bytes import parquet_bytes
from mlife_assets.market.population import published_taste
from mlife_assets.market.records import DayRecord
from mlife_assets.market.simulation import Market
from mlife_assets.market.truth import write_truth
from mlife_assets.market.world import MarketConfig
from mlife_assets.recruiting.events import MARKET_EVENT_TYPES


def exported_day(market: Market, day: date, delivered_messages: pa.Table | None = None) -> dict[str, pa.Table]:
    """Advance `market` by `day` and return what its exporters write, by event type; nothing is stored."""
    _, tables = _advanced(market, day, delivered_messages)
    return tables


def _advanced(market: Market, day: date, delivered: pa.Table | None) -> tuple[DayRecord, dict[str, pa.Table]]:
    record = market.advance(day, delivered)
    config, people = market.config, market.people
    world = World(config, market.catalogue, people, published_taste(config, people, day))
    return record, exported_tables(world, record, honest_tables(world, record))


@dataclass
class EmbeddedEventSource:
    """`core.ports.EventSource` of the simulated market.

    Attributes:
        config: the world; a folder whose world was begun by release 0.1.0 goes on in that one.
        landing: where exporters put their files.
        truth: where the hidden truth goes; the platform has no access.
        state_folder: where the market remembers the last day.
        sent_messages: returns the texts delivered on a simulated day (`texts.DELIVERED_SCHEMA`); asked once per day.
        never_texted: says of a user id whether it is in the holdout; the recruiters' tool spares it too.
    """

    config: MarketConfig
    landing: ObjectStore
    truth: ObjectStore
    state_folder: Path
    sent_messages: Callable[[date], pa.Table]
    never_texted: Callable[[str], bool]
    _market: Market | None = None

    def deliver(self, day: date) -> list[str]:
        """Make sure that the landing files of `day` exist and return their object keys, sorted.

        Simulates every day up to `day` that is missing, in order.

        Raises:
            InvalidInputError: `day` lies before the first day.
            UpstreamMismatchError: the saved state belongs to another world.
            ContentConflictError: a landing file holds other bytes than this world writes.
        """
        if day < self.config.start_date:
            raise InvalidInputError(f"day is {day}, the market starts on {self.config.start_date}; ask for a later day")
        market = self._market or Market.load(self.config, self.never_texted, self.state_folder)
        self._market = None
        for pending in days_between(add_days(market.state.day, 1), day):
            self._live(market, pending)
        self._market = market
        return [
            key for key in sorted(landing_key(name, day) for name in MARKET_EVENT_TYPES) if self.landing.exists(key)
        ]

    def _live(self, market: Market, day: date) -> None:
        delivered = self.sent_messages(day) if day >= self.config.first_lived_date else None
        record, tables = _advanced(market, day, delivered)
        for name in sorted(tables):
            if tables[name].num_rows:
                self.landing.put_if_absent(landing_key(name, day), parquet_bytes(tables[name]))
        write_truth(self.truth, market.config, market.people, record)
        market.save(self.state_folder)
