"""The layers of the check: linters, assertions, planted faults, roles; and where the layers are that run as tests.

Concept: a layer is green when it found nothing *and* was seen to look: files read, assertions made, faults caught. Each
linter is shown a mistake that it must see, or its silence would prove nothing.
"""

from __future__ import annotations

import ast
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.gate.environments import ENVIRONMENTS, INFRA, Sources, rendered
from infra.gate.faults import FAULTS, Fault, planted
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
    ("5 its writers", _PROOFS, "of 16 writers that race and are killed, in 5 rounds", (_WRITERS,)),
    ("5 what they leave", _TEST, "of what must be seen after them", (_WRITERS,)),
    ("6 tasks on ECS", _AWS, "of the launcher and a run, end to end", ("components/running/test_ecs_instance.py",)),
    ("8 requests of QuickSight", _AWS, "against the published schema", ("infra/test_bi_api.py",)),
    ("8 figures of QuickSight", _TEST, "beside the embedded dashboard", ("infra/test_bi.py", "dbt/test_bi.py")),
    ("SQL on Athena", _AWS, "beside DuckDB, row by row", ("dbt/test_athena.py",)),
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


def faulted(sources: Sources, tools: Path) -> Layer:
    """Layer 3: each fault planted, and whether who must find it does: an assertion, or a linter where one knows."""
    missed = [
        f"{name} is not caught by {fault.caught_by}"
        for name, fault in FAULTS.items()
        if not fault.linter and not breaks(planted(sources, fault), fault.caught_by)
    ]
    of_linters = [fault for fault in FAULTS.values() if fault.linter]
    said = _said_by_linters(sources, tools, of_linters)
    missed += [
        f"{fault.name} is not caught by {fault.caught_by}, and by {sorted(said[fault.name])}"
        for fault in of_linters
        if fault.caught_by not in said[fault.name]
    ]
    of_gate = len(FAULTS) - len(of_linters)
    did = f"{of_gate} planted faults that the gate must find, {len(of_linters)} that cfn-lint or checkov must"
    return Layer("3 faults", did, tuple(missed))


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


def _said_by_linters(sources: Sources, tools: Path, faults: Sequence[Fault]) -> dict[str, set[str]]:
    """Return which linters object by which rules to a fault, and not to the template without it."""
    found: dict[str, set[str]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        for fault in faults:
            for label, tree in ((fault.name, planted(sources, fault)), (f"before-{fault.name}", sources)):
                path = folder / label / f"{fault.file}.yaml"
                path.parent.mkdir()
                path.write_text(written(tree.templates[fault.file]), encoding="utf-8")
        failed, lint = checkov(tools, folder).failed, cfn_lint(tools, sorted(folder.rglob("*.yaml")))
        for fault in faults:
            file = f"{fault.name}/{fault.file}.yaml"
            by = {"cfn-lint": lint, "checkov": failed}
            found[fault.name] = {
                f"{linter} {rule}"
                for linter, at in (("cfn-lint", f"{folder}/"), ("checkov", ""))
                for (rule, where), count in by[linter].get(f"{at}{file}", Counter()).items()
                if count > by[linter].get(f"{at}before-{file}", Counter())[rule, where]
            }
    return found
