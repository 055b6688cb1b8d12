"""Change sets read as people should read them, and a plan survives its file."""

from __future__ import annotations

from typing import Any

import pytest

from mlife_assets.core.delivery.changes import (
    Change,
    Plan,
    PlannedStack,
    PropertyChange,
    changes_of,
    lines_of,
    made_from,
    plan_as_text,
    plan_from_text,
    to_be_made,
)
from mlife_assets.core.delivery.stack_inputs import StackInputs
from mlife_assets.core.errors import InvalidInputError

INPUTS = StackInputs(
    name="mlife-lake", template="25-lake", body="Resources: {}", owner="environment", account="111111111111",
    region="us-east-1", given={"Environment": "dev"}, reads=("/mlife/network/vpc-id",),
    adds={"LakeKey": "AWS::KMS::Key", "LakeBucket": "AWS::S3::Bucket"},
)  # fmt: skip


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
        (change("Remove", PolicyAction="Retain"), "removed (what it held stays)"),
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
    waits = PlannedStack("mlife-lake", True, None, ("/mlife/network/vpc-id",), "", to_be_made(INPUTS))
    stacks = (
        PlannedStack("mlife-network", False, None, (), "", ()),
        PlannedStack("mlife-event-log", False, "arn:aws:cloudformation:x:changeSet/a/1", (), "", (changed,)),
        waits,
        PlannedStack("mlife-triggers", False, None, ("/mlife/dagster/cluster-arn",), "", ()),
    )
    assert list(lines_of(plan(*stacks))) == [
        "dev: account 111111111111 (environment), us-east-1",
        "image: old@sha256:0 -> new@sha256:1",
        "mlife-network: nothing differs",
        "mlife-event-log: 1 resources, arn:aws:cloudformation:x:changeSet/a/1",
        "  changed: Key (AWS::KMS::Key)",
        f"    Properties/Description: a b -> {'c' * 200}...",
        "mlife-lake: new, waits for /mlife/network/vpc-id",
        "  added: LakeBucket (AWS::S3::Bucket)",
        "  added: LakeKey (AWS::KMS::Key)",
        "mlife-triggers: waits for /mlife/dagster/cluster-arn; execute what comes before it, then plan again",
    ]


def test_a_plan_survives_its_file() -> None:
    changed = Change("changed", "Key", "AWS::KMS::Key", (PropertyChange("Properties/Description", None, "c"),))
    read = {"/mlife/b": "c"}
    made = plan(PlannedStack("mlife-lake", True, "arn", ("/mlife/a",), made_from(INPUTS), (changed,), read))
    assert plan_from_text(plan_as_text(made)) == made


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"stacks": [{"name": "a"}]}'])
def test_another_file_is_no_plan(text: str) -> None:
    with pytest.raises(InvalidInputError, match="no plan"):
        plan_from_text(text)


def test_what_a_stack_is_made_from_is_template_and_parameters() -> None:
    hashes = {
        made_from(INPUTS),
        made_from(StackInputs(**{**vars(INPUTS), "body": "Resources: {A: {}}"})),
        made_from(StackInputs(**{**vars(INPUTS), "given": {"Environment": "prod"}})),
    }
    assert len(hashes) == 3
