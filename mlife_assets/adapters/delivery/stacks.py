"""Change sets of one account: created, shown, executed as shown; and drift of stacks.

Concept: creating a change set changes nothing. Execution is by ARN; CloudFormation refuses one that another update has
overtaken. Changes of Parameter Store since the plan are detected here, since CloudFormation reads its values only at
creation. A stack without differences is checked as well: an earlier one may just have changed its inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import yaml

from mlife_assets.adapters.aws_clients import code_of
from mlife_assets.core.delivery.stacks import (
    ENVIRONMENTS,
    Change,
    InfraFiles,
    PlannedStack,
    PropertyChange,
    StackInputs,
    changes_of,
    made_from,
    to_be_made,
)
from mlife_assets.core.errors import (
    GateClosedError,
    InvalidInputError,
    NotFoundError,
    PermanentError,
    TransientError,
    UpstreamMismatchError,
)

T = TypeVar("T")
PAUSE_SECONDS = 2.0
_AGAIN = {
    "ConnectTimeoutError",
    "EndpointConnectionError",
    "InternalFailure",
    "ReadTimeoutError",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
}
"""Transient errors of AWS and of boto3."""
IMAGE = "/mlife/dagster/image"
IMAGE_STACK = "mlife-dagster"
CHANGE_SET_SECONDS = 300.0
STACK_SECONDS = 3600.0
DRIFT_SECONDS = 600.0
_NOTHING = ("didn't contain changes", "No updates are to be performed")


class Clients(Protocol):
    """Gives the client of a service, such as `cloudformation`."""

    def __call__(self, service: str) -> Any:
        """Return the client."""


def clients(region: str) -> Clients:
    """Return boto3's clients of a region. Raises ImportError without the extra `aws`."""
    import boto3  # type: ignore[import-not-found,unused-ignore]  # of the extra `aws`

    session = boto3.Session(region_name=region)
    return lambda service: session.client(service)


def refused_with(call: Callable[[], object]) -> str:
    """Make a call and return the code of AWS's refusal; empty if it succeeded."""
    from botocore.exceptions import ClientError  # type: ignore[import-not-found,unused-ignore]

    try:
        call()
    except ClientError as error:
        return code_of(error)
    return ""


@contextmanager
def refusals_named() -> Iterator[None]:
    """Raise PermanentError or, if a retry may help, TransientError for refusals of AWS or boto3 inside."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in {"boto3", "botocore"}:
            raise
        code = code_of(error)
        kind = TransientError if code in _AGAIN or type(error).__name__ in _AGAIN else PermanentError
        raise kind(f"AWS: {error}") from error


def require_account(of: Clients, account: str) -> None:
    """Raise GateClosedError unless the credentials at hand are of an account."""
    at_hand = of("sts").get_caller_identity()["Account"]
    if at_hand != account:
        raise GateClosedError(f"these credentials are of account {at_hand}, and the stacks are of {account}")


def waited(
    look: Callable[[], T], is_over: Callable[[T], bool], what: str, *, seconds: float, sleep: Callable[[float], None]
) -> T:
    """Poll `look` until `is_over` and return its result. Raises TransientError after `seconds`, naming `what`."""
    for _ in range(max(1, int(seconds / PAUSE_SECONDS))):
        seen = look()
        if is_over(seen):
            return seen
        sleep(PAUSE_SECONDS)
    raise TransientError(f"{what} was not over after {seconds:.0f} seconds; look at it, then try again")


@dataclass(frozen=True)
class Stacks:
    """The stacks of one account; `of` gives clients with a role of it."""

    of: Clients
    account: str
    region: str
    sleep: Callable[[float], None]

    def plan(self, inputs: StackInputs, label: str) -> PlannedStack:
        """Return a stack's plan, with a change set `label` if it changes. Raises GateClosedError or PermanentError."""
        require_account(self.of, self.account)
        state = self.state(inputs.name)
        is_new = state in {None, "REVIEW_IN_PROGRESS"}
        found = {path: self.value(path) for path in inputs.reads}
        read = {path: value for path, value in found.items() if value is not None}
        if missing := tuple(path for path in inputs.reads if path not in read):
            changes = to_be_made(inputs) if is_new else ()
            return PlannedStack(inputs.name, is_new, None, missing, made_from(inputs), changes, read)
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in inputs.given.items()]
        made = self._change_set(inputs.name, label, is_new=is_new, TemplateBody=inputs.body, Parameters=given)
        return PlannedStack(inputs.name, is_new, made[0], (), made_from(inputs), made[1], read)

    def forget(self, shown: PlannedStack) -> None:
        if shown.change_set is not None:
            self.of("cloudformation").delete_change_set(ChangeSetName=shown.change_set)

    def apply(self, shown: PlannedStack, inputs: StackInputs | None, label: str) -> str:
        """Execute a shown plan; `inputs` create a stack that had to wait. Says what was done.

        Raises UpstreamMismatchError if anything differs from the shown plan, PermanentError if it was rolled back.
        """
        require_account(self.of, self.account)
        if shown.waits_for:
            shown = self._no_longer_waiting(shown, inputs, label)
        for path, value in shown.read.items():
            if self.value(path) != value:
                raise UpstreamMismatchError(f"{shown.name} was planned with another {path}; plan again")
        if shown.change_set is None:
            self._protect(shown.name)  # its creation may have been interrupted before that
            return "nothing differs"
        stack = self._require_as_shown(shown)
        self.of("cloudformation").execute_change_set(ChangeSetName=shown.change_set)
        self._finished(shown.name, stack)
        self._protect(shown.name)
        return "made" if shown.is_new else "updated"

    def rolled_back(self, image: str, label: str) -> PlannedStack:
        """Return the change set that runs another image with the deployed template; executes nothing."""
        require_account(self.of, self.account)
        stack = self._described(IMAGE_STACK)
        if stack is None:
            raise NotFoundError(f"there is no stack {IMAGE_STACK} in {self.account}, so nothing to roll back")
        given = [
            {"ParameterKey": one["ParameterKey"], "UsePreviousValue": True}
            if one["ParameterKey"] != "Image"
            else {"ParameterKey": "Image", "ParameterValue": image}
            for one in stack["Parameters"]
        ]
        made = self._change_set(IMAGE_STACK, label, is_new=False, UsePreviousTemplate=True, Parameters=given)
        return PlannedStack(IMAGE_STACK, False, made[0], (), "", made[1])

    def image(self) -> str | None:
        require_account(self.of, self.account)
        return self.value(IMAGE)

    def previous_image(self) -> str:
        """Return the image before the running one. Raises NotFoundError without one."""
        found = self.of("ssm").get_parameter(Name=IMAGE)["Parameter"]
        before = self.value(f"{IMAGE}:{found['Version'] - 1}") if found["Version"] > 1 else None
        if before is None:
            raise NotFoundError(f"{IMAGE} of {self.account} holds no earlier image; name one with --image")
        return before

    def drifted(self, name: str) -> tuple[Change, ...]:
        """Return the account's differences from the stack's template, by resource and property."""
        require_account(self.of, self.account)
        cloudformation = self.of("cloudformation")
        detection = cloudformation.detect_stack_drift(StackName=name)["StackDriftDetectionId"]
        seen = waited(
            lambda: cloudformation.describe_stack_drift_detection_status(StackDriftDetectionId=detection),
            lambda status: status["DetectionStatus"] != "DETECTION_IN_PROGRESS",
            f"looking for drift of {name}",
            seconds=DRIFT_SECONDS,
            sleep=self.sleep,
        )
        if seen["DetectionStatus"] != "DETECTION_COMPLETE":
            raise PermanentError(f"{name}: drift is not known: {seen.get('DetectionStatusReason')}")
        found: list[Change] = []
        token: dict[str, str] = {}
        while True:
            page = cloudformation.describe_stack_resource_drifts(
                StackName=name, StackResourceDriftStatusFilters=["MODIFIED", "DELETED"], **token
            )
            found += [_drift(one) for one in page["StackResourceDrifts"]]
            if not page.get("NextToken"):
                return tuple(found)
            token = {"NextToken": page["NextToken"]}

    def state(self, name: str) -> str | None:
        stack = self._described(name)
        return None if stack is None else str(stack["StackStatus"])

    def value(self, path: str) -> str | None:
        """Return a value of Parameter Store; None if it is missing."""
        try:
            return str(self.of("ssm").get_parameter(Name=path)["Parameter"]["Value"])
        except Exception as error:
            if code_of(error) in {"ParameterNotFound", "ParameterVersionNotFound"}:
                return None
            raise

    def _described(self, name: str) -> Mapping[str, Any] | None:
        try:
            return dict(self.of("cloudformation").describe_stacks(StackName=name)["Stacks"][0])
        except Exception as error:
            if code_of(error) == "ValidationError" and "does not exist" in str(error):
                return None
            raise

    def _change_set(
        self, stack: str, label: str, *, is_new: bool, **what: Any
    ) -> tuple[str | None, tuple[Change, ...]]:
        if is_new:
            what["OnStackFailure"] = "DELETE"
        arn = self.of("cloudformation").create_change_set(
            StackName=stack,
            ChangeSetName=label,
            ChangeSetType="CREATE" if is_new else "UPDATE",
            Capabilities=["CAPABILITY_NAMED_IAM"],
            RoleARN=f"arn:aws:iam::{self.account}:role/mlife/mlife-cfn-execution",
            **what,
        )["Id"]
        seen = waited(
            lambda: self._pages(arn),
            lambda pages: pages[0]["Status"] in {"CREATE_COMPLETE", "FAILED"},
            f"the change set of {stack}",
            seconds=CHANGE_SET_SECONDS,
            sleep=self.sleep,
        )
        if seen[0]["Status"] == "FAILED":
            reason = seen[0].get("StatusReason", "")
            self.of("cloudformation").delete_change_set(ChangeSetName=arn)
            if any(words in reason for words in _NOTHING):
                return None, ()
            raise PermanentError(f"{stack}: CloudFormation cannot make this change: {reason}")
        return arn, changes_of(change for page in seen for change in page["Changes"])

    def _pages(self, change_set: str) -> list[Mapping[str, Any]]:
        pages: list[Mapping[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            page = self.of("cloudformation").describe_change_set(
                ChangeSetName=change_set, IncludePropertyValues=True, **token
            )
            pages.append(page)
            if not page.get("NextToken"):
                return pages
            token = {"NextToken": page["NextToken"]}

    def _no_longer_waiting(self, shown: PlannedStack, inputs: StackInputs | None, label: str) -> PlannedStack:
        if not shown.is_new:
            raise UpstreamMismatchError(f"{shown.name} had to wait for {', '.join(shown.waits_for)}; plan again")
        if inputs is None or made_from(inputs) != shown.made_from:
            raise UpstreamMismatchError(f"{shown.name} is made from other files than were shown; plan again")
        planned = self.plan(inputs, label)
        if planned.waits_for or not planned.is_new or any(change.what != "added" for change in planned.changes):
            raise UpstreamMismatchError(f"{shown.name} is no longer a new stack that only adds; plan again")
        return planned

    def _require_as_shown(self, shown: PlannedStack) -> str:
        """Return the stack's id, which also works for a deleted stack."""
        try:
            pages = self._pages(str(shown.change_set))
        except Exception as error:
            if code_of(error) == "ChangeSetNotFound":
                raise UpstreamMismatchError(f"{shown.name}: {shown.change_set} is gone; plan again") from error
            raise
        if pages[0]["ExecutionStatus"] != "AVAILABLE" or pages[0]["StackName"] != shown.name:
            why = f"{pages[0]['ExecutionStatus']} and of {pages[0]['StackName']}"
            raise UpstreamMismatchError(f"{shown.name}: the change set that was shown is {why}; plan again")
        if changes_of(change for page in pages for change in page["Changes"]) != shown.changes:
            raise UpstreamMismatchError(f"{shown.name}: the change set is not the one that was shown; plan again")
        return str(pages[0]["StackId"])

    def _protect(self, name: str) -> None:
        self.of("cloudformation").update_termination_protection(StackName=name, EnableTerminationProtection=True)

    def _finished(self, name: str, stack: str) -> None:
        self.sleep(PAUSE_SECONDS)  # a stack may briefly still show the end of its last update
        state = waited(
            lambda: self.state(stack),
            lambda seen: seen is None or not seen.endswith("_IN_PROGRESS"),
            f"applying {name}",
            seconds=STACK_SECONDS,
            sleep=self.sleep,
        )
        if state not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
            raise PermanentError(f"{name} is {state}: {'; '.join(self._reasons(stack))}")

    def _reasons(self, stack: str) -> Iterator[str]:
        """Return the failures since the stack's last start, the newest first."""
        pages = self.of("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack)
        for event in (one for page in pages for one in page["StackEvents"]):
            status = str(event.get("ResourceStatus"))
            if event.get("PhysicalResourceId") == stack and status in {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"}:
                return
            if status.endswith("_FAILED"):
                yield f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"


def _drift(said: Mapping[str, Any]) -> Change:
    differences = tuple(
        PropertyChange(one["PropertyPath"], one["ExpectedValue"], one["ActualValue"])
        for one in said.get("PropertyDifferences", ())
    )
    what = {"MODIFIED": "changed", "DELETED": "removed"}[said["StackResourceDriftStatus"]]
    return Change(what, said["LogicalResourceId"], said["ResourceType"], differences)


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # yaml ships no types
    """A safe loader that reads `!Ref` as the name in it, its kind as nothing, and a date as text."""


_Loader.add_multi_constructor("!", lambda _, tag, node: node.value if tag == "Ref" else None)

_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node))


def read_infra(folder: Path) -> InfraFiles:
    """Return the files of a folder. Raises NotFoundError and InvalidInputError for missing files or invalid YAML."""
    if not (folder / "stacks.yaml").is_file():
        raise NotFoundError(f"{folder} holds no stacks.yaml; name the folder `infra` of a checkout with --infra")
    templates = {path.stem: path for path in sorted((folder / "templates").glob("*.yaml"))}
    trees = {name: _tree(path) for name, path in templates.items()}
    own = {name: tree["Resources"].items() for name, tree in trees.items()}
    return InfraFiles(
        stacks=_tree(folder / "stacks.yaml"),
        accounts=_tree(folder / "parameters" / "accounts.yaml"),
        parameters={name: _tree(folder / "parameters" / f"{name}.yaml")["parameters"] for name in ENVIRONMENTS},
        templates={name: path.read_text(encoding="utf-8") for name, path in templates.items()},
        declared={name: tree.get("Parameters", {}) for name, tree in trees.items()},
        resources={name: {key: one["Type"] for key, one in of} for name, of in own.items()},
        left={
            name: {k: one for k, one in of if one.get("DeletionPolicy", "Delete") != "Delete"}
            for name, of in own.items()
        },
    )


def _tree(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506  it is a safe loader
    except (OSError, yaml.YAMLError) as error:
        raise InvalidInputError(f"{path}: {error}") from error
    if not isinstance(tree, dict):
        raise InvalidInputError(f"{path} is no mapping")
    return tree
