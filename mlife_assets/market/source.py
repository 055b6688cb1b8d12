"""The embedded event source: landing files of the simulated market, as a production exporter would leave them.

Concept: files first, state second. A crash between the two repeats the day from the saved state and finds its own bytes
in place; a day that was simulated already is only listed. A fault is a function from honest tables to exported tables:
the market goes on as if nothing had happened.

One file per event type and day, written at 23:30 UTC, in a fixed order with fixed writer options, so the same day gives
the same bytes. Ids are derived from the content of their rows. A type without rows has no file that day.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.ids import digest, event_id
from mlife_assets.core.ports import ObjectStore
from mlife_assets.core.windows import add_days, days_between
from mlife_assets.market.behaviour import CLICK, HIRE, KINDS, Outcomes, outcomes
from mlife_assets.market.catalogue import Catalogue
from mlife_assets.market.parquet_bytes import parquet_bytes
from mlife_assets.market.population import Population, epoch_us, published_taste, touched_rows
from mlife_assets.market.simulation import Closings, ConsentChanges, DayRecord, Market
from mlife_assets.market.texts import Texts, asks_for_mails, message_of
from mlife_assets.market.traffic import EXPLORE_SLICE, EXPORT_US, RULE_SLICE, Impressions, wordings
from mlife_assets.market.truth import write_truth
from mlife_assets.market.vacancies import CLOSE_REASONS, Vacancies, employer_names, job_ids
from mlife_assets.market.world import MarketConfig, Stream, active, generator
from mlife_assets.recruiting.events import (
    ENVELOPE,
    EVENT_TYPES,
    MARKET_EVENT_TYPES,
    OCCUPATION_GROUPS,
    SHIFTS,
    TIMESTAMP,
)

RECRUITER_TOOL = "recruiter_tool"
RECRUITER_POLICY = "recruiter_rule_v1"
PLANNED_HOUR = 12
SNAPSHOT_HOUR = 23
SECOND_US = 1_000_000

_GROUP_CODES = np.array(OCCUPATION_GROUPS)
_SHIFT_NAMES = np.array(SHIFTS)
_TITLE_PREFIX = ("Trainee ", "", "Senior ", "Lead ")

HOUR_US = 3_600_000_000
CENTS = 100.0
BOT_ACCOUNTS_PER_1000 = 1
BOT_CLICK_SHARE = 0.95
DUPLICATED = ("impression", "click", "apply")
SKEWED = ("impression", "click")
KEYS = ("event_id", "occurred_at", "observed_at", "user_id", "signed_up_at")


@dataclass(frozen=True)
class World:
    """Inputs of an export besides the record of the day; `shown_taste` is float64 (people, 8)."""

    config: MarketConfig
    catalogue: Catalogue
    people: Population
    shown_taste: np.ndarray


def landing_key(event_type: str, day: date) -> str:
    """Return the key of the landing file of an event type and day."""
    return f"{event_type}/dt={day.isoformat()}/export.parquet"


def _embeddings(values: np.ndarray) -> pa.Array:
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.round(values, 6).ravel()))


def _times(moments_us: np.ndarray) -> pa.Array:
    return pa.array(moments_us.astype(np.int64)).cast(TIMESTAMP)


def event_table(
    event_type: str, day: date, ids: Sequence[str], occurred_us: np.ndarray, payload: dict[str, object]
) -> pa.Table:
    """Return a table of the event contract, all rows observed at the export of `day`.

    What later versions of the contract added is unknown to the market: null, or left out where it must be there.
    """
    kind = EVENT_TYPES[event_type].delivered([*payload, *(column.name for column in ENVELOPE)])
    schema = kind.schema
    observed = np.full(len(ids), epoch_us(day) + EXPORT_US)
    columns: dict[str, object] = {c.name: pa.nulls(len(ids), c.type) for c in kind.columns if c.since > 1}
    columns |= {"event_id": ids, "occurred_at": _times(occurred_us), "observed_at": _times(observed)} | payload
    return pa.table([pa.array(columns[name], schema.field(name).type) for name in schema.names], schema=schema)


def _ids(event_type: str, keys: Sequence[str]) -> list[str]:
    return [event_id(event_type, key) for key in keys]


def job_posted(world: World, jobs: Vacancies, rows: np.ndarray, day: date) -> pa.Table:
    """Return the postings `rows`."""
    names = job_ids(rows).tolist()
    titles = [
        _TITLE_PREFIX[seniority] + world.catalogue.titles[occupation]
        for seniority, occupation in zip(jobs.seniority[rows].tolist(), jobs.occupation[rows].tolist(), strict=True)
    ]
    metros = np.array([metro.metro_code for metro in world.catalogue.metros])
    payload: dict[str, object] = {
        "job_id": names,
        "employer_id": [f"emp_{employer:05d}" for employer in jobs.employer[rows].tolist()],
        "employer_name": employer_names(jobs.employer[rows]),
        "title": titles,
        "occupation_code": np.array(world.catalogue.occupation_codes)[jobs.occupation[rows]],
        "occupation_group": _GROUP_CODES[jobs.group[rows]],
        "seniority": jobs.seniority[rows],
        "shift": _SHIFT_NAMES[jobs.shift[rows]],
        "metro_code": metros[jobs.metro[rows]],
        "latitude": jobs.latitude[rows],
        "longitude": jobs.longitude[rows],
        "pay_usd_per_hour": jobs.pay[rows],
        "openings": jobs.openings[rows],
        "expires_at": _times(jobs.expires_us[rows]),
        "bid_usd_per_apply": jobs.bid[rows],
        "text_embedding": _embeddings(jobs.text[rows]),
    }
    return event_table("job_posted", day, _ids("job_posted", names), jobs.posted_us[rows], payload)


def job_closed(closings: Closings, day: date) -> pa.Table:
    """Return the closings of a day by time."""
    order = np.lexsort((closings.job, closings.moment_us))
    names = job_ids(closings.job[order]).tolist()
    payload: dict[str, object] = {"job_id": names, "reason": np.array(CLOSE_REASONS)[closings.reason[order]]}
    return event_table("job_closed", day, _ids("job_closed", names), closings.moment_us[order], payload)


def user_snapshot(world: World, members: np.ndarray, day: date) -> pa.Table:
    """Return the full snapshot of everybody who has signed up."""
    people, label = world.people, day.isoformat()
    users = people.user_ids[members].tolist()
    metros = np.array([metro.metro_code for metro in world.catalogue.metros])
    payload: dict[str, object] = {
        "user_id": users,
        "occupation_group": _GROUP_CODES[people.group[members]],
        "seniority": people.seniority[members],
        "shift": _SHIFT_NAMES[people.shift[members]],
        "metro_code": metros[people.metro[members]],
        "state_code": people.state_codes[members],
        "time_zone": people.time_zones[members],
        "latitude": people.latitude[members],
        "longitude": people.longitude[members],
        "reservation_pay_usd_per_hour": people.reservation_pay[members],
        "taste_embedding": _embeddings(world.shown_taste[members]),
        "signed_up_at": _times(people.signed_up_us[members]),
    }
    moments = np.full(len(users), epoch_us(day) + SNAPSHOT_HOUR * HOUR_US)
    ids = [event_id("user_snapshot", user, label) for user in users]
    return event_table("user_snapshot", day, ids, moments, payload)


def consent(world: World, changes: ConsentChanges, day: date) -> pa.Table:
    """Return the changes of consent to texts, then who agreed to mails when signing up."""
    users = world.people.user_ids[changes.person].tolist()
    asks = [
        row
        for row in np.flatnonzero(changes.is_signup).tolist()
        if world.config.calibration.people.mail_consent_share and asks_for_mails(world.config, users[row])
    ]
    users += [users[row] for row in asks]
    moments = np.concatenate([changes.moment_us, changes.moment_us[asks]])
    channels = ["sms"] * len(changes.person) + ["email"] * len(asks)
    payload: dict[str, object] = {
        "user_id": users,
        "channel": channels,
        "is_granted": np.concatenate([changes.is_granted, np.ones(len(asks), dtype=bool)]),
        "source": np.where(np.concatenate([changes.is_signup, changes.is_signup[asks]]), "signup", "preference_page"),
    }
    keys = zip(users, channels, moments.tolist(), strict=True)
    return event_table("consent", day, [event_id("consent", *key) for key in keys], moments, payload)


def impression(world: World, views: Impressions, ids: Sequence[str], day: date) -> pa.Table:
    """Return organic impressions."""
    payload: dict[str, object] = {
        "user_id": world.people.user_ids[views.person],
        "job_id": job_ids(views.job),
        "surface": np.where(views.is_feed, "feed", "search"),
        "position": views.position,
    }
    return event_table("impression", day, ids, views.moment_us, payload)


def responses(world: World, happened: Outcomes, kind: int, day: date) -> pa.Table:
    """Return the clicks, applications or hires among what happened."""
    rows = happened.take(happened.kind == kind)
    exposures = rows.exposure_id.tolist()
    payload: dict[str, object] = {
        "user_id": world.people.user_ids[rows.person],
        "job_id": job_ids(rows.job),
        "source": np.where(rows.is_text, "message", "organic"),
        "exposure_id": [message_of(one) for one in exposures],
    }
    keys = exposures
    if kind == HIRE:
        keys = _ids("apply", exposures)
        payload["apply_event_id"] = keys
    name = KINDS[kind]
    return event_table(name, day, _ids(name, keys), rows.moment_us, payload)


def texting_tables(world: World, jobs: Vacancies, texts: Texts, day: date) -> dict[str, pa.Table]:
    """Return the export of the recruiters' own texting tool."""
    ids, users = texts.message_ids.tolist(), world.people.user_ids[texts.person]
    count = len(ids)
    planned: dict[str, object] = {
        "message_id": ids,
        "user_id": users,
        "job_id": job_ids(texts.job),
        "campaign": [world.config.campaign] * count,
        "as_of_date": [day] * count,
        "prediction_id": [None] * count,
        "slice": np.where(texts.is_explore, EXPLORE_SLICE, RULE_SLICE),
        "propensity": texts.propensity,
        "plan_id": ["pln_" + digest((RECRUITER_TOOL, day.isoformat()))] * count,
        "cohort": [RECRUITER_TOOL] * count,
        "body": wordings(world.config, world.catalogue, jobs, texts.job),
        "segments": [1] * count,
        "policy_version": [RECRUITER_POLICY] * count,
    }
    submitted: dict[str, object] = {
        "message_id": ids,
        "user_id": users,
        "attempt": [1] * count,
        "provider": [RECRUITER_TOOL] * count,
    }
    status: dict[str, object] = {
        "message_id": ids,
        "user_id": users,
        "status": np.where(texts.is_delivered, "delivered", "undelivered"),
        "provider_message_id": ["rct_" + digest((RECRUITER_TOOL, one)) for one in ids],
        "detail": [None if delivered else "handset unreachable" for delivered in texts.is_delivered.tolist()],
    }
    plan_us = np.full(count, epoch_us(day) + PLANNED_HOUR * HOUR_US)
    return {
        "message_planned": event_table("message_planned", day, _ids("message_planned", ids), plan_us, planned),
        "message_submitted": event_table(
            "message_submitted", day, _ids("message_submitted", ids), texts.sent_us, submitted
        ),
        "message_status": event_table(
            "message_status", day, _ids("message_status", ids), texts.sent_us + 4 * SECOND_US, status
        ),
    }


def honest_tables(world: World, record: DayRecord) -> dict[str, pa.Table]:
    """Return all tables of a day, as they happened, by event type."""
    day, jobs = record.day, record.vacancies
    tables = {
        "job_posted": job_posted(world, jobs, record.posted, day),
        "job_closed": job_closed(record.closings, day),
        "user_snapshot": user_snapshot(world, record.members, day),
        "consent": consent(world, record.consents, day),
        "impression": impression(world, record.impressions, record.impression_ids.tolist(), day),
    }
    tables |= {name: responses(world, record.outcomes, kind, day) for kind, name in enumerate(KINDS)}
    return tables | texting_tables(world, jobs, record.texts, day)


def exported_day(market: Market, day: date, delivered: pa.Table | None = None) -> tuple[DayRecord, dict[str, pa.Table]]:
    """Advance `market` by `day`; return its record and what its exporters write, by event type. Nothing is stored."""
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
        record, tables = exported_day(market, day, delivered)
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
