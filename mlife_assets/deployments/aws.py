"""The deployment on AWS: delivered data, the owner's people, real time, no lasting home.

Concept: a task starts with an empty home and ends with it. So everything lasting is in a bucket, in the database or in
KMS, and is opened by the task's role on first use: a task without a right works until it needs it. Contact book and
audit table are the owner's objects, which only the task of runs names and may read: only it sends and audits. Texts are
rehearsed, and mails are not sent: there is no provider yet.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from functools import cache

from mlife_assets.adapters.aws.athena_marts import AthenaMarts
from mlife_assets.adapters.aws.log_heads import BucketHeads, KmsPins, KmsSigner
from mlife_assets.adapters.aws.operations import CloudWatchMeasures, ParameterStop, SnsAlerts
from mlife_assets.adapters.aws.rds_login import rds_address
from mlife_assets.adapters.aws_clients import read_secret
from mlife_assets.adapters.clock import SystemClock
from mlife_assets.adapters.console_gateway import ConsoleGateway
from mlife_assets.adapters.event_log.manifests import MANIFESTS
from mlife_assets.adapters.keyring import KEY_BYTES, SecretKeyring
from mlife_assets.adapters.landing_areas import LandingBucket
from mlife_assets.adapters.log_apart import LakeWithLogApart
from mlife_assets.adapters.mailboxes.folder import AbsentMailbox
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.owners_table import AUDIT_TABLE, CONTACTS, OwnersAuditTable, OwnersContacts
from mlife_assets.adapters.postgresql import LEDGER_SCHEMA, holds_tables
from mlife_assets.adapters.private_files import private_file
from mlife_assets.adapters.s3_bucket import FEW_RETRIES
from mlife_assets.adapters.warehouse import WarehouseCopy
from mlife_assets.core.errors import GateClosedError, InvalidInputError, MlifeError
from mlife_assets.core.ports import HeadSigner
from mlife_assets.core.storage_places import Bucket
from mlife_assets.deployments.keys import LogHeads
from mlife_assets.deployments.record import Deployment, Home, Services
from mlife_assets.deployments.standalone import TEXTS_NOBODY, look_at_people
from mlife_assets.deployments.times import RealTimes
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.mail.addresses import normalise_address
from mlife_assets.recruiting.ports import AddressBook
from mlife_assets.settings import BoardPlaces, Settings

HASH_KEY = "MLIFE_NUMBER_HASH_KEY"
ALERTS = "mlife-alerts"
"""Name of the topic in `infra/templates/80-observability.yaml`."""
UNNAMED = {
    name: (f"this task names no {what}; that of runs does, as it alone may read one", "")
    for name, what in ((CONTACTS, "contact book"), (AUDIT_TABLE, "audit table"))
}
NO_MAILS = "no provider of mails is there on AWS, so none is sent"


def aws(home: Home) -> Deployment:
    """Return the deployment of one environment on AWS, without a call to AWS."""
    settings = home.settings

    @cache
    def texts() -> ConsoleGateway:
        return ConsoleGateway(
            private_file(home.private_folder / "gateway.sqlite"),
            seed=settings.market.seed,
            hash_key=secrets.token_bytes(KEY_BYTES),  # its file ends with the task, and the code location reads no key
            faults=TEXTS_NOBODY,
        )

    contacts = OwnersContacts(settings.places.contacts)
    return Deployment(
        times=RealTimes(SystemClock()),
        market=None,
        event_source=None,
        contacts=lambda: contacts,
        address_books=lambda: {Channel.EMAIL: AddressBook(contacts.mail_addresses, normalise_address)},
        audit_attributes=lambda: OwnersAuditTable(settings.places.audit_table),
        texts=texts,
        texts_record=texts,
        mails=AbsentMailbox,
        providers={Channel.SMS: ConsoleGateway.name, Channel.EMAIL: AbsentMailbox.name},
        silent={Channel.EMAIL: NO_MAILS},
        services=services_of(settings),
        look=lambda: look_at_people(settings.places, UNNAMED),
        looks=looks(settings),
    )


def services_of(settings: Settings) -> Services:
    """Return the services that replace files of the home."""
    region, key = str(settings.buckets.s3_region), str(settings.aws.head_signing_key)
    names = settings.aws.head_signing_key_parts
    signer = KmsSigner(key, region)
    hash_key = cache(lambda: read_secret(str(settings.aws.number_hash_key), region, setting=HASH_KEY))

    def head_signer(generation: int) -> HeadSigner:
        if generation:
            raise GateClosedError("heads are signed by a key of KMS, which is for ever; nothing was rotated")
        return signer

    return Services(
        lake=lambda: lake_of(settings.places),
        warehouse=lambda: WarehouseCopy(_bucket(settings.places.lake), settings.places.warehouse),
        marts=lambda: AthenaMarts(_bucket(settings.places.lake), region),
        database=cache(lambda: database_of(settings)),
        keyring=lambda: SecretKeyring(hash_key),
        number_key=lambda: hash_key().encode(),
        heads=lambda: LogHeads(BucketHeads(_bucket(settings.places.log_heads)), KmsPins(signer), head_signer),
        alert_channel=lambda: SnsAlerts(f"arn:{names['partition']}:sns:{region}:{names['account']}:{ALERTS}", region),
        measures=lambda: CloudWatchMeasures(settings.environment, region),
        sending_stop=lambda: ParameterStop(region),
    )


def lake_of(places: BoardPlaces) -> LakeWithLogApart:
    lake, log = _bucket(places.lake), _bucket(places.event_log)
    return LakeWithLogApart(ObstoreObjectStore.in_bucket(lake), ObstoreObjectStore.in_bucket(log))


def database_of(settings: Settings) -> str:
    """Return the address of the database. Raises the errors of reading its secret."""
    host, secret = str(settings.aws.database_host), str(settings.aws.database_secret)
    return rds_address(host, secret, str(settings.buckets.s3_region), settings.private_folder)


def looks(settings: Settings) -> list[tuple[str, Callable[[], object]]]:
    """Return checks of everything that each task may read, by setting; they write nothing."""

    def listed(place: Bucket | None) -> Callable[[], object]:
        return lambda: ObstoreObjectStore.in_bucket(_bucket(place), retries=FEW_RETRIES).folders(MANIFESTS)

    landing = _bucket(settings.places.landing)
    return [
        ("MLIFE_EVENT_LOG", listed(settings.places.event_log)),
        ("MLIFE_LANDING", lambda: LandingBucket(landing, retries=FEW_RETRIES).first_source()),
        (
            "MLIFE_HEAD_SIGNING_KEY",
            lambda: KmsSigner(str(settings.aws.head_signing_key), str(settings.buckets.s3_region)).public_key,
        ),
        ("MLIFE_DATABASE_HOST", lambda: _require_database(settings)),
    ]


def _require_database(settings: Settings) -> None:
    """Raise the errors of opening the database, with the names of its settings here."""
    address = database_of(settings)
    try:
        holds_tables(address, LEDGER_SCHEMA)
    except MlifeError as error:
        raise type(error)(re.sub(r"MLIFE_DATABASE\b", "MLIFE_DATABASE_HOST", str(error))) from None


def _bucket(place: object) -> Bucket:
    if not isinstance(place, Bucket):
        raise InvalidInputError("MLIFE_LAKE, MLIFE_LANDING, MLIFE_EVENT_LOG and MLIFE_LOG_HEADS are buckets on AWS")
    return place
