"""Reading the folder `infra/` of a checkout.

Belongs here: files to records. Does not belong here: what they mean (`core.delivery.stack_inputs`), judging them
(`python -m infra.gate`).

Concept: CloudFormation is handed the text as it is in the file; of its tree only names and types are looked at, so that
functions in short form need no reading here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from mlife_assets.core.delivery.stack_inputs import ENVIRONMENTS, InfraFiles
from mlife_assets.core.errors import InvalidInputError, NotFoundError


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml ships no types
    """A safe loader that reads `!Ref` and its kind as nothing, and a date as text."""


_Loader.add_multi_constructor("!", lambda *_: None)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node))


def read_infra(folder: Path) -> InfraFiles:
    """Return the files of a folder. Raises NotFoundError and InvalidInputError naming what is not there or no YAML."""
    if not (folder / "stacks.yaml").is_file():
        raise NotFoundError(f"{folder} holds no stacks.yaml; name the folder `infra` of a checkout with --infra")
    templates = {path.stem: path for path in sorted((folder / "templates").glob("*.yaml"))}
    trees = {name: _tree(path) for name, path in templates.items()}
    return InfraFiles(
        stacks=_tree(folder / "stacks.yaml"),
        accounts=_tree(folder / "parameters" / "accounts.yaml"),
        parameters={name: _tree(folder / "parameters" / f"{name}.yaml")["parameters"] for name in ENVIRONMENTS},
        templates={name: path.read_text(encoding="utf-8") for name, path in templates.items()},
        declared={name: tree.get("Parameters", {}) for name, tree in trees.items()},
        resources={name: {key: one["Type"] for key, one in tree["Resources"].items()} for name, tree in trees.items()},
    )


def _tree(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506  it is a safe loader
    except (OSError, yaml.YAMLError) as error:
        raise InvalidInputError(f"{path}: {error}") from error
    if not isinstance(tree, dict):
        raise InvalidInputError(f"{path} is no mapping")
    return tree
