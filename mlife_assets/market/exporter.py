"""The exporter: a day's record as tables of the event contract, and tables as landing files.

Belongs here: columns, ids and bytes of landing files. Does not belong here: what happened (`simulation`), what an
exporter gets wrong (`source`), where files go (`source`).

Concept: one file per event type and day, written at 23:30 UTC, in a fixed order with fixed writer options, so the same
day gives the same bytes. Ids are derived from what they name. A type without rows has no file that day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from mlife_assets.core.ids import digest, event_id
from mlife_assets.market.browsing import EXPORT_US, Impressions
from mlife_assets.market.catalogue import Catalogue
from mlife_assets.market.history import EXPLORE_SLICE, RULE_SLICE, wordings
from mlife_assets.market.outcomes import HIRE, KINDS, Outcomes
from mlife_assets.market.population import Population, epoch_us
from mlife_assets.market.records import Closings, ConsentChanges, DayRecord
from mlife_assets.market.texts import Texts, asks_for_mails, message_of
from mlife_assets.market.vacancies import CLOSE_REASONS, Vacancies, employer_names, job_ids
from mlife_assets.market.world import MarketConfig
from mlife_assets.recruiting.events import ENVELOPE, EVENT_TYPES, OCCUPATION_GROUPS, SHIFTS, TIMESTAMP

RECRUITER_TOOL = "recruiter_tool"
RECRUITER_POLICY = "recruiter_rule_v1"
PLANNED_HOUR = 12
SNAPSHOT_HOUR = 23
HOUR_US = 3_600_000_000
SECOND_US = 1_000_000

_GROUP_CODES = np.array(OCCUPATION_GROUPS)
_SHIFT_NAMES = np.array(SHIFTS)
_TITLE_PREFIX = ("Trainee ", "", "Senior ", "Lead ")


@dataclass(frozen=True)
class World:
    """What an export needs besides the record of the day; `shown_taste` is float64 (people, 8)."""

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
        if world.config.calibration.mail_consent_share and asks_for_mails(world.config, users[row])
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
