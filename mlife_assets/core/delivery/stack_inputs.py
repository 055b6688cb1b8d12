"""Which stacks an environment has, in which account, what each is given, and what it leaves when it goes.

Concept: the gate renders with the same values that reach AWS, since both take them from here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from mlife_assets.core.errors import InvalidInputError

ENVIRONMENTS = ("dev", "staging", "prod")
SHARED_ACCOUNTS = ("delivery", "witness")
OWNERS = ("environment", *SHARED_ACCOUNTS)
POLICY = "AWS::S3::BucketPolicy"
"""Which stays with its bucket."""
STORED = re.compile(r"AWS::SSM::Parameter::Value<(String|List<String>)>")
"""Types of parameters whose default is a name in Parameter Store, where CloudFormation reads them itself."""


@dataclass(frozen=True)
class InfraFiles:
    """The folder `infra/` as far as deliveries read it.

    Attributes:
        stacks: stacks.yaml.
        accounts: parameters/accounts.yaml.
        parameters: what each environment's file sets, by environment.
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
    """One stack as it is to be.

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
    """A stack that goes: by which role, if not that of whoever deletes, after which commands, and what stays."""

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
        given: what the pipeline hands over, such as the image; `{delivery}` and its kind stand for accounts.
        set_by_file: what the environment's own file sets.
        environment: dev, staging or prod.

    Raises:
        InvalidInputError: two accounts are one, or the file sets what is known otherwise.
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
    """Return what stands for accounts, region and environment in stacks.yaml."""
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
    """Return the stacks of an environment in the order in which they are deleted; what all share is left out.

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
        return f": {mode}, what is written today is locked until {today + timedelta(days=int(days))}, {who}"
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
