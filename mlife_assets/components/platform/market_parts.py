"""What the simulated market stands for: exporters, the contact book, the audit table.

Belongs here: wiring the market to the ports that other systems of a job board stand behind. Does not belong here: the
market itself (`embedded_world`), every other port (`resources`).

Concept: a deployment with people of its own has other parts in this place.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.components.platform.embedded_world import EmbeddedWorld, Story, demo_story
from mlife_assets.components.platform.mail_parts import MailParts
from mlife_assets.components.platform.shared_port import shared_port
from mlife_assets.core.ports import EventSource
from mlife_assets.market.texts import DELIVERED_SCHEMA, POSITION
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.mail.addresses import normalise_address
from mlife_assets.recruiting.messaging.cohorts import is_holdout
from mlife_assets.recruiting.ports import AddressBook, AuditAttributes, ContactBook


class MarketParts(MailParts):
    """The ports that the simulated market stands behind."""

    story: Story | None

    @shared_port
    def landing(self) -> ObstoreObjectStore:
        """Where exporters put their files."""
        return ObstoreObjectStore.local(self.settings.landing_folder)

    @shared_port
    def world(self) -> EmbeddedWorld:
        """The simulated market."""
        settings = self.settings
        days = settings.demo_event_days if settings.demo_faults else None
        return EmbeddedWorld(
            seed=settings.seed,
            users=settings.market_users,
            jobs=settings.market_jobs,
            start_date=settings.start_date,
            history_days=settings.history_days,
            story=self.story or demo_story(days),
            home=settings.home,
            private_folder=self.private_folder,
        )

    @shared_port
    def contacts(self) -> ContactBook:
        """Phone numbers."""
        return self.world.contact_book()

    @shared_port
    def address_books(self) -> Mapping[Channel, AddressBook]:
        """Addresses of channels other than texts."""
        return {Channel.EMAIL: AddressBook(self.world.mail_book().mail_addresses, normalise_address)}

    @shared_port
    def audit_attributes(self) -> AuditAttributes:
        """Protected attributes; `components.model.fairness` alone may ask for them."""
        return self.world.audit_attributes()

    @shared_port
    def event_source(self) -> EventSource:
        """Where raw events come from."""
        return self.world.event_source(self.landing, self._delivered_messages, self._is_holdout)

    @property
    def is_simulated(self) -> bool:
        """Whether the people are: true in this wiring, which is the embedded world's."""
        return True

    def _delivered_messages(self, day: date) -> pa.Table:
        """Return the texts that reached people on `day` and the jobs in mails that did (`texts.DELIVERED_SCHEMA`)."""
        texts, mails = (gateway.sent_messages(day) for gateway in (self.gateway, self.mailbox))
        jobs = {row.message_id: row.job_id for row in self.ledger.rows(as_of_date=day)}
        rows = [{**row, "job_id": jobs[row["message_id"]]} for row in texts.filter(texts["is_delivered"]).to_pylist()]
        items = self.planned_items(day) if mails.num_rows else {}
        rows += [
            {**row, "job_id": item["job_id"], POSITION: item["position"]}
            for row in mails.filter(mails["is_delivered"]).to_pylist()
            for item in items[row["message_id"]]
        ]
        return pa.Table.from_pylist(rows, schema=DELIVERED_SCHEMA.append(pa.field(POSITION, pa.int64())))

    @abstractmethod
    def planned_items(self, day: date) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Return message id -> items, of the plans of a day that are sent: those that are stored."""

    def _is_holdout(self, user_id: str) -> bool:
        contact = self.policies.contact
        return is_holdout(user_id, salt=contact.assignment_salt, share=contact.holdout_share)
