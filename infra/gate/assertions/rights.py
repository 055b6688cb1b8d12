"""Rights by the things that they are on: what handlers call is allowed where AWS asks for it, each right can work"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache

from infra.gate.conditions import like
from infra.gate.environments import INFRA, Environment, Resource
from infra.gate.findings import holds
from infra.gate.handlers import asked_with, authorized_on, permissions
from infra.gate.policies import actions, many, own_policies, statements
from infra.gate.simulator import is_on
from infra.gate.yaml_tags import read

MAKES_EVERYTHING = "mlife-cfn-execution"
NOT_CALLED: dict[str, str] = read(INFRA / "not_called.yaml")
LARGEST_INLINE, LARGEST_MANAGED = 10_240, 6_144
"""Characters without white space that IAM takes: of all policies in a role, of a managed policy."""
LONGEST_REGION = "ap-southeast-1"
ROOM = 0.9
"""What policies may take of that, since the next repair has to fit."""


def _rights(role: Resource) -> list[tuple[str, tuple[str, ...]]]:
    """Return each action that a role is allowed, in small letters, with the resources of its statement."""
    given = [one for _, document in own_policies(role) for one in statements(document) if one["Effect"] == "Allow"]
    return [(action.lower(), many(one.get("Resource"))) for one in given for action in actions(one)]


def _of_what_deploys(environment: Environment) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """Return the rights of CloudFormation's role, by account."""
    roles = environment.of("AWS::IAM::Role")
    return {stack.account: _rights(role) for stack, role in roles if role.properties["RoleName"] == MAKES_EVERYTHING}


@cache
def meet(one: str, other: str) -> bool:
    """Return whether some text fits two patterns of `*`."""
    if "*" in (one[:1], other[:1]):
        if one[:1] != "*":
            one, other = other, one
        return meet(one[1:], other) or bool(other and meet(one, other[1:]))
    return one == other if not (one and other) else one[0] == other[0] and meet(one[1:], other[1:])


def _names(resource: str, arn: str) -> bool:
    """Return whether a statement that names a resource names some of a type, by the form of its ARNs."""
    form = "".join("*" if n % 2 else part for n, part in enumerate(arn.replace("${", "}").split("}")))
    given, wanted = resource.split(":", 5), form.split(":", 5)
    return len(given) == 6 and all(map(meet, given, wanted))


def _is_excepted(text: str, *, by_type: bool) -> bool:
    return any((" on " in one) == by_type and like(text.lower(), one.lower()) for one in NOT_CALLED)


def _lacking(action: str, resources: Iterable[str]) -> Iterator[str]:
    """Return what AWS asks for when an action is called, and no statement that allows it names."""
    on, taken = set(resources), authorized_on().get(action.lower())
    if taken is None:
        yield f"{action}, which infra/authorized_on.yaml does not hold"
    elif not on:
        yield action
    elif "*" not in on and not taken:
        yield f"{action}, which takes no resource, on *"
    elif "*" not in on:
        missed = [name for name, (arn, _) in taken.items() if not any(_names(one, arn) for one in on)]
        if any(needed for _, needed in taken.values()) or len(missed) == len(taken):
            for name in missed:
                if not _is_excepted(f"{action} on {name}", by_type=True):
                    yield f"{action} on {name}"


@holds
def what_deploys_may_call_what_handlers_call(environment: Environment) -> Iterator[str]:
    """CloudFormation's role may call whatever the handlers of each resource type call, and what AWS asks for with it,
    on each type of resource that AWS asks about, but for what is listed with a reason.
    """
    rights = _of_what_deploys(environment)
    called = {
        (stack.account, action): f"{stack.template}: {kind}"
        for stack in environment.stacks
        if stack.by == "pipeline"
        for kind in sorted({resource.kind for resource in stack.resources})
        for listed in permissions().get(kind, ("infra:handlers.yaml",))
        if not _is_excepted(listed, by_type=False)
        for action in (listed, *asked_with().get(listed, ()))
        if not _is_excepted(action, by_type=False)
    }
    for (account, action), who in called.items():
        on = [one for allowed, where in rights[account] if like(action.lower(), allowed) for one in where]
        for lacking in _lacking(action, on):
            yield f"{who} calls {lacking}"


@holds
def what_deploys_may_make_what_has_that_name(environment: Environment) -> Iterator[str]:
    """CloudFormation's role may call whatever handlers call on each resource of a template, by the name that it has."""
    rights = _of_what_deploys(environment)
    made = (
        (stack, one) for stack in environment.stacks if stack.by == "pipeline" for one in stack.resources if one.arns
    )
    for stack, resource in made:
        for action in (one for one in permissions()[resource.kind] if not _is_excepted(one, by_type=False)):
            forms = [arn for arn, _ in authorized_on().get(action.lower(), {}).values()]
            on = [one for allowed, where in rights[stack.account] if like(action.lower(), allowed) for one in where]
            for arn in (one for one in resource.arns if any(_names(one, form) for form in forms)):
                if not any(is_on(arn, one) for one in on):
                    yield f"{stack.template} {resource.name} calls {action} on {arn}"


@holds
def each_right_is_on_what_its_action_takes(environment: Environment) -> Iterator[str]:
    """Whatever a role may do by name it may do on each type of resource that AWS asks about: a right on another does
    nothing.
    """
    for stack, role in environment.of("AWS::IAM::Role"):
        rights = _rights(role)
        for action in sorted({one for one, _ in rights if "*" not in one}):
            on = [one for allowed, where in rights if like(action, allowed) for one in where]
            for lacking in _lacking(action, on):
                yield f"{stack.template} {role.name} lacks {lacking}"


@holds
def policies_fit_into_iam(environment: Environment) -> Iterator[str]:
    """The policies of each role, and each managed policy, leave a tenth of what IAM takes, in the region whose name is
    longest too.
    """
    for stack, resource in environment.of("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"):
        documents = [document for name, document in own_policies(resource) if name not in resource.attached]
        text = "".join(json.dumps(document, separators=(",", ":")) for document in documents)
        size = len(text.replace(environment.region, LONGEST_REGION))
        most = int(ROOM * (LARGEST_INLINE if resource.kind == "AWS::IAM::Role" else LARGEST_MANAGED))
        if size > most:
            yield f"{stack.template} {resource.name} has {size} characters, more than {most}"
