"""What was planned, approved and tried: the proofs that sending asks for.

Concept: whoever can write the lake can write a plan, so its digest is noted here when it is made, and an approval
carries it. A campaign day is approved once: the same plan again changes nothing, another plan is refused. A plan that
was rejected is not approved, and the other way round, whoever comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime

import sqlalchemy as sa

from mlife_assets.adapters.send_ledger.people import BATCH
from mlife_assets.adapters.send_ledger.schema import (
    accounts,
    approvals,
    inbound_texts,
    log_files,
    plans,
    rejections,
    sends,
    suppressions,
    write,
)
from mlife_assets.adapters.send_ledger.statements import FACTS_OF
from mlife_assets.core.errors import GateClosedError
from mlife_assets.recruiting.application import EVERY_CHANNEL
from mlife_assets.recruiting.events import EARLIER, TAKEN_OVER
from mlife_assets.recruiting.messaging.approve import Approval, Rejection, require_not_rejected
from mlife_assets.recruiting.messaging.effects import UNCLEAR_REPLY
from mlife_assets.recruiting.messaging.keywords import START, STOP, STOP_ALL

REJECTED = tuple(field.name for field in fields(Rejection))
_RECORD_FILE = sa.text("INSERT INTO log_files VALUES (:key, :origin) ON CONFLICT DO NOTHING")


@dataclass(frozen=True)
class RecordedApproval:
    """One row of `approvals`."""

    plan_id: str
    campaign: str
    as_of_date: date
    plan_digest: str
    planned_count: int
    approved_by: str
    reason: str | None
    at: datetime


class Approvals:
    """Approvals and attempts of a ledger; see `SqlLedger`."""

    engine: sa.Engine

    def note_plan(self, campaign: str, as_of_date: date, *, plan_id: str, plan_digest: str, now: datetime) -> None:
        """Remember what was planned last for a campaign day, so that an exchanged plan is never approved."""
        is_day = sa.and_(plans.c.campaign == campaign, plans.c.as_of_date == as_of_date)
        with write(self.engine) as connection:
            connection.execute(sa.delete(plans).where(is_day))
            connection.execute(
                sa.insert(plans).values(
                    campaign=campaign, as_of_date=as_of_date, plan_id=plan_id, plan_digest=plan_digest, at=now
                )
            )

    def noted_plan(self, campaign: str, as_of_date: date) -> tuple[str, str] | None:
        """Return (plan id, digest) of what was planned last for a campaign day, None when nothing was."""
        query = sa.select(plans.c.plan_id, plans.c.plan_digest).where(
            plans.c.campaign == campaign, plans.c.as_of_date == as_of_date
        )
        with self.engine.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else (row.plan_id, row.plan_digest)

    def record_files(self, keys: Sequence[str], *, origin: str = "written") -> None:
        """Remember files of the log by their keys, which name their content."""
        with write(self.engine) as connection:
            if keys:
                connection.execute(_RECORD_FILE, [{"key": key, "origin": origin} for key in keys])
            if origin == TAKEN_OVER:
                connection.execute(sa.delete(log_files).where(log_files.c.key == EARLIER))

    def recorded_files(self) -> frozenset[str]:
        """Return the keys of all files that are remembered; `EARLIER` stands for those of an earlier release."""
        with self.engine.connect() as connection:
            return frozenset(connection.execute(sa.select(log_files.c.key)).scalars())

    def record_approval(self, approval: Approval, *, now: datetime) -> bool:
        """Record the approval of a campaign day. Returns whether it was new; the same again changes nothing.

        Raises:
            GateClosedError: another plan was approved for the campaign day, or this one was rejected.
        """
        with write(self.engine) as connection:
            require_not_rejected(_rejection(connection, approval.plan_digest))
            known = connection.execute(_of_day(approval.campaign, approval.as_of_date)).first()
            if known is None:
                facts = {name: value for name, value in asdict(approval).items() if name in approvals.c}
                connection.execute(sa.insert(approvals).values(**facts, at=now))
                return True
        if (known.plan_id, known.plan_digest) != (approval.plan_id, approval.plan_digest):
            raise GateClosedError(
                f"{known.plan_id} was approved for {approval.campaign} {approval.as_of_date} by {known.approved_by}, "
                f"and {approval.plan_id} differs from it; a day has one plan, so nothing of the other is sent"
            )
        return False

    def approval(self, campaign: str, as_of_date: date) -> RecordedApproval | None:
        """Return what was approved for a campaign day, None when nothing was."""
        with self.engine.connect() as connection:
            row = connection.execute(_of_day(campaign, as_of_date)).first()
        return None if row is None else RecordedApproval(**row._asdict())

    def record_rejection(self, rejection: Rejection, *, now: datetime) -> bool:
        """Record that a plan is never sent. Returns whether it was new; the same again changes nothing.

        Raises:
            GateClosedError: it was approved.
        """
        with write(self.engine) as connection:
            approved = connection.execute(_of_day(rejection.campaign, rejection.as_of_date)).first()
            if approved is not None and approved.plan_digest == rejection.plan_digest:
                raise GateClosedError(
                    f"plan {rejection.plan_id} was approved by {approved.approved_by}, so it cannot be rejected any "
                    "more; `mlife messages pause` stops what was not sent yet"
                )
            is_new = _rejection(connection, rejection.plan_digest) is None
            if is_new:
                connection.execute(sa.insert(rejections).values(**asdict(rejection), at=now))
        return is_new

    def rejection(self, plan_digest: str) -> Rejection | None:
        """Return who rejected a plan and why, None when nobody did."""
        with self.engine.connect() as connection:
            return _rejection(connection, plan_digest)

    def attempts(self, message_ids: Sequence[str]) -> dict[str, tuple[str, int]]:
        """Return (state, attempts) of the sends that there are, by message id."""
        found: dict[str, tuple[str, int]] = {}
        with self.engine.connect() as connection:
            for start in range(0, len(message_ids), BATCH):
                rows = connection.execute(FACTS_OF, {"messages": message_ids[start : start + BATCH]})
                found.update({row.message_id: (row.state, row.attempts) for row in rows})
        return found

    def first_submitted(self, since: date = date.min) -> date | None:
        """Return the first day, of `since` or later, on which something was submitted; None when nothing was."""
        query = sa.select(sends.c.as_of_date).where(sends.c.as_of_date >= since, sends.c.attempts > 0)
        with self.engine.connect() as connection:
            found: date | None = connection.execute(query.order_by(sends.c.as_of_date).limit(1)).scalar()
            return found

    def submitted(self, since: date) -> dict[str, int]:
        """Return the attempts of the sends of `since` and later that were submitted at all, by message id."""
        query = sa.select(sends.c.message_id, sends.c.attempts).where(sends.c.as_of_date >= since, sends.c.attempts > 0)
        with self.engine.connect() as connection:
            return {row.message_id: row.attempts for row in connection.execute(query)}

    def unlisted_stops(self) -> list[str]:
        """Return the accounts that said STOP, were neither reviewed nor followed by a START, and are not listed."""
        stop, start = inbound_texts.alias("stop"), inbound_texts.alias("start")
        said, wrote = accounts.alias(), accounts.alias()
        of_person = sa.select(wrote.c.user_id).join(said, said.c.person_id == wrote.c.person_id)
        of_person = of_person.where(said.c.user_id == stop.c.user_id).correlate(stop)
        is_lifted = sa.select(start.c.sequence).where(
            start.c.keyword == START,
            start.c.channel == stop.c.channel,
            start.c.user_id.in_(of_person),
            start.c.received_at > stop.c.received_at,
        )
        is_listed = sa.select(suppressions.c.person_id).where(
            suppressions.c.person_id.in_(of_person),
            suppressions.c.channel.in_([EVERY_CHANNEL, stop.c.channel]),
            suppressions.c.until.is_(None),
            suppressions.c.reason != UNCLEAR_REPLY,
        )
        query = sa.select(stop.c.user_id).where(
            stop.c.keyword.in_([STOP, STOP_ALL]), stop.c.reviewed_at.is_(None), ~is_listed.exists(), ~is_lifted.exists()
        )
        with self.engine.connect() as connection:
            return list(connection.execute(query.distinct().order_by(stop.c.user_id)).scalars())


def _rejection(connection: sa.Connection, plan_digest: str) -> Rejection | None:
    row = connection.execute(sa.select(rejections).where(rejections.c.plan_digest == plan_digest)).first()
    return None if row is None else Rejection(**{name: getattr(row, name) for name in REJECTED})


def _of_day(campaign: str, as_of_date: date) -> sa.Select[tuple[object, ...]]:
    return sa.select(approvals).where(approvals.c.campaign == campaign, approvals.c.as_of_date == as_of_date)
