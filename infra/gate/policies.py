"""The parts of policy documents that assertions look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.gate.environments import Environment, Resource, Stack

Statement = Mapping[str, Any]


def many(value: Any) -> tuple[Any, ...]:
    """Return a value that may stand alone as a tuple."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def statements(document: Mapping[str, Any]) -> tuple[Statement, ...]:
    """Return the statements of a policy document."""
    return many(document["Statement"])


def actions(statement: Statement) -> tuple[str, ...]:
    """Return the actions that a statement names."""
    return many(statement.get("Action"))


def conditions(statement: Statement) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """Return operator, key and values of each condition."""
    for operator, keys in statement.get("Condition", {}).items():
        for key, values in keys.items():
            yield operator, key, many(values)


def principals(statement: Statement) -> tuple[str, ...]:
    """Return everybody that a statement of a resource's policy names."""
    principal = statement.get("Principal")
    if isinstance(principal, Mapping):
        return tuple(one for values in principal.values() for one in many(values))
    return many(principal)


def own_policies(resource: Resource) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return name and document of the policies of a role, managed ones of its stack too, or of a managed policy."""
    if resource.kind == "AWS::IAM::ManagedPolicy":
        yield resource.properties["ManagedPolicyName"], resource.properties["PolicyDocument"]
    for policy in resource.properties.get("Policies", ()):
        yield policy["PolicyName"], policy["PolicyDocument"]
    yield from resource.attached.items()


_OF_RESOURCES = {
    "AWS::S3::BucketPolicy": "PolicyDocument",
    "AWS::KMS::Key": "KeyPolicy",
    "AWS::ECR::Repository": "RepositoryPolicyText",
    "AWS::SNS::TopicPolicy": "PolicyDocument",
    "AWS::IAM::Role": "AssumeRolePolicyDocument",
}


def resource_policies(environment: Environment) -> Iterator[tuple[Stack, Resource, Mapping[str, Any]]]:
    """Return every policy that stands at a resource, trust policies of roles among them."""
    for stack, resource in environment.of(*_OF_RESOURCES):
        yield stack, resource, resource.properties[_OF_RESOURCES[resource.kind]]


def granting_statements(environment: Environment) -> Iterator[tuple[Stack, Resource, Statement]]:
    """Return the statements that allow something to roles, but for the boundary, which allows nothing by itself."""
    for stack, resource in environment.of("AWS::IAM::Role"):
        for _, document in own_policies(resource):
            for statement in statements(document):
                if statement["Effect"] == "Allow":
                    yield stack, resource, statement


def bucket_statements(stack: Stack, bucket: Resource) -> tuple[Statement, ...]:
    """Return the statements of the policy of a bucket; none where it has none."""
    for policy in stack.of("AWS::S3::BucketPolicy"):
        if policy.properties["Bucket"] == bucket.properties["BucketName"]:
            return statements(policy.properties["PolicyDocument"])
    return ()


def denies(statement: Statement, *wanted: str) -> bool:
    """Return whether a statement denies some actions to everybody, on whatever condition."""
    return statement["Effect"] == "Deny" and principals(statement) == ("*",) and set(wanted) <= set(actions(statement))
