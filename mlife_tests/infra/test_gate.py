"""The templates are what the gate asks for, and the gate sees what is planted."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from infra.gate import layers
from infra.gate.assertions.rights import NOT_CALLED
from infra.gate.assertions.storage import MODEL_ENDINGS
from infra.gate.conditions import like
from infra.gate.environments import ENVIRONMENTS, INFRA, Environment, Sources, rendered
from infra.gate.faults import FAULTS, Fault, planted
from infra.gate.findings import ASSERTIONS
from infra.gate.handlers import asked_with, authorized_on, permissions, types
from infra.gate.judged import breaks, environment_findings
from infra.gate.matrix import cells, takings
from infra.gate.report import ALL
from infra.gate.yaml_tags import read
from mlife_assets.adapters.model_registry import CARD_FILE
from mlife_assets.core.scoring.artifact import ESTIMATOR_FILE

FOREIGN = tomllib.loads((INFRA / "foreign_faults.toml").read_text(encoding="utf-8"))["fault"]
PAGE = INFRA.parent / "docs" / "infra_tests.md"


@pytest.fixture(scope="module")
def sources() -> Sources:
    return Sources.read()


@pytest.fixture(scope="module")
def environments(sources: Sources) -> dict[str, Environment]:
    return {name: rendered(sources, name) for name in ENVIRONMENTS}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_environment_is_what_the_gate_asks_for(environments: dict[str, Environment], name: str) -> None:
    assert [str(finding) for finding in environment_findings(environments[name])] == []


@pytest.mark.parametrize("repository", ["acme/mlife", "acme@1/mlife@2"])
def test_a_repository_is_trusted_as_github_names_it(sources: Sources, repository: str) -> None:
    """One that was made, renamed or moved since July 2026 has ids in `sub`; whoever takes its name has others."""
    accounts = {**sources.accounts, "parameters": {"GitHubRepository": repository}}
    environment = rendered(replace(sources, accounts=accounts), "prod")
    assert [str(finding) for finding in environment_findings(environment)] == []
    assert ("mlife-deploy", "job of prod") in {(role, who) for role, who, _, does in takings(environment) if does}


def test_who_delivers_and_who_uploads_may_be_roles_of_other_accounts(sources: Sources) -> None:
    roles = {name: f"arn:aws:iam::999999999999:role/{name}" for name in ("ExporterRoleArn", "PeopleWriterRoleArn")}
    policy = people_policy(sources, **roles)
    assert (policy["TheWriterUploads"]["Principal"], policy["TheWriterUploads"]["Action"]) == (
        {"AWS": roles["PeopleWriterRoleArn"]},
        "s3:PutObject",
    )


def test_faults_about_a_role_are_found_where_a_reader_named_none(sources: Sources) -> None:
    nobody = {name: {**one, "PeopleWriterRoleArn": ""} for name, one in sources.parameters.items()}
    fault = FAULTS["the_writer_grants_the_key"]
    assert breaks(planted(replace(sources, parameters=nobody), fault), fault.caught_by)


def test_without_a_writer_nobody_uploads(sources: Sources) -> None:
    policy = people_policy(sources, PeopleWriterRoleArn="")
    assert policy.keys() == {"OnlyOverTls", "RunsAloneRead", "OneWriter", "OnlyByKms", "OnlyThisKey"}
    assert "Condition" not in policy["OneWriter"]


def people_policy(sources: Sources, **given: str) -> dict[str, Any]:
    """Return the statements of the people's bucket by name, in a dev that is given this and the gate finds right."""
    parameters = {**sources.parameters, "dev": {**sources.parameters["dev"], **given}}
    environment = rendered(replace(sources, parameters=parameters), "dev")
    assert [str(finding) for finding in environment_findings(environment)] == []
    (policy,) = environment.stack("26-people").of("AWS::S3::BucketPolicy")
    return {one["Sid"]: one for one in policy.properties["PolicyDocument"]["Statement"]}


@pytest.mark.parametrize("fault", [one for one in FAULTS.values() if not one.linter], ids=lambda fault: fault.name)
def test_the_gate_finds_a_planted_fault(sources: Sources, fault: Fault) -> None:
    assert breaks(planted(sources, fault), fault.caught_by), fault.sentence


def test_no_assertion_is_green_because_it_looks_at_nothing() -> None:
    assert set(ALL) == {fault.caught_by for fault in FAULTS.values() if not fault.linter}


@pytest.mark.parametrize("fault", FOREIGN, ids=lambda fault: fault["name"])
def test_a_fault_of_somebody_who_had_not_read_the_gate_is_found(
    sources: Sources, fault: dict[str, str], tmp_path: Path
) -> None:
    path = INFRA.parent / fault["file"]
    text = path.read_text(encoding="utf-8")
    assert text.count(fault["old"]) == 1
    (tmp_path / path.name).write_text(text.replace(fault["old"], fault["new"]), encoding="utf-8")
    kind = path.parent.name
    files = {**getattr(sources, kind), path.stem: read(tmp_path / path.name)}
    assert breaks(replace(sources, **{kind: files}), fault["found_by"])


def test_there_are_faults_of_the_six_kinds_that_other_tools_miss() -> None:
    kinds = {fault.caught_by for fault in FAULTS.values() if fault.is_of_the_reference}
    assert kinds == {
        "the_log_is_write_once", "the_log_outlives_its_stack", "nothing_is_open_to_the_world",
        "a_role_is_passed_to_one_service", "github_is_trusted_for_one_environment", "images_are_named_by_digest",
        "every_schedule_has_a_time",
    }  # fmt: skip


def test_roles_are_tried_for_more_than_their_own_work(environments: dict[str, Environment]) -> None:
    tried = list(cells(environments["prod"]))
    allowed = sum(does for _, _, _, does in tried)
    assert 100 < allowed < len(tried) / 10
    taken = [(role, who) for role, who, _, does in takings(environments["prod"]) if does]
    assert ("mlife-deploy", "job of prod") in taken
    assert ("mlife-deploy", "job of dev") not in taken


def test_handlers_are_known_of_each_type_that_is_made_and_exceptions_are_of_them() -> None:
    assert permissions().keys() == types()
    called = {action.lower() for actions in [*permissions().values(), *asked_with().values()] for action in actions}
    called |= {
        f"{action} on {taken}".lower() for action, types_taken in authorized_on().items() for taken in types_taken
    }
    assert [one for one in NOT_CALLED if not any(like(action, one.lower()) for action in called)] == []


def test_the_page_counts_assertions_and_faults() -> None:
    """`make infra-check` writes it; here it is seen whether somebody forgot to."""
    page = PAGE.read_text(encoding="utf-8")
    of_linters = sum(fault.linter is not None for fault in FAULTS.values())
    assert f"{len(ASSERTIONS)} assertions in 3 environments" in page
    assert f"{len(FAULTS) - of_linters} planted faults that the gate must find, {of_linters} that" in page


def test_layers_that_run_as_tests_are_counted_and_one_without_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    page = PAGE.read_text(encoding="utf-8")
    counted = layers.tests_elsewhere()
    for layer in counted:
        assert f"| {layer.name} | {layer.did} | by `{layer.run_by}` |" in page
    assert [layer.findings for layer in counted] == [()] * len(counted)
    monkeypatch.setattr(layers, "_TESTS", (("9 air", "make air", "of air", ("infra/test_air.py",)),))
    (layer,) = layers.tests_elsewhere()
    assert layer.findings == ("mlife_tests/infra/test_air.py: make air runs no test of it",)


MARKED = """
import pytest

@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.proof)])
def test_writers(rounds): ...

@pytest.mark.proof
def test_slow(): ...

def test_quick(): ...

@pytest.mark.aws
@pytest.mark.parametrize("name", ["a", "b"])
def test_of_aws(name): ...
"""


def test_counted_is_what_pytest_runs_by_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of many tests of which a command runs one counts as one."""
    folder = tmp_path / "mlife_tests"
    folder.mkdir()
    of_aws = "import pytest\npytestmark = pytest.mark.aws\n"
    for name, head in {"mixed.py": "", "of_aws.py": of_aws}.items():
        (folder / f"test_{name}").write_text(head + MARKED, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    proof\n    aws\n", encoding="utf-8")
    monkeypatch.setattr(layers, "ROOT", tmp_path)
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    for command, mark in {"make test": "not proof and not aws", "make proofs": "proof", "make aws": "aws"}.items():
        asked = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-m", mark]
        done = subprocess.run(asked, cwd=tmp_path, env=alone, capture_output=True, text=True, check=False)
        found = {line.partition("[")[0] for line in done.stdout.splitlines() if "::" in line}
        for file in folder.glob("*.py"):
            collected = sum(file.name in one for one in found)
            assert layers._tests_in(file.name, command) == collected, (command, done.stdout)


def test_what_is_put_once_is_every_file_of_a_model_and_not_its_card(tiny_models: ModuleType) -> None:
    names = {*tiny_models.tiny_artifact(1).files(), ESTIMATOR_FILE, "part.parquet"}
    assert {Path(name).suffix for name in names} == set(MODEL_ENDINGS)
    assert Path(CARD_FILE).suffix not in MODEL_ENDINGS
