"""The stacks of an environment: their accounts, their parameters, and what remains after deletion.

Concept: the gate and AWS render with the same values, since both take them from here.

People see a plan of changes before anybody executes it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any

from mlife_assets.core.errors import InvalidInputError

_ACTIONS = {"Add": "added", "Remove": "removed", "Import": "taken over", "Dynamic": "decided while it is executed"}
_REPLACED = {"True": "replaced", "Conditional": "changed, perhaps replaced", "False": "changed"}
_POLICIES = {"Retain": "its content stays", "ReplaceAndRetain": "the old one stays", "Snapshot": "a snapshot stays"}
MAXIMUM_VALUE = 200
"""Letters of a value that are shown; the change set has the rest."""
ENVIRONMENTS = ("dev", "staging", "prod")
SHARED_ACCOUNTS = ("delivery", "witness")
OWNERS = ("environment", *SHARED_ACCOUNTS)
POLICY = "AWS::S3::BucketPolicy"
"""It stays with its bucket."""
STORED = re.compile(r"AWS::SSM::Parameter::Value<(String|List<String>)>")
"""Types of parameters whose default is a name in Parameter Store, where CloudFormation reads them itself."""


@dataclass(frozen=True)
class InfraFiles:
    """The folder `infra/` as far as deliveries read it.

    Attributes:
        stacks: stacks.yaml.
        accounts: parameters/accounts.yaml.
        parameters: settings of each environment's file, by environment.
        templates: the text of each template, by name.
        declared: the parameters that each template takes, by template.
        resources: types of each template's resources by logical name, by template.
        left: resources that outlive their stack, by template; a parameter stands in them as its name.
    """

    stacks: Mapping[str, Any]
    accounts: Mapping[str, Any]
    parameters: Mapping[str, Mapping[str, Any]]
    templates: Mapping[str, str]
    declared: Mapping[str, Mapping[str, Any]]
    resources: Mapping[str, Mapping[str, str]]
    left: Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class StackInputs:
    """Target state of one stack.

    Attributes:
        owner: `environment`, `delivery` or `witness`.
        given: its parameters as text.
        reads: names in Parameter Store that it reads.
        adds: types of its resources by logical name.
    """

    name: str
    template: str
    body: str
    owner: str
    account: str
    region: str
    given: Mapping[str, str]
    reads: tuple[str, ...]
    adds: Mapping[str, str]


@dataclass(frozen=True)
class StackGone:
    """A stack to delete: the role if it is not the caller's, commands to run first, and what remains."""

    stack: str
    account: str
    by: str | None
    first: tuple[str, ...]
    stays: tuple[str, ...]


def known_values(
    accounts: Mapping[str, Any], given: Mapping[str, str], set_by_file: Mapping[str, Any], environment: str
) -> dict[str, Any]:
    """Return every value that a stack of an environment may take, by the parameter's name.

    Args:
        accounts: parameters/accounts.yaml.
        given: values from the pipeline, such as the image; `{delivery}` and the like stand for accounts.
        set_by_file: settings of the environment's own file.
        environment: dev, staging or prod.

    Raises:
        InvalidInputError: two accounts are one, or the file sets a value that is known from elsewhere.
    """
    ids = accounts["accounts"]
    if len(set(ids.values())) != len(ids):
        raise InvalidInputError(f"parameters/accounts.yaml: two of {ids} are one account")
    words = words_of(accounts, environment)
    known: dict[str, Any] = {
        **accounts["parameters"],
        "Environment": environment,
        "GitHubEnvironment": environment,
        "EnvironmentAccountId": words["environment_account"],
        "WitnessAccountId": words["witness"],
        "DeliveryAccountId": words["delivery"],
        "PullAccountIds": [ids[name] for name in ENVIRONMENTS],
        **{f"{name.title()}AccountId": ids[name] for name in ENVIRONMENTS},
        **{key: value.format(**words) for key, value in given.items()},
    }
    if doubled := sorted(known.keys() & set_by_file.keys()):
        raise InvalidInputError(f"parameters/{environment}.yaml sets {', '.join(doubled)}, which is known otherwise")
    return {**known, **set_by_file}


def words_of(accounts: Mapping[str, Any], environment: str) -> dict[str, str]:
    """Return the values of the placeholders in stacks.yaml: accounts, region, environment."""
    ids = accounts["accounts"]
    shared = {name: ids[name] for name in SHARED_ACCOUNTS}
    region = accounts["region"]
    return {**shared, "environment": environment, "environment_account": ids[environment], "region": region}


def stack_inputs(files: InfraFiles, environment: str, owner: str, given: Mapping[str, str]) -> tuple[StackInputs, ...]:
    """Return the stacks that the pipeline makes in one account for an environment, in order.

    Raises InvalidInputError where a name is unknown or a parameter has no value.
    """
    account = account_of(files, environment, owner)
    words = words_of(files.accounts, environment)
    known = known_values(files.accounts, given, files.parameters[environment], environment)
    return tuple(
        StackInputs(
            name=line["stack"].format(**words),
            template=line["template"],
            body=files.templates[line["template"]],
            owner=owner,
            account=account,
            region=words["region"],
            given=_given(files.declared[line["template"]], {**known, **line.get("with", {})}, line["template"]),
            reads=tuple(
                declared["Default"]
                for declared in files.declared[line["template"]].values()
                if STORED.fullmatch(declared["Type"])
            ),
            adds=files.resources[line["template"]],
        )
        for line in _lines(files, owner)
    )


def stack_names(files: InfraFiles, environment: str, owner: str) -> tuple[str, ...]:
    """Return the names of those stacks, in order."""
    words = words_of(files.accounts, environment)
    return tuple(line["stack"].format(**words) for line in _lines(files, owner))


def account_of(files: InfraFiles, environment: str, owner: str) -> str:
    """Return the number of an account. Raises InvalidInputError where a name is unknown."""
    if environment not in ENVIRONMENTS or owner not in OWNERS:
        known = f"environments are {', '.join(ENVIRONMENTS)}; accounts {', '.join(OWNERS)}"
        raise InvalidInputError(f"{environment}, {owner}: {known}")
    return str(files.accounts["accounts"][environment if owner == "environment" else owner])


def teardown(files: InfraFiles, environment: str, today: date) -> tuple[StackGone, ...]:
    """Return the stacks of an environment in order of deletion, without those that environments share.

    Raises InvalidInputError where the environment is unknown.
    """
    account_of(files, environment, "environment")
    known = known_values(files.accounts, {}, files.parameters[environment], environment)
    words, found = words_of(files.accounts, environment), list[StackGone]()
    for line in reversed(files.stacks["stacks"]):
        if line["account"] != "environment" and "{environment}" not in line["stack"]:
            continue
        name, account = line["stack"].format(**words), account_of(files, environment, line["account"])
        role = None if line.get("by") == "person" else f"arn:aws:iam::{account}:role/mlife/mlife-cfn-execution"
        first = tuple(_in_the_way(files.resources[line["template"]], known, environment))
        left = {key: one for key, one in files.left[line["template"]].items() if one["Type"] != POLICY}
        stays = (f"{key} ({one['Type']}){_locked(one, known, today)}" for key, one in left.items())
        found.append(StackGone(name, account, role, first, tuple(stays)))
    return tuple(found)


def _in_the_way(resources: Mapping[str, str], known: Mapping[str, Any], environment: str) -> Iterator[str]:
    if "AWS::CloudTrail::Trail" in resources.values():  # which CloudFormation's role may not delete
        yield "aws cloudtrail delete-trail --name mlife"
    if "AWS::RDS::DBInstance" in resources.values() and str(known["IsProtected"]).lower() == "true":
        protection = "--no-deletion-protection"  # which RDS does at once, whatever else waits
        yield f"aws rds modify-db-instance --db-instance-identifier mlife-{environment} {protection}"


def _locked(resource: Mapping[str, Any], known: Mapping[str, Any], today: date) -> str:
    given = resource.get("Properties") or {}
    if lock := given.get("ObjectLockConfiguration"):
        rule = lock["Rule"]["DefaultRetention"]
        mode, days = (known.get(rule[name], rule[name]) for name in ("Mode", "Days"))
        who = "for everybody" if mode == "COMPLIANCE" else "unless its policy and the lock are changed first"
        return f": {mode}, objects written today are locked until {today + timedelta(days=int(days))}, {who}"
    if "LockConfiguration" in given:
        who = "for everybody" if known["Environment"] == "prod" else "unless the lock is taken off"
        return f": a backup of today is kept until {today + timedelta(days=int(known['BackupRetentionDays']))}, {who}"
    return ": as a last snapshot" if resource["DeletionPolicy"] == "Snapshot" else ""


def _lines(files: InfraFiles, owner: str) -> list[Mapping[str, Any]]:
    lines = files.stacks["stacks"]
    return [one for one in lines if one["account"] == owner and one.get("by", "pipeline") == "pipeline"]


def _given(declared: Mapping[str, Any], known: Mapping[str, Any], template: str) -> dict[str, str]:
    given = {}
    for name, parameter in declared.items():
        if STORED.fullmatch(parameter["Type"]):
            continue
        if name in known:
            value = known[name]
            given[name] = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        elif "Default" not in parameter:
            raise InvalidInputError(f"{template} takes {name}, which parameters, stacks.yaml and options do not give")
    return given


@dataclass(frozen=True)
class PropertyChange:
    """One property that differs; None if absent before or after, or known only during execution."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Change:
    """A change of one resource."""

    what: str
    name: str
    kind: str
    properties: tuple[PropertyChange, ...]


@dataclass(frozen=True)
class PlannedStack:
    """One stack of a plan.

    Attributes:
        change_set: ARN of the displayed change set; None if nothing differs or the stack waits.
        waits_for: missing names in Parameter Store.
        made_from: hash of template and parameters.
        read: values of the names that exist.
    """

    name: str
    is_new: bool
    change_set: str | None
    waits_for: tuple[str, ...]
    made_from: str
    changes: tuple[Change, ...]
    read: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """The plan shown for one account of an environment.

    Attributes:
        image: image that the stacks were planned with.
        image_before: running image, the target of a rollback; None before the first deployment.
    """

    environment: str
    owner: str
    account: str
    region: str
    image: str | None
    image_before: str | None
    stacks: tuple[PlannedStack, ...]


def made_from(stack: StackInputs) -> str:
    """Return the hash of a stack's inputs."""
    return hashlib.sha256(json.dumps([stack.body, dict(stack.given)], sort_keys=True).encode()).hexdigest()


def changes_of(described: Iterable[Mapping[str, Any]]) -> tuple[Change, ...]:
    """Return the changes of a change set from the `Changes` that DescribeChangeSet gives.

    Raises InvalidInputError on an unknown action: a plan must be shown completely to be executed.
    """
    return tuple(_change(one["ResourceChange"]) for one in described)


def _change(said: Mapping[str, Any]) -> Change:
    action = said["Action"]
    if action == "Modify":
        what = _REPLACED[said.get("Replacement", "False")]
    elif action in _ACTIONS:
        what = _ACTIONS[action]
    else:
        raise InvalidInputError(f"{said['LogicalResourceId']}: CloudFormation says {action}, which mlife cannot show")
    if kept := _POLICIES.get(said.get("PolicyAction", "")):
        what = f"{what} ({kept})"
    return Change(what, said["LogicalResourceId"], said["ResourceType"], tuple(_properties(said.get("Details", ()))))


def _properties(details: Iterable[Mapping[str, Any]]) -> Iterator[PropertyChange]:
    seen = set()
    for detail in details:
        target = detail["Target"]
        path = target.get("Path") or "/".join(filter(None, (target["Attribute"], target.get("Name"))))
        if path not in seen:  # a property that differs for two reasons is listed once for each
            seen.add(path)
            yield PropertyChange(path.lstrip("/"), target.get("BeforeValue"), target.get("AfterValue"))


def to_be_made(stack: StackInputs) -> tuple[Change, ...]:
    """Return all resources that a waiting stack may add; conditions in its template may leave some out."""
    return tuple(Change("added", name, kind, ()) for name, kind in sorted(stack.adds.items()))


def lines_of(plan: Plan) -> Iterator[str]:
    """Return a plan as lines for people."""
    yield f"{plan.environment}: account {plan.account} ({plan.owner}), {plan.region}"
    if plan.image is not None:
        yield f"image: {plan.image_before or 'none'} -> {plan.image}"
    for stack in plan.stacks:
        yield f"{stack.name}: {_summary(stack)}"
        for change in stack.changes:
            yield f"  {change.what}: {change.name} ({change.kind})"
            for one in change.properties:
                yield f"    {one.path}: {_shown(one.before)} -> {_shown(one.after)}"


def _summary(stack: PlannedStack) -> str:
    if stack.waits_for:
        first = f"waits for {', '.join(stack.waits_for)}"
        return f"new, {first}" if stack.is_new else f"{first}; execute what comes before it, then plan again"
    if stack.change_set is None:
        return "nothing differs"
    return f"{'new, ' if stack.is_new else ''}{len(stack.changes)} resources, {stack.change_set}"


def _shown(value: str | None) -> str:
    if value is None:
        return "(not known or not there)"
    flat = " ".join(value.split())
    return flat if len(flat) <= MAXIMUM_VALUE else f"{flat[:MAXIMUM_VALUE]}..."


def plan_as_text(plan: Plan) -> str:
    """Return a plan as JSON for `plan_from_text`."""
    return json.dumps(asdict(plan), indent=1, sort_keys=True) + "\n"


def plan_from_text(text: str) -> Plan:
    """Return the plan that `plan_as_text` wrote. Raises InvalidInputError on any other text."""
    try:
        tree = json.loads(text)
        stacks = [
            PlannedStack(
                **{
                    **stack,
                    "waits_for": tuple(stack["waits_for"]),
                    "changes": tuple(
                        Change(**{**change, "properties": tuple(PropertyChange(**one) for one in change["properties"])})
                        for change in stack["changes"]
                    ),
                }
            )
            for stack in tree["stacks"]
        ]
        return Plan(**{**tree, "stacks": tuple(stacks)})
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(f"this is no plan that `mlife infra plan --out` wrote: {error}") from error
