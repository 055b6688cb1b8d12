"""Judging a set of files: every assertion and the matrix on every environment."""

from __future__ import annotations

import infra.gate.assertions  # noqa: F401  importing it fills the list
from infra.gate.environments import ENVIRONMENTS, Environment, Sources, rendered
from infra.gate.errors import PolicyError, TemplateError
from infra.gate.findings import ASSERTIONS, Finding
from infra.gate.matrix import MATRIX, matrix_findings

RENDERS = "every_environment_renders"
"""Functions, references and parameters are all known, and each value is written by a stack before it is read."""


def environment_findings(environment: Environment) -> list[Finding]:
    """Return what is not true of one environment."""
    found = [finding for assertion in ASSERTIONS.values() for finding in assertion.findings(environment)]
    return found + _of_roles(environment)


def breaks(sources: Sources, assertion: str) -> bool:
    """Return whether an assertion is broken in any environment, production first: quicker than all findings."""
    for name in reversed(ENVIRONMENTS):
        try:
            environment = rendered(sources, name)
        except (TemplateError, KeyError, TypeError):
            return assertion == RENDERS
        if assertion in ASSERTIONS:
            found = ASSERTIONS[assertion].findings(environment)
        else:
            found = [] if assertion == RENDERS else _of_roles(environment)
        if any(finding.assertion == assertion for finding in found):
            return True
    return False


def _of_roles(environment: Environment) -> list[Finding]:
    try:
        return matrix_findings(environment)
    except PolicyError as error:
        return [Finding(MATRIX, environment.name, str(error))]


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
