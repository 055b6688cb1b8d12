"""Environment and secrets: the only reader of the environment.

Concept: everything is validated once, at load. Defaults are safe: embedded, off, closed. A home remembers which world
it holds, so that a small demo needs its variables only when it is made; the environment comes first.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, Secret, SecretStr, field_validator, model_validator
from pydantic_settings import InitSettingsSource

from mlife_assets.core.errors import IntegrityError, InvalidInputError, NotFoundError
from mlife_assets.core.storage_places import Bucket, Credentials, bucket_name_and_prefix
from mlife_assets.deployment_settings import (
    BEGUN,
    BUILT_IN,
    DEPLOYMENT_FILE,
    KEPT,
    PEOPLE,
    PROVIDERS,
    WORLD_FILE,
    AwsSettings,
    DaySettings,
    MessageSettings,
    OwnerSettings,
    begun_with,
    holds_market,
    names_what_python_finds,
    overlap,
    write_whole,
)
from mlife_assets.home_settings import (
    DEFAULT_HOME,
    PROJECT_ROOT,
    BucketSettings,
    Group,
    HomeSettings,
    Places,
    flat,
    grouped,
    is_folder,
)
from mlife_assets.recruiting.mail.letterhead import SETTING as LETTERHEAD
from mlife_assets.recruiting.mail.letterhead import Letterhead, read_letterhead, require_own_letterhead
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.policies import Policies

AWS, TEMPLATE = "aws", "infra/templates/45-dagster.yaml"
DBT_PROJECT_FOLDER = PROJECT_ROOT / "dbt_project"
RUNBOOKS_FOLDER = PROJECT_ROOT / "docs" / "runbooks"
WORKSPACE_FILE = PROJECT_ROOT / "workspace.yaml"
DEFS_FOLDER = Path(__file__).resolve().parent / "defs"
WORLD = ("seed", "market_users", "market_jobs", "history_days", "demo_faults", "demo_event_days")
WORLD_OF_OLD = {"demo_event_days": (3, 10, 14)}
"""Defaults of the releases that wrote no file, where today's differ."""
DECIDED = {"approve_console_sends": "messaging.auto_approve_within_limits"}
"""Settings that override a field of a policy."""

DemoDay = Annotated[int, Field(ge=1, le=120)]


class HomeSource(InitSettingsSource):
    """Stored settings of the home's world; empty for a new home."""

    def __call__(self) -> dict[str, Any]:
        """Return the fields that the file holds. Raises IntegrityError when it cannot be read."""
        stated = flat(self.current_state.items())
        home = Path(stated.get("home", DEFAULT_HOME))
        kept = begun_with(home)
        if not any(str(value).startswith("s3://") for value in {**kept, **stated}.values()):
            kept.pop("s3_endpoint", None)  # a variable took the place of the bucket that it was for
        for name in PROVIDERS:  # a newly set provider replaces the stored one
            given = ("clock_file", *(["mail_relay"] if name == "mails" else []))
            if any(stated.get(one) is not None for one in given):
                kept.pop(name, None)
        return grouped(self.settings_cls, {**self._world(home), **kept})

    @staticmethod
    def _world(home: Path) -> dict[str, Any]:
        path = home / WORLD_FILE
        if not path.is_file():
            return WORLD_OF_OLD if holds_market(home) else {}
        try:
            remembered = json.loads(path.read_text(encoding="utf-8"))
            return {name: remembered[name] for name in WORLD}
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(
                f"{path} does not say which market this home holds ({error}); restore it from a copy, or delete it and "
                "set MLIFE_MARKET_USERS and the like as they were"
            ) from error


class MarketSettings(Group):
    """The embedded market, and the demo in it."""

    seed: int = Field(default=20_260_403, ge=0, description="Seed of the embedded market and gateway.")
    market_users: int = Field(default=10_000, ge=50, le=1_000_000)
    market_jobs: int = Field(default=800, ge=20, le=100_000, description="About how many jobs are open at any time.")
    demo_days: int = Field(default=12, ge=1, le=120, description="Days that run after history; the demo's length.")
    demo_faults: bool = Field(default=True, description="Whether the demo's three injections happen in the market.")
    demo_event_days: tuple[DemoDay, DemoDay, DemoDay] = Field(
        default=(2, 7, 11), description="Demo days on which people change, a city opens and an export is faulty."
    )

    @field_validator("demo_event_days")
    @classmethod
    def _one_at_a_time(cls, days: tuple[int, int, int]) -> tuple[int, int, int]:
        if len(set(days)) < len(days):
            raise ValueError("each event of the demo needs a day of its own")
        return days


class Settings(HomeSettings):
    """One deployment of mlife."""

    _memory: ClassVar[Any] = (HomeSource,)

    home: Annotated[Path, AfterValidator(Path.absolute)] = DEFAULT_HOME  # other processes start in other folders
    environment: Literal["dev", "staging", "prod"] = "dev"
    deployment: Annotated[str, AfterValidator(partial(names_what_python_finds, built_in=BUILT_IN))] = Field(
        default="embedded",
        description="What stands behind the ports: `embedded`, a simulated market, `standalone` or `aws`, data that "
        "others deliver, or a function of yours that makes a deployment, as package.module:function.",
    )
    days: DaySettings = DaySettings()
    owner: OwnerSettings = OwnerSettings()
    messages: MessageSettings = MessageSettings()
    aws: AwsSettings = AwsSettings()
    market: MarketSettings = MarketSettings()

    def __init__(self, **stated: Any) -> None:  # for type checkers, which know no field of a group here
        super().__init__(**stated)

    @model_validator(mode="after")
    def _fits_its_deployment(self) -> Self:
        name, is_simulated = self.deployment, self.is_simulated
        days, owner, messages, named = self.days, self.owner, self.messages, self.places.named
        if differs := self.memory.difference():
            raise ValueError(differs)
        if not is_simulated and holds_market(self.home):
            raise ValueError(
                f"MLIFE_DEPLOYMENT is {name} and this home holds a simulated market; name another folder in MLIFE_HOME"
            )
        if not is_simulated and days.first_day is None:
            raise ValueError(
                f"MLIFE_DEPLOYMENT is {name} and MLIFE_FIRST_DAY says nothing; set it to the first day of your raw "
                "events, as YYYY-MM-DD"
            )
        if is_simulated and days.first_day is not None:
            raise ValueError(
                "MLIFE_FIRST_DAY is set and the simulated market has a first day of its own; unset it, or set "
                "MLIFE_DEPLOYMENT to standalone"
            )
        if is_simulated and (owner.contacts or owner.audit_table):
            raise ValueError(
                "MLIFE_CONTACTS or MLIFE_AUDIT_TABLE is set and the simulated market has both of its own; unset them, "
                "or set MLIFE_DEPLOYMENT to standalone"
            )
        if is_simulated and owner.landing:
            raise ValueError(
                "MLIFE_LANDING is set and the simulated market delivers to the home; unset it, or set MLIFE_DEPLOYMENT "
                "to standalone"
            )
        sends = messages.senders
        if is_simulated and (sends or messages.letterhead):
            raise ValueError(
                f"{sends[0] if sends else 'MLIFE_LETTERHEAD'} is set and nobody in a simulated market is sent "
                "anything; unset it, or set MLIFE_DEPLOYMENT to standalone"
            )
        if messages.mail_relay is not None and messages.mails is not None:
            raise ValueError("MLIFE_MAIL_RELAY and MLIFE_MAILS both say who takes mails; unset one of them")
        if messages.letterhead is None and (mails := [one for one in sends if "MAIL" in one]):
            raise ValueError(
                f"{mails[0]} is set and nothing says who sends: mails would bear the letterhead of a company that "
                "does not exist; write your own and name its file in MLIFE_LETTERHEAD"
            )
        if sends and days.clock_file is not None:
            raise ValueError(
                f"MLIFE_CLOCK_FILE tries days out and {sends[0]} sends to people, at the hours of that clock; "
                "unset one of them"
            )
        if overlap(named["MLIFE_LANDING"], named["MLIFE_LAKE"]):
            raise ValueError(
                "MLIFE_LANDING lies in the lake, or holds it, and others write to it; name a place of its own"
            )
        people = self.places.objects_about_people
        for variable, place in people.items():
            bucket = f"s3://{bucket_name_and_prefix(place)[0]}"
            if there := sorted(other for other in named.keys() - people.keys() if overlap(bucket, named[other])):
                raise ValueError(
                    f"{variable} lies in the bucket of {there[0]}, which others read; name a bucket for people's data "
                    "alone"
                )
        files = (owner.contacts, owner.audit_table, messages.letterhead)
        if any(one is not None and Path(one) == Path() for one in files):
            raise ValueError(
                "MLIFE_CONTACTS, MLIFE_AUDIT_TABLE or MLIFE_LETTERHEAD is set to nothing; name a file, or unset it"
            )
        if days.clock_file is not None and not (name == "standalone" and self.environment == "dev"):
            raise ValueError(
                "MLIFE_CLOCK_FILE sets the present of a standalone deployment in MLIFE_ENVIRONMENT dev alone; unset it"
            )
        return self

    @model_validator(mode="after")
    def _names_all_and_carries_nothing(self) -> Self:
        said, needed = flat(self), dict(self.aws)
        given = [name for name, value in needed.items() if value is not None]
        if not is_on_aws(self):
            if given:
                raise ValueError(
                    f"{_variables(given)} is read on AWS alone; unset it, or set MLIFE_DEPLOYMENT to {AWS}"
                )
            return self
        if missing := [name for name in needed if name not in given]:
            raise ValueError(
                f"MLIFE_DEPLOYMENT is {self.deployment} and {_variables(missing)} says nothing; set it as {TEMPLATE} "
                "does"
            )
        if carried := [name for name, value in said.items() if isinstance(value, Secret | SecretStr)]:
            raise ValueError(
                f"{_variables(carried)} carries a key or a password; unset it: on AWS a task's role is its key, and "
                "secrets are named and not handed over"
            )
        for name in ("lake", "landing", "event_log", "log_heads"):
            if said[name] is None or is_folder(said[name]):
                raise ValueError(f"{_variables([name])} is no bucket; set it to s3://bucket, as {TEMPLATE} does")
        for name in PEOPLE:
            if said[name] is not None and is_folder(said[name]):
                raise ValueError(
                    f"{_variables([name])} names a file of the home, which ends with its task; set it to "
                    f"s3://bucket/key.parquet, as {TEMPLATE} does for runs"
                )
        for other in ("lake", "landing", "log_heads"):
            if overlap(str(self.aws.event_log), said[other]):
                raise ValueError(
                    f"MLIFE_EVENT_LOG lies in {_variables([other])}, or holds it; name a bucket of its own"
                )
        if self.buckets.s3_region is None:
            raise ValueError("AWS_REGION says nothing; set it to the region of the stacks")
        if self.aws.head_signing_key_parts["region"] != self.buckets.s3_region:
            raise ValueError("MLIFE_HEAD_SIGNING_KEY is in another region than AWS_REGION says; correct one of them")
        return self

    @property
    def places(self) -> BoardPlaces:
        return BoardPlaces(self)

    @property
    def memory(self) -> Memory:
        return Memory(self)

    @property
    def exports(self) -> Exports:
        return Exports(self)

    @property
    def is_simulated(self) -> bool:
        """Return whether the world is made up; that of a deployment which is not ours never is."""
        return self.deployment == "embedded"

    @property
    def key_seed(self) -> int | None:
        """Return the seed of the embedded world, whose keys derive from it; None elsewhere, where people are real."""
        return self.market.seed if self.environment == "dev" and self.is_simulated else None

    def policies(self) -> Policies:
        """Return the default policies, with the fields that this deployment overrides."""
        return Policies(
            decided=tuple(field for name, field in DECIDED.items() if name in self.messages.model_fields_set),
            messaging=MessagingPolicy(auto_approve_within_limits=self.messages.approve_console_sends),
        )


class NewWorldSettings(Settings):
    """Settings for a home that is made anew: the stored settings of the old world are ignored."""

    _memory: ClassVar[Any] = ()


def is_on_aws(settings: Settings) -> bool:
    """Return whether this is a task on AWS: a deployment of somebody's own that names our log builds on it."""
    own = settings.deployment not in BUILT_IN and settings.aws.event_log is not None
    return own or settings.deployment == AWS


def _variables(names: list[str]) -> str:
    fields = BucketSettings.model_fields
    said = [fields[name].validation_alias if name in fields else None for name in names]
    return ", ".join(str(alias or f"MLIFE_{name.upper()}") for name, alias in zip(names, said, strict=True))


def own_letterhead(settings: Settings) -> Letterhead | None:
    """Return the letterhead that the owner named, None where they named none.

    It is read only where mails are made: pausing sends needs no letterhead.

    Raises:
        NotFoundError, InvalidInputError: it is missing or invalid.
    """
    messages = settings.messages
    if messages.letterhead is None:
        return None
    path = settings.home / messages.letterhead
    try:
        letterhead = read_letterhead(path.read_bytes(), path.name)
    except FileNotFoundError:
        raise NotFoundError(f"{LETTERHEAD}: there is no file {path}; write it, or correct the setting") from None
    except OSError as error:
        raise InvalidInputError(
            f"{LETTERHEAD}: {path} cannot be read ({error.strerror}); grant read, or correct the setting"
        ) from error
    if messages.mail_relay is not None or messages.mails is not None:
        require_own_letterhead(letterhead)
    return letterhead


@dataclass(frozen=True)
class BoardPlaces(Places):
    """Folders and buckets of a job board's home, and of deliveries to it."""

    settings: Settings

    @property
    def named(self) -> dict[str, str]:
        """What may lie in a bucket, by the variable that says where, as it was said."""
        aws = {"MLIFE_EVENT_LOG": self.settings.aws.event_log, "MLIFE_LOG_HEADS": self.settings.aws.log_heads}
        return {
            **super().named,
            "MLIFE_LANDING": self.settings.owner.landing or str(self.landing_folder),
            **self.objects_about_people,
            **{name: place for name, place in aws.items() if place is not None},
        }

    @property
    def objects_about_people(self) -> dict[str, str]:
        """Tables about people in buckets, by their variables."""
        owner = self.settings.owner
        named = {"MLIFE_CONTACTS": owner.contacts, "MLIFE_AUDIT_TABLE": owner.audit_table}
        return {variable: place for variable, place in named.items() if place is not None and not is_folder(place)}

    @property
    def landing(self) -> Path | Bucket:
        """Where others deliver. Stopping sends must not need it: people who do so have no key to read exports."""
        return self._place("landing", self.settings.owner.landing)

    @property
    def landing_folder(self) -> Path:
        """Folder of the home where the market, or by default others, put their files."""
        return self.settings.home / "landing"

    @property
    def truth(self) -> Path:
        """Folder of the market's truth tables, which no asset reads."""
        return self.settings.home / "truth"

    @property
    def warehouse(self) -> Path:
        """DuckDB file that dbt builds."""
        return self.settings.home / "warehouse.duckdb"

    @property
    def contacts(self) -> Path | Bucket | None:
        """The contact book: a file, or an object, whose key is the prefix."""
        return self._owners("contacts", self.settings.owner.contacts)

    @property
    def audit_table(self) -> Path | Bucket | None:
        return self._owners("audit_table", self.settings.owner.audit_table)

    @property
    def event_log(self) -> Bucket | None:
        """Bucket of the event log, None where it lies in the lake."""
        return self._bucket("event_log", self.settings.aws.event_log)

    @property
    def log(self) -> Path | Bucket:
        return self.event_log or self.lake

    @property
    def log_heads(self) -> Bucket | None:
        return self._bucket("log_heads", self.settings.aws.log_heads)

    def _owners(self, name: str, named: str | None) -> Path | Bucket | None:
        if named is None:
            return None
        return self.settings.private_folder / named if is_folder(named) else self._place(name, named)

    def _bucket(self, name: str, named: str | None) -> Bucket | None:
        place = None if named is None else self._place(name, named)
        return place if isinstance(place, Bucket) else None

    def _key(self, said_by: str) -> Credentials | None:
        return None if is_on_aws(self.settings) else super()._key(said_by)


@dataclass(frozen=True)
class Memory:
    """Stored settings of a home, so that a process without the variables runs with the same ones."""

    settings: Settings

    @property
    def lasts(self) -> bool:
        """Whether the home is that of an owner and does not end with its task, as on AWS."""
        return not self.settings.is_simulated and not is_on_aws(self.settings)

    def keep_world(self) -> None:
        """Write down in the home which market it holds."""
        said, path = flat(self.settings), self.settings.home / WORLD_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({name: said[name] for name in WORLD}, indent=2) + "\n", encoding="utf-8")

    def keep_deployment(self) -> None:
        """Store in the home, once, the first settings of a deployment of its owner's.

        Raises:
            InvalidInputError: another process began the home as something else meanwhile.
        """
        path = self.settings.home / DEPLOYMENT_FILE
        if self.lasts and not path.exists():
            values = flat(self.settings)
            said = {name: str(value) for name in (*BEGUN, *KEPT) if (value := values[name]) is not None}
            if all(is_folder(said.get(name, "")) for name in ("landing", *PEOPLE)):
                said.pop("s3_endpoint", None)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, said)
        if differs := self.difference():
            raise InvalidInputError(differs)

    def keep_providers(self) -> None:
        """Write down who is about to send: a shell without the variables must not take a rehearsal for sending."""
        home, messages = self.settings.home, dict(self.settings.messages)
        said = begun_with(home)
        now = said | {name: messages[name] for name in PROVIDERS if messages[name] is not None}
        if messages["mail_relay"] is not None:
            now.pop("mails", None)
        if said and now != said:
            write_whole(home / DEPLOYMENT_FILE, now, replaces=True)

    def difference(self) -> str:
        """Return in words that a home was begun as something else; nothing where it was not, or is new."""
        begun, now = begun_with(self.settings.home), flat(self.settings)
        if not begun or all(begun[name] == str(now[name]) for name in BEGUN):
            return ""
        said = ", ".join(f"{name.replace('_', ' ')} {begun[name]}" for name in BEGUN)
        return (
            f"MLIFE_DEPLOYMENT, MLIFE_FIRST_DAY and MLIFE_HISTORY_DAYS: this home was begun with {said}, and stays so; "
            "unset them, or name another folder, as for a demo, in MLIFE_HOME or --home"
        )


@dataclass(frozen=True)
class Exports:
    """Variables for processes that start from here."""

    settings: Settings

    def of_dbt(self) -> dict[str, str]:
        """Return the variables that the dbt profile reads, with the key of the lake if that is a bucket."""
        places = self.settings.places
        lake, log = places.lake, places.event_log
        variables = {"MLIFE_WAREHOUSE_PATH": str(places.warehouse), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
        if isinstance(lake, Path):
            return {**variables, "MLIFE_LAKE_ROOT": str(lake)}
        key = lake.credentials
        return {  # names that no setting reads: another home of this process has its own
            **variables,
            "MLIFE_LAKE_ROOT": lake.url if log is None else log.url,  # dbt reads the log alone
            **({} if log is None else {"MLIFE_TABLES_ROOT": lake.url}),
            "MLIFE_LAKE_ENDPOINT": lake.endpoint or "",
            "MLIFE_LAKE_REGION": lake.region,
            "MLIFE_LAKE_KEY_ID": "" if key is None else key.access_key_id,
            "MLIFE_LAKE_SECRET": "" if key is None else key.secret_access_key,
            "MLIFE_LAKE_TOKEN": (key and key.session_token) or "",
        }

    def to_dagster(self) -> None:
        """Set the variables by which the processes of `dagster dev` work in this home and name these addresses."""
        serving, home, database = self.settings.serving, self.settings.home, self.settings.owner.database
        addresses = {"PAGES_PORT": serving.pages_port, "PAGES_URL": serving.pages_url, "UI_URL": serving.ui_url}
        given = {f"MLIFE_{name}": str(value) for name, value in addresses.items() if value is not None}
        if database is not None:
            given["MLIFE_DATABASE"] = database.get_secret_value()
        os.environ.update(given, MLIFE_HOME=str(home), DAGSTER_HOME=str(home / "dagster"))

    def to_dbt(self) -> None:
        """Set the variables that dbt processes started from here inherit."""
        os.environ.pop("MLIFE_TABLES_ROOT", None)  # of another home, whose log lay apart
        os.environ.update(self.of_dbt())
