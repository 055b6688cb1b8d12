"""What the simulated market stands for: exporters, the contact book, the audit table.

Belongs here: wiring the market to the ports that other systems of a job board stand behind. Does not belong here: the
market itself (`embedded_world`), every other port (`resources`).

Concept: a deployment with people of its own has other parts in this place.
"""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.components.platform.embedded_world import EmbeddedWorld, Story, demo_story
from mlife_assets.components.platform.private_parts import PrivateParts
from mlife_assets.components.platform.shared_port import shared_port
from mlife_assets.core.ports import EventSource
from mlife_assets.recruiting.messaging.cohorts import is_holdout
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.ports import AuditAttributes, ContactBook


class MarketParts(PrivateParts):
    """The ports that the simulated market stands behind."""

    policies: Policies
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
        """Return the texts that reached people on `day`, with the job that each was about."""
        sent = self.gateway.sent_messages(day)
        sent = sent.filter(sent["is_delivered"])
        jobs = {row.message_id: row.job_id for row in self.ledger.rows(as_of_date=day)}
        job_ids = pa.array([jobs[message_id] for message_id in sent["message_id"].to_pylist()], pa.string())
        return sent.append_column("job_id", job_ids).select(["message_id", "user_id", "job_id", "sent_at"])

    def _is_holdout(self, user_id: str) -> bool:
        contact = self.policies.contact
        return is_holdout(user_id, salt=contact.assignment_salt, share=contact.holdout_share)
