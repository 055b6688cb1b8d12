"""Change sets are made, shown, executed as they were shown, and refused when something has overtaken them: on an
emulator of AWS with accounts.

Shown: the order of calls and what mlife makes of the answers. Not shown: what CloudFormation itself answers, which
`docs/never_run_on_aws.md` lists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from mlife_assets.adapters.delivery.stacks import IMAGE, IMAGE_STACK, Stacks
from mlife_assets.core.delivery.stacks import StackInputs
from mlife_assets.core.errors import GateClosedError, NotFoundError, PermanentError, UpstreamMismatchError

pytestmark = pytest.mark.aws
NUMBERS = iter(range(700000000000, 700000001000))
LABELS = count(1)
BODY = """
Parameters:
  Word: {Type: String}
  Place: {Type: "AWS::SSM::Parameter::Value<String>", Default: /mlife/place}
Resources:
  Said:
    Type: AWS::SSM::Parameter
    Properties: {Name: /mlife/said, Type: String, Value: !Sub "${Word} at ${Place}"}
"""
WITH_QUEUE = BODY + "  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: mlife-queue}}\n"


def inputs(body: str = BODY, word: str = "one", name: str = "mlife-said") -> StackInputs:
    return StackInputs(
        name=name, template="said", body=body, owner="environment", account="", region="us-east-1",
        given={"Word": word}, reads=("/mlife/place",), adds={"Said": "AWS::SSM::Parameter"},
    )  # fmt: skip


@pytest.fixture
def stacks(account: Callable[[str], Any]) -> Stacks:
    number = str(next(NUMBERS))
    of = account(number)
    of("ssm").put_parameter(Name="/mlife/place", Value="home", Type="String")
    return Stacks(of, number, "us-east-1", lambda _: None)


def label() -> str:
    return f"mlife-{next(LABELS)}"


def deployed(stacks: Stacks, one: StackInputs) -> None:
    stacks.apply(stacks.plan(one, label()), one, label())


def said_to(stacks: Stacks, operation: str) -> list[dict[str, Any]]:
    asked: list[dict[str, Any]] = []
    client = stacks.of("cloudformation")
    client.meta.events.register(
        f"provide-client-params.cloudformation.{operation}", lambda params, **_: asked.append(params)
    )
    return asked


def test_a_plan_shows_and_changes_nothing(stacks: Stacks) -> None:
    shown = stacks.plan(inputs(), label())
    assert shown.is_new
    assert shown.change_set is not None
    assert [(one.what, one.name) for one in shown.changes] == [("added", "Said")]
    assert stacks.value("/mlife/said") is None


def test_what_was_shown_is_applied_and_protected(stacks: Stacks) -> None:
    asked = said_to(stacks, "CreateChangeSet")
    assert stacks.apply(stacks.plan(inputs(), label()), None, label()) == "made"
    assert stacks.value("/mlife/said") == "one at home"
    (stack,) = stacks.of("cloudformation").describe_stacks(StackName="mlife-said")["Stacks"]
    assert stack["EnableTerminationProtection"]
    assert asked[0]["RoleARN"] == f"arn:aws:iam::{stacks.account}:role/mlife/mlife-cfn-execution"
    assert asked[0]["OnStackFailure"] == "DELETE"


def test_an_update_shows_what_is_added_changed_and_removed(stacks: Stacks) -> None:
    deployed(stacks, inputs())
    grown = stacks.plan(inputs(WITH_QUEUE, "two"), label())
    assert {(one.what, one.name) for one in grown.changes} == {("changed", "Said"), ("added", "Queue")}
    stacks.of("cloudformation").update_termination_protection(StackName="mlife-said", EnableTerminationProtection=False)
    assert stacks.apply(grown, None, label()) == "updated"
    (stack,) = stacks.of("cloudformation").describe_stacks(StackName="mlife-said")["Stacks"]
    assert stack["EnableTerminationProtection"], "one that was left without protection gets it with the next update"
    assert stacks.value("/mlife/said") == "two at home"
    shrunk = stacks.plan(inputs(BODY, "two"), label())
    assert [(one.what, one.name) for one in shrunk.changes] == [("removed", "Queue")]


def test_where_nothing_differs_there_is_nothing_to_apply(stacks: Stacks) -> None:
    deployed(stacks, inputs())
    shown = stacks.plan(inputs(), label())
    assert (shown.change_set, shown.changes) == (None, ())
    assert stacks.apply(shown, None, label()) == "nothing differs"


def test_a_stack_that_an_apply_left_unprotected_is_protected_by_the_next(stacks: Stacks) -> None:
    deployed(stacks, inputs())
    stacks.of("cloudformation").update_termination_protection(StackName="mlife-said", EnableTerminationProtection=False)
    assert stacks.apply(stacks.plan(inputs(), label()), None, label()) == "nothing differs"
    (stack,) = stacks.of("cloudformation").describe_stacks(StackName="mlife-said")["Stacks"]
    assert stack["EnableTerminationProtection"]


def test_a_change_set_that_is_gone_is_refused(stacks: Stacks) -> None:
    deployed(stacks, inputs())
    shown = stacks.plan(inputs(word="two"), label())
    stacks.of("cloudformation").delete_change_set(ChangeSetName=shown.change_set)
    with pytest.raises(UpstreamMismatchError, match="plan again"):
        stacks.apply(shown, None, label())
    assert stacks.value("/mlife/said") == "one at home"


def test_a_change_set_that_was_executed_is_not_executed_again(stacks: Stacks) -> None:
    deployed(stacks, inputs())
    shown = stacks.plan(inputs(word="two"), label())
    stacks.apply(shown, None, label())
    with pytest.raises(UpstreamMismatchError, match="plan again"):
        stacks.apply(shown, None, label())


def test_a_change_set_that_is_not_the_one_shown_is_refused(stacks: Stacks) -> None:
    deployed(stacks, inputs())
    shown = stacks.plan(inputs(WITH_QUEUE, "two"), label())
    with pytest.raises(UpstreamMismatchError, match="not the one that was shown"):
        stacks.apply(replace(shown, changes=shown.changes[:1]), None, label())
    with pytest.raises(UpstreamMismatchError, match="of mlife-said"):
        stacks.apply(replace(shown, name="mlife-other"), None, label())
    assert stacks.value("/mlife/said") == "one at home"


def test_a_value_that_changed_since_the_plan_is_found(stacks: Stacks) -> None:
    deployed(stacks, inputs())
    changed, same = stacks.plan(inputs(word="two"), label()), stacks.plan(inputs(), label())
    assert same.change_set is None
    stacks.of("ssm").put_parameter(Name="/mlife/place", Value="away", Type="String", Overwrite=True)
    for shown in (changed, same):
        with pytest.raises(UpstreamMismatchError, match="planned with another /mlife/place"):
            stacks.apply(shown, None, label())
    assert stacks.value("/mlife/said") == "one at home"


def test_a_new_stack_waits_for_what_it_reads_and_is_made_as_it_was_shown(stacks: Stacks) -> None:
    stacks.of("ssm").delete_parameter(Name="/mlife/place")
    shown = stacks.plan(inputs(), label())
    assert (shown.change_set, shown.waits_for) == (None, ("/mlife/place",))
    assert [(one.what, one.name) for one in shown.changes] == [("added", "Said")]
    with pytest.raises(UpstreamMismatchError, match="no longer a new stack"):
        stacks.apply(shown, inputs(), label())
    stacks.of("ssm").put_parameter(Name="/mlife/place", Value="home", Type="String")
    with pytest.raises(UpstreamMismatchError, match="other files"):
        stacks.apply(shown, inputs(word="two"), label())
    assert stacks.apply(shown, inputs(), label()) == "made"
    assert stacks.value("/mlife/said") == "one at home"


def test_an_existing_stack_that_waits_is_planned_again(stacks: Stacks) -> None:
    deployed(stacks, inputs())
    stacks.of("ssm").delete_parameter(Name="/mlife/place")
    shown = stacks.plan(inputs(word="two"), label())
    with pytest.raises(UpstreamMismatchError, match="had to wait"):
        stacks.apply(shown, inputs(word="two"), label())


def test_credentials_of_another_account_are_refused(stacks: Stacks, account: Callable[[str], Any]) -> None:
    other = replace(stacks, of=account("799999999999"))
    for call in (lambda: other.plan(inputs(), label()), other.image, lambda: other.drifted("mlife-said")):
        with pytest.raises(GateClosedError, match="799999999999"):
            call()


def test_a_stack_that_cannot_be_made_says_which_resource_and_is_gone(stacks: Stacks) -> None:
    stacks.of("ssm").put_parameter(Name="/mlife/said", Value="taken", Type="String")
    with pytest.raises(PermanentError, match=r"mlife-said is DELETE_COMPLETE: .*Said: .*exists"):
        deployed(stacks, inputs())
    assert stacks.state("mlife-said") is None


def test_a_change_that_cannot_be_made_says_why(stacks: Stacks) -> None:
    deployed(stacks, inputs())
    stacks.of("ssm").put_parameter(Name="/mlife/more", Value="taken", Type="String")
    wrong = f"{BODY}  More: {{Type: AWS::SSM::Parameter, Properties: {{Name: /mlife/more, Type: String, Value: a}}}}\n"
    with pytest.raises(PermanentError, match=r"ROLLBACK_COMPLETE: .*More: "):
        stacks.apply(stacks.plan(inputs(wrong, "two"), label()), None, label())
    assert stacks.value("/mlife/said") == "one at home"


def image_stack(image: str) -> StackInputs:
    body = f"""
Parameters:
  Image: {{Type: String}}
  Word: {{Type: String}}
Resources:
  ImageParameter:
    Type: AWS::SSM::Parameter
    Properties: {{Name: {IMAGE}, Type: String, Value: !Ref Image}}
"""
    made = inputs(body, name=IMAGE_STACK)
    return replace(made, given={"Image": image, "Word": "kept"}, reads=())


def test_a_rollback_runs_the_image_before_with_the_deployed_template(stacks: Stacks) -> None:
    for image in ("one", "two"):
        deployed(stacks, image_stack(image))
    assert (stacks.image(), stacks.previous_image()) == ("two", "one")
    back = stacks.rolled_back(stacks.previous_image(), label())
    assert stacks.image() == "two"
    assert stacks.apply(back, None, label()) == "updated"
    assert stacks.image() == "one"


def test_without_an_image_before_there_is_nothing_to_go_back_to(stacks: Stacks) -> None:
    assert stacks.image() is None
    with pytest.raises(NotFoundError, match="no stack mlife-dagster"):
        stacks.rolled_back("one", label())
    deployed(stacks, image_stack("one"))
    with pytest.raises(NotFoundError, match="--image"):
        stacks.previous_image()


def test_what_somebody_changed_by_hand_is_drift(stacks: Stacks) -> None:
    deployed(stacks, inputs())
    assert stacks.drifted("mlife-said") == ()
    stacks.of("ssm").put_parameter(Name="/mlife/said", Value="by hand", Type="String", Overwrite=True)
    (drift,) = stacks.drifted("mlife-said")
    assert (drift.what, drift.name) == ("changed", "Said")
    assert [(one.before, one.after) for one in drift.properties] == [("one at home", "by hand")]
    stacks.of("ssm").delete_parameter(Name="/mlife/said")
    assert [one.what for one in stacks.drifted("mlife-said")] == ["removed"]
