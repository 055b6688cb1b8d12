"""Environment and secrets: the only reader of the environment.

Belongs here: where things are stored, which environment this is, secrets, the size of the embedded world.
Does not belong here: business and scientific choices (`core.policies`), per-run knobs (`dg.Config`).

Concept: everything is validated once, at load. Defaults are safe: embedded, off, closed. A home remembers which world
it holds, so that a small demo needs its variables only when it is made; the environment comes first.
"""

from __future__ import annotations

import json
import os
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, HttpUrl, Secret, SecretStr, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.windows import FIRST_EVENT_DAY
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.policies import Policies

PROJECT_ROOT = Path(__file__).resolve().parent.parent
HASH_KEY_CHARACTERS, HASH_KEY_DISTINCT, TOKEN_CHARACTERS = 32, 8, 32
_HTTP_URL = r"^https?://[^\s?#]+$"
DBT_PROJECT_FOLDER = PROJECT_ROOT / "dbt_project"
RUNBOOKS_FOLDER = PROJECT_ROOT / "docs" / "runbooks"
WORKSPACE_FILE = PROJECT_ROOT / "workspace.yaml"
DEFS_FOLDER = Path(__file__).resolve().parent / "defs"
DEFAULT_HOME = PROJECT_ROOT / "var" / "demo"
WORLD_FILE = "world.json"
WORLD = ("seed", "market_users", "market_jobs", "history_days", "demo_faults", "demo_event_days", "gate_users")
POLICY_DEFAULT = "gate_users"
"""The field of the world that a policy has the default of: remembered only where it differs, so the policy may move."""
DECIDED = {  # fields that decide one of a policy wherever they are set
    "gate_users": "promotion.minimum_users_with_positives",
    "approve_console_sends": "messaging.auto_approve_within_limits",
}

DemoDay = Annotated[int, Field(ge=1, le=120)]


def _usable_cores() -> int:
    """Return how many cores this process may use; where the system cannot say, how many there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class HomeSource(PydanticBaseSettingsSource):
    """What the home remembers of its world; nothing in a home that is new or of a release that wrote no file."""

    def __call__(self) -> dict[str, Any]:
        """Return the fields that the file holds. Raises IntegrityError when it cannot be read."""
        path = Path(self.current_state.get("home", DEFAULT_HOME)) / WORLD_FILE
        if not path.is_file():
            return {}
        try:
            remembered = json.loads(path.read_text(encoding="utf-8"))
            return {name: remembered[name] for name in WORLD if name in remembered or name != POLICY_DEFAULT}
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(
                f"{path} does not say which market this home holds ({error}); restore it from a copy, or delete it and "
                "set MLIFE_MARKET_USERS and the like as they were"
            ) from error

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not called: all fields come at once."""
        raise NotImplementedError


class HomeSettings(BaseSettings):
    """What every home has, whatever its models are about; each field is read from `MLIFE_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="MLIFE_", frozen=True, extra="ignore", hide_input_in_errors=True)

    home: Path = Field(default=DEFAULT_HOME, description="Folder that holds everything mlife writes.")
    cores: int = Field(
        default_factory=_usable_cores,
        ge=1,
        le=256,
        description="Cores for scoring and fitting, by default all that the process may use; no result depends on it.",
    )
    pages_port: int = Field(
        default=3001, ge=0, le=65_535, description="Where `mlife open` and `mlife dev` serve pages."
    )
    pages_url: str | None = Field(
        default=None,
        pattern=_HTTP_URL,
        description="Address of the pages in links, if it is not the pages' port on this machine.",
    )
    ui_url: str | None = Field(
        default=None, pattern=_HTTP_URL, description="Address of the Dagster UI, for links from pages to assets."
    )
    endpoint_token: SecretStr | None = Field(
        default=None, description="Bearer token of the endpoint, which needs one to listen beyond this machine."
    )

    @field_validator("endpoint_token")
    @classmethod
    def _fit_for_a_header(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not re.fullmatch(rf"[!-~]{{{TOKEN_CHARACTERS},}}", token.get_secret_value()):
            raise ValueError(f"a token has {TOKEN_CHARACTERS} or more printable ASCII characters and no spaces")
        return token

    @property
    def pages_address(self) -> str:
        """Return the address of the pages as links name it, without a slash at its end."""
        return (self.pages_url or f"http://127.0.0.1:{self.pages_port}").rstrip("/")

    @property
    def lake_folder(self) -> Path:
        """Return the folder of the embedded lake."""
        return self.home / "lake"

    @property
    def private_folder(self) -> Path:
        """Return the folder of keys and of what is about people: never in the lake."""
        return self.home / "private"

    @property
    def serves_pages(self) -> bool:
        """Return whether pages, runbooks included, are served at their address."""
        return True

    @property
    def key_seed(self) -> int | None:
        """Return the seed that keys derive from; None for random ones."""
        return None


class ProjectSettings(HomeSettings):
    """The home of models in somebody else's project, by default a folder of that project."""

    home: Path = Field(default=Path("var", "mlife"), description="Folder that holds everything mlife writes.")

    @property
    def serves_pages(self) -> bool:
        """Return whether somebody said where pages are served: nobody does unless asked to."""
        return self.pages_url is not None

    @property
    def pages_address(self) -> str:
        """Return the address of the pages, or of the folder that they lie in."""
        return super().pages_address if self.serves_pages else self.lake_folder.as_uri()

    @classmethod
    def below(cls, root: Path, home: str | None) -> ProjectSettings:
        """Return the settings of a project at `root`: of the home that is stated, else of `MLIFE_HOME`, else of the
        default; a relative path starts in the project.
        """
        settings = cls() if home is None else cls(home=Path(home))
        return settings.model_copy(update={"home": (root / settings.home).absolute()})


class Settings(HomeSettings):
    """One deployment of mlife; each field is read from `MLIFE_<NAME>`."""

    remembers: ClassVar[bool] = True

    environment: Literal["dev", "staging", "prod"] = "dev"
    alert_webhook: Secret[HttpUrl] | None = Field(default=None, description="Where alerts are posted, as JSON.")
    seed: int = Field(default=20_260_403, ge=0, description="Seed of the embedded market and gateway.")
    market_users: int = Field(default=10_000, ge=50, le=1_000_000)
    market_jobs: int = Field(default=800, ge=20, le=100_000, description="About how many jobs are open at any time.")
    history_days: int = Field(
        default=60,
        ge=2,
        le=720,
        description="Days of history before the first day; the policies in use ask for more.",
    )
    demo_days: int = Field(default=21, ge=1, le=120, description="Days that run after history; the demo's length.")
    demo_faults: bool = Field(default=True, description="Whether the demo's three injections happen in the market.")
    demo_event_days: tuple[DemoDay, DemoDay, DemoDay] = Field(
        default=(3, 10, 14),
        description="Demo days on which people change, a city opens and an export is faulty.",
    )
    gate_users: int = Field(
        default=PromotionPolicy().minimum_users_with_positives,
        ge=30,
        description="Users with applications that the gate needs for a verdict; a small market has fewer.",
    )
    approve_console_sends: bool = Field(
        default=False, description="Turns on `auto_approve_within_limits`; refused unless the gateway is the console."
    )
    hash_key: SecretStr | None = Field(
        default=None, description="Key of phone-number hashes; without it the home's keyring has one."
    )

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
        if key is not None and (len(characters) < HASH_KEY_CHARACTERS or len(set(characters)) < HASH_KEY_DISTINCT):
            raise ValueError(
                f"the key is easy to guess: it needs {HASH_KEY_CHARACTERS} characters, {HASH_KEY_DISTINCT} of "
                "them different; make one with `openssl rand -hex 32`, or unset it to use the home's own random key"
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
        if world[POLICY_DEFAULT] == type(self).model_fields[POLICY_DEFAULT].default:
            del world[POLICY_DEFAULT]
        (self.home / WORLD_FILE).write_text(json.dumps(world, indent=2) + "\n", encoding="utf-8")

    @property
    def start_date(self) -> date:
        """Return the first day of history in the embedded market."""
        return FIRST_EVENT_DAY

    @property
    def first_lived_date(self) -> date:
        """Return the first day that runs through the daily job."""
        return self.start_date + timedelta(days=self.history_days)

    @property
    def key_seed(self) -> int | None:
        """Return the seed of the embedded world, whose keys derive from it; None elsewhere."""
        return self.seed if self.environment == "dev" else None

    @property
    def landing_folder(self) -> Path:
        """Return the folder where exporters put their files."""
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
            promotion=PromotionPolicy(minimum_users_with_positives=self.gate_users),
        )

    def dbt_environment(self) -> dict[str, str]:
        """Return the variables that the dbt profile reads."""
        return {
            "MLIFE_WAREHOUSE_PATH": str(self.warehouse_path),
            "MLIFE_LAKE_ROOT": str(self.lake_folder),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }

    def export_to_dagster(self) -> None:
        """Set the variables by which the processes of `dagster dev` work in this home and name these addresses."""
        addresses = {"PAGES_PORT": self.pages_port, "PAGES_URL": self.pages_url, "UI_URL": self.ui_url}
        given = {f"MLIFE_{name}": str(value) for name, value in addresses.items() if value is not None}
        os.environ.update(given, MLIFE_HOME=str(self.home), DAGSTER_HOME=str(self.home / "dagster"))

    def export_to_dbt(self) -> None:
        """Set the variables that dbt processes started from here inherit."""
        os.environ.update(self.dbt_environment())


class NewWorldSettings(Settings):
    """One deployment that is made anew: what its home remembers is of the world that goes."""

    remembers: ClassVar[bool] = False
