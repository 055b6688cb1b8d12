"""Templates are rendered as CloudFormation renders them, or not at all."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

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
        ("!Sub ['${x}', {x: !Ref P}]", "given"),
        ("!GetAtt B.Arn", "arn:aws:s3:::bucket"),
        ("!Join [',', [a, !Ref P]]", "a,given"),
        ("!Select [1, !GetAZs '']", "us-east-1b"),
        ("!Select [0, !Split ['-', 'a-b']]", "a"),
        ("!If [Is, 1, 2]", 1),
        ("[!If [IsNot, 1, !Ref AWS::NoValue], 2]", [2]),
        ("{a: !If [IsNot, 1, !Ref AWS::NoValue]}", {}),
        ("!FindInMap [M, !Ref P, k]", 7),
    ],
)
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
    ],
)
def test_what_is_not_known_is_an_error(value: str, error: str) -> None:
    template = "Resources: {B: {Type: AWS::S3::Bucket, Properties: {BucketName: bucket}}}"
    with pytest.raises(TemplateError, match=error):
        scope(template).resolve(parsed(f"v: {value}")["v"])


def test_a_key_that_stands_twice_is_an_error() -> None:
    with pytest.raises(TemplateError, match="a stands twice"):
        parsed("a: 1\na: 2\n")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_survives_being_written(path: Path) -> None:
    """Linters are shown faults in the long form, which has to say the same."""
    text = path.read_text(encoding="utf-8")
    assert parsed(written(parsed(text))) == parsed(text)
    assert len(text.encode()) <= MAXIMUM_BYTES
    assert not re.search(r"^\s*[^#\n]*[&*][a-z-]+\s*$", text, re.M), "CloudFormation knows no aliases"


def test_the_catalogue_is_that_of_the_event_types() -> None:
    text = TEMPLATE.read_text(encoding="utf-8")
    assert with_tables(text) == text, "run python -m infra.gate.catalog"


def test_databases_are_read_from_dbts_own_files() -> None:
    assert databases() == {"events", "lake", "marts", "staging"}


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("cron(0 9 ? * MON *)", None),
        ("cron(0/15 * * * ? *)", None),
        ("cron(0 9 * * * *)", "question|\\?"),
        ("cron(0 9 * * ?)", "5 fields"),
        ("cron(60 9 * * ? *)", "60"),
        ("cron(0 9 ? * MOO *)", "MOO"),
        ("rate(1 day)", "fields"),
    ],
)
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
