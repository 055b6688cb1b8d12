"""The contracts find what breaks them: each fault of a provider or a deployment fails the test that is about it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlife_assets.adapters.console_gateway import ConsoleGateway, GatewayFaults
from mlife_assets.core.errors import AmbiguousSendError, MlifeError
from mlife_assets.deployments.standalone import standalone
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.ports import Accepted
from mlife_assets.testing.deployments import DeploymentContract
from mlife_assets.testing.gateways import EVER, LOSES_REQUEST, REJECTS, THROTTLES, GatewayContract

TAKEN, DEFERRED, REFUSED, RECEIPTS = "what_was_taken", "what_was_deferred", "what_was_refused", "receipts_are"
LOST, AMBIGUOUS, REPLIES, NAMED = "a_request_that_was", "an_answer_that_was", "what_people_write", "it_says_who"
NOON = datetime(2026, 6, 3, 12)  # noqa: DTZ001
ANSWERS, READS = (DEFERRED, REFUSED, LOST, AMBIGUOUS), (RECEIPTS, REPLIES)


def sending(fails: Callable[[Any], Any]) -> dict[str, Any]:
    """A gateway that does `fails` to a message where the provider's answer is an error."""

    def send(self: ConsoleGateway, message: Any, *, now: datetime) -> Any:
        try:
            return ConsoleGateway.send(self, message, now=now)
        except MlifeError:
            return fails(message)

    return {"send": send}


def reading(change: Callable[[list[Any]], list[Any]] = list, **asked: Any) -> dict[str, Any]:
    """A gateway that asks for something else than it was asked, and changes what it found."""
    return {
        name: lambda self, name=name, **given: change(getattr(ConsoleGateway, name)(self, **{**given, **asked}))
        for name in ("receipts", "inbound")
    }


def tells(message: Any) -> Any:
    raise AmbiguousSendError(message.address)


def require_noticed(made: Callable[[], Any], folder: Path, noticed: tuple[str, ...]) -> None:
    """Run a contract, of which the tests of these names must fail and no other."""
    for name in sorted(one for one in dir(made()) if one.startswith("test_")):
        (folder / name).mkdir()
        is_noticed = name.removeprefix("test_").startswith(noticed)
        with pytest.raises((AssertionError, TypeError)) if is_noticed else nullcontext():
            getattr(made(), name)(folder / name)


@pytest.mark.parametrize(
    ("changed", "noticed"),
    [
        pytest.param({}, (), id="nothing"),
        pytest.param({"name": "a b"}, (NAMED,), id="no name"),
        pytest.param({"channel": Channel.CALL}, (NAMED,), id="another channel"),
        pytest.param({"find": lambda *_: None}, (TAKEN, AMBIGUOUS, RECEIPTS), id="forgets"),
        pytest.param(
            {"find": lambda *_: None, "can_be_asked": False}, (TAKEN, AMBIGUOUS, RECEIPTS), id="does not say so"
        ),
        pytest.param({"find": lambda *_: Accepted("m")}, (TAKEN, *ANSWERS[:3], RECEIPTS), id="invents"),
        pytest.param(sending(lambda _: Accepted("m")), ANSWERS, id="says nothing"),
        pytest.param(sending(tells), ANSWERS, id="tells the number"),
        pytest.param(reading(until=EVER), READS, id="what is not yet there"),
        pytest.param(reading(since=None), READS, id="what was there before"),
        pytest.param(reading(lambda found: found[::-1]), READS, id="newest first"),
        pytest.param(reading(lambda found: found[:-1]), READS, id="leaves out"),
        pytest.param(reading(lambda found: [replace(one, received_at=NOON) for one in found]), READS, id="no zone"),
    ],
)
def test_each_fault_of_a_provider_breaks_the_contract(changed: Any, noticed: tuple[str, ...], tmp_path: Path) -> None:
    class Broken(GatewayContract):
        can_be_asked = changed.get("can_be_asked", True)

        def opened(self, folder: Path, fault: str = "") -> Any:
            share = {THROTTLES: "throttled_share", REJECTS: "rejected_share"}.get(fault, "timeout_share")
            none = dict.fromkeys(("throttled_share", "rejected_share", "timeout_share"), 0)
            stops = {"delivered_share": 1, "stop_share": 1, "stop_share_maximum": 1}
            faults = GatewayFaults(**{**none, **stops, share: int(fault != "")})
            kind = type("Broken", (ConsoleGateway,), changed)
            return kind(folder / "g.sqlite", seed=1 if fault == LOSES_REQUEST else 2, hash_key=b"k", faults=faults)

    require_noticed(Broken, tmp_path, noticed)


AHEAD = SimpleNamespace(now=lambda: datetime.now(UTC) + timedelta(hours=1))


@pytest.mark.parametrize(
    ("changed", "noticed"),
    [
        ({}, ()),
        ({"look": lambda _: None}, ("the_doctor",)),
        ({"providers": lambda _: {Channel.SMS: "acme", Channel.EMAIL: "folder"}}, ("providers_are_those",)),
        ({"providers": lambda _: {Channel.SMS: "console"}}, ("asking_which_it_is", "providers_are_those")),
        ({"texts": lambda ours: lambda: standalone(ours).texts()}, ("providers_are_those",)),
        ({"contacts": lambda _: lambda: SimpleNamespace(phone_numbers=lambda _: {})}, ("a_person_without",)),
        ({"times": lambda home: replace(standalone(home).times, clock=AHEAD)}, ("it_goes_by_one_time",)),
    ],
)
def test_each_fault_of_a_deployment_breaks_the_contract(changed: Any, noticed: tuple[str, ...], tmp_path: Path) -> None:
    class Broken(DeploymentContract):
        named = "standalone"

        def opened(self, home: Path) -> Any:
            platform = super().opened(home)
            fault = {name: change(platform.home.private) for name, change in changed.items()}
            vars(platform.home)["deployment"] = replace(standalone(platform.home.private), **fault)
            return platform

    require_noticed(Broken, tmp_path, noticed)
