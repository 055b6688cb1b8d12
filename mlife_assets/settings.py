"""Environment and secrets: the only reader of the environment.

Concept: everything is validated once, at load. Defaults are safe: embedded, off, closed. A home remembers which world
it holds, so that a small demo needs its variables only when it is made; the environment comes first.
"""

from __future__ import annotations

import json
import os
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, HttpUrl, Secret, SecretStr, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from mlife_assets.aws_settings import AwsSettings
from mlife_assets.core.errors import IntegrityError, InvalidInputError, NotFoundError
from mlife_assets.core.storage_places import require_database_url
from mlife_assets.deployment_settings import PROVIDERS, WORLD_FILE, begun_with, holds_market
from mlife_assets.home_settings import DEFAULT_HOME, PROJECT_ROOT, is_placeholder
from mlife_assets.recruiting.mail.letterhead import SETTING as LETTERHEAD
from mlife_assets.recruiting.mail.letterhead import Letterhead, read_letterhead, require_own_letterhead
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.policies import Policies

HASH_KEY_CHARACTERS, HASH_KEY_DISTINCT = 32, 8
DBT_PROJECT_FOLDER = PROJECT_ROOT / "dbt_project"
RUNBOOKS_FOLDER = PROJECT_ROOT / "docs" / "runbooks"
WORKSPACE_FILE = PROJECT_ROOT / "workspace.yaml"
DEFS_FOLDER = Path(__file__).resolve().parent / "defs"
WORLD = ("seed", "market_users", "market_jobs", "history_days", "demo_faults", "demo_event_days")
WORLD_OF_OLD = {"demo_event_days": (3, 10, 14)}
"""What has another default now than in the releases that wrote no file."""
DECIDED = {  # fields that decide one of a policy wherever they are set
    "approve_console_sends": "messaging.auto_approve_within_limits",
}

DemoDay = Annotated[int, Field(ge=1, le=120)]


class HomeSource(PydanticBaseSettingsSource):
    """What the home remembers of its world; nothing in a new home."""

    def __call__(self) -> dict[str, Any]:
        """Return the fields that the file holds. Raises IntegrityError when it cannot be read."""
        home = Path(self.current_state.get("home", DEFAULT_HOME))
        kept = begun_with(home)
        if not any(str(value).startswith("s3://") for value in {**kept, **self.current_state}.values()):
            kept.pop("s3_endpoint", None)  # a variable took the place of the bucket that it was for
        for name in PROVIDERS:  # a provider that sent before gives way to what the owner sets now
            given = ("clock_file", *(["mail_relay"] if name == "mails" else []))
            if any(self.current_state.get(one) is not None for one in given):
                kept.pop(name, None)
        return {**self._world(home), **kept}

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

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not called: all fields come at once."""
        raise NotImplementedError


class Settings(AwsSettings):
    """One deployment of mlife; each field is read from `MLIFE_<NAME>`."""

    remembers: ClassVar[bool] = True

    database: SecretStr | None = Field(
        default=None,
        description="postgresql:// address of the ledger and of Dagster's records; by default files of the home.",
    )
    alert_webhook: Secret[HttpUrl] | None = Field(default=None, description="Where alerts are posted, as JSON.")
    seed: int = Field(default=20_260_403, ge=0, description="Seed of the embedded market and gateway.")
    market_users: int = Field(default=10_000, ge=50, le=1_000_000)
    market_jobs: int = Field(default=800, ge=20, le=100_000, description="About how many jobs are open at any time.")
    demo_days: int = Field(default=12, ge=1, le=120, description="Days that run after history; the demo's length.")
    demo_faults: bool = Field(default=True, description="Whether the demo's three injections happen in the market.")
    demo_event_days: tuple[DemoDay, DemoDay, DemoDay] = Field(
        default=(2, 7, 11),
        description="Demo days on which people change, a city opens and an export is faulty.",
    )
    approve_console_sends: bool = Field(
        default=False, description="Turns on `auto_approve_within_limits`; refused unless the gateway is the console."
    )
    texts_per_day: int | None = Field(
        default=None,
        ge=1,
        description="Most texts a day of all applications together; by default each has its own limit alone.",
    )
    days_run_by_themselves: bool | None = Field(
        default=None,
        description="Whether days, metrics and the catalogue run without being asked for; by default in prod alone.",
    )
    hash_key: SecretStr | None = Field(
        default=None, description="Key of phone-number hashes; without it the home's keyring has one."
    )

    @field_validator("database")
    @classmethod
    def _names_a_database(cls, database: SecretStr | None) -> SecretStr | None:
        try:
            if database is not None:
                require_database_url(database.get_secret_value())
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
        return database

    @field_validator("demo_event_days")
    @classmethod
    def _one_at_a_time(cls, days: tuple[int, int, int]) -> tuple[int, int, int]:
        if len(set(days)) < len(days):
            raise ValueError("each event of the demo needs a day of its own")
        return days

    @field_validator("hash_key")
    @classmethod
    def _hard_to_guess(cls, key: SecretStr | None) -> SecretStr | None:
        """A number has ten digits: whoever guesses the key reverses every hash in seconds."""
        characters = "" if key is None else key.get_secret_value().strip()
        is_short = len(characters) < HASH_KEY_CHARACTERS or len(set(characters)) < HASH_KEY_DISTINCT
        if key is not None and (is_short or is_placeholder(characters)):
            raise ValueError(
                f"the key is easy to guess: it needs {HASH_KEY_CHARACTERS} characters, {HASH_KEY_DISTINCT} of them "
                "different, and may neither repeat itself nor be a placeholder; make one with `openssl rand -hex 32`, "
                "or unset it to use the home's own random key"
            )
        return key

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        """Other processes, and links, do not share the folder that a relative path starts in."""
        return home.absolute()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  no such files are read
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where fields come from, first come first served."""
        remembered = (HomeSource(settings_cls),) if cls.remembers else ()
        return init_settings, env_settings, *remembered

    def remember_world(self) -> None:
        """Write down in the home which market it holds."""
        world = {name: getattr(self, name) for name in WORLD}
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / WORLD_FILE).write_text(json.dumps(world, indent=2) + "\n", encoding="utf-8")

    @property
    def runs_days(self) -> bool:
        """Return whether schedules and the sensor of due days are on unless a person turned them off."""
        said = self.days_run_by_themselves
        return self.environment == "prod" if said is None else said

    @property
    def first_lived_date(self) -> date:
        """Return the first day that runs through the daily job."""
        return self.start_date + timedelta(days=self.history_days)

    @property
    def key_seed(self) -> int | None:
        """Return the seed of the embedded world, whose keys derive from it; None elsewhere, where people are real."""
        return self.seed if self.environment == "dev" and self.is_simulated else None

    @property
    def landing_folder(self) -> Path:
        """Return the folder of the home where the market, or by default others, put their files."""
        return self.home / "landing"

    @property
    def truth_folder(self) -> Path:
        """Return the folder of the market's truth tables, which no asset reads."""
        return self.home / "truth"

    @property
    def warehouse_path(self) -> Path:
        """Return the DuckDB file that dbt builds."""
        return self.home / "warehouse.duckdb"

    def policies(self) -> Policies:
        """Return the default policies, but for what this deployment decides."""
        return Policies(
            decided=tuple(field for name, field in DECIDED.items() if name in self.model_fields_set),
            messaging=MessagingPolicy(auto_approve_within_limits=self.approve_console_sends),
        )

    def own_letterhead(self) -> Letterhead | None:
        """Return the letterhead that the owner named, None where they named none.

        It is read where mails are made: whoever pauses sending needs no letterhead.

        Raises:
            NotFoundError, InvalidInputError: it is not there, or not as it must be.
        """
        path = self.letterhead_file
        if path is None:
            return None
        try:
            letterhead = read_letterhead(path.read_bytes(), path.name)
        except FileNotFoundError:
            raise NotFoundError(f"{LETTERHEAD}: there is no file {path}; write it, or correct the setting") from None
        except OSError as error:
            raise InvalidInputError(
                f"{LETTERHEAD}: {path} cannot be read ({error.strerror}); grant read, or correct the setting"
            ) from error
        if self.mail_relay is not None or self.mails is not None:
            require_own_letterhead(letterhead)
        return letterhead

    def dbt_environment(self) -> dict[str, str]:
        """Return the variables that the dbt profile reads; where the lake is a bucket also what opens it."""
        lake = self.lake_place
        variables = {"MLIFE_WAREHOUSE_PATH": str(self.warehouse_path), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
        if isinstance(lake, Path):
            return {**variables, "MLIFE_LAKE_ROOT": str(lake)}
        key, log = lake.credentials, self.event_log_place
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

    def export_to_dagster(self) -> None:
        """Set the variables by which the processes of `dagster dev` work in this home and name these addresses."""
        addresses = {"PAGES_PORT": self.pages_port, "PAGES_URL": self.pages_url, "UI_URL": self.ui_url}
        given = {f"MLIFE_{name}": str(value) for name, value in addresses.items() if value is not None}
        if self.database is not None:
            given["MLIFE_DATABASE"] = self.database.get_secret_value()
        os.environ.update(given, MLIFE_HOME=str(self.home), DAGSTER_HOME=str(self.home / "dagster"))

    def export_to_dbt(self) -> None:
        """Set the variables that dbt processes started from here inherit."""
        os.environ.pop("MLIFE_TABLES_ROOT", None)  # of another home, whose log lay apart
        os.environ.update(self.dbt_environment())


class NewWorldSettings(Settings):
    """One deployment that is made anew: what its home remembers is of the world that goes."""

    remembers: ClassVar[bool] = False
