"""What `infra/wiring.yaml` names in braces: places in a rendered environment and in files of this checkout."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

from infra.gate.environments import INFRA, Environment, Stack, scope
from infra.gate.targets import words
from infra.gate.yaml_tags import read

_PLACE = re.compile(r"\{([^{}]+)\}")


@cache
def wiring() -> Mapping[str, Any]:
    """Return the table."""
    return read(INFRA / "wiring.yaml")


@cache
def _file(name: str) -> Any:
    return read(INFRA.parent / name)


def said(environment: Environment, text: str) -> str:
    """Return a text with what its places say, of several the sorted list. Raises ValueError where nothing is said."""
    return _PLACE.sub(lambda match: ",".join(sorted(_values(environment, match[1]))), text)


def _values(environment: Environment, place: str) -> set[str]:
    if place in (known := words(environment)):
        return {known[place]}
    where, path, *asked = place.split(" ")
    path, _, unless = path.partition("?")
    if where.endswith(".yaml"):
        found = list(under(_file(where), path.split(".")))
    elif "/" in where or where == "Dockerfile":
        text = (INFRA.parent / where).read_text(encoding="utf-8")
        found = re.findall(rf'^{path}(?:[\w, ]*=)? "?([^"\s]+)"?', text, re.M)
    elif path.startswith("$"):
        found = list(under(environment.stack(where).parameters[path[1:]], []))
    elif "@" in path:
        name, _, attribute = path.partition("@")
        known_by = scope(environment.stack(where))
        found = [known_by.attribute(name, attribute) if attribute else known_by.ref(name)]
    else:
        name, *parts = path.split(".")
        found = list(under(resource(environment.stack(where), name), parts))
    if asked == ["major"]:
        found = [re.split("[.]", str(one))[0] for one in found]
    elif asked == ["0"]:
        found = found[:1]
    elif asked:
        found = [after for option, after in pairwise(found) if option == asked[0]]
    if not found and unless:
        return {unless}
    if not found:
        raise ValueError(f"{place} says nothing")
    return {str(one) for one in found}


class NotMadeHereError(ValueError):
    """A condition of its template says that a resource is not made in this environment."""


def resource(stack: Stack, name: str) -> Mapping[str, Any]:
    """Return the properties of a resource. Raises ValueError where it is not made, of its own where it need not be."""
    for one in stack.resources:
        if one.name == name:
            return one.properties
    if "Condition" in stack.source["Resources"].get(name, ()):
        raise NotMadeHereError(name)
    raise ValueError(f"{stack.template} makes no {name}")


def under(value: Any, parts: list[str]) -> Iterator[Any]:
    """Return the values under a path, each of a list; `Key[Name]` is the value of that name in a list."""
    if isinstance(value, list):
        for one in value:
            yield from under(one, parts)
    elif not parts:
        yield value
    elif isinstance(value, Mapping):
        key, _, name = parts[0].rstrip("]").partition("[")
        inner = value.get(key, [])
        yield from under([one["Value"] for one in inner if one["Name"] == name] if name else inner, parts[1:])


def strings(value: Any) -> Iterator[tuple[str, str]]:
    """Return each text in a tree with the key that it stands under; of a prefix in a pattern, all that begins so."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key), str(key)
            for name, one in strings(inner):
                is_prefix = key == "prefix" and isinstance(inner, str)
                yield (str(key) if name == "" else name), (f"{one}*" if is_prefix else one)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield "", value
