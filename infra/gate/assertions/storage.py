"""Buckets, keys and images: what holds of each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.gate.environments import ENVIRONMENTS, Environment
from infra.gate.findings import holds
from infra.gate.policies import actions, bucket_statements, denies, many, principals, resource_policies, statements

STATEFUL = (
    "AWS::S3::Bucket",
    "AWS::KMS::Key",
    "AWS::ECR::Repository",
    "AWS::Backup::BackupVault",
    "AWS::Logs::LogGroup",
)
MODEL_ENDINGS = (".json", ".parquet", ".skops", ".txt")
"""Of what is kept of a model for good: its artifact, and what came with it from elsewhere."""


@holds
def buckets_are_encrypted_by_our_keys(environment: Environment) -> Iterator[str]:
    """Every bucket encrypts with a key of its own stack, and the log's key encrypts nothing else."""
    log_key = environment.stack("20-event-log")
    uses: dict[str, list[str]] = {}
    for stack, bucket in environment.of("AWS::S3::Bucket"):
        keys = {f"arn:aws:kms:{stack.region}:{stack.account}:key/{key.name}" for key in stack.of("AWS::KMS::Key")}
        (rule,) = bucket.properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        default = rule["ServerSideEncryptionByDefault"]
        if default["SSEAlgorithm"] != "aws:kms" or default.get("KMSMasterKeyID") not in keys:
            yield f"{stack.template} {bucket.name} is encrypted by {default}"
        uses.setdefault(str(default.get("KMSMasterKeyID")), []).append(bucket.name)
    for key, buckets in uses.items():
        if key.endswith("/EventLogKey") and (len(buckets) > 1 or log_key.account not in key):
            yield f"the log's key encrypts {buckets}"


@holds
def buckets_speak_tls_only(environment: Environment) -> Iterator[str]:
    """Every bucket's policy denies whatever comes without TLS."""
    for stack, bucket in environment.of("AWS::S3::Bucket"):
        arn = f"arn:aws:s3:::{bucket.properties['BucketName']}"
        wanted = {"Bool": {"aws:SecureTransport": "false"}}
        if not any(
            denies(s, "s3:*") and s.get("Condition") == wanted and set(many(s["Resource"])) == {arn, f"{arn}/*"}
            for s in bucket_statements(stack, bucket)
        ):
            yield f"{stack.template} {bucket.name}"


@holds
def models_are_written_once(environment: Environment) -> Iterator[str]:
    """A model's files are put once and never deleted, as they are addressed by their content. Its card is replaced."""
    stack = environment.stack("25-lake")
    (bucket,) = (one for one in stack.of("AWS::S3::Bucket") if one.name == "LakeBucket")
    models = f"arn:aws:s3:::{bucket.properties['BucketName']}/models/*"
    found = bucket_statements(stack, bucket)
    put_once = {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}}
    once = [s for s in found if denies(s, "s3:PutObject") and s.get("Condition") == put_once]
    if not any(set(many(s["Resource"])) == {models + ending for ending in MODEL_ENDINGS} for s in once):
        yield "a model can be written over, or its card cannot"
    kept = [s for s in found if denies(s, "s3:DeleteObject", "s3:DeleteObjectVersion") and "Condition" not in s]
    if not any(many(s["Resource"]) == (models,) for s in kept):
        yield "a model can be deleted"


@holds
def keys_rotate_and_go_slowly(environment: Environment) -> Iterator[str]:
    """Every key that encrypts rotates each year, and a key that is to be deleted waits for thirty days."""
    for stack, key in environment.of("AWS::KMS::Key"):
        encrypts = key.properties.get("KeyUsage", "ENCRYPT_DECRYPT") == "ENCRYPT_DECRYPT"
        if encrypts and key.properties.get("EnableKeyRotation") is not True:
            yield f"{stack.template} {key.name} does not rotate"
        if key.properties.get("PendingWindowInDays") != 30:
            yield f"{stack.template} {key.name} can go in {key.properties.get('PendingWindowInDays')} days"


@holds
def what_holds_data_outlives_its_stack(environment: Environment) -> Iterator[str]:
    """Deleting or replacing a stack leaves its buckets, keys, images, backups and log lines."""
    for stack, resource in environment.of(*STATEFUL):
        if not resource.outlives_its_stack:
            yield f"{stack.template} {resource.name}"


@holds
def no_policy_opens_to_everybody(environment: Environment) -> Iterator[str]:
    """No bucket, key, topic, repository or role allows anything to `*`, nor to an account that is not ours."""
    ours = set(environment.accounts.values())
    for stack, resource, document in resource_policies(environment):
        for statement in statements(document):
            if statement["Effect"] != "Allow":
                continue
            for principal in principals(statement):
                account = principal.split(":")[4] if principal.startswith("arn:") else principal
                is_ours = account in ours or account in _environments(stack.parameters)
                is_named = principal in {
                    stack.parameters.get(name) for name in ("ExporterRoleArn", "PeopleWriterRoleArn")
                }
                if not (is_ours or is_named or account.endswith(".amazonaws.com")):
                    yield f"{stack.template} {resource.name}: {principal}"


def _environments(parameters: Mapping[str, Any]) -> set[str]:
    """Return the accounts of dev, staging and prod as far as a stack is given them."""
    return {
        *parameters.get("PullAccountIds", ()),
        *(parameters.get(f"{name.title()}AccountId") for name in ENVIRONMENTS),
    }


@holds
def images_cannot_be_replaced(environment: Environment) -> Iterator[str]:
    """A tag of an image never moves, images are scanned, never removed, and pulled by the three environments alone."""
    for _, repository in environment.of("AWS::ECR::Repository"):
        if repository.properties.get("ImageTagMutability") != "IMMUTABLE":
            yield f"{repository.name} lets tags move"
        if repository.properties.get("ImageScanningConfiguration") != {"ScanOnPush": True}:
            yield f"{repository.name} is not scanned"
        policy = statements(repository.properties["RepositoryPolicyText"])
        if not any(denies(s, "ecr:BatchDeleteImage", "ecr:PutImageTagMutability") for s in policy):
            yield f"{repository.name} lets images be removed"
        for statement in (s for s in policy if s["Effect"] == "Allow"):
            pulling = principals(statement)
            if len(pulling) != len(ENVIRONMENTS) or any("Put" in action for action in actions(statement)):
                yield f"{repository.name}: {statement['Sid']}"
