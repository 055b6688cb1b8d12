"""Environment and secrets: the only reader of the environment.

Belongs here: where things are stored, which environment this is, secrets, the size of the embedded world.
Does not belong here: business and scientific choices (`core.policies`), per-run knobs (`dg.Config`).

Concept: everything is validated once, at load. Defaults are safe: embedded, off, closed.
"""

from __future__ import annotations

import os
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from mlife_assets.core.policies import MessagingPolicy, Policies
from mlife_assets.core.windows import FIRST_EVENT_DAY

PROJECT_ROOT = Path(__file__).resolve().parent.parent
HASH_KEY_CHARACTERS, HASH_KEY_DISTINCT = 32, 8
TOKEN_CHARACTERS = 32
DBT_PROJECT_FOLDER = PROJECT_ROOT / "dbt_project"


class Settings(BaseSettings):
    """One deployment of mlife; each field is read from `MLIFE_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="MLIFE_", frozen=True, extra="ignore", hide_input_in_errors=True)

    environment: Literal["dev", "staging", "prod"] = "dev"
    home: Path = Field(default=PROJECT_ROOT / "var" / "demo", description="Folder that holds everything mlife writes.")
    seed: int = Field(default=20_260_403, ge=0, description="Seed of the embedded market and gateway.")
    market_users: int = Field(default=10_000, ge=50, le=1_000_000)
    market_jobs: int = Field(default=800, ge=20, le=100_000, description="Jobs open at any time, about.")
    history_days: int = Field(
        default=60, ge=2, le=720, description="Days before the first lived day; the policies in use ask for more."
    )
    demo_days: int = Field(default=21, ge=1, le=120, description="Lived days after history; the demo's length.")
    cores: int = Field(
        default_factory=lambda: len(os.sched_getaffinity(0)),
        ge=1,
        le=256,
        description="Cores that are used; by default all that this process may use. No result depends on it.",
    )
    demo_faults: bool = Field(default=True, description="Whether the demo's three injections happen in the market.")
    approve_console_sends: bool = Field(
        default=False, description="Turns on `auto_approve_within_limits`; refused unless the gateway is the console."
    )
    hash_key: SecretStr | None = Field(
        default=None, description="Key of phone-number hashes; without it the home's keyring has one."
    )

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

    endpoint_token: SecretStr | None = Field(
        default=None, description="Bearer token of the endpoint; it listens beyond this machine only so."
    )

    @field_validator("endpoint_token")
    @classmethod
    def _fit_for_a_header(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not re.fullmatch(rf"[!-~]{{{TOKEN_CHARACTERS},}}", token.get_secret_value()):
            raise ValueError(f"a token has {TOKEN_CHARACTERS} or more printable ASCII characters and no spaces")
        return token

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        """Other processes, and links, do not share the folder that a relative path starts in."""
        return home.absolute()

    @property
    def start_date(self) -> date:
        """Return the first day of history in the embedded market."""
        return FIRST_EVENT_DAY

    @property
    def first_lived_date(self) -> date:
        """Return the first day that runs through the daily job."""
        return self.start_date + timedelta(days=self.history_days)

    @property
    def lake_folder(self) -> Path:
        """Return the folder of the embedded lake."""
        return self.home / "lake"

    @property
    def landing_folder(self) -> Path:
        """Return the folder where exporters put their files."""
        return self.home / "landing"

    @property
    def truth_folder(self) -> Path:
        """Return the folder of the market's truth tables, which no asset reads."""
        return self.home / "truth"

    @property
    def private_folder(self) -> Path:
        """Return the folder of phone numbers, the ledger and the gateway's log: never in the lake."""
        return self.home / "private"

    @property
    def warehouse_path(self) -> Path:
        """Return the DuckDB file that dbt builds."""
        return self.home / "warehouse.duckdb"

    def policies(self) -> Policies:
        """Return the default policies, with automatic approval where this environment allows it."""
        messaging = MessagingPolicy(auto_approve_within_limits=self.approve_console_sends)
        return Policies(messaging=messaging)

    def dbt_environment(self) -> dict[str, str]:
        """Return the variables that the dbt profile reads."""
        return {
            "MLIFE_WAREHOUSE_PATH": str(self.warehouse_path),
            "MLIFE_LAKE_ROOT": str(self.lake_folder),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }

    def export_to_dbt(self) -> None:
        """Set the variables that dbt processes started from here inherit."""
        os.environ.update(self.dbt_environment())
