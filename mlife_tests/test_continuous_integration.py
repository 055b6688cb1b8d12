"""CI, GitHub and a laptop run the same, whole; nothing is deployed before it is green."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlife_tests.infra.test_readers_values import ACCOUNTS

WORKFLOWS = Path(".github", "workflows")
PARTS = {"check", "test", "infra-check", "aws", "demo-quick", "proofs"}


def jobs(repository: Path, workflow: str) -> dict[str, Any]:
    return yaml.safe_load((repository / WORKFLOWS / workflow).read_text(encoding="utf-8"))["jobs"]


def needed(jobs: dict[str, Any], name: str) -> set[str]:
    """Return the jobs that have to end well before one starts."""
    direct = jobs[name].get("needs", [])
    direct = {direct} if isinstance(direct, str) else set(direct)
    return direct.union(*(needed(jobs, one) for one in direct))


def test_ci_runs_every_part_whole(repository: Path) -> None:
    lines = re.search(r"^ci: .*\n((?:\t.*\n)+)", (repository / "Makefile").read_text(encoding="utf-8"), re.M)[1]
    called = re.findall(r"\$\(MAKE\) ([a-z-]+)(.*)", lines)
    assert {target for target, _ in called} >= PARTS
    assert [(target, rest) for target, rest in called if rest] == [], "a part is run whole, with no ARGS"
    assert all(re.search(rf"CI=true \$\(MAKE\) {one}$", lines, re.M) for one in ("test", "aws", "proofs"))


def test_everything_that_is_called_by_a_server_is_make_ci(repository: Path) -> None:
    assert (repository / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1] == "make ci"
    (only,) = jobs(repository, "tests.yml").values()
    assert [step["run"] for step in only["steps"] if step.get("run", "").startswith("make")] == ["make ci"]


def test_main_can_be_pushed_before_it_is_protected(repository: Path, tmp_path: Path) -> None:
    """With any value of the example nothing is deployed, and no job names an environment, which GitHub would make."""
    found = jobs(repository, "deploy.yml")
    (look,) = [step["run"] for step in found["accounts"]["steps"] if step.get("id") == "look"]
    assert found["registry"]["if"] == "needs.accounts.outputs.are_ours == 'true'"
    assert found["accounts"]["outputs"] == {"are_ours": "${{ steps.look.outputs.are_ours }}"}
    names = {name for name, job in found.items() if "environment" in job or "id-token" in job["permissions"]}
    assert {name for name in names - {"registry"} if "registry" not in needed(found, name)} == set()
    assert names.isdisjoint({"accounts", *needed(found, "accounts")})
    file, said = tmp_path / "infra" / "parameters" / "accounts.yaml", tmp_path / "said"
    file.parent.mkdir(parents=True)
    forms = {12: '  dev: "{}" # of ours', 29: "  GitHubRepository: {}", 64: "python_base: python:3.11@sha256:{}"}
    for example in [None, *(ACCOUNTS.keys() - {"us-east-1"})]:
        values = {
            old: forms[len(old)].format(old if old == example else new)
            for old, new in ACCOUNTS.items()
            if len(old) in forms
        }
        file.write_text("\n".join(values.values()), encoding="utf-8")
        assert len(values) == len(ACCOUNTS) - 1
        said.write_text("", encoding="utf-8")
        subprocess.run(["bash", "-c", look], cwd=tmp_path, env=os.environ | {"GITHUB_OUTPUT": str(said)}, check=True)
        assert said.read_text(encoding="utf-8") == ("are_ours=true\n" if example is None else ""), example


@pytest.mark.parametrize("workflow", ["deploy.yml", "pull_request.yml"])
def test_nothing_is_shown_or_deployed_before_it_is_green(repository: Path, workflow: str) -> None:
    found = jobs(repository, workflow)
    assert found["tests"]["uses"] == "./.github/workflows/tests.yml"
    assert [name for name in found if name != "tests" and "tests" not in needed(found, name)] == []
    assert [
        name for name, job in found.items() if "always()" in str(job.get("if")) or "cancelled()" in str(job.get("if"))
    ] == []
