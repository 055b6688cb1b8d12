"""Names of things in `roles.yaml`: what a call is done to, with the policy that stands there.

Belongs here: a short name -> ARN, account and the resource's policy. Does not belong here: evaluating (`simulator`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.gate.environments import Environment, Resource, Stack
from infra.gate.errors import PolicyError
from infra.gate.policies import bucket_statements
from infra.gate.simulator import Target

_BUCKETS = {
    "log": ("20-event-log", "EventLogBucket"),
    "heads": ("21-log-heads", "LogHeadsBucket"),
    "lake": ("25-lake", "LakeBucket"),
    "landing": ("25-lake", "LandingBucket"),
    "bundles": ("06-bundles", "BundlesBucket"),
    "people": ("26-people", "PeopleBucket"),
    "trail": ("80-observability", "TrailBucket"),
}
_BY_ARN = {
    "database": "arn:aws:rds:{region}:{environment}:db:mlife-{name}",
    "execution": "arn:aws:states:{region}:{environment}:execution:{rest}",
    "glue": "arn:aws:glue:{region}:{environment}:{rest}",
    "log-group": "arn:aws:logs:{region}:{environment}:log-group:{rest}",
    "machine": "arn:aws:states:{region}:{environment}:stateMachine:{rest}",
    "parameter": "arn:aws:ssm:{region}:{environment}:parameter/mlife/{rest}",
    "policy": "arn:aws:iam::{environment}:policy/mlife/{rest}",
    "role": "arn:aws:iam::{environment}:role/mlife/{rest}",
    "role-elsewhere": "arn:aws:iam::{environment}:role/{rest}",
    "rule": "arn:aws:events:{region}:{environment}:rule/{rest}",
    "service": "arn:aws:ecs:{region}:{environment}:service/{rest}",
    "snapshot": "arn:aws:rds:{region}:{environment}:snapshot:{rest}",
    "stack": "arn:aws:cloudformation:{region}:{environment}:stack/{rest}/0123",
    "task": "arn:aws:ecs:{region}:{environment}:task/{rest}",
    "task-definition": "arn:aws:ecs:{region}:{environment}:task-definition/{rest}",
    "trail-of": "arn:aws:cloudtrail:{region}:{environment}:trail/{rest}",
    "user": "arn:aws:iam::{environment}:user/{rest}",
    "vault": "arn:aws:backup:{region}:{environment}:backup-vault:{rest}",
    "workgroup": "arn:aws:athena:{region}:{environment}:workgroup/{rest}",
}


def words(environment: Environment) -> dict[str, str]:
    """Return what may stand in braces in `roles.yaml`."""
    return {**environment.accounts, "region": environment.region, "name": environment.name}


def target(environment: Environment, named: str) -> Target:
    """Return what a name stands for. Raises PolicyError for a name that is not known."""
    own = environment.accounts["environment"]
    kind, _, rest = named.partition(":")
    if kind in _BUCKETS:
        return _bucket(environment, *_BUCKETS[kind], key=rest.format(**words(environment)))
    if kind == "key":
        return _key(environment, rest)
    if kind == "secret":
        return Target(_secret(environment, rest), own)
    if kind == "images":
        stack = environment.stack("05-registry")
        (images,) = stack.of("AWS::ECR::Repository")
        arn = f"arn:aws:ecr:{stack.region}:{stack.account}:repository/{rest}"
        return Target(arn, stack.account, images.properties["RepositoryPolicyText"])
    if kind == "topic":
        stack = environment.stack("80-observability")
        (policy,) = stack.of("AWS::SNS::TopicPolicy")
        return Target(f"arn:aws:sns:{stack.region}:{own}:{rest}", own, policy.properties["PolicyDocument"])
    if kind not in _BY_ARN:
        raise PolicyError(f"infra/gate/targets.py does not know {named}")
    return Target(_BY_ARN[kind].format(**words(environment), rest=rest), own)


def _found(stack: Stack, kind: str, name: str) -> Resource:
    for resource in stack.of(kind):
        if resource.name == name:
            return resource
    raise PolicyError(f"{stack.template} has no {kind} named {name}")


def _bucket(environment: Environment, template: str, name: str, *, key: str) -> Target:
    stack = environment.stack(template)
    bucket = _found(stack, "AWS::S3::Bucket", name)
    arn = f"arn:aws:s3:::{bucket.properties['BucketName']}"
    policy: Mapping[str, Any] = {"Statement": bucket_statements(stack, bucket)}
    return Target(f"{arn}/{key}" if key else arn, stack.account, policy)


def _key(environment: Environment, name: str) -> Target:
    for stack, key in environment.of("AWS::KMS::Key"):
        if key.name == name:
            arn = f"arn:aws:kms:{stack.region}:{stack.account}:key/{name}"
            return Target(arn, stack.account, key.properties["KeyPolicy"], is_key=True)
    raise PolicyError(f"no template has a key named {name}")


def _secret(environment: Environment, name: str) -> str:
    if name == "database":
        return str(environment.stack("45-dagster").parameters["DatabaseSecretArn"])
    own = environment.accounts["environment"]
    return f"arn:aws:secretsmanager:{environment.region}:{own}:secret:mlife/{name}-AbCdEf"
