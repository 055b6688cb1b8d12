"""The log's bucket as the template renders it, on a real S3 server (SeaweedFS), then attacked by the server's owner.

Shown: Object Lock and what the policy denies hold against overwriting, deleting, shortening and bypassing, where the
server knows what the template says; what it does not know is found by trying, and `docs/infra_emulators.md` lists it.
Not shown: S3 itself. Sixteen writers at once, killed under load, are `benchmarks/killed_writers.py`, in such a bucket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mlife_assets.adapters.delivery.stacks import refused_with
from mlife_assets.adapters.event_log.manifests import EVENTS, MANIFESTS

pytestmark = pytest.mark.aws
THROUGH = "goes through"
KEY = "events/event_type=click/dt=2026-06-10/hour=18/run-1.parquet"
BODY = b"what happened"
NUMBERS = count(1)


@dataclass(frozen=True)
class LogBucket:
    """A bucket that holds one object of the log."""

    s3: Any
    name: str
    version: str

    def tried(self, call: str, **asked: Any) -> str:
        """Return by which code a call is refused, or that it is not."""
        return refused_with(lambda: getattr(self.s3, call)(Bucket=self.name, **asked)) or THROUGH

    @property
    def is_hidden(self) -> bool:
        """Return whether a marker lies over the object."""
        return self.tried("head_object", Key=KEY) != THROUGH

    @property
    def body(self) -> bytes:
        """What the first version of the object holds now."""
        return bytes(self.s3.get_object(Bucket=self.name, Key=KEY, VersionId=self.version)["Body"].read())


@pytest.fixture(scope="module")
def server(s3_module: ModuleType, tmp_path_factory: Any) -> Iterator[Any]:
    """Return a server that belongs to this module: each bucket takes seven of its volumes."""
    with s3_module.running_s3_server(tmp_path_factory.mktemp("log-bucket"), volumes=150) as running:
        yield running


@pytest.fixture(scope="module")
def client(aws_accounts: ModuleType, s3_module: ModuleType, server: Any, repository: Path) -> Any:
    """Return a client of it."""
    aws_accounts.add_aws_packages(repository)
    import boto3

    key = s3_module.OWNER
    return boto3.client(
        "s3", endpoint_url=server.endpoint, aws_access_key_id=key.access_key_id,
        aws_secret_access_key=key.secret_access_key, region_name="us-east-1",
    )  # fmt: skip


@pytest.fixture(scope="module")
def templates(log_bucket: ModuleType) -> Mapping[str, Mapping[str, Any]]:
    """Return properties of the template's resources, by environment and name."""
    return log_bucket.templates()


@pytest.fixture
def make(
    server: Any, client: Any, log_bucket: ModuleType, templates: Mapping[str, Mapping[str, Any]]
) -> Callable[..., LogBucket]:
    """Return what makes the bucket of an environment, with some statements of its policy, and puts one object."""

    def make_bucket(environment: str, *statements: str) -> LogBucket:
        name = f"log-{environment}-{next(NUMBERS)}"
        log_bucket.make_log_bucket(server, name, templates[environment], *statements)
        version = client.put_object(Bucket=name, Key=KEY, Body=BODY, IfNoneMatch="*")["VersionId"]
        return LogBucket(client, name, version)

    return make_bucket


def retention(mode: str, days: int) -> dict[str, Any]:
    return {"Mode": mode, "RetainUntilDate": datetime.now(UTC) + timedelta(days=days)}


def attacks(bucket: LogBucket) -> dict[str, str]:
    """Return what becomes of each attack on what the log holds."""
    version = {"Key": KEY, "VersionId": bucket.version}
    weaker = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}
    expiry = {"Rules": [{"ID": "a", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}]}
    past = {"BypassGovernanceRetention": True}
    return {
        "a second put with `If-None-Match`": bucket.tried("put_object", Key=KEY, Body=b"x", IfNoneMatch="*"),
        "deleting the version": bucket.tried("delete_object", **version),
        "deleting it past retention": bucket.tried("delete_object", **version, **past),
        "a shorter retention": bucket.tried("put_object_retention", **version, Retention=retention("COMPLIANCE", 1)),
        "a weaker mode, past retention": bucket.tried(
            "put_object_retention", **version, **past, Retention=retention("GOVERNANCE", 4000)
        ),
        "suspending versions": bucket.tried("put_bucket_versioning", VersioningConfiguration={"Status": "Suspended"}),
        "a rule that expires": bucket.tried("put_bucket_lifecycle_configuration", LifecycleConfiguration=expiry),
        "a weaker default": bucket.tried("put_object_lock_configuration", ObjectLockConfiguration=weaker),
        "deleting the bucket": bucket.tried("delete_bucket"),
        "hiding the key behind a marker": bucket.tried("delete_object", Key=KEY),
    }


def test_prods_lock_alone_keeps_what_the_log_holds(make: Callable[..., LogBucket]) -> None:
    """Without any policy, by the server's administrator: only what is not yet written can be weakened."""
    bucket = make("prod")
    assert {name for name, said in attacks(bucket).items() if said == THROUGH} == {
        "a weaker default",
        "a rule that expires",
        "hiding the key behind a marker",
    }
    assert bucket.body == BODY


def test_devs_lock_can_be_bypassed_and_its_policy_forbids_it(make: Callable[..., LogBucket]) -> None:
    """GOVERNANCE yields to whoever may bypass it; the policy lets nobody."""
    assert attacks(make("dev"))["deleting it past retention"] == THROUGH
    bucket = make("dev", "NobodyDeletesOrShortens")
    assert attacks(bucket)["deleting it past retention"] == "AccessDenied"
    assert bucket.body == BODY


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_with_its_policy_no_attack_goes_through(make: Callable[..., LogBucket], environment: str) -> None:
    bucket = make(environment, "NobodyDeletesOrShortens", "OnlyThePlacesOfTheLog")
    assert [name for name, said in attacks(bucket).items() if said == THROUGH] == []
    assert bucket.body == BODY
    assert bucket.s3.get_object(Bucket=bucket.name, Key=KEY)["Body"].read() == BODY


def test_the_log_goes_on_being_written_where_its_layout_says(make: Callable[..., LogBucket]) -> None:
    bucket = make("prod", "NobodyDeletesOrShortens", "OnlyThePlacesOfTheLog")
    for folder in (EVENTS, MANIFESTS):
        assert bucket.tried("put_object", Key=f"{folder}/new", Body=b"x", IfNoneMatch="*") == THROUGH
    assert bucket.tried("put_object", Key="elsewhere/new", Body=b"x", IfNoneMatch="*") == "AccessDenied"


def test_what_is_put_is_retained_as_the_template_says(
    make: Callable[..., LogBucket], templates: Mapping[str, Mapping[str, Any]]
) -> None:
    for environment in ("dev", "prod"):
        bucket = make(environment)
        held = bucket.s3.head_object(Bucket=bucket.name, Key=KEY)
        rule = templates[environment]["EventLogBucket"]["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
        assert held["ObjectLockMode"] == rule["Mode"]
        left = held["ObjectLockRetainUntilDate"] - datetime.now(UTC)
        assert timedelta(0) <= timedelta(days=int(rule["Days"])) - left < timedelta(minutes=5)


def differences(
    make: Callable[..., LogBucket], templates: Mapping[str, Mapping[str, Any]], policy: Callable[..., str]
) -> dict[str, str]:
    """Return, for each part of the template that the server treats otherwise than S3, what it does."""
    found: dict[str, str] = {}
    properties = templates["prod"]["EventLogBucket"]
    for sid in [one["Sid"] for one in templates["prod"]["EventLogPolicy"]["PolicyDocument"]["Statement"]]:
        if sid == "OnlyNewTls":  # it says nothing of a request without TLS, and this server speaks none here
            continue
        bucket = make("prod")
        document = policy(templates["prod"], bucket.name, sid)
        if code := refused_with(
            lambda bucket=bucket, document=document: bucket.s3.put_bucket_policy(Bucket=bucket.name, Policy=document)
        ):
            found[f"policy {sid}"] = f"refused: {code}"
            continue
        broken = {
            "OnlyOverTls": lambda one: one.tried("put_object", Key="events/a", Body=b"x", IfNoneMatch="*"),
            "NobodyDeletesOrShortens": lambda one: one.tried("delete_object", Key=KEY),
            "PutIfAbsent": lambda one: one.tried("put_object", Key="events/a", Body=b"x"),
            "OnlyThePlacesOfTheLog": lambda one: one.tried("put_object", Key="a", Body=b"x", IfNoneMatch="*"),
            "OnlyThisKey": lambda one: one.tried(
                "put_object", Key="events/a", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId="another"
            ),
        }[sid]
        if (said := broken(bucket)) != "AccessDenied":
            found[f"policy {sid}"] = f"taken, and what it denies {said if said == THROUGH else f'ends in {said}'}"
    bucket = make("prod", "NobodyDeletesOrShortens")
    if bucket.tried("delete_objects", Delete={"Objects": [{"Key": KEY}]}) == THROUGH and bucket.is_hidden:
        found["policy NobodyDeletesOrShortens, where one request names many keys"] = (
            "taken, and a marker hides each key; its bytes stay"
        )
        assert bucket.body == BODY
    bucket = make("prod")
    block = properties["PublicAccessBlockConfiguration"]
    if code := bucket.tried("put_public_access_block", PublicAccessBlockConfiguration=block).replace(THROUGH, ""):
        found["PublicAccessBlockConfiguration"] = f"refused: {code}"
    rules = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    asked = [{"ApplyServerSideEncryptionByDefault": one["ServerSideEncryptionByDefault"]} for one in rules]
    bucket.s3.put_bucket_encryption(Bucket=bucket.name, ServerSideEncryptionConfiguration={"Rules": asked})
    if code := bucket.tried("put_object", Key="events/a", Body=b"x").replace(THROUGH, ""):
        found["BucketEncryption by KMS"] = f"taken, and each put ends in {code}"
    return found


def test_the_page_lists_what_the_server_treats_otherwise(
    make: Callable[..., LogBucket], templates: Mapping[str, Mapping[str, Any]], log_bucket: ModuleType, repository: Path
) -> None:
    page = (repository / "docs" / "infra_emulators.md").read_text(encoding="utf-8")
    section = page.partition("## SeaweedFS")[2].partition("\n## ")[0]
    rows = dict(line.strip("| ").split(" | ")[:2] for line in section.splitlines() if line.startswith("| `"))
    assert rows == {f"`{name}`": said for name, said in differences(make, templates, log_bucket.policy).items()}
