"""What is unproved on AWS is listed, each line names what will prove it, and no template or service was forgotten.

Not shown: that the list holds every fact that could be otherwise on AWS; it names every part that could be.
"""

from __future__ import annotations

import copy
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.main import get_command

from infra.gate.environments import ENVIRONMENTS, INFRA, Sources, rendered
from infra.gate.yaml_tags import read
from mlife_assets.adapters.delivery.smoke import CHECKS
from mlife_assets.cli import app

OTHERWISE = {
    "the rehearsal's own alarm, within a week", "a day of a chart for which its question has no value",
    "the newest day of a chart, held against that of its question", "taking dev down, once it is not needed",
    "the rollback's own execution, rehearsed once in dev", "the trail's own files, once a model went to staging",
}  # fmt: skip
"""Proofs that no command gives, besides alarms, jobs and steps."""
STEP = re.compile(r"^### `([\w-]+)`\n(.*?)(?=^##)", re.M | re.S)
PEOPLE = re.compile(
    r"\b(click(s|ed|ing)?|management console|web console|in the (aws )?console|console\.aws|sign in to|log in to aws|"
    r"choose \*\*|select \*\*|press|drop-?down|check ?box|tab of|navigate to)\b",
    re.IGNORECASE,
)
"""Words of steps that somebody takes in a browser."""
ALLOWED = re.compile(r"`[^`]*`|clicks since|\bclick(s)?\b(?= (examples|model|events))", re.IGNORECASE)


def table(text: str, head: str) -> list[tuple[str, str]]:
    """Return the rows of all tables whose first column is called so."""
    tables = re.findall(rf"^\| {head} \|.*\n\|---.*\n((?:\|.*\n)+)", text, re.M)
    return [
        (one.strip("`"), other) for rows in tables for one, other in re.findall(r"^\| (.+?) \| (.+?) \|$", rows, re.M)
    ]


def proofs(text: str) -> list[str]:
    return [proof for _, proof in table(text, "unproved")]


def principals(tree: Any) -> Iterator[str]:
    """Yield each service, and each provider of identities, that a policy names as who may do something."""
    if isinstance(tree, dict):
        named = tree.get("Principal")
        for kind, who in named.items() if isinstance(named, dict) else ():
            for one in [who] if isinstance(who, str) else who:
                if kind != "AWS":
                    yield one.rpartition("/")[2]
        tree = list(tree.values())
    for one in tree if isinstance(tree, list) else ():
        yield from principals(one)


def parts(sources: Sources) -> set[str]:
    """Return what could turn out otherwise on AWS: each template, and each of AWS's services that acts by our leave."""
    found = set(sources.templates)
    for name in ENVIRONMENTS:
        for stack in rendered(sources, name).stacks:
            found.update(one for resource in stack.resources for one in principals(resource.properties))
    return found


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "never_run_on_aws.md").read_text(encoding="utf-8")


def test_each_line_names_a_check_or_a_command_that_is_there(page: str) -> None:
    commands = {f"`mlife infra {name}`" for name in get_command(app).commands["infra"].commands}  # type: ignore[attr-defined]
    workflows = Sources.read().workflows
    known = {f"`{name}`" for name in CHECKS} | commands | OTHERWISE
    known |= {f"the step `{name}`" for name, _ in STEP.findall(page)}
    known |= {f"the job `{job}` of `{name}`" for name, workflow in workflows.items() for job in workflow["jobs"]}
    alarms = {one.properties["AlarmName"] for _, one in rendered(Sources.read(), "dev").of("AWS::CloudWatch::Alarm")}
    known |= {f"the alarm `{name}`, on the {when}" for name in alarms for when in ("first evening", "second day")}
    assert len(proofs(page)) > 15
    assert [one for one in proofs(page) if one not in known] == []


def test_the_first_hour_is_that_of_the_pipeline(page: str) -> None:
    """Its jobs, in their order; what may wait for a day; steps that are below."""
    (hour,) = re.findall(r"^## The first hour\n(.*?)^## ", page, re.M | re.S)
    named = re.findall(r"`([\w-]+)`", hour)
    jobs = list(Sources.read().workflows["deploy"]["jobs"])
    assert [one for one in dict.fromkeys(named) if one in jobs and one != "tests"] == [
        one for one in jobs if one != "tests"
    ]
    waits = {name for name, check in CHECKS.items() if {"_missing", "_written"} & set(check.__code__.co_names)}
    assert waits == set(named) & CHECKS.keys() - {"people_can_be_read"}
    assert {"log-in", "lines", "alarm"} <= set(named) & {name for name, _ in STEP.findall(page)}


def test_each_check_has_a_line(page: str) -> None:
    assert [name for name in CHECKS if f"`{name}`" not in proofs(page)] == []


def test_no_template_and_no_service_was_forgotten(page: str) -> None:
    """Each has a row that names what shows that it works, and that is the proof of a line above."""
    shown = {part: proof for parts, proof in table(page, "parts") for part in parts.split("`, `")}
    assert shown.keys() == parts(Sources.read())
    assert [part for part, proof in shown.items() if proof not in proofs(page)] == []


def test_every_service_that_takes_a_role_is_a_part() -> None:
    taking = {
        who
        for takers in read(INFRA / "roles.yaml")["takes"].values()
        for who in takers
        if who.endswith(".amazonaws.com")
    }
    assert len(taking) > 5
    assert taking <= parts(Sources.read())


def test_a_template_and_a_service_that_are_new_would_be_missed() -> None:
    sources = Sources.read()
    templates = copy.deepcopy(dict(sources.templates))
    (statement,) = templates["65-triggers"]["Resources"]["StarterRole"]["Properties"]["AssumeRolePolicyDocument"][
        "Statement"
    ]
    statement["Principal"] = {"Service": ["events.amazonaws.com", "scheduler.amazonaws.com", "pipes.amazonaws.com"]}
    changed = replace(sources, templates=templates)
    assert parts(changed) - parts(sources) == {"pipes.amazonaws.com"}


def test_each_step_is_a_proof_and_has_its_commands(page: str) -> None:
    steps = dict(STEP.findall(page))
    assert {f"the step `{name}`" for name in steps} == {one for one in proofs(page) if one.startswith("the step ")}
    assert [name for name, text in steps.items() if not commands_of(text)] == []


def commands_of(text: str) -> list[list[str]]:
    """Return the commands of AWS in a text, each as words; what stands in `$( )` is a command, too."""
    blocks = "\n".join(re.findall(r"```text\n(.*?)```", text, re.S)).replace("\\\n", " ")
    inner = re.findall(r"\$\((aws [^)|]*)", blocks)
    lines = [re.sub(r"\$\(.*\)", "it", line) for line in blocks.splitlines()]
    return [shlex.split(re.sub(r"<[^>]*>", "it", line)) for line in [*lines, *inner] if line.startswith("aws ")]


OF_THE_CLIENT = {"--query", "--output", "--max-items"}


@pytest.mark.aws
def test_commands_of_steps_are_ones_that_aws_knows(page: str, aws_accounts: ModuleType, repository: Path) -> None:
    """Against botocore's models, by which the command line itself is made: operation and options."""
    aws_accounts.add_aws_packages(repository)
    import botocore.session
    from botocore import xform_name

    session, wrong = botocore.session.get_session(), []
    commands = [one for _, text in STEP.findall(page) for one in commands_of(text)]
    for _, service, operation, *words in commands:
        if operation == "wait":
            known = {xform_name(one, "-") for one in session.get_waiter_model(service).waiter_names}
            wrong += [] if words[0] in known else [f"{service} wait {words[0]}"]
            continue
        model = session.get_service_model(service)
        named = {xform_name(one, "-"): one for one in model.operation_names}
        if operation not in named:
            wrong.append(f"{service} {operation}")
            continue
        members = model.operation_model(named[operation]).input_shape.members
        options = OF_THE_CLIENT | {f"--{xform_name(one, '-')}" for one in members}
        options |= {f"--no-{xform_name(one, '-')}" for one, shape in members.items() if shape.type_name == "boolean"}
        wrong += [f"{service} {operation} {word}" for word in words if word.startswith("--") and word not in options]
    assert wrong == []
    assert len(commands) > 12


def test_no_document_of_infra_has_a_step_in_a_browser(repository: Path) -> None:
    paths = [
        *sorted((repository / "infra").rglob("*.md")),
        *sorted((repository / "docs").glob("infra*.md")),
        repository / "docs" / "never_run_on_aws.md",
        *sorted((repository / "deploy").rglob("*.md")),
    ]
    found = [
        f"{path.name}:{number}: {line}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if PEOPLE.search(ALLOWED.sub("", line))
    ]
    assert found == []


@pytest.mark.parametrize(
    "step", ["Click **Create stack**.", "Open the AWS Management Console.", "Then choose **Next**"]
)
def test_a_step_in_a_browser_is_found(step: str) -> None:
    assert PEOPLE.search(ALLOWED.sub("", step))
