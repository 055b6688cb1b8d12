"""Names of things in `roles.yaml`: what a call is done to, with the policy that stands there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from infra.gate.environments import INFRA, Environment, Resource, Stack
from infra.gate.errors import PolicyError
from infra.gate.policies import bucket_statements
from infra.gate.simulator import Target
from infra.gate.yaml_tags import read


@cache
def _things() -> Mapping[str, Any]:
    """Return name -> template and resource of a bucket, or the form of an ARN."""
    found: Mapping[str, Any] = read(INFRA / "roles.yaml")["things"]
    return found


def words(environment: Environment) -> dict[str, str]:
    """Return what may stand in braces in `roles.yaml`."""
    return {**environment.accounts, "region": environment.region, "name": environment.name}


def target(environment: Environment, named: str) -> Target:
    """Return what a name stands for. Raises PolicyError for a name that is not known."""
    own = environment.accounts["environment"]
    kind, _, rest = named.partition(":")
    thing = _things().get(kind)
    if isinstance(thing, list):
        return _bucket(environment, *thing, key=rest.format(**words(environment)))
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
    if thing is None:
        raise PolicyError(f"neither infra/roles.yaml nor infra/gate/targets.py knows {named}")
    return Target(thing.format(**words(environment), rest=rest), own)


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
