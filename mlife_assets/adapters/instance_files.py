"""The `defs.yaml` files of a deployment, read without Dagster.

Concept: Dagster reads these files to build its graph, and everything else, such as the command line and the endpoint,
reads them here. Files hold plain values, so both read alike.
"""

from __future__ import annotations

import importlib
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import yaml

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.quoting import quoted
from mlife_assets.recruiting.instances import (
    Declaration,
    Declared,
    Instance,
    declared_application,
    declared_model,
    declared_together,
)

FILE = "defs.yaml"
MODEL_TYPES = ("mlife_assets.components.PlatformModel", "mlife_assets.components.platform_model.PlatformModel")
APPLICATION_TYPES = ("mlife_assets.components.Application", "mlife_assets.components.platform_model.Application")
DAGSTERS_OWN = {"template_vars_module", "requirements", "post_processing"}
"""Keys of a document for Dagster only."""


def read_declared(folder: Path) -> Declared:
    """Return the declarations below a folder. Raises InvalidInputError naming file, instance and attribute."""
    models, applications = [], []
    for path in instance_files(folder):
        for type_name, instance in instances_of(path):
            if type_name in MODEL_TYPES:
                models.append(declared_model(instance, named_function))
            elif type_name in APPLICATION_TYPES:
                applications.append(declared_application(instance))
    return declared_together(models, applications)


def instance_files(folder: Path) -> list[Path]:
    """Return the files that Dagster would load, in order: it does not search below a folder that has one."""
    if (folder / FILE).is_file():
        return [folder / FILE]
    inner = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__")))
    return [path for one in inner for path in instance_files(one)]


def instances_of(path: Path) -> Iterator[tuple[str, Instance]]:
    """Yield the type and the instance of each document of a file."""
    try:
        documents = list(yaml.load_all(path.read_text(encoding="utf-8"), Loader=_PlainLoader))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} is no YAML: {' '.join(str(error).split())}; correct it") from error
    for document in documents:
        if document is None:
            continue
        if not isinstance(document, dict) or not isinstance(document.get("type"), str):
            raise InvalidInputError(f"{path} has a document without a type; write `type:` and `attributes:`")
        if unknown := [key for key in document if key not in {"type", "attributes", *DAGSTERS_OWN}]:
            raise InvalidInputError(f"{path} has an unknown key {quoted(unknown[0])}; indent it below attributes")
        attributes = document.get("attributes") or {}
        if not isinstance(attributes, dict):
            raise InvalidInputError(f"{path} has attributes that are no names and values; write `name: value` lines")
        yield document["type"], Instance(str(path), attributes)


def named_function(name: Any) -> Declaration:
    """Return the function of a dotted name. Raises InvalidInputError if it is missing."""
    module_name, _, function_name = str(name).rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError) as error:
        raise InvalidInputError(f"it is {quoted(name)}, and {error}; name a function as module.function") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise InvalidInputError(
            f"it is {quoted(name)}, and {module_name} has no function {quoted(function_name)}; name one that takes "
            "Policies and returns a Model"
        )
    declaration: Declaration = function
    return declaration


class _PlainLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # PyYAML has no types
    """Reads values like Dagster, without dates, and refuses repeated keys."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping. Raises YAMLError on a repeated key: the second would silently win."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {quoted(key)} stands twice", node.value[number][0].start_mark
                )
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping
