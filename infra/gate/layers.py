"""The layers of the check: linters, assertions, planted faults, roles; and where the layers are that run as tests.

Belongs here: running each layer and what it says in one line. Does not belong here: printing and the table (`report`).

Concept: a layer is green when it found nothing *and* was seen to look: files read, assertions made, faults caught. Each
linter is shown a mistake that it must see, or its silence would prove nothing.
"""

from __future__ import annotations

import ast
import tempfile
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import infra.gate.faults  # noqa: F401  importing it fills the list
from infra.gate.environments import ENVIRONMENTS, INFRA, Sources, rendered
from infra.gate.faults.fault import FAULTS, planted
from infra.gate.findings import ASSERTIONS
from infra.gate.handlers import AUTHORIZED_ON, FILE, authorization, extracted
from infra.gate.judged import breaks, findings
from infra.gate.linters import actionlint, cfn_lint, checkov, shellcheck
from infra.gate.matrix import cells, reached, takings
from infra.gate.yaml_tags import written

ROOT = INFRA.parent
_AWS, _TEST, _PROOFS = "make aws", "make test", "make proofs"
_MARKS = {_AWS: "aws", _PROOFS: "proof"}
"""What `pytest -m` of a command asks for; `make test` runs what has none of these."""
_WRITERS = "benchmarks/test_killed_writers_benchmark.py"
_TESTS = (
    ("4 change sets", _AWS, "of three accounts on an emulator", ("infra/test_change_sets.py",)),
    ("5 the log's bucket", _AWS, "that attack it on an S3 server", ("infra/test_event_bucket.py",)),
    ("5 its writers", _PROOFS, "of 16 writers that race and are killed, in 20 rounds", (_WRITERS,)),
    ("5 one round of them", _TEST, "of such a round and of what must be seen after it", (_WRITERS,)),
    ("6 tasks on ECS", _AWS, "of the launcher and a run, end to end", ("components/running/test_ecs_instance.py",)),
    ("8 requests of QuickSight", _AWS, "against the published schema", ("infra/test_bi_api.py",)),
    ("8 figures of QuickSight", _TEST, "beside the embedded dashboard", ("infra/test_bi.py", "dbt/test_bi.py")),
    ("SQL on Athena", _AWS, "beside DuckDB, row by row", ("dbt/test_athena.py", "dbt/test_marts_on_athena.py")),
)
_BROKEN_WORKFLOW = (
    "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ github.nothing.at }}\n"
)
_BROKEN_SCRIPT = "#!/bin/sh\ncd $1\nrm -rf $2/*\n"


@dataclass(frozen=True)
class Layer:
    """One line of the check: what was done, and what was found; of a layer that runs as tests, which command does."""

    name: str
    did: str
    findings: tuple[str, ...]
    run_by: str | None = None


@dataclass(frozen=True)
class Caught:
    """A fault, and who found it: rules of the two linters, empty where they are silent; None where they cannot see
    the file.
    """

    fault: str
    by_gate: bool
    by_cfn_lint: tuple[str, ...] | None
    by_checkov: tuple[str, ...] | None


def linted(tools: Path) -> Layer:
    """Layer 1: the linters, on everything that they read."""
    templates = sorted((INFRA / "templates").glob("*.yaml"))
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
    scripts = [ROOT / ".ci" / "run", *sorted(INFRA.rglob("*.sh")), *sorted((ROOT / "deploy").rglob("*.sh"))]
    found = [f"{file}: {rule} {where}" for file, said in cfn_lint(tools, templates).items() for rule, where in said]
    checked = checkov(tools, INFRA / "templates")
    found += [f"{file}: {rule} {where}" for file, said in checked.failed.items() for rule, where in said]
    for file, text in ((FILE, extracted(tools.parent)), (AUTHORIZED_ON, authorization(tools.parent))):
        if file.read_text(encoding="utf-8") != text:
            found.append(f"{file.name} is not what its source says: python -m infra.gate.handlers {tools.parent.name}")
    found += shellcheck(tools, scripts) + (actionlint(tools, workflows) if workflows else [])
    with tempfile.TemporaryDirectory() as folder:
        workflow, script = Path(folder) / "workflow.yml", Path(folder) / "script.sh"
        workflow.write_text(_BROKEN_WORKFLOW, encoding="utf-8")
        script.write_text(_BROKEN_SCRIPT, encoding="utf-8")
        said = {"actionlint": actionlint(tools, [workflow]), "shellcheck": shellcheck(tools, [script])}
    blind = [name for name, answers in said.items() if not answers]
    found += [f"{name} does not see a mistake" for name in blind]
    did = (
        f"cfn-lint on {len(templates)} templates; checkov: {checked.passed} checks passed, {checked.skipped} skipped "
        f"with a reason in place; shellcheck on {len(scripts)} scripts; actionlint on {len(workflows)} workflows"
    )
    return Layer("1 linters", did, tuple(found))


def asserted(sources: Sources) -> Layer:
    """Layer 2: assertions on the templates as they will be applied."""
    found = tuple(str(finding) for finding in findings(sources))
    environments = [rendered(sources, name) for name in ENVIRONMENTS] if not found else []
    resources = sum(len(stack.resources) for environment in environments for stack in environment.stacks)
    did = f"{len(ASSERTIONS)} assertions in {len(ENVIRONMENTS)} environments on {resources} rendered resources"
    return Layer("2 assertions", did, found)


def tried(sources: Sources) -> Layer:
    """Layer 7: every call of `roles.yaml` for every role, who takes which, and who starts whose task."""
    wrong, calls, asked = [], 0, 0
    for name in ENVIRONMENTS:
        environment = rendered(sources, name)
        for role, call, should, does in cells(environment):
            calls += 1
            wrong += [f"{name}: {role}: {call}"] if should != does else []
        for role, who, should, does in takings(environment):
            asked += 1
            wrong += [f"{name}: {who} takes {role}"] if should != does else []
        for role, other, should, does in reached(environment):
            asked += 1
            wrong += [f"{name}: {role} starts a task as {other}"] if should != does else []
    return Layer(
        "7 roles", f"{calls} calls and {asked} takings and starts tried, each as infra/roles.yaml says", tuple(wrong)
    )


def faulted(sources: Sources, tools: Path) -> tuple[Layer, list[Caught]]:
    """Layer 3: each fault planted, and who sees it."""
    by_lint, by_checkov = _said_by_linters(sources, tools)
    caught = []
    for name, fault in FAULTS.items():
        is_template = fault.file in sources.templates
        caught.append(
            Caught(
                name,
                breaks(planted(sources, fault), fault.caught_by),
                by_lint[name] if is_template else None,
                by_checkov[name] if is_template else None,
            )
        )
    missed = [f"{one.fault} is not caught by {FAULTS[one.fault].caught_by}" for one in caught if not one.by_gate]
    for linter, said in (("cfn-lint", by_lint), ("checkov", by_checkov)):
        if not any(said.values()):
            missed.append(f"{linter} sees none of {len(said)} mistakes, so it did not look")
    lint = sum(bool(one.by_cfn_lint) for one in caught)
    security = sum(bool(one.by_checkov) for one in caught)
    either = sum(bool(one.by_cfn_lint or one.by_checkov) for one in caught)
    did = (
        f"{sum(one.by_gate for one in caught)} of {len(caught)} planted faults caught by the gate; "
        f"cfn-lint alone sees {lint}, checkov {security}, the two together {either}"
    )
    return Layer("3 faults", did, tuple(missed)), caught


def tests_elsewhere() -> list[Layer]:
    """Return the layers that run as tests: how many functions a command runs, and which; one without is a finding."""
    layers = []
    for name, command, what, files in _TESTS:
        counts = [_tests_in(file, command) for file in files]
        places = " and ".join(f"mlife_tests/{file}" for file in files)
        findings = tuple(
            f"mlife_tests/{file}: {command} runs no test of it" for file, n in zip(files, counts, strict=True) if not n
        )
        tests = "1 test" if sum(counts) == 1 else f"{sum(counts)} tests"
        layers.append(Layer(name, f"{tests} {what}, in {places}", findings, command))
    return layers


def _tests_in(file: str, command: str) -> int:
    """Return how many test functions of a file a command runs, with all of their parameters or with some."""
    path = ROOT / "mlife_tests" / file
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
    of_all = {
        mark
        for node in tree.body
        if isinstance(node, ast.Assign) and "pytestmark" in {getattr(target, "id", "") for target in node.targets}
        for mark in _marks(node.value)
    }
    count = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            own = [one.func if isinstance(one, ast.Call) else one for one in node.decorator_list]
            whole = of_all | {one.attr for one in own if isinstance(one, ast.Attribute)}
            some = {mark for one in node.decorator_list for mark in _marks(one)}
            mark = _MARKS.get(command)
            count += mark in whole | some if mark else not whole & set(_MARKS.values())
    return count


def _marks(tree: ast.AST) -> set[str]:
    """Return the names after `pytest.mark.` in an expression."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "mark"
    }


def _said_by_linters(sources: Sources, tools: Path) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Return the rules of cfn-lint and of checkov that a fault breaks and the template without it does not."""
    faults = [fault for fault in FAULTS.values() if fault.file in sources.templates]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        paths: dict[str, Path] = {}
        for template, tree in sources.templates.items():
            paths[f"/{template}"] = _placed(folder / "without" / f"{template}.yaml", written(tree))
        for fault in faults:
            text = written(planted(sources, fault).templates[fault.file])
            paths[fault.name] = _placed(folder / fault.name / f"{fault.file}.yaml", text)
        with ThreadPoolExecutor(2) as both:  # each is a process of its own, on one core, for minutes
            asked = both.submit(cfn_lint, tools, list(paths.values()))
            failed = checkov(tools, folder).failed
            lint = asked.result()
        said = {}
        for key, path in paths.items():
            said[key] = (lint[str(path)], failed.get(str(path.relative_to(folder)), Counter()))
    return (
        {fault.name: _new(said[fault.name][0], said[f"/{fault.file}"][0]) for fault in faults},
        {fault.name: _new(said[fault.name][1], said[f"/{fault.file}"][1]) for fault in faults},
    )


def _placed(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _new(said: Mapping[tuple[str, str], int], before: Mapping[tuple[str, str], int]) -> tuple[str, ...]:
    return tuple(sorted({rule for (rule, where), count in said.items() if count > before.get((rule, where), 0)}))
