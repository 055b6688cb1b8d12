"""The commands of the templates, as they stand there: the programs take them, beside the files of the image"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from infra.gate.environments import Sources, rendered


def commands() -> Iterator[tuple[str, list[str]]]:
    """Return where a command stands and its words: of tasks, of what asks whether they are well, of state machines."""
    environment = rendered(Sources.read(), "prod")
    for _, task in environment.of("AWS::ECS::TaskDefinition"):
        for container in task.properties["ContainerDefinitions"]:
            if "Command" in container:
                yield container["Name"], container["Command"]
            if "HealthCheck" in container:
                kind, *words = container["HealthCheck"]["Command"]
                assert kind == "CMD", "the image has no shell to rely on"
                yield f"{container['Name']} is well", words
    for _, machine in environment.of("AWS::StepFunctions::StateMachine"):
        for words in overrides(machine.properties["Definition"]):
            yield machine.name, words


def overrides(value: Any) -> Iterator[list[str]]:
    """Return what a state machine has tasks do; a word of its input stands for itself."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        if name == "Command.$":
            yield [one.strip("'") for one in inner.removeprefix("States.Array(").removesuffix(")").split(",")]
        yield from overrides(inner)


@pytest.fixture
def called(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Return the command that each program finds in its arguments and its parameters, where the image starts it."""
    text = (repository / "Dockerfile").read_text(encoding="utf-8")
    for name in [name for line in re.findall(r"^COPY (?!--from)(.+) \./$", text, re.M) for name in line.split()]:
        shutil.copy(repository / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    last: list[Any] = []
    for copy in (click, typer._click):  # Typer has a copy of click
        monkeypatch.setattr(copy.Command, "invoke", lambda command, context: last.append(context))
    found = {}
    for where, words in commands():
        (program,) = entry_points(group="console_scripts", name=words[0])
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            sys.exit(program.load()())
        assert not ended.value.code, where
        found[where] = last[-1].command.name, dict(last[-1].params)
    return found


def test_every_command_is_one_that_its_program_takes(called: dict[str, tuple[str, Mapping[str, Any]]]) -> None:
    assert {where: name for where, (name, _) in called.items()} == {
        "code": "start",
        "code is well": "grpc-health-check",
        "daemon": "run",
        "daemon is well": "liveness-check",
        "webserver": "dagster-webserver",
        "ModelRollback": "rollback",
    }


def test_one_task_alone_loads_code_and_the_others_ask_it(called: dict[str, tuple[str, Mapping[str, Any]]]) -> None:
    """Whoever loads code needs the rights of its sensors. Dagster chooses what a process opens, by where it starts."""
    from dagster._cli.workspace.cli_target import workspace_opts_to_load_target
    from dagster._core.remote_origin import GrpcServerCodeLocationOrigin
    from dagster_shared.cli import WorkspaceOpts

    opened = {}
    for where, (_, parameters) in called.items():
        if "workspace" in parameters:
            target = workspace_opts_to_load_target(WorkspaceOpts.extract_from_cli_options(dict(parameters)))
            opened[where] = target.create_origins()
    asked = GrpcServerCodeLocationOrigin(
        host="code.mlife.internal", port=4000, location_name=called["code"][1]["location_name"]
    )
    assert opened == {"daemon": [asked], "webserver": [asked]}
