"""What deploys: CloudFormation's role may call what the handlers of each resource type call, and fits into IAM.

Belongs here: coverage of `infra/handlers.yaml`, sizes of policies. Does not belong here: that the role may do no more
than its reason (`identity`), on which things (`infra.gate.matrix`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from infra.gate.conditions import like
from infra.gate.environments import INFRA, Environment, Stack
from infra.gate.findings import holds
from infra.gate.handlers import permissions
from infra.gate.policies import actions, own_policies, statements
from infra.gate.yaml_tags import read

MAKES_EVERYTHING = "mlife-cfn-execution"
NOT_CALLED: dict[str, str] = read(INFRA / "not_called.yaml")
LARGEST_INLINE, LARGEST_MANAGED = 10_240, 6_144
"""Characters without white space that IAM takes: of all policies in a role, of a managed policy."""


def _allowed(stack: Stack) -> list[str]:
    (role,) = (one for one in stack.of("AWS::IAM::Role") if one.properties["RoleName"] == MAKES_EVERYTHING)
    given = [one for _, document in own_policies(role) for one in statements(document) if one["Effect"] == "Allow"]
    return [action.lower() for statement in given for action in actions(statement)]


@holds
def what_deploys_may_call_what_handlers_call(environment: Environment) -> Iterator[str]:
    """CloudFormation's role may call whatever the handlers of each resource type call, but for what is listed with a
    reason.
    """
    allowed = {stack.account: _allowed(stack) for stack in environment.stacks if stack.template == "00-bootstrap"}
    for stack in environment.stacks:
        if stack.by != "pipeline":
            continue
        for kind in sorted({resource.kind for resource in stack.resources}):
            for action in permissions().get(kind, ("infra/handlers.yaml",)):
                name = action.lower()
                is_listed = any(like(name, pattern.lower()) for pattern in NOT_CALLED)
                if not is_listed and not any(like(name, pattern) for pattern in allowed[stack.account]):
                    yield f"{stack.template}: {kind} calls {action}"


@holds
def policies_fit_into_iam(environment: Environment) -> Iterator[str]:
    """The policies of each role, and each managed policy, are no longer than IAM takes."""
    for stack, resource in environment.of("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"):
        documents = [document for _, document in own_policies(resource)]
        size = sum(len(json.dumps(document, separators=(",", ":"))) for document in documents)
        if size > (LARGEST_INLINE if resource.kind == "AWS::IAM::Role" else LARGEST_MANAGED):
            yield f"{stack.template} {resource.name} has {size} characters"
