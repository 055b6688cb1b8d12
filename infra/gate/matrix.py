"""The matrix of roles: each can do its work, and not its neighbour's.

Concept: the file lists what each role does. A call that goes through for a role which does not list it is as wrong as
one that fails for a role which does, and a right that no line tries is one that nobody wanted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from infra.gate.conditions import like
from infra.gate.environments import INFRA, Environment, Stack
from infra.gate.findings import Finding
from infra.gate.policies import actions, own_policies, statements
from infra.gate.simulator import Principal, Request, Target, verdict
from infra.gate.targets import target, words
from infra.gate.yaml_tags import read

MATRIX = "roles_do_their_work_and_not_their_neighbours"
TAKEN = "roles_are_taken_by_those_they_are_for"
TRIED = "every_right_of_a_role_is_tried"
REACHED = "who_starts_a_task_has_its_rights"
MAKES_EVERYTHING = "mlife-cfn-execution"
"""Its rights are what templates need; they are tried by what they must not reach, not each by itself."""
_IN_EACH_ACCOUNT = {"mlife-deploy", "mlife-preview"}
"""Roles that have the same rights in each account and are tried in one."""
_ACCOUNT_OF_A_STRANGER = "999999999999"


@dataclass(frozen=True)
class Call:
    """A line of `roles.yaml`."""

    action: str
    on: str
    says: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join([self.action, self.on, *self.says])


@cache
def _file() -> Mapping[str, Any]:
    return read(INFRA / "roles.yaml")


@cache
def _managed() -> Mapping[str, Any]:
    return read(INFRA / "managed_policies.yaml")


def _calls(lines: list[list[str]]) -> list[Call]:
    return [Call(line[0], line[1], tuple(line[2:])) for line in lines]


def roles(environment: Environment) -> dict[str, tuple[Stack, Principal, Mapping[str, Any]]]:
    """Return all roles by name, those of other accounts as `name@account`, with their trust."""
    found = {}
    owners = {account: name for name, account in environment.accounts.items()}
    for stack, role in environment.of("AWS::IAM::Role"):
        owner = owners[stack.account]
        name = role.properties["RoleName"]
        boundary = None
        for other in environment.stacks:
            for policy in other.of("AWS::IAM::ManagedPolicy"):
                arn = f"arn:aws:iam::{other.account}:policy/mlife/{policy.properties['ManagedPolicyName']}"
                if role.properties.get("PermissionsBoundary") == arn:
                    boundary = policy.properties["PolicyDocument"]
        principal = Principal(
            f"arn:aws:iam::{stack.account}:role/mlife/{name}",
            stack.account,
            (
                *(document for _, document in own_policies(role)),
                *(_managed()[arn] for arn in role.properties.get("ManagedPolicyArns", ()) if arn in _managed()),
            ),
            boundary,
        )
        key = name if owner == "environment" else f"{name}@{owner}"
        found[key] = (stack, principal, role.properties["AssumeRolePolicyDocument"])
    return found


def cells(environment: Environment) -> Iterator[tuple[str, Call, bool, bool]]:
    """Return role, call, whether it should go through and whether it does, for all of them."""
    file, known = _file(), roles(environment)
    does = {role: set(_calls(lines)) for role, lines in file["does"].items()}
    said = {
        name: {key: value.format(**words(environment)) for key, value in pairs.items()}
        for name, pairs in file["says"].items()
    }
    rows = list(dict.fromkeys([call for lines in file["does"].values() for call in _calls(lines)]))
    for call in [*rows, *_calls(file["nobody"])]:
        context = {key: value for name in call.says for key, value in said[name].items()}
        found = None if call.on == "everything" else target(environment, call.on)
        for name, (_, principal, _) in known.items():
            done_to = found or Target("*", principal.account)
            is_allowed = verdict(Request(principal, call.action, done_to, context)) == "allowed"
            yield name, call, call in does.get(name, set()), is_allowed


def takings(environment: Environment) -> Iterator[tuple[str, str, bool, bool]]:
    """Return role, who asks for it, whether they should get it and whether they do."""
    file, known = _file(), roles(environment)
    expected = {role: {who.format(**words(environment)) for who in takers} for role, takers in file["takes"].items()}
    services = sorted({who for takers in expected.values() for who in takers if who.endswith(".amazonaws.com")})
    repository = environment.stack("00-bootstrap").parameters["GitHubRepository"]
    jobs = {
        f"job of {name}": f"repo:{repository}:environment:{name}"
        for name in ("dev", "staging", "prod", "delivery", "witness", "preview")
    }
    jobs["job of a pull request"] = f"repo:{repository}:pull_request"
    jobs["job on a branch"] = f"repo:{repository}:ref:refs/heads/main"
    jobs["job of a stranger's copy"] = f"repo:stranger/mlife:environment:{environment.name}"
    anew = re.sub("(@[0-9]+)?(/|$)", r"@9\2", repository)
    jobs["job of whoever took the name"] = f"repo:{anew}:environment:{environment.name}"
    for name, (stack, principal, trust) in known.items():
        role = Target(principal.arn, stack.account, trust)
        for service in services:
            asking = Principal(service, stack.account, is_role=False)
            for account, label in ((stack.account, service), (_ACCOUNT_OF_A_STRANGER, f"{service} for a stranger")):
                request = Request(asking, "sts:AssumeRole", role, {"aws:SourceAccount": account})
                yield name, label, label in expected.get(name, set()), verdict(request) == "allowed"
        provider = f"arn:aws:iam::{stack.account}:oidc-provider/token.actions.githubusercontent.com"
        asking = Principal(provider, stack.account, is_role=False)
        for label, subject in jobs.items():
            host = "token.actions.githubusercontent.com"
            context = {f"{host}:sub": subject, f"{host}:aud": "sts.amazonaws.com"}
            request = Request(asking, "sts:AssumeRoleWithWebIdentity", role, context)
            yield name, label, label in expected.get(name, set()), verdict(request) == "allowed"
        for other, (_, neighbour, _) in known.items():
            request = Request(neighbour, "sts:AssumeRole", role)
            yield name, other, False, verdict(request) == "allowed"


def reached(environment: Environment) -> Iterator[tuple[str, str, bool, bool]]:
    """Return role, the role of a task, whether it should have its rights and whether it has: whoever may start a task
    and hand it a role may have that role do anything, by the command of the task.
    """
    expected = {role: set(others) for role, others in _file()["reaches"].items()}
    known, own = roles(environment), environment.accounts["environment"]
    (cluster,) = (one.properties["ClusterName"] for _, one in environment.of("AWS::ECS::Cluster"))
    in_cluster = {"ecs:cluster": f"arn:aws:ecs:{environment.region}:{own}:cluster/{cluster}"}
    to_tasks = {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    for _, task in environment.of("AWS::ECS::TaskDefinition"):
        definition = f"arn:aws:ecs:{environment.region}:{own}:task-definition/{task.properties['Family']}:7"
        taken = task.properties["TaskRoleArn"]
        for name, (_, principal, _) in known.items():
            starts = Request(principal, "ecs:RunTask", Target(definition, own), in_cluster)
            hands = Request(principal, "iam:PassRole", Target(taken, own), to_tasks)
            does = verdict(starts) == "allowed" == verdict(hands)
            role = taken.rpartition("/")[2]
            yield name, role, role in expected.get(name, set()), does


def untried(environment: Environment) -> Iterator[str]:
    """Return the rights of roles that no line of `roles.yaml` tries, and the lines whose role is not there."""
    does = {role: _calls(lines) for role, lines in _file()["does"].items()}
    known = roles(environment)
    for name in sorted(does.keys() ^ known.keys()):
        yield f"{name} is {'in no template' if name in does else 'not in infra/roles.yaml'}"
    for name, (_, principal, _) in known.items():
        role, elsewhere, _ = name.partition("@")
        if role == MAKES_EVERYTHING or (elsewhere and role in _IN_EACH_ACCOUNT):
            continue
        for document in principal.policies:
            for statement in statements(document):
                for action in actions(statement) if statement["Effect"] == "Allow" else ():
                    if not any(like(call.action.lower(), action.lower()) for call in does.get(name, ())):
                        yield f"{name} may {action}, which no line of infra/roles.yaml does"


def implied() -> Iterator[str]:
    """Return what a role does not list and AWS does with its rights, since of what it does or who takes it."""
    file = _file()
    for role, lines in file["does"].items():
        causes = {line[0] for line in lines} | set(file["takes"].get(role, ()))
        for cause, calls in file["implies"].items() if not role.startswith(MAKES_EVERYTHING) else ():
            for call in calls if cause in causes else ():
                if call not in lines:
                    yield f"{role} does not list {_calls([call])[0]}, which {cause} asks for"


def matrix_findings(environment: Environment) -> list[Finding]:
    """Return what a role can do and should not, or cannot and should."""
    found = []
    for role, call, should, does in cells(environment):
        if should != does:
            found.append(Finding(MATRIX, environment.name, f"{role} {'cannot' if should else 'can'}: {call}"))
    for role, who, should, does in takings(environment):
        if should != does:
            found.append(Finding(TAKEN, environment.name, f"{who} {'cannot' if should else 'can'} take {role}"))
    for role, other, should, does in reached(environment):
        if should != does:
            found.append(Finding(REACHED, environment.name, f"{role} {'lacks' if should else 'has'} what {other} may"))
    found += [Finding(MATRIX, environment.name, where) for where in implied()]
    return found + [Finding(TRIED, environment.name, where) for where in untried(environment)]
