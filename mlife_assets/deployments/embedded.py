"""The embedded deployment: a simulated market, providers that send nothing, simulated time.

Concept: the platform meets the market through landing files, the contact book and the gateways; through these alone the
market learns of sends.
"""

from __future__ import annotations

from datetime import date
from functools import cache

import pyarrow as pa

from mlife_assets.adapters.console_gateway import ConsoleGateway
from mlife_assets.adapters.mailboxes.folder import FolderMailbox
from mlife_assets.adapters.private_files import private_file
from mlife_assets.deployments.embedded_world import EmbeddedWorld, demo_story
from mlife_assets.deployments.record import Deployment, Home
from mlife_assets.deployments.times import SimulatedTimes
from mlife_assets.market.texts import DELIVERED_SCHEMA, POSITION
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.mail.addresses import normalise_address
from mlife_assets.recruiting.messaging.eligibility import is_holdout
from mlife_assets.recruiting.ports import AddressBook, SentRecord


def embedded(home: Home) -> Deployment:
    """Return the embedded deployment of a home; makes nothing yet."""

    @cache
    def texts() -> ConsoleGateway:
        path = private_file(home.private_folder / "gateway.sqlite")
        return ConsoleGateway(path, seed=home.settings.market.seed, hash_key=home.number_key)

    @cache
    def mails() -> FolderMailbox:
        return FolderMailbox(home.private_folder / "mail", home.stationery, seed=home.settings.market.seed)

    return Deployment(
        times=SimulatedTimes(),
        market=lambda: market_of(home),
        event_source=lambda: home.world.event_source(
            home.landing,
            lambda day: delivered_messages(home, day, texts(), mails()),
            lambda user_id: is_holdout(
                user_id, salt=home.policies.contact.assignment_salt, share=home.policies.contact.holdout_share
            ),
        ),
        contacts=lambda: home.world.contact_book(),
        address_books=lambda: {Channel.EMAIL: AddressBook(home.world.mail_book().mail_addresses, normalise_address)},
        audit_attributes=lambda: home.world.audit_attributes(),
        texts=texts,
        mails=mails,
        texts_record=texts,
        providers={Channel.SMS: ConsoleGateway.name, Channel.EMAIL: FolderMailbox.name},
        look=lambda: (),
        is_simulated=True,
    )


def market_of(home: Home) -> EmbeddedWorld:
    """Return the simulated market of a home."""
    settings = home.settings
    days = settings.market.demo_event_days if settings.market.demo_faults else None
    return EmbeddedWorld(
        seed=settings.market.seed,
        users=settings.market.market_users,
        jobs=settings.market.market_jobs,
        start_date=settings.days.start_date,
        history_days=settings.days.history_days,
        story=home.story or demo_story(days),
        home=settings.home,
        private_folder=home.private_folder,
    )


def delivered_messages(home: Home, day: date, by_text: SentRecord, by_mail: SentRecord) -> pa.Table:
    """Return the delivered texts and the jobs in delivered mails of `day` (`texts.DELIVERED_SCHEMA`)."""
    texts, mails = by_text.sent_messages(day), by_mail.sent_messages(day)
    jobs = {row.message_id: row.job_id for row in home.ledger.sends.rows(as_of_date=day)}
    rows = [{**row, "job_id": jobs[row["message_id"]]} for row in texts.filter(texts["is_delivered"]).to_pylist()]
    items = home.planned_items(day) if mails.num_rows else {}
    rows += [
        {**row, "job_id": item["job_id"], POSITION: item["position"]}
        for row in mails.filter(mails["is_delivered"]).to_pylist()
        for item in items[row["message_id"]]
    ]
    return pa.Table.from_pylist(rows, schema=DELIVERED_SCHEMA.append(pa.field(POSITION, pa.int64())))
