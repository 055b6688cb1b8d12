"""What the environment says of every home: where things are, who may ask the endpoint."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path, PurePath
from typing import Any, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.storage_places import USUAL_REGION, Bucket, Credentials, bucket_name_and_prefix

PROJECT_ROOT = Path(__file__).resolve().parent.parent
DEFAULT_HOME = PROJECT_ROOT / "var" / "demo"
TOKEN_CHARACTERS = 32
_HTTP_URL = r"^https?://[^\s?#]+$"
_ENDPOINT = r"^https?://[^\s?#@]+$"


def _usable_cores() -> int:
    """Return how many cores this process may use; where the system cannot say, how many there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def lies_in_or_holds(one: PurePath, other: PurePath) -> bool:
    """Return whether one of two folders lies in the other, or is it."""
    return one.is_relative_to(other) or other.is_relative_to(one)


def is_folder(place: str) -> bool:
    """Return whether a place that was named is a folder and no bucket."""
    return not place.startswith("s3://")


def _differs_by_a_letter(name: str, meant: str) -> bool:
    """Return whether a name has one letter too many, too few or another one, or the same in another order."""
    letters, wanted = Counter(name), Counter(meant)
    return max((letters - wanted).total(), (wanted - letters).total()) <= 1


class LogSettings(BaseSettings):
    """How log lines are written, known before anything else is."""

    model_config = SettingsConfigDict(env_prefix="MLIFE_", frozen=True, extra="ignore", hide_input_in_errors=True)

    log_format: Literal["text", "json"] = Field(
        default="text", description="Log lines for people, or one JSON document each for whoever collects them."
    )


def is_placeholder(secret: str) -> bool:
    """Return whether a secret is a few characters again and again, or stands where one is to be put."""
    lengths = range(1, len(secret) // 2 + 1)
    repeats = any(secret == (secret[:length] * len(secret))[: len(secret)] for length in lengths)
    return repeats or "changeme" in re.sub(r"[^a-z]", "", secret.lower())


class HomeSettings(LogSettings):
    """What every home has, whatever its models are about; each field is read from `MLIFE_<NAME>`.

    Region and key of a bucket have the names that every tool of S3 reads.
    """

    model_config = SettingsConfigDict(
        env_prefix="MLIFE_", frozen=True, extra="ignore", hide_input_in_errors=True, populate_by_name=True
    )

    home: Path = Field(default=DEFAULT_HOME, description="Folder that holds everything mlife writes.")
    lake: str | None = Field(
        default=None, description="Where the lake is: a folder or s3://bucket/prefix; by default a folder of the home."
    )
    s3_endpoint: str | None = Field(
        default=None, pattern=_ENDPOINT, description="Address of the object store, if it is not that of AWS."
    )
    s3_region: str | None = Field(
        default=None,
        validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"),
        description="Region of the bucket.",
    )
    s3_access_key_id: SecretStr | None = Field(default=None, validation_alias="AWS_ACCESS_KEY_ID")
    s3_secret_access_key: SecretStr | None = Field(default=None, validation_alias="AWS_SECRET_ACCESS_KEY")
    s3_session_token: SecretStr | None = Field(default=None, validation_alias="AWS_SESSION_TOKEN")
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

    @model_validator(mode="before")
    @classmethod
    def _no_variable_is_mistyped(cls, given: Any) -> Any:
        """A setting whose name is mistyped would be its default: a simulated market, a lake in the home."""
        kinds: tuple[type[BaseSettings], ...] = (cls, *HomeSettings.__subclasses__())
        known = {name for kind in kinds for name in kind.model_fields}
        for variable in sorted(os.environ):
            name = variable.lower().removeprefix("mlife_")
            if name == variable.lower() or name in known:
                continue
            if meant := next((one for one in sorted(known) if _differs_by_a_letter(name, one)), None):
                raise ValueError(f"{variable} is no setting, and MLIFE_{meant.upper()} is; correct it, or unset it")
        return given

    @field_validator("endpoint_token")
    @classmethod
    def _fit_for_a_header(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not re.fullmatch(rf"[!-~]{{{TOKEN_CHARACTERS},}}", token.get_secret_value()):
            raise ValueError(f"a token has {TOKEN_CHARACTERS} or more printable ASCII characters and no spaces")
        if token is not None and is_placeholder(token.get_secret_value()):
            raise ValueError("the token repeats itself or is a placeholder; make one with `openssl rand -hex 32`")
        return token

    @field_validator("lake", "landing", "event_log", "log_heads", check_fields=False)
    @classmethod
    def _a_folder_or_a_bucket(cls, place: str | None) -> str | None:
        try:
            if place is not None and not Path(place).is_absolute():  # another process starts in another folder
                bucket_name_and_prefix(place)
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
        return place

    @model_validator(mode="after")
    def _can_open_its_buckets(self) -> Self:
        _ = self.lake_place
        for variable, place in self.named_places.items():
            if is_folder(place) and lies_in_or_holds(Path(place).resolve(), self.private_folder.resolve()):
                raise ValueError(f"{variable} lies in the private folder of the home, or holds it; name another folder")
        if self.s3_endpoint is not None and all(map(is_folder, self.named_places.values())):
            raise ValueError(
                f"MLIFE_S3_ENDPOINT is set and no bucket is; set {' or '.join(self.named_places)} to "
                "s3://bucket/prefix, or unset it"
            )
        return self

    @property
    def named_places(self) -> dict[str, str]:
        """Return what may lie in a bucket, by the variable that says where, as it was said."""
        return {"MLIFE_LAKE": self.lake or str(self.home / "lake")}

    @property
    def lake_place(self) -> Path | Bucket:
        """Return where the lake is. Raises ValueError naming what a bucket lacks."""
        return self._place("lake", self.lake)

    @property
    def log_place(self) -> Path | Bucket:
        """Return where the event log is: in the lake, unless it has a place of its own."""
        return self.lake_place

    def _place(self, name: str, named: str | None) -> Path | Bucket:
        if named is None:
            return self.home / name
        return Path(named) if Path(named).is_absolute() else self._bucket_at(f"MLIFE_{name.upper()}", named)

    def place_named(self, option: str, named: str) -> Path | Bucket:
        """Return the folder or bucket that an option names. Raises InvalidInputError saying what is wrong with it."""
        if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", named):
            return Path(named).absolute()
        try:
            return self._bucket_at(option, named)
        except ValueError as error:
            raise InvalidInputError(str(error)) from error

    def _bucket_at(self, said_by: str, named: str) -> Bucket:
        bucket, prefix = bucket_name_and_prefix(named)
        return Bucket(
            bucket,
            prefix,
            self._key_of_buckets(said_by),
            endpoint=self.s3_endpoint,
            region=self.s3_region or USUAL_REGION,
        )

    def _key_of_buckets(self, said_by: str) -> Credentials | None:
        """Return the key that opens the bucket that `said_by` names. Raises ValueError naming what it lacks."""
        keys = (self.s3_access_key_id, self.s3_secret_access_key, self.s3_session_token)
        key_id, secret, token = (None if key is None else key.get_secret_value() for key in keys)
        if not key_id or not secret:
            raise ValueError(
                f"{said_by} is a bucket, which needs a key; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
                "(for a temporary key also AWS_SESSION_TOKEN)"
            )
        if re.search(r"\s", f"{key_id}{secret}{token or ''}"):
            raise ValueError(
                "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or AWS_SESSION_TOKEN holds white space, perhaps the end of a "
                "file's line; correct it"
            )
        return Credentials(key_id, secret, token or None)

    @property
    def pages_address(self) -> str:
        """Return the address of the pages as links name it, without a slash at its end."""
        return (self.pages_url or f"http://127.0.0.1:{self.pages_port}").rstrip("/")

    @property
    def lake_name(self) -> str:
        """Return how dbt and people name the place of the lake."""
        place = self.lake_place
        return place.url if isinstance(place, Bucket) else str(place)

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
        """Return the address of the pages, or of the folder that they lie in: a browser opens no bucket."""
        if self.serves_pages or isinstance(self.lake_place, Bucket):
            return super().pages_address
        return self.lake_place.as_uri()

    @classmethod
    def below(cls, root: Path, home: str | None) -> ProjectSettings:
        """Return the settings of a project at `root`: of the home that is stated, else of `MLIFE_HOME`, else of the
        default; a relative path starts in the project.
        """
        settings = cls() if home is None else cls(home=Path(home))
        return settings.model_copy(update={"home": (root / settings.home).absolute()})
