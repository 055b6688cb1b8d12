"""The layers of the check: linters, assertions, planted faults, roles.

Belongs here: running each layer and what it says in one line. Does not belong here: printing and the table (`report`).

Concept: a layer is green when it found nothing *and* was seen to look: files read, assertions made, faults caught. Each
linter is shown a mistake that it must see, or its silence would prove nothing.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import infra.gate.faults  # noqa: F401  importing it fills the list
from infra.gate.environments import ENVIRONMENTS, INFRA, Sources, rendered
from infra.gate.faults.fault import FAULTS, planted
from infra.gate.findings import ASSERTIONS
from infra.gate.handlers import FILE, extracted
from infra.gate.judged import breaks, findings
from infra.gate.linters import actionlint, cfn_lint, checkov, shellcheck
from infra.gate.matrix import cells, reached, takings
from infra.gate.yaml_tags import written

ROOT = INFRA.parent
_BROKEN_WORKFLOW = (
    "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ github.nothing.at }}\n"
)
_BROKEN_SCRIPT = "#!/bin/sh\ncd $1\nrm -rf $2/*\n"


@dataclass(frozen=True)
class Layer:
    """One line of the check: what was done, and what was found."""

    name: str
    did: str
    findings: tuple[str, ...]


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
    if FILE.read_text(encoding="utf-8") != extracted(tools.parent):
        found.append(f"{FILE.name} is not what cfn-lint says: python -m infra.gate.handlers {tools.parent.name}")
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
        lint = cfn_lint(tools, list(paths.values()))
        failed = checkov(tools, folder).failed
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


def quick(sources: Sources) -> Sequence[Layer]:
    """Return the layers that need no tools."""
    return [asserted(sources), tried(sources)]
