"""What a planted fault is.

Belongs here: the record, how a function becomes one, and planting it. Does not belong here: any fault.

Concept: a gate that was never seen to fail proves nothing. A fault is a mistake that somebody could make in one file,
with the assertion that must name it, so that it is not caught by chance.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from infra.gate.environments import INFRA, Sources
from infra.gate.yaml_tags import read

Tree = dict[str, Any]
Edit = Callable[[Tree], None]


@dataclass(frozen=True)
class Fault:
    """One mistake.

    Attributes:
        name: what was done, as the function is called.
        file: a template by its name, or `parameters/<environment>`, `workflows/<name>`, `accounts` or `stacks`.
        caught_by: the assertion that must find it.
        edit: makes the mistake in the file's tree.
        is_of_the_reference: whether it is one of those that the issue asks for, which other tools are known to miss.
    """

    name: str
    sentence: str
    file: str
    caught_by: str
    edit: Edit
    is_of_the_reference: bool = False


FAULTS: dict[str, Fault] = {}
MAY_BE_ABSENT = ("ExporterRoleArn", "PeopleWriterRoleArn")
EXAMPLE = "arn:aws:iam::666666666666:role/example"


def fault(file: str, caught_by: str, *, is_of_the_reference: bool = False) -> Callable[[Edit], Edit]:
    """Add a function to the list; its docstring says what somebody did wrong."""

    def add(edit: Edit) -> Edit:
        name = edit.__name__
        if name in FAULTS or not edit.__doc__:
            raise ValueError(f"{name} needs a docstring and a name of its own")
        FAULTS[name] = Fault(name, " ".join(edit.__doc__.split()), file, caught_by, edit, is_of_the_reference)
        return edit

    return add


def _of_file() -> Iterator[Fault]:
    for name, given in read(INFRA / "faults.yaml").items():
        edits = [(how, path, value) for how in _EDITS for path, value in given.get(how, {}).items()]
        yield Fault(
            name, given["says"], given["in"], given["caught_by"], partial(_edited, edits), given.get("of_six", False)
        )


def _edited(edits: list[tuple[str, str, Any]], tree: Tree) -> None:
    for how, path, value in edits:
        inside, last = _inside(tree, path)
        _EDITS[how](inside, last, copy.deepcopy(value))


def _inside(tree: Tree, path: str) -> tuple[Any, Any]:
    """Return what holds the last step of a path, and that step. `Key=value` is the item of a list that says so; a path
    that begins with the name of a resource goes on with its properties.
    """
    steps = path.split("|")
    if steps[0] in tree.get("Resources", {}):
        steps = ["Resources", steps[0], "Properties", *steps[1:]]
    found: Any = tree
    for step in steps[:-1]:
        found = found[_key(found, step)]
    return found, _key(found, steps[-1])


def _key(found: Any, step: str) -> Any:
    if isinstance(found, dict):
        return True if step == "on" and True in found else step
    key, is_named, value = step.partition("=")
    if not is_named:
        return int(step)
    return next(index for index, one in enumerate(found) if str(one.get(key)) == value)


def _replaced(tree: Any, old: str, new: str) -> Any:
    if isinstance(tree, dict):
        return {key: _replaced(one, old, new) for key, one in tree.items()}
    if isinstance(tree, list):
        return [_replaced(one, old, new) for one in tree]
    return tree.replace(old, new) if isinstance(tree, str) else tree


_EDITS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "set": lambda inside, last, value: inside.__setitem__(last, value),
    "drop": lambda inside, last, _: inside.__delitem__(last),
    "add": lambda inside, last, value: inside[last].append(value),
    "replace": lambda inside, last, value: inside.__setitem__(last, _replaced(inside[last], *value)),
}
FAULTS.update({one.name: one for one in _of_file()})


def with_whom_may_be_absent(sources: Sources) -> Sources:
    """Return the files with a role where a reader named none: what is there for it alone can be got wrong all the same,
    and a mistake in a statement that is not rendered would not be seen.
    """
    given = {
        name: {**parameters, **{role: EXAMPLE for role in MAY_BE_ABSENT if not parameters.get(role)}}
        for name, parameters in sources.parameters.items()
    }
    return replace(sources, parameters=given)


def planted(sources: Sources, one: Fault) -> Sources:
    """Return the files with the mistake in them. Raises ValueError where it changes nothing."""
    sources = with_whom_may_be_absent(sources)
    folder, _, name = one.file.partition("/")
    before: Any = {
        "parameters": lambda: sources.parameters[name],
        "accounts": lambda: sources.accounts,
        "stacks": lambda: sources.stacks,
        "workflows": lambda: sources.workflows[name],
    }.get(folder, lambda: sources.templates[one.file])()
    after = copy.deepcopy(dict(before))
    one.edit(after)
    if after == before:
        raise ValueError(f"{one.name} changes nothing in {one.file}")
    if folder == "parameters":
        return replace(sources, parameters={**sources.parameters, name: after})
    if folder == "workflows":
        return replace(sources, workflows={**sources.workflows, name: after})
    if folder == "accounts":
        return replace(sources, accounts=after)
    if folder == "stacks":
        return replace(sources, stacks=after)
    return replace(sources, templates={**sources.templates, one.file: after})


def properties(template: Tree, resource: str) -> Tree:
    """Return the properties of a resource."""
    found: Tree = template["Resources"][resource]["Properties"]
    return found


def statement(document: Tree, sid: str) -> Tree:
    """Return a statement of a policy by its name."""
    found: Tree = next(one for one in document["Statement"] if one.get("Sid") == sid)
    return found


def drop(document: Tree, sid: str) -> None:
    """Take a statement out of a policy."""
    document["Statement"].remove(statement(document, sid))


def role_statements(template: Tree, role: str) -> Iterator[Tree]:
    """Return the statements of all policies of a role."""
    managed = [
        properties(template, one["Ref"])
        for one in properties(template, role).get("ManagedPolicyArns", ())
        if "Ref" in one
    ]
    for policy in [*properties(template, role)["Policies"], *managed]:
        yield from policy["PolicyDocument"]["Statement"]


def right(template: Tree, role: str, sid: str) -> Tree:
    """Return a statement of a role by its name."""
    return next(one for one in role_statements(template, role) if one.get("Sid") == sid)


def give(template: Tree, role: str, *actions: str, on: Any = "*", **more: Any) -> None:
    """Give a role a right."""
    statements = properties(template, role)["Policies"][0]["PolicyDocument"]["Statement"]
    statements.append({"Sid": "Planted", "Effect": "Allow", "Action": list(actions), "Resource": on, **more})
