"""The templates as a whole: plain, small, and nobody's account in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.gate.environments import ATTEMPT, Environment
from infra.gate.findings import holds
from infra.gate.policies import actions, bucket_statements, own_policies, statements
from infra.gate.yaml_tags import MAXIMUM_BYTES

_ACCOUNT = re.compile(r"(?<![0-9])[0-9]{12}(?![0-9])")
_REGION = re.compile(r"\b(us|eu|ap|sa|ca|me|af)-(north|south|east|west|central)+[a-z]*-[0-9]\b")


@holds
def templates_are_plain(environment: Environment) -> Iterator[str]:
    """No template has a transform, exports anything, or makes other stacks: what is written is what is applied."""
    for stack in environment.stacks:
        text = json.dumps(stack.source)
        if "Transform" in stack.source or "AWS::CloudFormation::Stack" in text or '"Export"' in text:
            yield stack.template
        if "Outputs" in stack.source:
            yield f"{stack.template} has outputs; values go by Parameter Store"


@holds
def a_first_deployment_that_fails_can_be_tried_again(environment: Environment) -> Iterator[str]:
    """What a stack that could not be made has made is deleted with it, so that no name is taken at the next attempt:
    nothing is kept from its first moment, no balancer refuses, and after what refuses nothing is made that can fail.
    What a service fills and nobody may empty has another name at each attempt.
    """
    denied = _never_deleted(environment)
    for stack, resource in ((made, one) for made in environment.stacks for one in made.resources):
        if resource.declared.get("DeletionPolicy") == "Retain":
            yield f"{stack.template} {resource.name} is kept from its first moment"
        attributes = resource.properties.get("LoadBalancerAttributes", ())
        if {"Key": "deletion_protection.enabled", "Value": "true"} in attributes:
            yield f"{stack.template} {resource.name} refuses to be deleted"
        if resource.kind == "AWS::S3::Bucket" and resource.properties.get("ObjectLockEnabled"):
            written = [one for one in bucket_statements(stack, resource) if "s3:PutObject" in actions(one)]
            by_service = any(one["Effect"] == "Allow" and "Service" in one["Principal"] for one in written)
            if by_service and not resource.properties["BucketName"].endswith(ATTEMPT.rpartition("-")[2]):
                yield f"{stack.template} {resource.name} has the same name at each attempt"
        protected = str(resource.properties.get("DeletionProtection")).lower() == "true"
        if protected or f"Delete{resource.kind.rpartition(':')[2]}" in denied:
            before = _made_before(stack.source["Resources"], resource.name)
            after = {one.name for one in stack.resources if one.kind != "AWS::SSM::Parameter"} - before
            for name in sorted(after - {resource.name}):
                yield f"{stack.template} {name} may fail while {resource.name} refuses to be deleted"


def _never_deleted(environment: Environment) -> set[str]:
    """Return what CloudFormation's role is denied whatever it is on, without the names of services."""
    return {
        action.partition(":")[2]
        for _, role in environment.of("AWS::IAM::Role")
        if role.properties["RoleName"] == "mlife-cfn-execution"
        for _, document in own_policies(role)
        for one in statements(document)
        if one["Effect"] == "Deny" and one.get("Resource") == "*"
        for action in actions(one)
    }


def _made_before(resources: Mapping[str, Any], name: str) -> set[str]:
    """Return what CloudFormation makes before a resource: what it names, and what that names."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        declared = resources[waiting.pop()]
        words = set(re.findall(r"\w+", json.dumps([declared.get("Properties"), declared.get("DependsOn")])))
        waiting += (words & resources.keys()) - found
        found |= words & resources.keys()
    return found


@holds
def templates_hold_no_null(environment: Environment) -> Iterator[str]:
    """Nothing in a template is null, which CloudFormation refuses."""
    for stack in environment.stacks:
        for path in _nulls(stack.source):
            yield f"{stack.template} {path}"


def _nulls(value: Any, path: str = "") -> Iterator[str]:
    if value is None:
        yield path.lstrip(".")
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _nulls(item, f"{path}.{key}")


@holds
def templates_fit_into_a_request(environment: Environment) -> Iterator[str]:
    """Each template is small enough to be handed over without a bucket, so the first stack needs nothing before it."""
    for stack in environment.stacks:
        size = len(json.dumps(stack.source, separators=(",", ":")).encode())
        if size > MAXIMUM_BYTES:
            yield f"{stack.template} has {size} bytes of {MAXIMUM_BYTES}"


@holds
def templates_name_no_account_and_no_region(environment: Environment) -> Iterator[str]:
    """The same template goes to every account and region: numbers of accounts are parameters."""
    for stack in environment.stacks:
        text = json.dumps(stack.source)
        for pattern in (_ACCOUNT, _REGION):
            if match := pattern.search(text):
                yield f"{stack.template} names {match[0]}"


@holds
def every_stack_says_what_it_is(environment: Environment) -> Iterator[str]:
    """Stacks have names that begin with mlife- and a description, and no two of an account share a name."""
    taken: set[tuple[str, str]] = set()
    for stack in environment.stacks:
        if not stack.name.startswith("mlife-") or not stack.source.get("Description", "").startswith("mlife "):
            yield stack.name
        if (stack.account, stack.name) in taken:
            yield f"{stack.name} is made twice in {stack.account}"
        taken.add((stack.account, stack.name))
