"""Tasks are started as the stacks say; where a smoke test looks is what files and stacks say."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mlife_assets.adapters.clock import SystemClock
from mlife_assets.adapters.delivery.smoke import AT_ONCE, Ended, RunTasks, SmokePlaces, handed_over, places_of
from mlife_assets.adapters.delivery.stacks import read_infra
from mlife_assets.core.errors import GateClosedError, InvalidInputError, NotFoundError, TransientError

VALUES = {
    "/mlife/dagster/cluster-arn": "arn:aws:ecs:us-east-1:111111111111:cluster/mlife",
    "/mlife/dagster/run-task-arn": "arn:aws:ecs:us-east-1:111111111111:task-definition/mlife-run:7",
    "/mlife/network/task-subnet-ids": "subnet-a,subnet-b",
    "/mlife/network/task-security-group-id": "sg-1",
}
PEOPLE_KEY = "arn:aws:kms:us-east-1:111111111111:key/people"


class Account:
    """Answers as Parameter Store, STS and ECS do: API_RunTask in the API reference of ECS."""

    def __init__(self, ends: dict[str, dict[str, Any]], *, starts: bool = True) -> None:
        self.ends, self.starts = ends, starts
        self.asked: list[dict[str, Any]] = []
        self.looks: dict[str, int] = {}
        self.running: set[str] = set()
        self.most_running = 0

    def __call__(self, service: str) -> Account:
        return self

    def get_caller_identity(self) -> dict[str, Any]:
        return {"Account": "111111111111"}

    def get_parameter(self, Name: str) -> dict[str, Any]:  # noqa: N803  AWS's name
        return {"Parameter": {"Value": VALUES[Name]}}

    def run_task(self, **asked: Any) -> dict[str, Any]:
        if not self.starts:
            return {"tasks": [], "failures": [{"reason": "RESOURCE:CPU"}]}
        self.asked.append(asked)
        number = str(len(self.asked))
        self.running.add(number)
        self.most_running = max(self.most_running, len(self.running))
        return {"tasks": [{"taskArn": f"arn:aws:ecs:us-east-1:111111111111:task/mlife/{number}"}], "failures": []}

    def describe_tasks(self, cluster: str, tasks: list[str]) -> dict[str, Any]:
        number = tasks[0].rpartition("/")[2]
        self.looks[number] = self.looks.get(number, 0) + 1
        if number not in self.ends:
            return {"tasks": [], "failures": [{"reason": "MISSING"}]}
        if self.looks[number] < 2:
            return {"tasks": [], "failures": [{"reason": "MISSING"}]}
        if self.looks[number] < 3:
            return {"tasks": [{"lastStatus": "RUNNING", "containers": []}]}
        self.running.discard(number)
        return {"tasks": [{"lastStatus": "STOPPED", **self.ends[number]}]}


def container(**more: Any) -> dict[str, Any]:
    return {"containers": [{"name": "run", **more}]}


def tasks(account: Account, number: str = "111111111111") -> RunTasks:
    return RunTasks(account, number, lambda _: None)


def test_commands_run_as_tasks_with_the_rights_of_a_run() -> None:
    account = Account({"1": container(exitCode=0), "2": container(exitCode=1)})
    ended = tasks(account).run({"good": ["mlife", "a"], "bad": ["mlife", "b"]})
    assert {name: (one.is_well, one.exit_code) for name, one in ended.items()} == {"good": (True, 0), "bad": (False, 1)}
    assert ended["bad"].log_stream == "/mlife/tasks mlife/run/2"
    assert account.asked[1]["taskDefinition"] == VALUES["/mlife/dagster/run-task-arn"]
    assert account.asked[1]["overrides"] == {"containerOverrides": [{"name": "run", "command": ["mlife", "b"]}]}
    network = account.asked[1]["networkConfiguration"]["awsvpcConfiguration"]
    assert network == {"subnets": ["subnet-a", "subnet-b"], "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED"}


def test_few_are_there_at_once_and_all_run_though_one_fails() -> None:
    account = Account({str(number): container(exitCode=int(number == 1)) for number in range(1, 12)})
    ended = tasks(account).run({f"check {number}": ["mlife", str(number)] for number in range(1, 12)})
    assert [name for name, one in ended.items() if not one.is_well] == ["check 1"]
    assert list(ended) == [f"check {number}" for number in range(1, 12)]
    assert (len(account.asked), account.most_running) == (11, AT_ONCE)


def test_a_container_that_never_ran_is_not_well() -> None:
    account = Account({"1": {**container(), "stoppedReason": "CannotPullContainerError"}})
    assert tasks(account).run({"a": ["mlife"]})["a"] == Ended(
        None, "CannotPullContainerError", "/mlife/tasks mlife/run/1"
    )


def test_a_task_that_does_not_start_can_be_tried_again() -> None:
    with pytest.raises(TransientError, match="RESOURCE:CPU"):
        tasks(Account({}, starts=False)).run({"a": ["mlife"]})


def test_a_task_that_ecs_never_knows_is_an_error() -> None:
    with pytest.raises(TransientError, match="task/mlife/1 was not over"):
        tasks(Account({})).run({"a": ["mlife"]})


def test_credentials_of_another_account_start_nothing() -> None:
    account = Account({})
    with pytest.raises(GateClosedError):
        tasks(account, "222222222222").run({"a": ["mlife"]})
    assert account.asked == []


def test_templates_are_handed_over_as_they_are_written(repository: Path) -> None:
    files = read_infra(repository / "infra")
    text = (repository / "infra" / "templates" / "30-catalog.yaml").read_text(encoding="utf-8")
    assert files.templates["30-catalog"] == text
    assert files.resources["30-catalog"]["Workgroup"] == "AWS::Athena::WorkGroup"
    text = (repository / "infra" / "parameters" / "prod.yaml").read_text(encoding="utf-8")
    assert f'  FirstDay: "{files.parameters["prod"]["FirstDay"]}"' in text


def test_a_folder_without_stacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="--infra"):
        read_infra(tmp_path)


@pytest.mark.parametrize("text", ["a: [", "just words"])
def test_a_file_that_is_no_mapping_is_named(repository: Path, tmp_path: Path, text: str) -> None:
    shutil.copytree(repository / "infra", tmp_path / "infra", ignore=shutil.ignore_patterns("gate"))
    (tmp_path / "infra" / "parameters" / "accounts.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"accounts\.yaml"):
        read_infra(tmp_path / "infra")


@pytest.mark.aws
def test_places_are_those_of_the_stacks(repository: Path, account: Callable[[str], Any]) -> None:
    of = account("700000009998")
    of("ssm").put_parameter(Name="/mlife/event-log/bucket", Value="log", Type="String")
    of("ssm").put_parameter(Name="/mlife/lake/bucket", Value="lake", Type="String")
    of("ssm").put_parameter(Name="/mlife/people/bucket", Value="people", Type="String")
    of("ssm").put_parameter(Name="/mlife/people/key-arn", Value=PEOPLE_KEY, Type="String")
    of("ssm").put_parameter(Name="/mlife/catalog/workgroup", Value="mlife", Type="String")
    files = read_infra(repository / "infra")
    found, given = places_of(files, "prod", of), files.parameters["prod"]
    assert timedelta(0) < SystemClock().now() - datetime.fromisoformat(found.made) < timedelta(hours=1)
    said = (found.event_log, found.lake, found.people, found.people_key, found.workgroup)
    assert said == ("log", "lake", "people", PEOPLE_KEY, "mlife")
    assert found.runs_days is (given["DaysRunByThemselves"] == "true")
    assert (found.ui, found.log_in) == (given["DomainName"], given["OidcAuthorizationEndpoint"])
    region, accounts = files.accounts["region"], files.accounts["accounts"]
    assert found.log_heads == f"mlife-log-heads-prod-{accounts['witness']}"
    assert found.alerts == f"arn:aws:sns:{region}:{accounts['prod']}:mlife-alerts"


def test_an_older_image_takes_what_a_newer_release_hands_over() -> None:
    places = SmokePlaces(
        "dev", "us-east-1", "ui", "log-in", "2026-06-01", "lake", "log", "heads", "people", PEOPLE_KEY, "mlife",
        "alerts", True,
    )  # fmt: skip
    assert handed_over({**asdict(places), "of_tomorrow": 1}) == places
