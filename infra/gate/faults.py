"""Planted faults: `infra/faults.yaml`, one edit each of the files of `infra/`, which the gate must find.

Concept: a gate that was never seen to fail proves nothing. A fault is a mistake that somebody could make in one file,
with the assertion that must name it, or the rule of a linter, so that it is not caught by chance.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra.gate.environments import INFRA, Sources
from infra.gate.yaml_tags import read

MAY_BE_ABSENT = ("ExporterRoleArn", "PeopleWriterRoleArn")
EXAMPLE = "arn:aws:iam::666666666666:role/example"
LINTERS = ("cfn-lint", "checkov")


@dataclass(frozen=True)
class Fault:
    """One mistake.

    Attributes:
        name: what was done.
        sentence: what that leads to.
        file: a template by its name, or `parameters/<environment>`, `workflows/<name>`, `accounts` or `stacks`.
        caught_by: the assertion that must find it, or a linter and its rule.
        edits: how, where and with what the file is changed.
        is_of_the_reference: whether it is one of the six kinds that other tools are known to miss.
    """

    name: str
    sentence: str
    file: str
    caught_by: str
    edits: tuple[tuple[str, str, Any], ...]
    is_of_the_reference: bool = False

    @property
    def linter(self) -> str | None:
        """Return the linter that finds it, None where the gate does."""
        named = self.caught_by.partition(" ")[0]
        return named if named in LINTERS else None


def _replaced(tree: Any, old: str, new: str) -> Any:
    if isinstance(tree, dict):
        return {key: _replaced(one, old, new) for key, one in tree.items()}
    if isinstance(tree, list):
        return [_replaced(one, old, new) for one in tree]
    return tree.replace(old, new) if isinstance(tree, str) else tree


_EDITS: Mapping[str, Callable[[Any, Any, Any], Any]] = {
    "set": lambda inside, last, value: inside.__setitem__(last, value),
    "drop": lambda inside, last, _: inside.__delitem__(last),
    "add": lambda inside, last, values: inside[last].extend(values),
    "replace": lambda inside, last, value: inside.__setitem__(last, _replaced(inside[last], *value)),
    "repeat": lambda inside, last, value: inside.__setitem__(last, value[0] * value[1]),
}


def _faults() -> Mapping[str, Fault]:
    found = {}
    for name, given in read(INFRA / "faults.yaml").items():
        edits = tuple((how, path, value) for how in _EDITS for path, value in given.get(how, {}).items())
        of_six = given.get("of_six", False)
        found[name] = Fault(name, given["says"], given["in"], given["caught_by"], edits, of_six)
    return found


FAULTS = _faults()


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
    before: Any = getattr(sources, folder, sources.templates)
    before = before[name] if name else before if folder in {"accounts", "stacks"} else before[one.file]
    after = copy.deepcopy(dict(before))
    for how, path, value in one.edits:
        inside, last = _inside(after, path)
        _EDITS[how](inside, last, copy.deepcopy(_said_elsewhere(sources, value)))
    if after == before:
        raise ValueError(f"{one.name} changes nothing in {one.file}")
    if name:
        return replace(sources, **{folder: {**getattr(sources, folder), name: after}})
    if folder in {"accounts", "stacks"}:
        return replace(sources, **{folder: after})
    return replace(sources, templates={**sources.templates, one.file: after})


def _said_elsewhere(sources: Sources, value: Any) -> Any:
    """Return a value, or what `as` names by file and path: what a reader writes there is another value."""
    if not isinstance(value, dict) or value.keys() != {"as"}:
        return value
    file, path = value["as"].split(" ")
    folder, _, name = file.partition("/")
    tree = getattr(sources, folder)
    inside, last = _inside(tree[name] if name else tree, path)
    return inside[last]


def _inside(tree: Any, path: str) -> tuple[Any, Any]:
    """Return what holds the last step of a path, and that step; of a resource the path goes on in its properties."""
    steps = path.split("|")
    if steps[0] in tree.get("Resources", {}):
        steps = ["Resources", steps[0], "Properties", *steps[1:]]
    for step in steps[:-1]:
        tree = tree[_key(tree, step)]
    return tree, _key(tree, steps[-1])


def _key(found: Any, step: str) -> Any:
    if isinstance(found, dict):
        return True if step == "on" and True in found else step
    key, is_named, value = step.partition("=")
    if not is_named:
        return int(step)
    return next(index for index, one in enumerate(found) if str(one.get(key)) == value)
