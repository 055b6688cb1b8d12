"""Judging a set of files: every assertion and the matrix on every environment.

Belongs here: one call that gives all findings. Does not belong here: linters (`linters`), printing (`__main__`).
"""

from __future__ import annotations

import infra.gate.assertions  # noqa: F401  importing it fills the list
from infra.gate.environments import ENVIRONMENTS, Environment, Sources, rendered
from infra.gate.errors import PolicyError, TemplateError
from infra.gate.findings import ASSERTIONS, Finding
from infra.gate.matrix import matrix_findings

RENDERS = "every_environment_renders"
"""Functions, references and parameters are all known, and each value is written by a stack before it is read."""


def environment_findings(environment: Environment) -> list[Finding]:
    """Return what is not true of one environment."""
    found = [finding for assertion in ASSERTIONS.values() for finding in assertion.findings(environment)]
    try:
        found += matrix_findings(environment)
    except PolicyError as error:
        found.append(Finding("roles_do_their_work_and_not_their_neighbours", environment.name, str(error)))
    return found


def findings(sources: Sources) -> list[Finding]:
    """Return what is not true of any environment; one that cannot be rendered is a finding."""
    found: list[Finding] = []
    for name in ENVIRONMENTS:
        try:
            environment = rendered(sources, name)
        except (TemplateError, KeyError, TypeError) as error:
            found.append(Finding(RENDERS, name, f"{type(error).__name__}: {error}"))
            continue
        found += environment_findings(environment)
    return found
