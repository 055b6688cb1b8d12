"""What CloudFormation gives for `Ref` and `Fn::GetAtt` of a resource, by its type.

Concept: whoever has a name in the template has a known ARN, so policies can be evaluated against real ARNs. What AWS
names itself, such as a key, gets a name that says which resource it is. A type that is not listed is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from infra.gate.errors import TemplateError
from infra.gate.yaml_tags import read

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Identity:
    """How a resource is named.

    Attributes:
        named_by: the property that holds its name; None where AWS makes one up.
        ref: what `Ref` gives, as a format of `name`, `account`, `region` and `partition`.
        attributes: what `Fn::GetAtt` gives, likewise.
    """

    named_by: str | None = None
    ref: str = "{name}"
    attributes: Mapping[str, str] = field(default_factory=lambda: _NONE)


@cache
def _known() -> Mapping[str, Identity]:
    file: Mapping[str, Mapping[str, Any]] = read(Path(__file__).resolve().parent.parent / "identities.yaml")
    return {kind: Identity(**given) for kind, given in file.items()}


def known_identity(kind: str) -> Identity | None:
    """Return how resources of a type are named, where a template asks."""
    return _known().get(kind)


def identity(kind: str) -> Identity:
    """Return how resources of a type are named. Raises TemplateError where that is not listed."""
    if kind not in _known():
        raise TemplateError(f"infra/identities.yaml does not say how {kind} is named; add a line")
    return _known()[kind]
