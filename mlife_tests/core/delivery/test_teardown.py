"""What `mlife infra teardown` says of locks and leftovers is what the gate renders, by a reading of its own."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from infra.gate.environments import Resource, Sources, rendered
from mlife_assets.adapters.delivery.stacks import read_infra
from mlife_assets.core.delivery.stack_inputs import ENVIRONMENTS
from mlife_assets.core.delivery.teardown import teardown
from mlife_assets.core.errors import InvalidInputError

TODAY = date(2026, 6, 10)


def said_of(resource: Resource, backup_days: int) -> str:
    """Return how a resource that stays is locked, by its rendered properties; nothing where it is not."""
    given = resource.properties
    if "ObjectLockConfiguration" in given:
        rule = given["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
        who = {"COMPLIANCE": "for everybody", "GOVERNANCE": "unless its policy and the lock are changed first"}
        until = TODAY + timedelta(days=int(rule["Days"]))
        return f": {rule['Mode']}, what is written today is locked until {until}, {who[rule['Mode']]}"
    if "LockConfiguration" in given:
        who_may = (
            "for everybody" if "ChangeableForDays" in given["LockConfiguration"] else "unless the lock is taken off"
        )
        return f": a backup of today is kept until {TODAY + timedelta(days=backup_days)}, {who_may}"
    return ": as a last snapshot" if resource.declared["DeletionPolicy"] == "Snapshot" else ""


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_what_stays_and_until_when_is_what_is_rendered(repository: Path, name: str) -> None:
    files, environment = read_infra(repository / "infra"), rendered(Sources.read(), name)
    plan = next(one for _, one in environment.of("AWS::Backup::BackupPlan")).properties["BackupPlan"]
    days = int(plan["BackupPlanRule"][0]["Lifecycle"]["DeleteAfterDays"])
    own = {stack.name: stack for stack in environment.stacks if stack.account == environment.accounts["environment"]}
    own |= {stack.name: stack for stack in environment.stacks if stack.template == "21-log-heads"}
    found = teardown(files, name, TODAY)
    assert [one.stack for one in found] == [one.name for one in reversed(environment.stacks) if one in own.values()]
    for one in found:
        stack = own[one.stack]
        left = [
            f"{resource.name} ({resource.kind}){said_of(resource, days)}"
            for resource in stack.resources
            if resource.declared.get("DeletionPolicy", "Delete") != "Delete"
            and resource.kind != "AWS::S3::BucketPolicy"
        ]
        assert (one.account, list(one.stays)) == (stack.account, left)
        assert one.by == (
            f"arn:aws:iam::{stack.account}:role/mlife/mlife-cfn-execution" if stack.by != "person" else None
        )
        protected = [str(of.properties["DeletionProtection"]) for of in stack.of("AWS::RDS::DBInstance")]
        ways = ["delete-trail"] * len(list(stack.of("AWS::CloudTrail::Trail")))
        ways += ["modify-db-instance"] * sum(one.lower() == "true" for one in protected)
        assert [command.split()[2] for command in one.first] == ways


def test_an_unknown_environment_is_named(repository: Path) -> None:
    with pytest.raises(InvalidInputError, match="environments are dev, staging, prod"):
        teardown(read_infra(repository / "infra"), "test", TODAY)
