"""The simulated market as this deployment's source of events.

Belongs here: which world is simulated, with which injections. Does not belong here: the simulation (`market`).

Concept: the platform meets the market only through landing files, the contact book and the gateway. Truth tables lie
in a folder that no asset opens.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pyarrow as pa

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.ports import ContactBook, EventSource, ObjectStore
from mlife_assets.core.windows import add_days
from mlife_assets.market.contacts import ParquetContactBook, write_contact_book
from mlife_assets.market.injections import Injection
from mlife_assets.market.source import EmbeddedEventSource
from mlife_assets.market.world import MarketConfig
from mlife_assets.settings import Settings

CONCEPT_SHIFT_DAY = 3
NEW_CITY_DAY = 10
QUALITY_FAULT_DAY = 14


def demo_injections(first_lived_date: date) -> tuple[Injection, ...]:
    """Return the three events of the demo's story, by lived day.

    The fault is in the export that partition `QUALITY_FAULT_DAY` lands, which is that of the eve.
    """
    return (
        Injection("pay_elasticity", add_days(first_lived_date, CONCEPT_SHIFT_DAY - 1), size=2.5),
        Injection("new_city", add_days(first_lived_date, NEW_CITY_DAY - 1)),
        Injection("pay_in_cents", add_days(first_lived_date, QUALITY_FAULT_DAY - 2), duration_days=1),
    )


def market_config(settings: Settings) -> MarketConfig:
    """Return the world of this deployment."""
    return MarketConfig(
        seed=settings.seed,
        users=settings.market_users,
        jobs=settings.market_jobs,
        start_date=settings.start_date,
        history_days=settings.history_days,
        injections=demo_injections(settings.first_lived_date) if settings.demo_faults else (),
    )


def event_source(
    settings: Settings,
    landing: ObjectStore,
    sent_messages: Callable[[date], pa.Table],
    never_texted: Callable[[str], bool],
) -> EventSource:
    """Return the market as an event source."""
    return EmbeddedEventSource(
        config=market_config(settings),
        landing=landing,
        truth=ObstoreObjectStore.local(settings.truth_folder),
        state_folder=settings.home / "market",
        sent_messages=sent_messages,
        never_texted=never_texted,
    )


def contact_book(settings: Settings) -> ContactBook:
    """Return the private directory of phone numbers, written at first use."""
    path = settings.private_folder / "contacts.parquet"
    if not path.exists():
        write_contact_book(market_config(settings), path)
    return ParquetContactBook(path)
