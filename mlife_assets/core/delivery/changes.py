"""What a change set would do, as people read it before anybody executes it.

Concept: a plan is what was shown. It names each change set by its ARN, and whoever executes it runs those and
nothing else. A stack that does not exist yet and reads what one before it has not written has no change set; of it the
plan shows what will be made, and holds the hash of what it is made from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from mlife_assets.core.delivery.stack_inputs import StackInputs
from mlife_assets.core.errors import InvalidInputError

_ACTIONS = {"Add": "added", "Remove": "removed", "Import": "taken over", "Dynamic": "decided while it is executed"}
_REPLACED = {"True": "replaced", "Conditional": "changed, perhaps replaced", "False": "changed"}
_POLICIES = {"Retain": "what it held stays", "ReplaceAndRetain": "the old one stays", "Snapshot": "a snapshot stays"}
MAXIMUM_VALUE = 200
"""Letters of a value that are shown; the change set has the rest."""


@dataclass(frozen=True)
class PropertyChange:
    """One property that differs; None where it was or will not be there, or is known only when it is executed."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Change:
    """What happens to one resource."""

    what: str
    name: str
    kind: str
    properties: tuple[PropertyChange, ...]


@dataclass(frozen=True)
class PlannedStack:
    """One stack of a plan.

    Attributes:
        change_set: ARN of what was shown; None where nothing differs, or the stack waits.
        waits_for: names in Parameter Store that are not there yet.
        made_from: hash of template and parameters.
        read: what each of those names held that is there.
    """

    name: str
    is_new: bool
    change_set: str | None
    waits_for: tuple[str, ...]
    made_from: str
    changes: tuple[Change, ...]
    read: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What was shown for one account of an environment.

    Attributes:
        image: what the stacks were planned with.
        image_before: what runs now, to which a rollback returns; None before the first deployment.
    """

    environment: str
    owner: str
    account: str
    region: str
    image: str | None
    image_before: str | None
    stacks: tuple[PlannedStack, ...]


def made_from(stack: StackInputs) -> str:
    """Return the hash of what a stack is made from."""
    return hashlib.sha256(json.dumps([stack.body, dict(stack.given)], sort_keys=True).encode()).hexdigest()


def changes_of(described: Iterable[Mapping[str, Any]]) -> tuple[Change, ...]:
    """Return the changes of a change set from the `Changes` that DescribeChangeSet gives.

    Raises InvalidInputError at an action that is not known: what cannot be shown is not executed.
    """
    return tuple(_change(one["ResourceChange"]) for one in described)


def _change(said: Mapping[str, Any]) -> Change:
    action = said["Action"]
    if action == "Modify":
        what = _REPLACED[said.get("Replacement", "False")]
    elif action in _ACTIONS:
        what = _ACTIONS[action]
    else:
        raise InvalidInputError(f"{said['LogicalResourceId']}: CloudFormation says {action}, which mlife cannot show")
    if kept := _POLICIES.get(said.get("PolicyAction", "")):
        what = f"{what} ({kept})"
    return Change(what, said["LogicalResourceId"], said["ResourceType"], tuple(_properties(said.get("Details", ()))))


def _properties(details: Iterable[Mapping[str, Any]]) -> Iterator[PropertyChange]:
    seen = set()
    for detail in details:
        target = detail["Target"]
        path = target.get("Path") or "/".join(filter(None, (target["Attribute"], target.get("Name"))))
        if path not in seen:  # a property that differs for two reasons is listed once for each
            seen.add(path)
            yield PropertyChange(path.lstrip("/"), target.get("BeforeValue"), target.get("AfterValue"))


def to_be_made(stack: StackInputs) -> tuple[Change, ...]:
    """Return what a stack that waits will add, at most: conditions of its template may leave some out."""
    return tuple(Change("added", name, kind, ()) for name, kind in sorted(stack.adds.items()))


def lines_of(plan: Plan) -> Iterator[str]:
    """Return a plan as lines for people."""
    yield f"{plan.environment}: account {plan.account} ({plan.owner}), {plan.region}"
    if plan.image is not None:
        yield f"image: {plan.image_before or 'none'} -> {plan.image}"
    for stack in plan.stacks:
        yield f"{stack.name}: {_summary(stack)}"
        for change in stack.changes:
            yield f"  {change.what}: {change.name} ({change.kind})"
            for one in change.properties:
                yield f"    {one.path}: {_shown(one.before)} -> {_shown(one.after)}"


def _summary(stack: PlannedStack) -> str:
    if stack.waits_for:
        first = f"waits for {', '.join(stack.waits_for)}"
        return f"new, {first}" if stack.is_new else f"{first}; execute what comes before it, then plan again"
    if stack.change_set is None:
        return "nothing differs"
    return f"{'new, ' if stack.is_new else ''}{len(stack.changes)} resources, {stack.change_set}"


def _shown(value: str | None) -> str:
    if value is None:
        return "(not known or not there)"
    flat = " ".join(value.split())
    return flat if len(flat) <= MAXIMUM_VALUE else f"{flat[:MAXIMUM_VALUE]}..."


def plan_as_text(plan: Plan) -> str:
    """Return a plan as JSON, as `plan_from_text` takes it."""
    return json.dumps(asdict(plan), indent=1, sort_keys=True) + "\n"


def plan_from_text(text: str) -> Plan:
    """Return the plan that `plan_as_text` wrote. Raises InvalidInputError where it is none."""
    try:
        tree = json.loads(text)
        stacks = [
            PlannedStack(
                **{
                    **stack,
                    "waits_for": tuple(stack["waits_for"]),
                    "changes": tuple(
                        Change(**{**change, "properties": tuple(PropertyChange(**one) for one in change["properties"])})
                        for change in stack["changes"]
                    ),
                }
            )
            for stack in tree["stacks"]
        ]
        return Plan(**{**tree, "stacks": tuple(stacks)})
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(f"this is no plan that `mlife infra plan --out` wrote: {error}") from error
