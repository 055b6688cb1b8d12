"""What the environment says of which deployment a home is of, and what its owner gives to it.

Concept: what a home was begun with is written down in it once, before anything private is made. Whoever forgets a
variable later gets the same deployment, and never a simulated market among real people. A variable
that names another file of the owner's counts for its own process: what a person tries in a shell is not the daemon's.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path, PurePosixPath
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from mlife_assets.core.errors import IntegrityError, InvalidInputError
from mlife_assets.core.storage_places import Bucket, bucket_name_and_prefix, require_table_url
from mlife_assets.core.windows import FIRST_EVENT_DAY
from mlife_assets.home_settings import HomeSettings, is_folder, lies_in_or_holds
from mlife_assets.recruiting.mail.addresses import RelayAddress, read_relay_address

WORLD_FILE = "world.json"
DEPLOYMENT_FILE = "deployment.json"
BUILT_IN = ("embedded", "standalone", "aws")
PYTHON_NAME = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*:[A-Za-z_]\w*", re.ASCII)
BEGUN = ("deployment", "first_day", "history_days")
"""What a home is begun with, once and for all."""
PROVIDERS = ("texts", "mails")
KEPT = ("contacts", "audit_table", "landing", "s3_endpoint", "letterhead", *PROVIDERS)
"""What a home says to processes without the variables; a variable comes first, for its own process. No password is."""
PEOPLE = ("contacts", "audit_table")
"""Tables of the owner's that are about people."""
MARKET_FOLDERS = ("market", "truth")
"""Where a simulated market keeps its state and its truth, however it was begun."""


def begun_with(home: Path) -> dict[str, str]:
    """Return what a home was begun with and keeps; nothing of one that is new or embedded. Raises IntegrityError."""
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


class DeploymentSettings(HomeSettings):
    """What tells one deployment from another."""

    environment: Literal["dev", "staging", "prod"] = "dev"
    deployment: str = Field(
        default="embedded",
        description="What stands behind the ports: `embedded`, a simulated market, `standalone` or `aws`, data that "
        "others deliver, or a function of yours that makes a deployment, as package.module:function.",
    )
    texts: str | None = Field(
        default=None,
        description="Class of your provider of texts, as package.module:Class; by default texts are rehearsed.",
    )
    mails: str | None = Field(
        default=None, description="Class of your provider of mails, likewise; a relay needs none."
    )
    first_day: date | None = Field(
        default=None, description="First day of raw events that others deliver; the market has its own."
    )
    history_days: int = Field(
        default=60,
        ge=2,
        le=720,
        description="Days of history before the first day; the policies in use ask for more.",
    )
    clock_file: Path | None = Field(
        default=None, description="File that holds the present of a standalone deployment, to try days out."
    )
    contacts: str | None = Field(
        default=None,
        description="Your contact book, Parquet or CSV: a file, a relative path starting in the private folder, or "
        "s3://bucket/key.parquet.",
    )
    audit_table: str | None = Field(
        default=None, description="Your table of self-reported groups for the fairness audit, likewise."
    )
    landing: str | None = Field(
        default=None,
        description="Where others deliver: a folder or s3://bucket/prefix; by default a folder of the home.",
    )
    letterhead: Path | None = Field(
        default=None, description="TOML file that says who sends your mails; a relative path starts in the home."
    )
    mail_relay: SecretStr | None = Field(
        default=None, description="smtp:// address of the relay by which mails reach people; by default none does."
    )

    @field_validator("deployment", *PROVIDERS)
    @classmethod
    def _names_what_python_finds(cls, named: str | None, info: ValidationInfo) -> str | None:
        built_in = BUILT_IN if info.field_name == "deployment" else ()
        if named == "" and not built_in:
            return None
        if named is not None and named not in built_in and not PYTHON_NAME.fullmatch(named):
            known = f"none of {', '.join(built_in)} and " if built_in else ""
            raise ValueError(f"it is {known}no name of Python; write package.module:name, as in acme.sms:AcmeTexts")
        return named

    @field_validator("mail_relay")
    @classmethod
    def _names_a_relay(cls, address: SecretStr | None) -> SecretStr | None:
        try:
            if address is not None:
                read_relay_address(address.get_secret_value())
        except InvalidInputError as error:
            raise ValueError(str(error)) from None
        return address

    @field_validator(*PEOPLE, mode="before")
    @classmethod
    def _a_file_or_an_object(cls, given: object) -> object:
        named = str(given) if isinstance(given, Path) else given
        try:
            if isinstance(named, str) and ":/" in named and not Path(named).is_absolute():
                require_table_url(named)
        except InvalidInputError as error:
            raise ValueError(str(error)) from None
        return named

    @model_validator(mode="after")
    def _fits_its_deployment(self) -> Self:
        name, is_simulated = self.deployment, self.is_simulated
        if differs := self._differs_from(begun_with(self.home)):
            raise ValueError(differs)
        if not is_simulated and holds_market(self.home):
            raise ValueError(
                f"MLIFE_DEPLOYMENT is {name} and this home holds a simulated market; name another folder in MLIFE_HOME"
            )
        if not is_simulated and self.first_day is None:
            raise ValueError(
                f"MLIFE_DEPLOYMENT is {name} and MLIFE_FIRST_DAY says nothing; set it to the first day of your raw "
                "events, as YYYY-MM-DD"
            )
        if is_simulated and self.first_day is not None:
            raise ValueError(
                "MLIFE_FIRST_DAY is set and the simulated market has a first day of its own; unset it, or set "
                "MLIFE_DEPLOYMENT to standalone"
            )
        if is_simulated and (self.contacts or self.audit_table):
            raise ValueError(
                "MLIFE_CONTACTS or MLIFE_AUDIT_TABLE is set and the simulated market has both of its own; unset them, "
                "or set MLIFE_DEPLOYMENT to standalone"
            )
        if is_simulated and self.landing:
            raise ValueError(
                "MLIFE_LANDING is set and the simulated market delivers to the home; unset it, or set MLIFE_DEPLOYMENT "
                "to standalone"
            )
        sends = [f"MLIFE_{one.upper()}" for one in ("mail_relay", *PROVIDERS) if getattr(self, one) is not None]
        if is_simulated and (sends or self.letterhead):
            raise ValueError(
                f"{sends[0] if sends else 'MLIFE_LETTERHEAD'} is set and nobody in a simulated market is sent "
                "anything; unset it, or set MLIFE_DEPLOYMENT to standalone"
            )
        if self.mail_relay is not None and self.mails is not None:
            raise ValueError("MLIFE_MAIL_RELAY and MLIFE_MAILS both say who takes mails; unset one of them")
        if self.letterhead is None and (mails := [one for one in sends if "MAIL" in one]):
            raise ValueError(
                f"{mails[0]} is set and nothing says who sends: mails would bear the letterhead of a company that "
                "does not exist; write your own and name its file in MLIFE_LETTERHEAD"
            )
        if sends and self.clock_file is not None:
            raise ValueError(
                f"MLIFE_CLOCK_FILE tries days out and {sends[0]} sends to people, at the hours of that clock; "
                "unset one of them"
            )
        if overlap(self.named_places["MLIFE_LANDING"], self.named_places["MLIFE_LAKE"]):
            raise ValueError(
                "MLIFE_LANDING lies in the lake, or holds it, and others write to it; name a place of its own"
            )
        for variable, place in self._objects_about_people.items():
            bucket = f"s3://{bucket_name_and_prefix(place)[0]}"
            others = self.named_places.keys() - self._objects_about_people.keys()
            if there := sorted(other for other in others if overlap(bucket, self.named_places[other])):
                raise ValueError(
                    f"{variable} lies in the bucket of {there[0]}, which others read; name a bucket for people's data "
                    "alone"
                )
        if any(one is not None and Path(one) == Path() for one in (self.contacts, self.audit_table, self.letterhead)):
            raise ValueError(
                "MLIFE_CONTACTS, MLIFE_AUDIT_TABLE or MLIFE_LETTERHEAD is set to nothing; name a file, or unset it"
            )
        if self.clock_file is not None and not (name == "standalone" and self.environment == "dev"):
            raise ValueError(
                "MLIFE_CLOCK_FILE sets the present of a standalone deployment in MLIFE_ENVIRONMENT dev alone; unset it"
            )
        return self

    @property
    def landing_place(self) -> Path | Bucket:
        """Return where others deliver. Raises InvalidInputError naming what a bucket lacks: people who stop what is
        sent need no key to read exports.
        """
        return self._opened("landing", self.landing)

    @property
    def named_places(self) -> dict[str, str]:
        """Return what may lie in a bucket, by the variable that says where, as it was said."""
        landing = self.landing or str(self.home / "landing")
        return {**super().named_places, "MLIFE_LANDING": landing, **self._objects_about_people}

    @property
    def _objects_about_people(self) -> dict[str, str]:
        named = {f"MLIFE_{name.upper()}": getattr(self, name) for name in PEOPLE}
        return {variable: place for variable, place in named.items() if place is not None and not is_folder(place)}

    @property
    def contacts_place(self) -> Path | Bucket | None:
        """Return where the contact book is: a file, or an object, whose key is the prefix. Raises InvalidInputError
        naming what a bucket lacks.
        """
        return self._owners("contacts", self.contacts)

    @property
    def audit_place(self) -> Path | Bucket | None:
        """Return where the audit table is, likewise."""
        return self._owners("audit_table", self.audit_table)

    def _owners(self, name: str, named: str | None) -> Path | Bucket | None:
        if named is None:
            return None
        return self.private_folder / named if is_folder(named) else self._opened(name, named)

    def _opened(self, name: str, named: str | None) -> Path | Bucket:
        try:
            return self._place(name, named)
        except ValueError as error:
            raise InvalidInputError(str(error)) from None

    @property
    def letterhead_file(self) -> Path | None:
        """Return where the letterhead of the owner is."""
        return None if self.letterhead is None else self.home / self.letterhead

    @property
    def relay(self) -> RelayAddress | None:
        """Return the relay by which mails reach people, None where none does."""
        return None if self.mail_relay is None else read_relay_address(self.mail_relay.get_secret_value())

    @property
    def start_date(self) -> date:
        """Return the first day of raw events."""
        return FIRST_EVENT_DAY if self.first_day is None else self.first_day

    @property
    def first_partition(self) -> date:
        """Return the first day with anything to ingest."""
        return self.start_date + timedelta(days=1)

    @property
    def is_simulated(self) -> bool:
        """Return whether the world is made up; that of a deployment which is not ours never is."""
        return self.deployment == "embedded"

    @property
    def outlives_its_task(self) -> bool:
        """Return whether the home is that of an owner and lasts, so that it remembers what it was begun with."""
        return not self.is_simulated

    @property
    def is_home_of_a_market(self) -> bool:
        """Return whether a simulated market was begun in this home."""
        return holds_market(self.home)

    def remember_deployment(self) -> None:
        """Write down in the home, once, what a deployment of its owner's is begun with.

        Raises:
            InvalidInputError: another process began the home as something else meanwhile.
        """
        path = self.home / DEPLOYMENT_FILE
        if self.outlives_its_task and not path.exists():
            said = {name: str(value) for name in (*BEGUN, *KEPT) if (value := getattr(self, name)) is not None}
            if all(is_folder(said.get(name, "")) for name in ("landing", *PEOPLE)):
                said.pop("s3_endpoint", None)
            self.home.mkdir(parents=True, exist_ok=True)
            _write(path, said)
        if differs := self._differs_from(begun_with(self.home)):
            raise InvalidInputError(differs)

    def remember_providers(self) -> None:
        """Write down who is about to send: a shell without the variables must not take a rehearsal for sending."""
        said = begun_with(self.home)
        now = said | {name: value for name in PROVIDERS if (value := getattr(self, name)) is not None}
        if self.mail_relay is not None:
            now.pop("mails", None)
        if said and now != said:
            _write(self.home / DEPLOYMENT_FILE, now, replaces=True)

    def _differs_from(self, begun: dict[str, str]) -> str:
        """Return in words that a home was begun as something else; nothing where it was not, or is new."""
        if not begun or all(begun[name] == str(getattr(self, name)) for name in BEGUN):
            return ""
        said = ", ".join(f"{name.replace('_', ' ')} {begun[name]}" for name in BEGUN)
        return (
            f"MLIFE_DEPLOYMENT, MLIFE_FIRST_DAY and MLIFE_HISTORY_DAYS: this home was begun with {said}, and stays so; "
            "unset them, or name another folder, as for a demo, in MLIFE_HOME or --home"
        )


def overlap(one: str, other: str) -> bool:
    """Return whether one of two places that were named lies in the other, or is it."""
    if is_folder(one) and is_folder(other):
        return lies_in_or_holds(Path(one).resolve(), Path(other).resolve())
    if is_folder(one) or is_folder(other):
        return False
    return lies_in_or_holds(*(PurePosixPath("/", *bucket_name_and_prefix(place)) for place in (one, other)))


def _write(path: Path, said: dict[str, str], *, replaces: bool = False) -> None:
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
