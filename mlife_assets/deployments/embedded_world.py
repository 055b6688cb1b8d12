"""The simulated market as this deployment's source of events.

Concept: the platform meets the market only through landing files, the contact book and the gateway. Truth tables are in
a folder that no asset opens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.private_files import write_private
from mlife_assets.core.ports import EventSource, ObjectStore
from mlife_assets.core.windows import add_days
from mlife_assets.market.private_files import (
    ParquetAuditAttributes,
    ParquetContactBook,
    ParquetMailBook,
    audit_attribute_bytes,
    contact_book_bytes,
    mail_book_bytes,
)
from mlife_assets.market.source import EmbeddedEventSource
from mlife_assets.market.world import Injection, MarketConfig
from mlife_assets.recruiting.ports import AuditAttributes, ContactBook

EVENTS = (
    "people begin to weigh pay more than before",
    "a new city opens",
    "the user export arrives with pay in cents",
)
"""The demo's story, in the order of `Settings.demo_event_days`."""


@dataclass(frozen=True)
class Story:
    """Changes of the market from the first texted day on, and their words by day, counted from that one as 1."""

    injections: Callable[[date], tuple[Injection, ...]]
    events: Mapping[int, str]


def demo_story(days: tuple[int, int, int] | None) -> Story:
    """Return the demo's three events by day, if any; the fault is in the export of the day before its own."""
    if days is None:
        return Story(lambda _: (), {})
    shift, city, fault = days

    def injections(first_lived_date: date) -> tuple[Injection, ...]:
        return (
            Injection("pay_elasticity", add_days(first_lived_date, shift - 1), size=2.5),
            Injection("new_city", add_days(first_lived_date, city - 1)),
            Injection("pay_in_cents", add_days(first_lived_date, fault - 2), duration_days=1),
        )

    return Story(injections, dict(zip(days, EVENTS, strict=True)))


@dataclass(frozen=True)
class EmbeddedWorld:
    """The simulated market of a deployment: `users` on the first day, about `jobs` open, texts after the history."""

    seed: int
    users: int
    jobs: int
    start_date: date
    history_days: int
    story: Story
    home: Path
    private_folder: Path

    @property
    def config(self) -> MarketConfig:
        """Return the market's own configuration."""
        first_lived = add_days(self.start_date, self.history_days)
        return MarketConfig(
            seed=self.seed,
            users=self.users,
            jobs=self.jobs,
            start_date=self.start_date,
            history_days=self.history_days,
            injections=self.story.injections(first_lived),
        )

    def event_source(
        self,
        landing: ObjectStore,
        sent_messages: Callable[[date], pa.Table],
        never_texted: Callable[[str], bool],
    ) -> EventSource:
        """Return the market as an event source that delivers to `landing`."""
        return EmbeddedEventSource(
            config=self.config,
            landing=landing,
            truth=ObstoreObjectStore.local(self.home / "truth"),
            state_folder=self.home / "market",
            sent_messages=sent_messages,
            never_texted=never_texted,
        )

    def contact_book(self) -> ContactBook:
        return ParquetContactBook(self._written("contacts.parquet", contact_book_bytes))

    def mail_book(self) -> ParquetMailBook:
        return ParquetMailBook(self._written("mail_addresses.parquet", mail_book_bytes))

    def audit_attributes(self) -> AuditAttributes:
        return ParquetAuditAttributes(self._written("audit_attributes.parquet", audit_attribute_bytes))

    def _written(self, name: str, content: Callable[[MarketConfig], bytes]) -> Path:
        """Return a private table, written at first use."""
        path = self.private_folder / name
        if not path.exists():
            write_private(path, content(self.config))
        return path
