"""The embedded event source: landing files of the simulated market, as a production exporter would leave them.

Belongs here: `core.ports.EventSource` on top of the market: simulating days, writing files, saving state; every
injected fault of an export. Does not belong here: what happens in the market, drifts of behaviour (`injections`,
`behaviour`), late labels, which only wait longer in the outbox of the state (`simulation`).

Concept: files first, state second. A crash between the two repeats the day from the saved state and finds its own bytes
in place; a day that was simulated already is only listed. A fault is a function from honest tables to exported tables:
the market goes on as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.ids import event_id
from mlife_assets.core.ports import ObjectStore
from mlife_assets.core.windows import add_days, days_between
from mlife_assets.market.browsing import EXPORT_US, Impressions
from mlife_assets.market.exporter import World, honest_tables, impression, landing_key, responses
from mlife_assets.market.injections import active
from mlife_assets.market.outcomes import CLICK, outcomes
from mlife_assets.market.parquet_bytes import parquet_bytes
from mlife_assets.market.population import epoch_us, published_taste, touched_rows
from mlife_assets.market.records import DayRecord
from mlife_assets.market.simulation import Market
from mlife_assets.market.truth import write_truth
from mlife_assets.market.world import MarketConfig, Stream, generator
from mlife_assets.recruiting.events import MARKET_EVENT_TYPES, TIMESTAMP

HOUR_US = 3_600_000_000
CENTS = 100.0
BOT_ACCOUNTS_PER_1000 = 1
BOT_CLICK_SHARE = 0.95
DUPLICATED = ("impression", "click", "apply")
SKEWED = ("impression", "click")
KEYS = ("event_id", "occurred_at", "observed_at", "user_id", "signed_up_at")


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


@dataclass(frozen=True)
class Export:
    """A day on its way out: the honest record beside the tables that faults may have changed."""

    world: World
    record: DayRecord
    tables: dict[str, pa.Table]


def _replaced(table: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)


def _touched_members(export: Export, name: str) -> np.ndarray:
    """Return which snapshot rows a fault touches, bool (rows,)."""
    world, record = export.world, export.record
    return touched_rows(world.config, name, record.day, len(world.people))[record.members]


def embedding_reversed(export: Export) -> dict[str, pa.Table]:
    """Export the taste embedding of the touched rows backwards."""
    table, touched = export.tables["user_snapshot"], _touched_members(export, "embedding_reversed")
    column = table["taste_embedding"].combine_chunks()
    values = column.flatten().to_numpy().reshape(len(column), -1)
    changed = np.where(touched[:, None], values[:, ::-1], values)
    array = pa.ListArray.from_arrays(column.offsets, pa.array(changed.ravel()))
    return {"user_snapshot": _replaced(table, "taste_embedding", array)}


def mis_keyed_join(export: Export) -> dict[str, pa.Table]:
    """Give the touched rows the attributes of the next row's user; keys and times stay."""
    table, touched = export.tables["user_snapshot"], _touched_members(export, "mis_keyed_join")
    rows = np.arange(table.num_rows)
    source = np.where(touched, (rows + 1) % max(1, table.num_rows), rows)
    moved = table.take(pa.array(source))
    for name in KEYS:
        moved = _replaced(moved, name, table[name])
    return {"user_snapshot": moved}


def distance_zero(export: Export) -> dict[str, pa.Table]:
    """The geocoder of homes is down: fill the touched rows with the centre of their metro.

    Three in ten postings name only the city and lie in that very point, so at size 1 three in ten distances become 0.
    """
    table, touched = export.tables["user_snapshot"], _touched_members(export, "distance_zero")
    metro = export.world.people.metro[export.record.members]
    centres = np.array([(one.latitude, one.longitude) for one in export.world.catalogue.metros])[metro]
    for position, name in enumerate(("latitude", "longitude")):
        values = np.where(touched, centres[:, position], table[name].to_numpy())
        table = _replaced(table, name, pa.array(values))
    return {"user_snapshot": table}


def pay_in_cents(export: Export) -> dict[str, pa.Table]:
    """Export the reservation pay of the touched rows in cents."""
    table, touched = export.tables["user_snapshot"], _touched_members(export, "pay_in_cents")
    name = "reservation_pay_usd_per_hour"
    pay = table[name].to_numpy()
    return {"user_snapshot": _replaced(table, name, pa.array(np.where(touched, np.round(pay * CENTS, 2), pay)))}


def bots(export: Export) -> dict[str, pa.Table]:
    """Add views and clicks of bots that run on a few accounts; they never apply."""
    world, record = export.world, export.record
    found = active(world.config.injections, "bots", record.day)
    count = round(sum(one.size * strength for one, strength in found) * len(record.impressions))
    accounts_count = max(1, len(record.members) * BOT_ACCOUNTS_PER_1000 // 1000)
    chooser = generator(world.config.seed, Stream.BOTS)
    accounts = np.argsort(chooser.random(len(world.people))[record.members], kind="stable")[:accounts_count]
    rng = generator(world.config.seed, Stream.BOTS, record.day)
    person = np.sort(record.members[accounts[rng.integers(0, len(accounts), count)]])
    stock = record.vacancies.open_at(epoch_us(record.day))
    job = stock[rng.integers(0, len(stock), count)]
    moment = epoch_us(record.day) + np.sort(rng.integers(0, EXPORT_US - HOUR_US, count))
    position = np.minimum(np.arange(count) + 1, 1_000)
    label = record.day.isoformat()
    users = world.people.user_ids[person].tolist()
    ids = [event_id("impression", user, label, "bot", number) for number, user in enumerate(users)]
    views = Impressions(person, job, moment, position, np.zeros(count, dtype=bool))
    clicked = rng.random(count) < BOT_CLICK_SHARE
    clicks = outcomes(CLICK, moment + 500_000, person, job, np.zeros(count, dtype=bool), np.array(ids, dtype=str))
    extra = {
        "impression": impression(world, views, ids, record.day),
        "click": responses(world, clicks.take(clicked), CLICK, record.day),
    }
    return {name: pa.concat_tables([export.tables[name], table]) for name, table in extra.items()}


def clock_skew(export: Export) -> dict[str, pa.Table]:
    """Shift the times of the web tier."""
    found = active(export.world.config.injections, "clock_skew", export.record.day)
    shift = round(sum(one.size * strength for one, strength in found) * HOUR_US)
    result = {}
    for name in SKEWED:
        moments = pc.add(export.tables[name]["occurred_at"].cast(pa.int64()), shift).cast(TIMESTAMP)
        result[name] = _replaced(export.tables[name], "occurred_at", moments)
    return result


def duplicate_events(export: Export) -> dict[str, pa.Table]:
    """Export a share of the rows twice, under the same ids."""
    found = active(export.world.config.injections, "duplicate_events", export.record.day)
    rng = generator(export.world.config.seed, Stream.DUPLICATES, export.record.day)
    result = {}
    for name in DUPLICATED:
        table = export.tables[name]
        again = rng.random(table.num_rows) < sum(one.size * strength for one, strength in found)
        result[name] = pa.concat_tables([table, table.filter(pa.array(again))])
    return result


_FAULTS = {
    "mis_keyed_join": mis_keyed_join,
    "embedding_reversed": embedding_reversed,
    "distance_zero": distance_zero,
    "pay_in_cents": pay_in_cents,
    "bots": bots,
    "clock_skew": clock_skew,
    "duplicate_events": duplicate_events,
}


def exported_tables(world: World, record: DayRecord, honest: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """Return the tables as the exporter writes them on a day, faults included."""
    tables = dict(honest)
    for name, fault in _FAULTS.items():
        if active(world.config.injections, name, record.day):
            tables |= fault(Export(world, record, tables))
    return tables
