"""What the environment says of a deployment on AWS: names of what its stacks made, and never a key.

Concept: a task gets its rights by its role. So a setting that carries a key or a password is refused, and names are
checked before anything is asked of AWS.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, Secret, SecretStr, model_validator

from mlife_assets.core.storage_places import Bucket, Credentials
from mlife_assets.deployment_settings import BUILT_IN, PEOPLE, DeploymentSettings, overlap
from mlife_assets.home_settings import is_folder

NAME = "aws"
TEMPLATE = "infra/templates/45-dagster.yaml"
_KEY_ARN = re.compile(r"^arn:(?P<partition>[a-z-]+):kms:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):key/\S+$")


class AwsSettings(DeploymentSettings):
    """What tells one environment on AWS from another."""

    NEEDED: ClassVar = (
        "event_log",
        "log_heads",
        "head_signing_key",
        "database_host",
        "database_secret",
        "number_hash_key",
    )

    event_log: str | None = Field(default=None, description="On AWS the bucket of the event log, as s3://bucket.")
    log_heads: str | None = Field(
        default=None, description="On AWS where the witness keeps signed heads, s3://bucket/heads."
    )
    head_signing_key: str | None = Field(
        default=None, pattern=_KEY_ARN.pattern, description="On AWS the ARN of the KMS key that signs heads."
    )
    database_host: str | None = Field(default=None, min_length=1, description="On AWS the host of PostgreSQL.")
    database_secret: str | None = Field(
        default=None, min_length=1, description="On AWS the name of the secret that holds its user and password."
    )
    number_hash_key: str | None = Field(
        default=None, min_length=1, description="On AWS the name of the secret that is the key of phone-number hashes."
    )

    @model_validator(mode="after")
    def _names_all_and_carries_nothing(self) -> Self:
        given = [name for name in self.NEEDED if getattr(self, name) is not None]
        if not self.is_on_aws:
            if given:
                raise ValueError(
                    f"{_variables(given)} is read on AWS alone; unset it, or set MLIFE_DEPLOYMENT to {NAME}"
                )
            return self
        if missing := [name for name in self.NEEDED if name not in given]:
            raise ValueError(
                f"MLIFE_DEPLOYMENT is {self.deployment} and {_variables(missing)} says nothing; set it as {TEMPLATE} "
                "does"
            )
        if carried := [name for name, value in self if isinstance(value, Secret | SecretStr)]:
            raise ValueError(
                f"{_variables(carried)} carries a key or a password; unset it: on AWS a task's role is its key, and "
                "secrets are named and not handed over"
            )
        for name in ("lake", "landing", "event_log", "log_heads"):
            if (place := getattr(self, name)) is None or is_folder(place):
                raise ValueError(f"{_variables([name])} is no bucket; set it to s3://bucket, as {TEMPLATE} does")
        for name in PEOPLE:
            if (named := getattr(self, name)) is not None and is_folder(named):
                raise ValueError(
                    f"{_variables([name])} names a file of the home, which ends with its task; set it to "
                    f"s3://bucket/key.parquet, as {TEMPLATE} does for runs"
                )
        for other in ("lake", "landing", "log_heads"):
            if overlap(str(self.event_log), getattr(self, other)):
                raise ValueError(
                    f"MLIFE_EVENT_LOG lies in {_variables([other])}, or holds it; name a bucket of its own"
                )
        if self.s3_region is None:
            raise ValueError("AWS_REGION says nothing; set it to the region of the stacks")
        if self.head_signing_key_parts["region"] != self.s3_region:
            raise ValueError("MLIFE_HEAD_SIGNING_KEY is in another region than AWS_REGION says; correct one of them")
        return self

    @property
    def is_on_aws(self) -> bool:
        """Return whether this is a task on AWS: a deployment of somebody's own that names our log builds on it."""
        return self.deployment == NAME or (self.deployment not in BUILT_IN and self.event_log is not None)

    @property
    def outlives_its_task(self) -> bool:
        """Return whether the home lasts: on AWS it ends with its task."""
        return super().outlives_its_task and not self.is_on_aws

    @property
    def named_places(self) -> dict[str, str]:
        """Return what may lie in a bucket, by the variable that says where, as it was said."""
        own = {"MLIFE_EVENT_LOG": self.event_log, "MLIFE_LOG_HEADS": self.log_heads}
        return {**super().named_places, **{name: place for name, place in own.items() if place is not None}}

    @property
    def head_signing_key_parts(self) -> dict[str, str]:
        """Return partition, region and account of the key that signs, which are those of the whole environment."""
        found = _KEY_ARN.fullmatch(self.head_signing_key or "")
        return {} if found is None else found.groupdict()

    @property
    def event_log_place(self) -> Bucket | None:
        """Return the bucket of the event log, None where it lies in the lake."""
        return self._bucket("event_log", self.event_log)

    @property
    def log_place(self) -> Path | Bucket:
        """Return where the event log is."""
        return self.event_log_place or self.lake_place

    @property
    def log_heads_place(self) -> Bucket | None:
        """Return where the witness keeps signed heads, None where there is none."""
        return self._bucket("log_heads", self.log_heads)

    def _bucket(self, name: str, named: str | None) -> Bucket | None:
        place = None if named is None else self._place(name, named)
        return place if isinstance(place, Bucket) else None

    def _key_of_buckets(self, said_by: str) -> Credentials | None:
        return None if self.is_on_aws else super()._key_of_buckets(said_by)


def _variables(names: list[str]) -> str:
    said = {
        "s3_access_key_id": "AWS_ACCESS_KEY_ID",
        "s3_secret_access_key": "AWS_SECRET_ACCESS_KEY",
        "s3_session_token": "AWS_SESSION_TOKEN",
    }
    return ", ".join(said.get(name, f"MLIFE_{name.upper()}") for name in names)
