"""What cfn-lint, checkov, actionlint and shellcheck say.

Concept: a linter that did not run is an error and never a clean answer. Each is asked about many files at once, since
starting checkov takes longer than checking.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.gate.errors import LinterError

Found = Counter[tuple[str, str]]
"""How often a linter said what: the number of its rule, and where."""
REGION = "us-east-1"


@dataclass(frozen=True)
class Checked:
    """What checkov did with a set of templates."""

    passed: int
    skipped: int
    failed: Mapping[str, Found]


def cfn_lint(tools: Path, files: Sequence[Path]) -> dict[str, Found]:
    """Return what cfn-lint finds in each file, by the file's path."""
    done = _run(
        [tools / "cfn-lint", "--format", "json", "--regions", REGION, "--", *files], {0, 2, 4, 6, 8, 10, 12, 14}
    )
    found: dict[str, Found] = {str(file): Counter() for file in files}
    for match in json.loads(done.stdout):
        found[match["Filename"]][match["Rule"]["Id"], match["Message"]] += 1
    return found


def checkov(tools: Path, folder: Path) -> Checked:
    """Return what checkov finds in the templates below a folder, by path within it."""
    command: list[str | Path] = [
        tools / "checkov",
        "--directory",
        folder,
        "--framework",
        "cloudformation",
        "--output",
        "json",
    ]
    done = _run([*command, "--compact", "--quiet", "--skip-download"], {0, 1})
    report: Any = json.loads(done.stdout)
    if "results" not in report or report["summary"]["parsing_errors"]:
        raise LinterError(f"checkov did not read the templates: {done.stdout[:500]}")
    failed: dict[str, Found] = {}
    for check in report["results"]["failed_checks"]:
        failed.setdefault(check["file_path"].lstrip("/"), Counter())[check["check_id"], check["resource"]] += 1
    summary = report["summary"]
    return Checked(summary["passed"], summary["skipped"], failed)


def actionlint(tools: Path, files: Sequence[Path]) -> list[str]:
    """Return what actionlint finds in workflows, the shell in them checked by shellcheck."""
    command: list[str | Path] = [
        tools / "actionlint",
        "-no-color",
        "-format",
        "{{json .}}",
        "-shellcheck",
        tools / "shellcheck",
    ]
    done = _run([*command, *files], {0, 1})
    return [f"{one['filepath']}:{one['line']}: {one['message']}" for one in json.loads(done.stdout or "[]") or []]


def shellcheck(tools: Path, files: Sequence[Path]) -> list[str]:
    """Return what shellcheck finds in scripts."""
    done = _run([tools / "shellcheck", "--format", "json", "--severity", "style", *files], {0, 1})
    return [f"{one['file']}:{one['line']}: SC{one['code']} {one['message']}" for one in json.loads(done.stdout)]


def _run(command: Sequence[str | Path], codes: set[int]) -> subprocess.CompletedProcess[str]:
    """Run a linter. Raises LinterError where it is not there or ends in a way that is no answer."""
    quiet = {"LOG_LEVEL": "ERROR", "BC_SKIP_MAPPING": "TRUE", "CHECKOV_RUN_SCA_PACKAGE_SCAN_V2": "false"}
    try:
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, env={**os.environ, **quiet}, check=False
        )
    except FileNotFoundError as error:
        raise LinterError(f"{command[0]} is not there; run `make infra-setup`") from error
    if done.returncode not in codes:
        raise LinterError(f"{Path(command[0]).name} ended with {done.returncode}: {done.stderr[-500:]}")
    return done
