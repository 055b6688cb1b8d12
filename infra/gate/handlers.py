"""What CloudFormation calls to make, read, change and delete a resource of a type, as the types say themselves.

Belongs here: `infra/handlers.yaml`, written from the schemas that cfn-lint ships (`python -m infra.gate.handlers
.venv-infra`), and reading it. Does not belong here: which of it a role must be allowed (`assertions.rights`).

Concept: each type of CloudFormation's registry lists the rights of its handlers, so what the deploying role needs is
known without an account. The file is kept, so that `make test` needs no linter; listing all of a type is left out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import yaml

from infra.gate.environments import ENVIRONMENTS, INFRA, Sources, rendered
from infra.gate.yaml_tags import read

FILE = INFRA / "handlers.yaml"
OPERATIONS = ("create", "read", "update", "delete")
_HEAD = "# `python -m infra.gate.handlers .venv-infra` wrote it from the schemas that cfn-lint {version} ships.\n"


@cache
def permissions() -> Mapping[str, tuple[str, ...]]:
    """Return resource type -> the actions that its handlers call."""
    return {kind: tuple(actions) for kind, actions in read(FILE).items()}


def types() -> set[str]:
    """Return the types that the pipeline makes in any environment."""
    sources = Sources.read()
    stacks = [stack for name in ENVIRONMENTS for stack in rendered(sources, name).stacks if stack.by == "pipeline"]
    return {resource.kind for stack in stacks for resource in stack.resources}


def extracted(environment: Path) -> str:
    """Return the text of the file, from the environment of the linters. Raises KeyError for an unknown type."""
    (package,) = environment.glob("lib/python*/site-packages/cfnlint")
    (info,) = package.parent.glob("cfn_lint-*.dist-info")
    schemas = package / "data" / "schemas"
    places = json.loads((schemas / "providers" / "us-east-1.json").read_text(encoding="utf-8"))
    found = {}
    for kind in sorted(types()):
        handlers = json.loads((schemas / "resources" / f"{places[kind]}.json").read_text(encoding="utf-8"))["handlers"]
        found[kind] = sorted({one for name in OPERATIONS for one in handlers.get(name, {}).get("permissions", ())})
    version = info.name.removeprefix("cfn_lint-").removesuffix(".dist-info")
    body = yaml.safe_dump(found, default_flow_style=None, width=80, sort_keys=True)
    return _HEAD.format(version=version) + str(body)


if __name__ == "__main__":
    FILE.write_text(extracted(Path(sys.argv[1])), encoding="utf-8")
