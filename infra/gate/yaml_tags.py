"""Reading and writing CloudFormation's YAML, with `!Ref` and its kind as the long form that JSON has.

Concept: one form inside. `!Sub x` and `Fn::Sub: x` are the same to whatever looks, edits or writes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from infra.gate.errors import TemplateError

Template = dict[str, Any]
MAXIMUM_BYTES = 51_200
"""What CloudFormation takes in a request; more would need a bucket before the first stack."""


class _Loader(yaml.CSafeLoader):  # type: ignore[misc]  # yaml ships no types
    """A safe loader without dates, since a version of a policy is text, which refuses a key that stands twice."""


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """A dumper that writes no aliases, which CloudFormation refuses."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  the parent passes it
        """Return True: everything is written out."""
        return True


def _tagged(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    if doubled := {str(key) for key in keys if keys.count(key) > 1}:
        raise TemplateError(f"line {node.start_mark.line + 1}: {', '.join(sorted(doubled))} stands twice")
    return dict(loader.construct_mapping(node, deep=True))


_Loader.add_multi_constructor("!", _tagged)
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parsed(text: str) -> Template:
    """Return the tree of a template. Raises TemplateError where a key stands twice."""
    loader = _Loader(text)
    try:
        tree = loader.get_single_data()
    finally:
        loader.dispose()
    if not isinstance(tree, dict):
        raise TemplateError("a template is a mapping")
    return tree


def read(path: Path) -> Template:
    """Return the tree of a file. Raises TemplateError naming the file."""
    try:
        return parsed(path.read_text(encoding="utf-8"))
    except (TemplateError, yaml.YAMLError) as error:
        raise TemplateError(f"{path.name}: {error}") from error


def written(template: Template) -> str:
    """Return a template as YAML in its long form."""
    return str(yaml.dump(template, Dumper=_Dumper, sort_keys=False, width=118))


def on_one_line(value: Any) -> str:
    """Return a value as YAML in the form of JSON, on one line."""
    return str(yaml.dump(value, Dumper=_Dumper, default_flow_style=True, width=1_000_000, sort_keys=False)).rstrip("\n")
