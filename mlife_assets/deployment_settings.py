"""Settings of a home's deployment, and of the files and services that its owner provides.

Concept: the first settings of a home are stored in it once, before anything private is made. If a variable is
missing later, the home keeps its deployment: there is never a simulated market among real people. A variable
that names another file of the owner's counts for its own process: a trial in a shell does not reach the daemon.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, HttpUrl, Secret, SecretStr

from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.storage_places import bucket_name_and_prefix, require_database_url, require_table_url
from mlife_assets.core.windows import FIRST_EVENT_DAY
from mlife_assets.home_settings import Group, Place, is_folder, is_placeholder, lies_in_or_holds, optional, read_by
from mlife_assets.recruiting.mail.addresses import RelayAddress, read_relay_address

WORLD_FILE = "world.json"
DEPLOYMENT_FILE = "deployment.json"
HASH_KEY_CHARACTERS, HASH_KEY_DISTINCT = 32, 8
BUILT_IN = ("embedded", "standalone", "aws")
PYTHON_NAME = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*:[A-Za-z_]\w*", re.ASCII)
BEGUN = ("deployment", "first_day", "history_days")
"""Settings that are fixed when a home is made."""
PROVIDERS = ("texts", "mails")
KEPT = ("contacts", "audit_table", "landing", "s3_endpoint", "letterhead", *PROVIDERS)
"""Settings that a home stores for processes without the variables; a variable overrides them. No password is stored."""
_KEY_ARN = re.compile(r"^arn:(?P<partition>[a-z-]+):kms:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):key/\S+$")
PEOPLE = ("contacts", "audit_table")
"""Tables of the owner's that are about people."""
MARKET_FOLDERS = ("market", "truth")
"""Where a simulated market keeps its state and its truth, however it was begun."""


def begun_with(home: Path) -> dict[str, str]:
    """Return the stored settings of a home; none if it is new or embedded. Raises IntegrityError."""
    path = home / DEPLOYMENT_FILE
    if not path.is_file():
        return {}
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {name: str(kept[name]) for name in (*BEGUN, *(one for one in KEPT if one in kept))}
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"{path} does not say which deployment this home is of ({error}); restore it from a copy"
        ) from error


def holds_market(home: Path) -> bool:
    """Return whether a simulated market was begun in a home, by the demo or by a run of Dagster."""
    folders = [home / name for name in MARKET_FOLDERS]
    return (home / WORLD_FILE).is_file() or any(one.is_dir() and any(one.iterdir()) for one in folders)


def names_what_python_finds(named: str, built_in: Sequence[str] = ()) -> str:
    """Return a name, or a place of Python's. Raises ValueError."""
    if named not in built_in and not PYTHON_NAME.fullmatch(named):
        known = f"none of {', '.join(built_in)} and " if built_in else ""
        raise ValueError(f"it is {known}no name of Python; write package.module:name, as in acme.sms:AcmeTexts")
    return named


Table = Annotated[
    str,
    read_by(lambda named: ":/" not in named or Path(named).is_absolute() or require_table_url(named)),
    BeforeValidator(lambda given: str(given) if isinstance(given, Path) else given),
]
"""A file, or an object in a bucket."""
Provider = Annotated[str | None, AfterValidator(lambda named: names_what_python_finds(named) if named else None)]


class DaySettings(Group):
    """Which days there are, and whether they run by themselves."""

    first_day: date | None = optional("First day of raw events that others deliver; the market has its own.")
    history_days: int = Field(
        default=60, ge=2, le=720, description="Days of history before the first day; the policies in use ask for more."
    )
    clock_file: Path | None = optional("File that holds the present of a standalone deployment, to try days out.")
    days_run_by_themselves: bool | None = optional(
        "Whether days, metrics and the catalogue run without being asked for; by default in prod alone."
    )

    def run_in(self, environment: str) -> bool:
        """Return whether schedules and the sensor of due days are on unless a person turned them off."""
        said = self.days_run_by_themselves
        return environment == "prod" if said is None else said

    @property
    def start_date(self) -> date:
        """First day of raw events."""
        return FIRST_EVENT_DAY if self.first_day is None else self.first_day

    @property
    def first_partition(self) -> date:
        """First day with anything to ingest."""
        return self.start_date + timedelta(days=1)

    @property
    def first_lived_date(self) -> date:
        """First day that runs through the daily job."""
        return self.start_date + timedelta(days=self.history_days)


class AwsSettings(Group):
    """Names of resources that the stacks of an AWS environment made; all are required, none is a secret."""

    event_log: Place | None = optional("On AWS the bucket of the event log, as s3://bucket.")
    log_heads: Place | None = optional("On AWS where the witness keeps signed heads, s3://bucket/heads.")
    head_signing_key: str | None = optional("On AWS the ARN of the KMS key that signs heads.", pattern=_KEY_ARN.pattern)
    database_host: str | None = optional("On AWS the host of PostgreSQL.", min_length=1)
    database_secret: str | None = optional(
        "On AWS the name of the secret that holds its user and password.", min_length=1
    )
    number_hash_key: str | None = optional(
        "On AWS the name of the secret that is the key of phone-number hashes.", min_length=1
    )

    @property
    def head_signing_key_parts(self) -> dict[str, str]:
        """Partition, region and account of the key that signs, which are those of the whole environment."""
        found = _KEY_ARN.fullmatch(self.head_signing_key or "")
        return {} if found is None else found.groupdict()


def _require_hard_to_guess(key: str) -> None:
    """Raise ValueError for a weak key: phone numbers have ten digits, so a guessed key reverses every hash."""
    key = key.strip()
    if len(key) < HASH_KEY_CHARACTERS or len(set(key)) < HASH_KEY_DISTINCT or is_placeholder(key):
        raise ValueError(
            f"the key is easy to guess: it needs {HASH_KEY_CHARACTERS} characters, {HASH_KEY_DISTINCT} of them "
            "different, and may neither repeat itself nor be a placeholder; make one with `openssl rand -hex 32`, "
            "or unset it to use the home's own random key"
        )


class OwnerSettings(Group):
    """Landing, tables and services that the owner provides in place of the home's own."""

    contacts: Table | None = optional(
        "Your contact book, Parquet or CSV: a file, a relative path starting in the private folder, or "
        "s3://bucket/key.parquet."
    )
    audit_table: Table | None = optional("Your table of self-reported groups for the fairness audit, likewise.")
    landing: Place | None = optional(
        "Where others deliver: a folder or s3://bucket/prefix; by default a folder of the home."
    )
    database: Annotated[SecretStr, read_by(require_database_url)] | None = optional(
        "postgresql:// address of the ledger and of Dagster's records; by default files of the home."
    )
    alert_webhook: Secret[HttpUrl] | None = optional("Where alerts are posted, as JSON.")
    hash_key: Annotated[SecretStr, read_by(_require_hard_to_guess)] | None = optional(
        "Key of phone-number hashes; without it the home's keyring has one."
    )


class MessageSettings(Group):
    """Providers of messages, and limits on sends."""

    texts: Provider = optional(
        "Class of your provider of texts, as package.module:Class; by default texts are rehearsed."
    )
    mails: Provider = optional("Class of your provider of mails, likewise; a relay needs none.")
    letterhead: Path | None = optional("TOML file that says who sends your mails; a relative path starts in the home.")
    mail_relay: Annotated[SecretStr, read_by(read_relay_address)] | None = optional(
        "smtp:// address of the relay by which mails reach people; by default none does."
    )
    approve_console_sends: bool = Field(
        default=False, description="Turns on `auto_approve_within_limits`; refused unless the gateway is the console."
    )
    texts_per_day: int | None = optional(
        "Most texts a day of all applications together; by default each has its own limit alone.",
        ge=1,
    )

    @property
    def relay(self) -> RelayAddress | None:
        """The relay by which mails reach people, None where none does."""
        return None if self.mail_relay is None else read_relay_address(self.mail_relay.get_secret_value())

    @property
    def senders(self) -> list[str]:
        """Variables that name who sends to people."""
        said = {"MLIFE_MAIL_RELAY": self.mail_relay, "MLIFE_TEXTS": self.texts, "MLIFE_MAILS": self.mails}
        return [name for name, one in said.items() if one is not None]


def overlap(one: str, other: str) -> bool:
    """Return whether one of two places that were named lies in the other, or is it."""
    if is_folder(one) and is_folder(other):
        return lies_in_or_holds(Path(one).resolve(), Path(other).resolve())
    if is_folder(one) or is_folder(other):
        return False
    return lies_in_or_holds(*(PurePosixPath("/", *bucket_name_and_prefix(place)) for place in (one, other)))


def write_whole(path: Path, said: dict[str, str], *, replaces: bool = False) -> None:
    """Write a file whole; one that another process wrote meanwhile stays, unless it is replaced."""
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".partial")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(said, indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        if replaces:
            os.replace(partial, path)
        else:
            with suppress(FileExistsError):
                os.link(partial, path)
    finally:
        Path(partial).unlink(missing_ok=True)
