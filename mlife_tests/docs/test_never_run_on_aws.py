"""What is unproved on AWS is listed, and each line names what will prove it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from mlife_assets.adapters.delivery.smoke import CHECKS
from mlife_assets.cli import app

OTHERWISE = {
    "the rehearsal's own alarm, within a week",
    "the alarm `mlife-dashboard-old`, on the first evening",
    "a day of a chart for which its question has no value",
    "the newest day of a chart, held against that of its question",
    "the rollback's own execution, rehearsed once in dev",
    "the trail's own files, once a model went to staging",
}
"""Proofs that no command gives."""
PEOPLE = re.compile(
    r"\b(click(s|ed|ing)?|management console|web console|in the (aws )?console|console\.aws|sign in to|log in to aws|"
    r"choose \*\*|select \*\*|press|drop-?down|check ?box|tab of|navigate to)\b",
    re.IGNORECASE,
)
"""Words of steps that somebody takes in a browser."""
ALLOWED = re.compile(r"`[^`]*`|clicks since|\bclick(s)?\b(?= (examples|model|events))", re.IGNORECASE)


def proofs(text: str) -> list[str]:
    rows = re.findall(r"^\| (?!unproved|---)(.+?) \| (.+?) \|$", text, re.M)
    return [proof for _, proof in rows]


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    return (repository / "docs" / "never_run_on_aws.md").read_text(encoding="utf-8")


def test_each_line_names_a_check_or_a_command_that_is_there(page: str) -> None:
    commands = {f"`mlife infra {name}`" for name in get_command(app).commands["infra"].commands}  # type: ignore[attr-defined]
    known = {f"`{name}`" for name in CHECKS} | commands | OTHERWISE
    assert len(proofs(page)) > 15
    assert [one for one in proofs(page) if one not in known] == []


def test_alarms_that_prove_something_are_there(page: str, repository: Path) -> None:
    template = (repository / "infra" / "templates" / "80-observability.yaml").read_text(encoding="utf-8")
    named = re.findall(r"the alarm `([\w-]+)`", page)
    assert named
    assert [name for name in named if f"AlarmName: {name}\n" not in template] == []


def test_each_check_has_a_line(page: str) -> None:
    assert [name for name in CHECKS if f"`{name}`" not in proofs(page)] == []


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
