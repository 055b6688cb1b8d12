"""Who people are: the contact book and the audit table, which one role uploads and runs alone read."""

from __future__ import annotations

from collections.abc import Iterator

from infra.gate.conditions import like
from infra.gate.environments import Environment
from infra.gate.findings import holds
from infra.gate.policies import actions, bucket_statements, denies, many, principals, statements

TABLES = {"MLIFE_CONTACTS": "contacts/", "MLIFE_AUDIT_TABLE": "audit/"}
MOST_DAYS = 30
"""How long a version that was replaced, and with it somebody who left the book, can be had back."""
_READS = "mlife-run"
_USES = (
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
_ENCRYPTION, _KEY_ID = "s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id"


def _run(environment: Environment) -> dict[str, str]:
    return {"aws:PrincipalArn": f"arn:aws:iam::{environment.accounts['environment']}:role/mlife/{_READS}"}


@holds
def runs_alone_decrypt_who_people_are(environment: Environment) -> Iterator[str]:
    """The key of the contact book and the audit table decrypts for runs, encrypts and decrypts for the one role that
    uploads them, through S3 alone, and is of no use to others, by a grant or by encrypting anew either.
    """
    stack = environment.stack("26-people")
    (key,) = stack.of("AWS::KMS::Key")
    through_s3 = {"StringEquals": {"kms:ViaService": f"s3.{stack.region}.amazonaws.com"}}
    for statement in statements(key.properties["KeyPolicy"]):
        may: set[str] = set()
        if statement.get("Condition") == {"ArnEquals": _run(environment), **through_s3}:
            may = {"kms:Decrypt"}
        elif principals(statement) == (stack.parameters["PeopleWriterRoleArn"],) and (
            statement.get("Condition") == through_s3
        ):
            may = {"kms:Decrypt", "kms:GenerateDataKey"}
        used = {use for use in _USES if any(like(use.lower(), one.lower()) for one in actions(statement))}
        if statement["Effect"] == "Allow" and (used - may or "NotAction" in statement):
            yield f"{key.name}: {statement.get('Sid')}"


@holds
def one_role_uploads_who_people_are(environment: Environment) -> Iterator[str]:
    """The bucket of the contact book and the audit table allows one role to upload either, and nothing else. Whatever
    others are allowed, it denies everybody else to upload, everybody to upload by another key or by none of KMS, and
    everybody but runs to read.
    """
    stack = environment.stack("26-people")
    (bucket,), (key,) = stack.of("AWS::S3::Bucket"), stack.of("AWS::KMS::Key")
    writer, policy = stack.parameters["PeopleWriterRoleArn"], bucket_statements(stack, bucket)
    arn = f"arn:aws:s3:::{bucket.properties['BucketName']}"
    key_arn = f"arn:aws:kms:{stack.region}:{stack.account}:key/{key.name}"
    uploads = ((writer,), ("s3:PutObject",), {f"{arn}/{folder}*" for folder in TABLES.values()})
    for statement in (one for one in policy if one["Effect"] == "Allow"):
        if not writer or (principals(statement), actions(statement), set(many(statement.get("Resource")))) != uploads:
            yield f"{bucket.name}: {statement.get('Sid')}"
    for what, action, condition in (
        ("reads", "s3:GetObject*", {"ArnNotEquals": _run(environment)}),
        ("uploads", "s3:PutObject", {"ArnNotEquals": {"aws:PrincipalArn": writer}} if writer else None),
        ("encrypts otherwise", "s3:PutObject", _other_than(_ENCRYPTION, "aws:kms")),
        ("encrypts by another key", "s3:PutObject", _other_than(_KEY_ID, key_arn)),
    ):
        if not any(
            denies(one, action) and one.get("Condition") == condition and many(one.get("Resource")) == (f"{arn}/*",)
            for one in policy
        ):
            yield f"{bucket.name}: somebody else {what}"


def _other_than(header: str, value: str) -> dict[str, dict[str, str]]:
    return {"Null": {header: "false"}, "StringNotEquals": {header: value}}


@holds
def who_left_the_book_is_gone_in_a_month(environment: Environment) -> Iterator[str]:
    """Each version of the contact book and the audit table that was replaced goes within thirty days."""
    (bucket,) = environment.stack("26-people").of("AWS::S3::Bucket")
    whole = {"Id", "Status", "ExpiredObjectDeleteMarker", "NoncurrentVersionExpiration"}
    for rule in bucket.properties.get("LifecycleConfiguration", {}).get("Rules", ()):
        expiry = rule.get("NoncurrentVersionExpiration", {})
        is_of_all = rule.keys() <= whole and rule["Status"] == "Enabled" and expiry.keys() == {"NoncurrentDays"}
        if is_of_all and expiry["NoncurrentDays"] <= MOST_DAYS:
            return
    yield f"{bucket.name} keeps what was replaced"


@holds
def runs_alone_are_told_who_people_are(environment: Environment) -> Iterator[str]:
    """The task of runs names the contact book and the audit table, each in its folder of the bucket for people; no
    other task does.
    """
    (bucket,) = environment.stack("26-people").of("AWS::S3::Bucket")
    for stack, task in environment.of("AWS::ECS::TaskDefinition"):
        for container in task.properties["ContainerDefinitions"]:
            given = {one["Name"]: one["Value"] for one in container.get("Environment", ())}
            for variable, folder in TABLES.items():
                said = given.get(variable, "")
                place = f"s3://{bucket.properties['BucketName']}/{folder}"
                is_right = said.startswith(place) if task.properties["Family"] == _READS else not said
                if not is_right:
                    yield f"{stack.template} {task.name}: {variable} is {said or 'nothing'}"
