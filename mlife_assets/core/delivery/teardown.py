"""Taking an environment down: which stack goes when, what is in its way, what stays and until when it is locked.

Belongs here: stacks.yaml, templates and parameters -> what to expect. Does not belong here: deleting, which no command
of mlife does: a person does it, with a role of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from mlife_assets.core.delivery.stack_inputs import InfraFiles, account_of, known_values, words_of

POLICY = "AWS::S3::BucketPolicy"
"""Which stays with its bucket."""


@dataclass(frozen=True)
class StackGone:
    """One stack, as deleting it leaves the account.

    Attributes:
        by: the role that CloudFormation takes; None where it has only that of whoever deletes.
        first: what is in the way, as commands.
        stays: what is not deleted with it: each with its type, and until when it is locked.
    """

    stack: str
    account: str
    by: str | None
    first: tuple[str, ...]
    stays: tuple[str, ...]


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
        left = files.left[line["template"]].items()
        first = tuple(_in_the_way(files.resources[line["template"]], known, environment))
        stays = tuple(
            f"{key} ({one['Type']}){_locked(one, known, today)}" for key, one in left if one["Type"] != POLICY
        )
        found.append(StackGone(name, account, role, first, stays))
    return tuple(found)


def _in_the_way(resources: Mapping[str, str], known: Mapping[str, Any], environment: str) -> Iterator[str]:
    if "AWS::CloudTrail::Trail" in resources.values():  # which CloudFormation's role may not delete
        yield "aws cloudtrail delete-trail --name mlife"
    if "AWS::RDS::DBInstance" in resources.values() and str(known["IsProtected"]).lower() == "true":
        named = f"aws rds modify-db-instance --db-instance-identifier mlife-{environment}"
        yield f"{named} --no-deletion-protection --apply-immediately"


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
