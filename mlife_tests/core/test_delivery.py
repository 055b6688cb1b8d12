"""Stacks and change sets: what each stack is given, and what people read before it changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.gate.environments import Resource, Sources, rendered
from mlife_assets.adapters.delivery.stacks import read_infra
from mlife_assets.core.delivery import stacks as changes
from mlife_assets.core.delivery.stacks import (
    ENVIRONMENTS,
    Change,
    InfraFiles,
    Plan,
    PlannedStack,
    PropertyChange,
    StackInputs,
    account_of,
    changes_of,
    known_values,
    made_from,
    stack_inputs,
    stack_names,
    teardown,
)
from mlife_assets.core.errors import InvalidInputError

INPUTS = StackInputs(
    name="mlife-lake", template="25-lake", body="Resources: {}", owner="environment", account="111111111111",
    region="us-east-1", given={"Environment": "dev"}, reads=("/mlife/network/vpc-id",),
    adds={"LakeKey": "AWS::KMS::Key", "LakeBucket": "AWS::S3::Bucket"},
)  # fmt: skip
TODAY = date(2026, 6, 10)
IMAGE = "444444444444.dkr.ecr.us-east-1.amazonaws.com/mlife@sha256:" + "0" * 64


def change(action: str, **more: Any) -> dict[str, Any]:
    """As DescribeChangeSet says it: API_ResourceChange in CloudFormation's API reference."""
    resource = {"Action": action, "LogicalResourceId": "Key", "ResourceType": "AWS::KMS::Key", **more}
    return {"Type": "Resource", "ResourceChange": resource}


def target(**more: str) -> dict[str, Any]:
    return {"Target": {"Attribute": "Properties", "Name": "Description", **more}}


@pytest.mark.parametrize(
    ("described", "what"),
    [
        (change("Add"), "added"),
        (change("Remove"), "removed"),
        (change("Remove", PolicyAction="Delete"), "removed"),
        (change("Remove", PolicyAction="Retain"), "removed (its content stays)"),
        (change("Modify", Replacement="False"), "changed"),
        (change("Modify", Replacement="True", PolicyAction="ReplaceAndDelete"), "replaced"),
        (change("Modify", Replacement="True", PolicyAction="ReplaceAndRetain"), "replaced (the old one stays)"),
        (change("Modify", Replacement="Conditional"), "changed, perhaps replaced"),
        (change("Dynamic"), "decided while it is executed"),
    ],
)
def test_each_action_has_a_word(described: dict[str, Any], what: str) -> None:
    assert [one.what for one in changes_of([described])] == [what]


def test_an_action_that_is_not_known_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="SyncWithActual"):
        changes_of([change("SyncWithActual")])


def test_properties_are_named_by_their_path_and_once() -> None:
    details = [
        target(Path="/Properties/KeyPolicy/Statement/0/Effect", BeforeValue="Deny", AfterValue="Allow"),
        target(Path="/Properties/KeyPolicy/Statement/0/Effect", BeforeValue="Deny"),
        target(),
        {"Target": {"Attribute": "Tags"}},
    ]
    (found,) = changes_of([change("Modify", Replacement="False", Details=details)])
    assert found.properties == (
        PropertyChange("Properties/KeyPolicy/Statement/0/Effect", "Deny", "Allow"),
        PropertyChange("Properties/Description", None, None),
        PropertyChange("Tags", None, None),
    )


def plan(*stacks: PlannedStack) -> Plan:
    return Plan("dev", "environment", "111111111111", "us-east-1", "new@sha256:1", "old@sha256:0", stacks)


def test_a_plan_reads_from_the_account_to_the_property() -> None:
    changed = Change("changed", "Key", "AWS::KMS::Key", (PropertyChange("Properties/Description", "a\n b", "c" * 300),))
    waits = PlannedStack("mlife-lake", True, None, ("/mlife/network/vpc-id",), "", changes.to_be_made(INPUTS))
    stacks = (
        PlannedStack("mlife-network", False, None, (), "", ()),
        PlannedStack("mlife-event-log", False, "arn:aws:cloudformation:x:changeSet/a/1", (), "", (changed,)),
        waits,
        PlannedStack("mlife-triggers", False, None, ("/mlife/dagster/cluster-arn",), "", ()),
    )
    assert list(changes.lines_of(plan(*stacks))) == [
        "dev: account 111111111111 (environment), us-east-1", "image: old@sha256:0 -> new@sha256:1",
        "mlife-network: nothing differs", "mlife-event-log: 1 resources, arn:aws:cloudformation:x:changeSet/a/1",
        "  changed: Key (AWS::KMS::Key)", f"    Properties/Description: a b -> {'c' * 200}...",
        "mlife-lake: new, waits for /mlife/network/vpc-id", "  added: LakeBucket (AWS::S3::Bucket)",
        "  added: LakeKey (AWS::KMS::Key)",
        "mlife-triggers: waits for /mlife/dagster/cluster-arn; execute what comes before it, then plan again",
    ]  # fmt: skip


def test_a_plan_survives_its_file() -> None:
    changed = Change("changed", "Key", "AWS::KMS::Key", (PropertyChange("Properties/Description", None, "c"),))
    read = {"/mlife/b": "c"}
    made = plan(PlannedStack("mlife-lake", True, "arn", ("/mlife/a",), made_from(INPUTS), (changed,), read))
    assert changes.plan_from_text(changes.plan_as_text(made)) == made


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"stacks": [{"name": "a"}]}'])
def test_another_file_is_no_plan(text: str) -> None:
    with pytest.raises(InvalidInputError, match="no plan"):
        changes.plan_from_text(text)


def test_what_a_stack_is_made_from_is_template_and_parameters() -> None:
    hashes = {
        made_from(INPUTS),
        made_from(StackInputs(**{**vars(INPUTS), "body": "Resources: {A: {}}"})),
        made_from(StackInputs(**{**vars(INPUTS), "given": {"Environment": "prod"}})),
    }
    assert len(hashes) == 3


@pytest.fixture(scope="module")
def files(repository: Path) -> InfraFiles:
    return read_infra(repository / "infra")


def test_stacks_of_the_pipeline_and_the_witness_are_in_order_and_a_persons_are_left_out(files: InfraFiles) -> None:
    names = stack_names(files, "prod", "environment")
    assert names[:3] == ("mlife-network", "mlife-event-log", "mlife-lake")
    assert "mlife-bootstrap" not in names
    assert names == tuple(one.name for one in stack_inputs(files, "prod", "environment", {"Image": IMAGE}))
    (heads,) = stack_inputs(files, "staging", "witness", {})
    assert (heads.name, heads.account) == ("mlife-log-heads-staging", account_of(files, "staging", "witness"))
    assert heads.given["EnvironmentAccountId"] == account_of(files, "staging", "environment")


def test_a_stack_is_given_what_its_template_takes_and_reads_the_rest_from_parameter_store(files: InfraFiles) -> None:
    stacks = {one.template: one for one in stack_inputs(files, "dev", "environment", {"Image": IMAGE})}
    dagster = stacks["45-dagster"]
    assert dagster.given["Image"] == IMAGE
    assert "VpcId" not in dagster.given
    assert "/mlife/network/vpc-id" in dagster.reads
    assert stacks["10-network"].given["VpcPrefix"] == files.parameters["dev"]["VpcPrefix"]
    assert dagster.adds["Cluster"] == "AWS::ECS::Cluster"
    assert dagster.body.startswith("# Dagster")


def test_a_list_is_handed_over_as_cloudformation_takes_it(files: InfraFiles) -> None:
    registry, bundles = stack_inputs(files, "dev", "delivery", {})
    dev, staging, prod = (str(files.accounts["accounts"][name]) for name in ("dev", "staging", "prod"))
    assert registry.given["PullAccountIds"] == f"{dev},{staging},{prod}"
    assert bundles.given == {"DevAccountId": dev, "StagingAccountId": staging, "ProdAccountId": prod}


def test_what_is_missing_twice_or_known_otherwise_is_refused(files: InfraFiles) -> None:
    with pytest.raises(InvalidInputError, match="45-dagster takes Image"):
        stack_inputs(files, "dev", "environment", {})
    ids = {**files.accounts["accounts"], "witness": files.accounts["accounts"]["prod"]}
    one = replace(files, accounts={**files.accounts, "accounts": ids})
    with pytest.raises(InvalidInputError, match="are one account"):
        stack_inputs(one, "prod", "witness", {})
    with pytest.raises(InvalidInputError, match="sets Environment"):
        known_values(files.accounts, {}, {"Environment": "prod"}, "dev")


@pytest.mark.parametrize(("environment", "owner"), [("test", "environment"), ("dev", "billing")])
def test_an_unknown_name_is_refused(files: InfraFiles, environment: str, owner: str) -> None:
    with pytest.raises(InvalidInputError, match="environments are dev, staging, prod"):
        stack_inputs(files, environment, owner, {})
    with pytest.raises(InvalidInputError, match="environments are dev, staging, prod"):
        teardown(files, "test", TODAY)


def said_of(resource: Resource, backup_days: int) -> str:
    """Return how a resource that stays is locked, by its rendered properties; nothing where it is not."""
    given = resource.properties
    if "ObjectLockConfiguration" in given:
        rule = given["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
        who = {"COMPLIANCE": "for everybody", "GOVERNANCE": "unless its policy and the lock are changed first"}
        until = TODAY + timedelta(days=int(rule["Days"]))
        return f": {rule['Mode']}, objects written today are locked until {until}, {who[rule['Mode']]}"
    if "LockConfiguration" in given:
        who_may = (
            "for everybody" if "ChangeableForDays" in given["LockConfiguration"] else "unless the lock is taken off"
        )
        return f": a backup of today is kept until {TODAY + timedelta(days=backup_days)}, {who_may}"
    return ": as a last snapshot" if resource.declared["DeletionPolicy"] == "Snapshot" else ""


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_what_stays_and_until_when_is_what_is_rendered(files: InfraFiles, name: str) -> None:
    environment = rendered(Sources.read(), name)
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
