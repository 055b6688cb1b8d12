"""Settings of every home: paths, buckets, access to the endpoint.

Concept: settings are groups, each of one subject. A field is read from `MLIFE_<NAME>` and stated by its own name,
whichever group it is in, so that a field may move to another group and no variable changes.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Annotated, Any, ClassVar, Literal, Self, cast

from pydantic import AfterValidator, AliasChoices, BaseModel, Field, SecretStr, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, InitSettingsSource, SettingsConfigDict

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.storage_places import USUAL_REGION, Bucket, Credentials, bucket_name_and_prefix

PROJECT_ROOT = Path(__file__).resolve().parent.parent
DEFAULT_HOME = PROJECT_ROOT / "var" / "demo"
TOKEN_CHARACTERS = 32
_HTTP_URL = r"^https?://[^\s?#]+$"
_ENDPOINT = r"^https?://[^\s?#@]+$"


def _usable_cores() -> int:
    """Return the number of cores that this process may use; all of them if the system cannot say."""
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


CONFIG = SettingsConfigDict(
    env_prefix="MLIFE_", frozen=True, extra="ignore", hide_input_in_errors=True, populate_by_name=True
)


class Group(BaseModel):
    """Settings of one subject. Its faults are of single fields: what several say is judged by the whole."""

    model_config = CONFIG


def settings_groups(kind: type[BaseModel]) -> dict[str, type[Group]]:
    """Return the groups of settings by name."""
    fields = {name: field.annotation for name, field in kind.model_fields.items()}
    return {name: one for name, one in fields.items() if isinstance(one, type) and issubclass(one, Group)}


def variables_of(kind: type[BaseModel]) -> set[str]:
    """Return the fields that have a variable, those of groups too."""
    groups = settings_groups(kind)
    return (kind.model_fields.keys() - groups.keys()).union(*(one.model_fields for one in groups.values()))


def grouped(kind: type[BaseModel], said: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by field, those of groups put into their groups."""
    found = dict(said)
    for name, group in settings_groups(kind).items():
        if own := {one: found.pop(one) for one in group.model_fields if one in found}:
            found[name] = InitSettingsSource(cast("type[BaseSettings]", group), own)()
    return found


def flat(said: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return each value by its own name, whichever group it is in."""
    found: dict[str, Any] = {}
    for name, value in said:
        found.update(value if isinstance(value, Group | dict) else {name: value})
    return found


class Variables(EnvSettingsSource):
    """The environment: a field of a group has a variable, and the group has none."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        group: Any = settings_groups(self.settings_cls).get(field_name)
        return (Variables(group)() or None, field_name, False) if group else super().get_field_value(field, field_name)

    def prepare_field_value(self, field_name: str, field: FieldInfo, value: Any, value_is_complex: bool) -> Any:
        is_group = field_name in settings_groups(self.settings_cls)
        return value if is_group else super().prepare_field_value(field_name, field, value, value_is_complex)

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Return a value read as JSON, or as it is: then the field refuses it, with the name of its variable."""
        with suppress(ValueError):
            value = super().decode_complex_value(field_name, field, value)
        return value


class LogSettings(BaseSettings):
    """How log lines are written, known before anything else is."""

    model_config = CONFIG

    log_format: Literal["text", "json"] = Field(
        default="text", description="Log lines for people, or one JSON document each for a log collector."
    )


def is_placeholder(secret: str) -> bool:
    """Return whether a secret is a few characters again and again, or stands where one is to be put."""
    lengths = range(1, len(secret) // 2 + 1)
    repeats = any(secret == (secret[:length] * len(secret))[: len(secret)] for length in lengths)
    return repeats or "changeme" in re.sub(r"[^a-z]", "", secret.lower())


@contextmanager
def faults_of_pydantic() -> Iterator[None]:
    """Raise ValueError, as pydantic asks of its validators, where ours is raised."""
    try:
        yield
    except InvalidInputError as error:
        raise ValueError(str(error)) from None


def read_by(read: Callable[[str], object]) -> AfterValidator:
    """Return a validator of what can be read, and is kept as it was written."""

    def kept(value: Any) -> Any:
        with faults_of_pydantic():
            read(value.get_secret_value() if isinstance(value, SecretStr) else value)
        return value

    return AfterValidator(kept)


Place = Annotated[str, read_by(lambda place: Path(place).is_absolute() or bucket_name_and_prefix(place))]
"""A bucket, or a folder by its whole path: another process starts in another folder."""


def optional(description: str, **bounds: Any) -> Any:
    """Return a field that is None where nobody states it."""
    return Field(default=None, description=description, **bounds)


class BucketSettings(Group):
    """What opens buckets. Region and key have the names that every tool of S3 reads."""

    s3_endpoint: str | None = optional("Address of the object store, if it is not that of AWS.", pattern=_ENDPOINT)
    s3_region: str | None = optional(
        "Region of the bucket.",
        validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"),
    )
    s3_access_key_id: SecretStr | None = Field(default=None, validation_alias="AWS_ACCESS_KEY_ID")
    s3_secret_access_key: SecretStr | None = Field(default=None, validation_alias="AWS_SECRET_ACCESS_KEY")
    s3_session_token: SecretStr | None = Field(default=None, validation_alias="AWS_SESSION_TOKEN")

    def key(self, said_by: str) -> Credentials:
        """Return the key of the bucket that `said_by` names. Raises InvalidInputError naming the missing variables."""
        keys = (self.s3_access_key_id, self.s3_secret_access_key, self.s3_session_token)
        key_id, secret, token = (None if key is None else key.get_secret_value() for key in keys)
        if not key_id or not secret:
            raise InvalidInputError(
                f"{said_by} is a bucket, which needs a key; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
                "(for a temporary key also AWS_SESSION_TOKEN)"
            )
        if re.search(r"\s", f"{key_id}{secret}{token or ''}"):
            raise InvalidInputError(
                "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or AWS_SESSION_TOKEN holds white space, perhaps the end of a "
                "file's line; correct it"
            )
        return Credentials(key_id, secret, token or None)


def _require_fit_for_a_header(token: str) -> None:
    if not re.fullmatch(rf"[!-~]{{{TOKEN_CHARACTERS},}}", token):
        raise ValueError(f"a token has {TOKEN_CHARACTERS} or more printable ASCII characters and no spaces")
    if is_placeholder(token):
        raise ValueError("the token repeats itself or is a placeholder; make one with `openssl rand -hex 32`")


class ServingSettings(Group):
    """Where pages are served and linked to, and who may ask the endpoint."""

    pages_port: int = Field(
        default=3001, ge=0, le=65_535, description="Where `mlife open` and `mlife dev` serve pages."
    )
    pages_url: str | None = optional(
        "Address of the pages in links, if it is not the pages' port on this machine.",
        pattern=_HTTP_URL,
    )
    ui_url: str | None = optional("Address of the Dagster UI, for links from pages to assets.", pattern=_HTTP_URL)
    endpoint_token: Annotated[SecretStr, read_by(_require_fit_for_a_header)] | None = optional(
        "Bearer token of the endpoint, which needs one to listen beyond this machine."
    )


class HomeSettings(LogSettings):
    """What every home has, whatever its models are about."""

    home: Path = Field(default=DEFAULT_HOME, description="Folder that holds everything mlife writes.")
    lake: Place | None = optional("Where the lake is: a folder or s3://bucket/prefix; by default a folder of the home.")
    cores: int = Field(
        default_factory=_usable_cores,
        ge=1,
        le=256,
        description="Cores for scoring and fitting, by default all that the process may use; no result depends on it.",
    )
    buckets: BucketSettings = BucketSettings()
    serving: ServingSettings = ServingSettings()

    _memory: ClassVar[tuple[type[InitSettingsSource], ...]] = ()

    @classmethod
    def settings_customise_sources(cls, settings_cls: Any, init_settings: Any, *_: Any, **__: Any) -> Any:
        """Return where fields come from, first come first served; no file of variables is read."""
        stated = InitSettingsSource(settings_cls, grouped(settings_cls, init_settings()))
        return stated, Variables(settings_cls), *(one(settings_cls, {}) for one in cls._memory)

    @model_validator(mode="before")
    @classmethod
    def _no_variable_is_mistyped(cls, given: Any) -> Any:
        """A setting whose name is mistyped would be its default: a simulated market, a lake in the home."""
        known = variables_of(cls).union(*map(variables_of, HomeSettings.__subclasses__()))
        for variable in sorted(os.environ):
            name = variable.lower().removeprefix("mlife_")
            if name == variable.lower() or name in known:
                continue
            if meant := next((one for one in sorted(known) if _differs_by_a_letter(name, one)), None):
                raise ValueError(f"{variable} is no setting, and MLIFE_{meant.upper()} is; correct it, or unset it")
        return given

    @model_validator(mode="after")
    def _can_open_its_buckets(self) -> Self:
        named = self.places.named
        with faults_of_pydantic():
            _ = self.places.lake
        for variable, place in named.items():
            if is_folder(place) and lies_in_or_holds(Path(place).resolve(), self.private_folder.resolve()):
                raise ValueError(f"{variable} lies in the private folder of the home, or holds it; name another folder")
        if self.buckets.s3_endpoint is not None and all(map(is_folder, named.values())):
            raise ValueError(
                f"MLIFE_S3_ENDPOINT is set and no bucket is; set {' or '.join(named)} to s3://bucket/prefix, or "
                "unset it"
            )
        return self

    @property
    def places(self) -> Places:
        return Places(self)

    @property
    def pages_address(self) -> str:
        """Return the address of the pages as links name it, without a slash at its end."""
        return (self.serving.pages_url or f"http://127.0.0.1:{self.serving.pages_port}").rstrip("/")

    @property
    def private_folder(self) -> Path:
        """Return the folder of keys and personal data: never in the lake."""
        return self.home / "private"

    @property
    def serves_pages(self) -> bool:
        """Whether pages, runbooks included, are served at their address."""
        return True

    @property
    def key_seed(self) -> int | None:
        """Return the seed that keys derive from; None for random ones."""
        return None


@dataclass(frozen=True)
class Places:
    """Folders and buckets of a home. Raises InvalidInputError naming the settings that a bucket lacks."""

    settings: HomeSettings

    @property
    def named(self) -> dict[str, str]:
        """What may lie in a bucket, by the variable that says where, as it was said."""
        return {"MLIFE_LAKE": self.settings.lake or str(self.settings.home / "lake")}

    @property
    def lake(self) -> Path | Bucket:
        return self._place("lake", self.settings.lake)

    @property
    def lake_name(self) -> str:
        """How dbt and people name the place of the lake."""
        place = self.lake
        return place.url if isinstance(place, Bucket) else str(place)

    @property
    def log(self) -> Path | Bucket:
        """Place of the event log: the lake, unless it has a place of its own."""
        return self.lake

    def of_option(self, option: str, named: str) -> Path | Bucket:
        """Return the folder or bucket that an option names. Raises InvalidInputError with its fault."""
        if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", named):
            return Path(named).absolute()
        return self._bucket_at(option, named)

    def _place(self, name: str, named: str | None) -> Path | Bucket:
        if named is None:
            return self.settings.home / name
        return Path(named) if Path(named).is_absolute() else self._bucket_at(f"MLIFE_{name.upper()}", named)

    def _bucket_at(self, said_by: str, named: str) -> Bucket:
        by, where = self.settings.buckets, bucket_name_and_prefix(named)
        return Bucket(*where, self._key(said_by), endpoint=by.s3_endpoint, region=by.s3_region or USUAL_REGION)

    def _key(self, said_by: str) -> Credentials | None:
        return self.settings.buckets.key(said_by)


class ProjectSettings(HomeSettings):
    """The home of models in somebody else's project, by default a folder of that project."""

    home: Path = Field(default=Path("var", "mlife"), description="Folder that holds everything mlife writes.")

    @property
    def serves_pages(self) -> bool:
        """Return whether somebody said where pages are served: nobody does unless asked to."""
        return self.serving.pages_url is not None

    @property
    def pages_address(self) -> str:
        """Return the address of the pages, or of the folder that they lie in: a browser opens no bucket."""
        if self.serves_pages or isinstance(lake := self.places.lake, Bucket):
            return super().pages_address
        return lake.as_uri()

    @classmethod
    def below(cls, root: Path, home: str | None) -> ProjectSettings:
        """Return the settings of a project at `root`: of the home that is stated, else of `MLIFE_HOME`, else of the
        default; a relative path starts in the project.
        """
        settings = cls() if home is None else cls(home=Path(home))
        return settings.model_copy(update={"home": (root / settings.home).absolute()})
