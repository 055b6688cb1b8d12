"""CloudFormation's intrinsic functions, for one stack in one account.

Concept: a small language, evaluated in full. What is not known is an error, so a rendered template holds no function.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.gate.errors import TemplateError
from infra.gate.identities import identity

_VARIABLE = re.compile(r"\$\{(!?)([A-Za-z0-9_.:]+)\}")
_FORBIDDEN = {"Fn::ImportValue", "Fn::Transform", "Fn::Cidr", "Fn::ForEach"}


class _NoValue:
    """What `AWS::NoValue` stands for; whatever holds it is left out."""


NO_VALUE = _NoValue()


@dataclass(frozen=True)
class Scope:
    """What the functions of one stack can see.

    Attributes:
        parameters: the stack's parameters, as they are given.
        pseudo: `AWS::AccountId` and its kind.
        template: the tree, for its resources, conditions and mappings.
    """

    parameters: Mapping[str, Any]
    pseudo: Mapping[str, str]
    template: Mapping[str, Any]

    def resolve(self, value: Any) -> Any:
        """Return a value without functions. Raises TemplateError naming what is not there."""
        if isinstance(value, list):
            resolved = [self.resolve(item) for item in value]
            return [item for item in resolved if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref":
                return self.ref(argument)
            if name == "Condition" and isinstance(argument, str):
                return self.condition(argument)
            if isinstance(name, str) and name.startswith("Fn::"):
                return self._function(name, argument)
        resolved_pairs = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved_pairs.items() if item is not NO_VALUE}

    def ref(self, name: str) -> Any:
        """Return what `Ref` gives."""
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.pseudo:
            return self.pseudo[name]
        if name in self.parameters:
            return self.parameters[name]
        return self._named(name, lambda kind: identity(kind).ref)

    def attribute(self, name: str, attribute: str) -> str:
        """Return what `Fn::GetAtt` gives."""

        def form(kind: str) -> str:
            known = identity(kind).attributes
            if attribute not in known:
                raise TemplateError(f"infra/gate/identities.py does not know {attribute} of {kind}; add it")
            return known[attribute]

        return self._named(name, form)

    def condition(self, name: str) -> bool:
        """Return whether a condition of the template holds."""
        conditions = self.template.get("Conditions", {})
        if name not in conditions:
            raise TemplateError(f"no condition is named {name}")
        return bool(self.resolve(conditions[name]))

    def _named(self, name: str, form: Callable[[str], str]) -> str:
        resource = self.template["Resources"].get(name)
        if resource is None:
            raise TemplateError(f"{name} is no parameter and no resource")
        if "Condition" in resource and not self.condition(resource["Condition"]):
            raise TemplateError(
                f"{name} is not made here, as {resource['Condition']} does not hold, and is referred to"
            )
        found: Any = resource.get("Properties", {})
        path = identity(resource["Type"]).named_by
        for part in path.split(".") if path else ():
            found = found.get(part, {})
        given = self.resolve(found) if path and found else name
        return form(resource["Type"]).format(
            name=given,
            account=self.pseudo["AWS::AccountId"],
            region=self.pseudo["AWS::Region"],
            partition=self.pseudo["AWS::Partition"],
        )

    def _function(self, name: str, argument: Any) -> Any:
        if name in _FORBIDDEN:
            raise TemplateError(
                f"{name} is not used here: values across stacks go by Parameter Store, and nothing else"
            )
        functions: dict[str, Callable[[Any], Any]] = {
            "Fn::GetAtt": lambda a: self.attribute(a[0], a[1]),
            "Fn::Sub": self._sub,
            "Fn::If": lambda a: self.resolve(a[1] if self.condition(a[0]) else a[2]),
            "Fn::Join": lambda a: a[0].join(str(part) for part in self.resolve(a[1])),
            "Fn::Select": lambda a: self.resolve(a[1])[int(a[0])],
            "Fn::Split": lambda a: str(self.resolve(a[1])).split(a[0]),
            "Fn::GetAZs": lambda _: [self.pseudo["AWS::Region"] + letter for letter in "abc"],
            "Fn::Equals": lambda a: str(self.resolve(a[0])) == str(self.resolve(a[1])),
            "Fn::Not": lambda a: not self.resolve(a[0]),
            "Fn::And": lambda a: all(self.resolve(one) for one in a),
            "Fn::Or": lambda a: any(self.resolve(one) for one in a),
            "Fn::FindInMap": self._find,
        }
        if name not in functions:
            raise TemplateError(f"infra/gate/intrinsics.py does not know {name}")
        return functions[name](argument)

    def _sub(self, argument: Any) -> str:
        text, variables = (argument, {}) if isinstance(argument, str) else argument

        def value_of(match: re.Match[str]) -> str:
            is_literal, name = match.groups()
            if is_literal:
                return "${" + name + "}"
            if name in variables:
                return str(self.resolve(variables[name]))
            if name in self.pseudo or "." not in name:
                return str(self.ref(name))
            return self.attribute(*name.split(".", 1))

        return _VARIABLE.sub(value_of, text)

    def _find(self, argument: Any) -> Any:
        found: Any = self.template.get("Mappings", {})
        for key in argument:
            name = str(self.resolve(key))
            if name not in found:
                raise TemplateError(f"no mapping holds {name}")
            found = found[name]
        return found
