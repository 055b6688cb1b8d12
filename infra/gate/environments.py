"""Whole environments: every stack of `stacks.yaml`, in order, as it will be applied with an environment's parameters.

Concept: Parameter Store is the only way from one stack to another, and one account's store is not another's.
Rendering in order, with a store per account that starts empty, shows that each value is written before it is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from infra.gate.errors import TemplateError
from infra.gate.identities import known_identity
from infra.gate.intrinsics import Scope
from infra.gate.yaml_tags import Template, read
from mlife_assets.core.delivery.stacks import ENVIRONMENTS as ENVIRONMENTS
from mlife_assets.core.delivery.stacks import SHARED_ACCOUNTS, STORED, known_values, words_of
from mlife_assets.core.errors import InvalidInputError

INFRA = Path(__file__).resolve().parent.parent
ATTEMPT = "01234567-89ab-cdef-0123-456789abcdef"
"""What makes the id of a stack another at each attempt to make it."""


@dataclass(frozen=True)
class Resource:
    """One resource as it will be made."""

    name: str
    kind: str
    properties: Mapping[str, Any]
    declared: Mapping[str, Any]
    """What stands beside its properties, such as `DeletionPolicy`."""
    attached: Mapping[str, Any] = field(default_factory=dict)
    """Managed policies of its stack that it has, by their names."""
    arns: tuple[str, ...] = ()
    """What `Ref` and `Fn::GetAtt` say of it in the form of an ARN."""

    @property
    def outlives_its_stack(self) -> bool:
        """Return whether it stays when its stack goes or replaces it, but not when the stack could not be made."""
        kept = (self.declared.get("DeletionPolicy"), self.declared.get("UpdateReplacePolicy"))
        return kept == ("RetainExceptOnCreate", "Retain")


@dataclass(frozen=True)
class Stack:
    """One stack of one environment, rendered."""

    name: str
    template: str
    account: str
    region: str
    by: str
    parameters: Mapping[str, Any]
    resources: tuple[Resource, ...]
    source: Template = field(repr=False)

    def of(self, *kinds: str) -> Iterator[Resource]:
        """Return its resources of some types."""
        return (resource for resource in self.resources if resource.kind in kinds)


@dataclass(frozen=True)
class Environment:
    """dev, staging or prod, with what it needs in the accounts that all share."""

    name: str
    accounts: Mapping[str, str]
    region: str
    stacks: tuple[Stack, ...]
    workflows: Mapping[str, Any]
    parameters: Mapping[str, Mapping[str, Any]]
    """Those of each environment, by name."""

    def of(self, *kinds: str) -> Iterator[tuple[Stack, Resource]]:
        """Return all resources of some types, with their stacks."""
        return ((stack, resource) for stack in self.stacks for resource in stack.of(*kinds))

    def stack(self, template: str) -> Stack:
        """Return the stack of a template, in the environment's own account where it is in several."""
        found = [stack for stack in self.stacks if stack.template == template]
        own = [stack for stack in found if stack.account == self.accounts["environment"]]
        if not found:
            raise TemplateError(f"no stack is made of {template}")
        return (own or found)[0]


@dataclass(frozen=True)
class Sources:
    """The files of `infra/` as trees: templates by name, stacks, parameters by environment; and workflows by name."""

    templates: Mapping[str, Template]
    stacks: Mapping[str, Any]
    accounts: Mapping[str, Any]
    parameters: Mapping[str, Mapping[str, Any]]
    workflows: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, folder: Path = INFRA) -> Sources:
        """Return the files of a folder. Raises TemplateError naming a file that is no YAML."""
        return cls(
            templates={path.stem: read(path) for path in sorted((folder / "templates").glob("*.yaml"))},
            stacks=read(folder / "stacks.yaml"),
            accounts=read(folder / "parameters" / "accounts.yaml"),
            parameters={name: read(folder / "parameters" / f"{name}.yaml")["parameters"] for name in ENVIRONMENTS},
            workflows={path.stem: read(path) for path in sorted((folder.parent / ".github/workflows").glob("*.y*ml"))},
        )


def rendered(sources: Sources, name: str) -> Environment:
    """Return an environment as it will be. Raises TemplateError where a stack cannot be rendered."""
    words = words_of(sources.accounts, name)
    accounts = {"environment": words["environment_account"], **{one: words[one] for one in SHARED_ACCOUNTS}}
    try:
        known = known_values(sources.accounts, sources.stacks["given"], sources.parameters[name], name)
    except InvalidInputError as error:
        raise TemplateError(str(error)) from error
    stores: dict[str, dict[str, Any]] = {account: {} for account in accounts.values()}
    stacks, used = [], set[str]()
    for line in sources.stacks["stacks"]:
        account = accounts[line["account"]]
        template = sources.templates[line["template"]]
        label = f"{line['template']} in {line['account']}"
        parameters = _parameters(template, {**known, **line.get("with", {})}, stores[account], label)
        used |= parameters.keys()
        stack = _stack(line, label, template, parameters, account, words["region"], line["stack"].format(**words))
        stores[account].update(_stored(stack, stores[account]))
        stacks.append(stack)
    if unused := sorted(sources.parameters[name].keys() - used):
        raise TemplateError(f"parameters/{name}.yaml sets {', '.join(unused)}, which no template takes")
    return Environment(name, accounts, words["region"], tuple(stacks), sources.workflows, sources.parameters)


def _parameters(template: Template, known: Mapping[str, Any], store: Mapping[str, Any], label: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, declared in template.get("Parameters", {}).items():
        if match := STORED.fullmatch(declared["Type"]):
            path = declared["Default"]
            if path not in store:
                raise TemplateError(f"{label} reads {path}, which no stack before it writes in its account")
            found[name] = str(store[path]).split(",") if match[1].startswith("List") else store[path]
            continue
        value = known.get(name, declared.get("Default"))
        if value is None:
            raise TemplateError(f"{label} takes {name}, which neither parameters nor stacks.yaml give")
        _require_allowed(name, declared, value, label)
        found[name] = value
    return found


def _require_allowed(name: str, declared: Mapping[str, Any], value: Any, label: str) -> None:
    """Raise TemplateError where CloudFormation would refuse a parameter."""
    for one in value if isinstance(value, list) else [value]:
        if "AllowedValues" in declared and str(one) not in map(str, declared["AllowedValues"]):
            raise TemplateError(f"{label}: {name} is {one}, not one of {declared['AllowedValues']}")
        if "AllowedPattern" in declared and not re.fullmatch(declared["AllowedPattern"], str(one)):
            raise TemplateError(f"{label}: {name} is {one}, which {declared['AllowedPattern']} does not allow")
        if declared["Type"] == "Number":
            low, high = declared.get("MinValue", float("-inf")), declared.get("MaxValue", float("inf"))
            if not low <= float(one) <= high:
                raise TemplateError(f"{label}: {name} is {one}, outside {low} to {high}")


def _stack(
    line: Mapping[str, Any],
    label: str,
    template: Template,
    parameters: Mapping[str, Any],
    account: str,
    region: str,
    name: str,
) -> Stack:
    empty = Stack(name, line["template"], account, region, line.get("by", "pipeline"), parameters, (), template)
    within = scope(empty)
    resources = []
    try:
        for logical, resource in template["Resources"].items():
            if "Condition" in resource and not within.condition(resource["Condition"]):
                continue
            declared = {key: value for key, value in resource.items() if key not in {"Type", "Properties"}}
            properties = within.resolve(resource.get("Properties", {}))
            attached = {
                given["ManagedPolicyName"]: given["PolicyDocument"]
                for name, other in template["Resources"].items()
                if other["Type"] == "AWS::IAM::ManagedPolicy"
                and within.ref(name) in properties.get("ManagedPolicyArns", ())
                for given in [within.resolve(other["Properties"])]
            }
            known = known_identity(resource["Type"])
            said = (within.ref(logical), *(within.attribute(logical, one) for one in known.attributes)) if known else ()
            arns = tuple(one for one in said if one.startswith("arn:"))
            resources.append(Resource(logical, resource["Type"], properties, declared, attached, arns))
    except TemplateError as error:
        raise TemplateError(f"{label}: {error}") from error
    return replace(empty, resources=tuple(resources))


def scope(stack: Stack) -> Scope:
    """Return what the functions of a stack's template can see."""
    pseudo = {
        "AWS::AccountId": stack.account,
        "AWS::Region": stack.region,
        "AWS::Partition": "aws",
        "AWS::StackName": stack.name,
        "AWS::StackId": f"arn:aws:cloudformation:{stack.region}:{stack.account}:stack/{stack.name}/{ATTEMPT}",
        "AWS::URLSuffix": "amazonaws.com",
    }
    return Scope(stack.parameters, pseudo, stack.source)


def _stored(stack: Stack, store: Mapping[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for parameter in stack.of("AWS::SSM::Parameter"):
        name = parameter.properties["Name"]
        if name in store or name in written:
            raise TemplateError(f"{stack.template} writes {name}, which a stack before it wrote in the same account")
        written[name] = parameter.properties["Value"]
    return written
