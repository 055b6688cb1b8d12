"""Every stack of dev, from nothing, by change sets in three accounts of an emulator: wiring and nothing else.

Shown: `mlife infra`'s own planning and applying brings an environment up in one go, in the order of stacks.yaml; each
value goes by Parameter Store from the stack that writes it to the one that reads it, in its own account. Not shown:
that AWS makes what the templates ask for. What the emulator does not know is found by trying, and
`docs/infra_emulators.md` lists it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from infra.gate.environments import Environment, Sources, rendered
from infra.gate.environments import Stack as Rendered
from infra.gate.yaml_tags import written
from mlife_assets.adapters.aws_clients import code_of
from mlife_assets.adapters.delivery.stacks import Stacks, read_infra
from mlife_assets.core.delivery.stacks import InfraFiles, PlannedStack, StackInputs, stack_inputs
from mlife_assets.core.errors import PermanentError

pytestmark = pytest.mark.aws
HANDLE = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
UNKNOWN_TYPES = re.compile(r"Unrecognized resource types: \[(.*)\]")
UNKNOWN_ATTRIBUTE = re.compile(r"Requested attribute (\S+) does not exist in schema for ([\w:]+)")
LABELS = count(1)


@dataclass
class Deployed:
    """What was made, and what the emulator lacked on the way."""

    environment: Environment
    accounts: Callable[[str], Callable[[str], Any]]
    planned: list[PlannedStack] = field(default_factory=list)
    lacking: set[str] = field(default_factory=set)

    def values(self, account: str) -> dict[str, str]:
        """Return what an account's Parameter Store holds of ours."""
        pages = self.accounts(account)("ssm").get_paginator("get_parameters_by_path")
        found = pages.paginate(Path="/mlife", Recursive=True)
        return {one["Name"]: one["Value"] for page in found for one in page["Parameters"]}


def without(tree: Any, replaced: Callable[[str, str], str | None]) -> Any:
    """Return a tree in which attributes of resources that the emulator lacks are texts."""
    if isinstance(tree, dict):
        if set(tree) == {"Fn::GetAtt"} and (text := replaced(*tree["Fn::GetAtt"])) is not None:
            return text
        return {key: without(value, replaced) for key, value in tree.items()}
    return [without(one, replaced) for one in tree] if isinstance(tree, list) else tree


def body_for_emulator(stack: Rendered, lacking: set[str]) -> str | None:
    """Return the template without what the emulator lacks; None where it lacks nothing of it."""
    resources = stack.source["Resources"]
    gone = {name for name, one in resources.items() if one["Type"] in lacking}

    def replaced(name: str, attribute: str) -> str | None:
        kind = resources[name]["Type"] if name in resources else ""
        if name not in gone and f"{kind} {attribute}" not in lacking:
            return None
        return stack.parameters["VpcPrefix"] + ".0.0/16" if attribute == "CidrBlock" else f"{name}-{attribute}"

    kept = {
        name: {**HANDLE, **{key: one[key] for key in ("Condition", "DependsOn") if key in one}} if name in gone else one
        for name, one in resources.items()
    }
    tree = without({**stack.source, "Resources": kept}, replaced)
    return None if tree == stack.source else written(tree)


def apply(deployed: Deployed, stack: Rendered, inputs: StackInputs) -> None:
    """Plan and apply one stack; what the emulator turns out to lack is put aside, and noted."""
    stacks = Stacks(deployed.accounts(stack.account), stack.account, stack.region, lambda _: None)
    while True:
        lacking = len(deployed.lacking)
        body = body_for_emulator(stack, deployed.lacking)
        try:
            planned = stacks.plan(inputs if body is None else replace(inputs, body=body), f"mlife-{next(LABELS)}")
            stacks.apply(planned, None, "never")
        except Exception as error:
            if types := UNKNOWN_TYPES.search(str(error)):
                deployed.lacking.update(types[1].split(", "))
            deployed.lacking.update(f"{kind} {name}" for name, kind in UNKNOWN_ATTRIBUTE.findall(str(error)))
            if len(deployed.lacking) == lacking or not (isinstance(error, PermanentError) or code_of(error)):
                raise
        else:
            deployed.planned.append(planned)
            return


def by_hand(files: InfraFiles, stack: Rendered) -> StackInputs:
    """Return the stack that a person makes, as `aws cloudformation deploy` of the README does."""
    given = {name: str(value) for name, value in stack.parameters.items()}
    body = files.templates[stack.template]
    return StackInputs(stack.name, stack.template, body, "", stack.account, stack.region, given, (), {})


@pytest.fixture(scope="module")
def files(repository: Path) -> InfraFiles:
    return read_infra(repository / "infra")


@pytest.fixture(scope="module")
def deployed(
    aws_accounts: ModuleType, repository: Path, files: InfraFiles, tmp_path_factory: Any
) -> Iterator[Deployed]:
    """Return dev, brought up as `infra/README.md` says: zone and log-in first, bootstrap by hand, then all stacks."""
    with aws_accounts.running_emulator(repository, tmp_path_factory.mktemp("change-sets")) as address:
        sources = Sources.read()
        accounts = aws_accounts.accounts(address)
        dev = rendered(sources, "dev").accounts["environment"]
        zone = accounts(dev)("route53").create_hosted_zone(Name="mlife.dev.example.com", CallerReference="1")
        accounts(dev)("secretsmanager").create_secret(Name="mlife/oidc-client", SecretString='{"secret": "s"}')
        own = {**sources.parameters["dev"], "HostedZoneId": zone["HostedZone"]["Id"].rpartition("/")[2]}
        parameters = {**sources.parameters, "dev": own}
        environment = rendered(replace(sources, parameters=parameters), "dev")
        made = Deployed(environment, accounts)
        image = environment.stack("45-dagster").parameters["Image"]
        wanted = {
            (one.account, one.name): one
            for owner in ("delivery", "witness", "environment")
            for one in stack_inputs(replace(files, parameters=parameters), "dev", owner, {"Image": image})
        }
        for stack in environment.stacks:
            apply(made, stack, wanted.get((stack.account, stack.name)) or by_hand(files, stack))
        yield made


def test_every_stack_is_made_in_its_account(deployed: Deployed) -> None:
    for stack in deployed.environment.stacks:
        (made,) = deployed.accounts(stack.account)("cloudformation").describe_stacks(StackName=stack.name)["Stacks"]
        assert made["StackStatus"] == "CREATE_COMPLETE"
        assert made["EnableTerminationProtection"]
    assert {stack.account for stack in deployed.environment.stacks} == set(deployed.environment.accounts.values())


def test_change_sets_add_what_the_gate_renders(deployed: Deployed) -> None:
    """The emulator's change sets list what a condition leaves out, too; what it makes is what the gate renders."""
    for stack, planned in zip(deployed.environment.stacks, deployed.planned, strict=True):
        assert {one.what for one in planned.changes} == {"added"}
        left_out = stack.source["Resources"].keys() - {one.name for one in stack.resources}
        assert all("Condition" in stack.source["Resources"][name] for name in left_out)
        assert {one.name for one in planned.changes} - left_out == {one.name for one in stack.resources}
        made = deployed.accounts(stack.account)("cloudformation").describe_stack_resources(StackName=stack.name)
        assert {one["LogicalResourceId"] for one in made["StackResources"]} == {one.name for one in stack.resources}


def test_values_flow_from_stack_to_stack_and_stay_in_their_account(deployed: Deployed) -> None:
    written_by: dict[str, set[str]] = {}
    for stack in deployed.environment.stacks:
        names = {one.properties["Name"] for one in stack.of("AWS::SSM::Parameter")}
        written_by.setdefault(stack.account, set()).update(names)
    for account, names in written_by.items():
        assert deployed.values(account).keys() == names
    heads = next(one for one in deployed.environment.stacks if one.template == "21-log-heads")
    assert "/mlife/lake/bucket" not in deployed.values(heads.account)


def test_what_a_stack_reads_is_what_another_wrote(deployed: Deployed) -> None:
    """A bucket's name, a key and a cluster go through two stacks and come out as they went in."""
    own = deployed.accounts(deployed.environment.accounts["environment"])
    values = deployed.values(deployed.environment.accounts["environment"])
    (definition,) = own("ecs").list_task_definitions(familyPrefix="mlife-run")["taskDefinitionArns"]
    (container,) = own("ecs").describe_task_definition(taskDefinition=definition)["taskDefinition"][
        "containerDefinitions"
    ]
    environment = {one["name"]: one["value"] for one in container["environment"]}
    assert environment["MLIFE_EVENT_LOG"] == f"s3://{values['/mlife/event-log/bucket']}"
    assert environment["MLIFE_HEAD_SIGNING_KEY"] == values["/mlife/event-log/head-signing-key-arn"]
    assert environment["MLIFE_TASK_SUBNETS"] == values["/mlife/network/task-subnet-ids"]
    assert definition == values["/mlife/dagster/run-task-arn"]
    table = own("glue").get_table(DatabaseName="events", Name="click")["Table"]
    assert table["StorageDescriptor"]["Location"].startswith(f"{environment['MLIFE_EVENT_LOG']}/events/")


def test_planning_again_finds_nothing(deployed: Deployed, files: InfraFiles) -> None:
    """What was made is what the files say, so the next plan is empty where the emulator knows every type."""
    environment = deployed.environment
    for inputs in stack_inputs(files, "dev", "witness", {}):
        stacks = Stacks(deployed.accounts(inputs.account), inputs.account, inputs.region, lambda _: None)
        assert stacks.plan(inputs, "again").change_set is None
        assert stacks.account == environment.accounts["witness"]


def ignored(deployed: Deployed) -> dict[str, str]:
    """Return what the emulator takes and does not enforce, tried on the log's own bucket by nobody in particular."""
    account = deployed.environment.accounts["environment"]
    s3, bucket = deployed.accounts(account)("s3"), deployed.values(account)["/mlife/event-log/bucket"]

    def through(call: Callable[[], Any]) -> bool:
        try:
            call()
        except Exception as error:
            if not code_of(error):
                raise
            return False
        return True

    key = {"Bucket": bucket, "Key": "elsewhere/a"}
    attempts: Mapping[str, Callable[[], Any]] = {
        "a put without `If-None-Match`, to a place that the policy denies": lambda: s3.put_object(**key, Body=b"a"),
        "a put of a stranger's account": lambda: deployed.accounts("999999999999")("s3").put_object(**key, Body=b"b"),
        "deleting a version that is retained": lambda: s3.delete_object(
            **key, VersionId=s3.put_object(**key, Body=b"c")["VersionId"]
        ),
        "deleting it past retention": lambda: s3.delete_object(
            **key, VersionId=s3.put_object(**key, Body=b"d")["VersionId"], BypassGovernanceRetention=True
        ),
        "making a role without the boundary": lambda: deployed.accounts(account)("iam").create_role(
            RoleName="unbounded", AssumeRolePolicyDocument="{}"
        ),
        "deleting a stack that is protected": lambda: deployed.accounts(account)("cloudformation").delete_stack(
            StackName="mlife-lake"
        ),
    }
    return {name: "goes through" if through(call) else "refused" for name, call in attempts.items()}


def test_the_page_lists_what_the_emulator_lacks_and_ignores(deployed: Deployed, repository: Path) -> None:
    page = (repository / "docs" / "infra_emulators.md").read_text(encoding="utf-8")
    section = page.partition("## ministack")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    found = {row[0]: row[1] for row in rows if row[1] != "what it does" and not row[0].startswith("---")}
    lacking = {f"`{name}`": "not known: put aside" for name in deployed.lacking}
    assert found == lacking | ignored(deployed)
