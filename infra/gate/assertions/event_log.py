"""The event log and its witness: nobody changes what was written."""

from __future__ import annotations

from collections.abc import Iterator

from infra.gate.environments import Environment, Resource, Stack
from infra.gate.findings import holds
from infra.gate.policies import Statement, actions, bucket_statements, denies, many, principals, statements

LEAST_DAYS = {"dev": 1, "staging": 30, "prod": 2_555}
"""How long nothing may be removed; seven years in production, where texts to people are evidence."""
NEVER = (
    "s3:BypassGovernanceRetention",
    "s3:DeleteBucket",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:PutBucketObjectLockConfiguration",
    "s3:PutBucketVersioning",
    "s3:PutLifecycleConfiguration",
    "s3:PutObjectRetention",
)
WRITE_ONCE = ("20-event-log", "21-log-heads")


def log_buckets(environment: Environment) -> Iterator[tuple[Stack, Resource, tuple[Statement, ...]]]:
    """Return the bucket of the log and that of its heads, with their policies."""
    for template in WRITE_ONCE:
        stack = environment.stack(template)
        (bucket,) = stack.of("AWS::S3::Bucket")
        yield stack, bucket, bucket_statements(stack, bucket)


@holds
def the_log_is_write_once(environment: Environment) -> Iterator[str]:
    """The buckets of the log and of its heads have versions, Object Lock and a default retention."""
    for _, bucket, _ in log_buckets(environment):
        given = bucket.properties
        lock = given.get("ObjectLockConfiguration", {})
        retention = lock.get("Rule", {}).get("DefaultRetention", {})
        is_locked = given.get("ObjectLockEnabled") is True and lock.get("ObjectLockEnabled") == "Enabled"
        if not is_locked or not retention.get("Mode") or not retention.get("Days"):
            yield f"{bucket.name} has no default retention"
        if given.get("VersioningConfiguration", {}).get("Status") != "Enabled":
            yield f"{bucket.name} keeps no versions"


@holds
def in_prod_nobody_can_shorten_retention(environment: Environment) -> Iterator[str]:
    """In prod retention is COMPLIANCE, which not even the account's root user can shorten; elsewhere it can be
    cleaned up.
    """
    wanted = "COMPLIANCE" if environment.name == "prod" else "GOVERNANCE"
    for _, bucket, _ in log_buckets(environment):
        mode = bucket.properties["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]["Mode"]
        if mode != wanted:
            yield f"{bucket.name} has {mode} and not {wanted}"


@holds
def the_log_is_kept_long_enough(environment: Environment) -> Iterator[str]:
    """Nothing in the log may go for seven years in prod, thirty days in staging, a day in dev."""
    for _, bucket, _ in log_buckets(environment):
        days = bucket.properties["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]["Days"]
        if days < LEAST_DAYS[environment.name]:
            yield f"{bucket.name} keeps for {days} days"


@holds
def the_log_outlives_its_stack(environment: Environment) -> Iterator[str]:
    """Deleting or replacing the stack leaves the log, its keys and its policy where they are."""
    for template in WRITE_ONCE:
        for resource in environment.stack(template).of("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::KMS::Key"):
            if not resource.outlives_its_stack:
                yield f"{template} {resource.name}"


@holds
def nobody_deletes_or_shortens(environment: Environment) -> Iterator[str]:
    """The buckets' own policies deny everybody, on no condition, to delete, to bypass retention and to change it."""
    for _, bucket, policy in log_buckets(environment):
        total = [s for s in policy if s["Effect"] == "Deny" and "Condition" not in s and denies(s)]
        denied = {action for s in total if _covers(s, bucket) for action in actions(s)}
        for action in sorted(set(NEVER) - denied):
            yield f"{bucket.name}: {action}"


@holds
def a_key_of_the_log_is_put_once(environment: Environment) -> Iterator[str]:
    """The buckets refuse a put that does not say `If-None-Match`, so no key is ever written over."""
    for _, bucket, policy in log_buckets(environment):
        wanted = {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}}
        arn = f"arn:aws:s3:::{bucket.properties['BucketName']}/*"
        if not any(denies(s, "s3:PutObject") and s.get("Condition") == wanted and _on(s) == {arn} for s in policy):
            yield bucket.name


@holds
def one_role_writes_the_log(environment: Environment) -> Iterator[str]:
    """Only runs append to the log, whatever other roles are allowed."""
    account = environment.accounts["environment"]
    wanted = {"ArnNotEquals": {"aws:PrincipalArn": f"arn:aws:iam::{account}:role/mlife/mlife-run"}}
    stack = environment.stack("20-event-log")
    (bucket,) = stack.of("AWS::S3::Bucket")
    policy = bucket_statements(stack, bucket)
    if not any(denies(s, "s3:PutObject") and s.get("Condition") == wanted for s in policy):
        yield bucket.name


@holds
def the_log_holds_nothing_else(environment: Environment) -> Iterator[str]:
    """Keys outside `events/` and `manifests/` are refused, so what lies there is of the log."""
    stack = environment.stack("20-event-log")
    (bucket,) = stack.of("AWS::S3::Bucket")
    arn = f"arn:aws:s3:::{bucket.properties['BucketName']}"
    places = {f"{arn}/events/*", f"{arn}/manifests/*"}
    policy = bucket_statements(stack, bucket)
    if not any(denies(s, "s3:PutObject") and set(many(s.get("NotResource"))) == places for s in policy):
        yield bucket.name


@holds
def nothing_in_the_log_expires(environment: Environment) -> Iterator[str]:
    """No lifecycle rule removes an object or a version of the log or of its heads."""
    for _, bucket, _ in log_buckets(environment):
        for rule in bucket.properties["LifecycleConfiguration"]["Rules"]:
            if removing := [key for key in rule if "Expiration" in key]:
                yield f"{bucket.name}: {rule['Id']} {removing}"


@holds
def only_the_stacks_change_the_logs_policy(environment: Environment) -> Iterator[str]:
    """The policy of the log can be changed by CloudFormation's role and by nobody else."""
    account = environment.accounts["environment"]
    wanted = {"ArnNotEquals": {"aws:PrincipalArn": f"arn:aws:iam::{account}:role/mlife/mlife-cfn-execution"}}
    stack = environment.stack("20-event-log")
    (bucket,) = stack.of("AWS::S3::Bucket")
    policy = bucket_statements(stack, bucket)
    if not any(
        denies(s, "s3:PutBucketPolicy", "s3:DeleteBucketPolicy") and s.get("Condition") == wanted for s in policy
    ):
        yield bucket.name


@holds
def heads_lie_in_another_account(environment: Environment) -> Iterator[str]:
    """Signed heads are kept in an account that is not the environment's, nor that of images."""
    heads = environment.stack("21-log-heads").account
    if heads in {environment.accounts["environment"], environment.accounts["delivery"]}:
        yield f"heads lie in {heads}"


@holds
def the_witness_trusts_runs_alone(environment: Environment) -> Iterator[str]:
    """What the witness allows to the environment's account, it allows to runs and to no other role there."""
    account = environment.accounts["environment"]
    stack = environment.stack("21-log-heads")
    (key,), (policy,) = stack.of("AWS::KMS::Key"), stack.of("AWS::S3::BucketPolicy")
    for document in (key.properties["KeyPolicy"], policy.properties["PolicyDocument"]):
        for statement in statements(document):
            bound = statement.get("Condition", {}).get("ArnEquals", {}).get("aws:PrincipalArn")
            is_theirs = any(account in who for who in principals(statement))
            if is_theirs and bound != f"arn:aws:iam::{account}:role/mlife/mlife-run":
                yield str(statement["Sid"])


@holds
def runs_alone_sign_heads(environment: Environment) -> Iterator[str]:
    """The signing key is Ed25519, made in KMS, signs and does nothing else, and for runs alone."""
    stack = environment.stack("20-event-log")
    (key,) = (one for one in stack.of("AWS::KMS::Key") if one.properties.get("KeyUsage") == "SIGN_VERIFY")
    if key.properties.get("KeySpec") != "ECC_NIST_EDWARDS25519":
        yield f"{key.name} is {key.properties.get('KeySpec')}"
    role = f"arn:aws:iam::{environment.accounts['environment']}:role/mlife/mlife-run"
    for statement in statements(key.properties["KeyPolicy"]):
        is_bound = statement.get("Condition") == {"ArnEquals": {"aws:PrincipalArn": role}}
        if {"kms:Sign", "kms:*"} & set(actions(statement)) and not is_bound:
            yield f"{key.name}: {statement['Sid']}"


def _on(statement: Statement) -> set[str]:
    return set(many(statement.get("Resource")))


def _covers(statement: Statement, bucket: Resource) -> bool:
    arn = f"arn:aws:s3:::{bucket.properties['BucketName']}"
    return {arn, f"{arn}/*"} <= _on(statement)
