"""What the gate found, and the list of what it asserts.

Concept: an assertion is a function named by what is true when it is green, and its docstring is that sentence. It
looks at one rendered environment and names what breaks it, so that a finding says where to go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from infra.gate.environments import Environment

Check = Callable[[Environment], Iterator[str]]


@dataclass(frozen=True)
class Finding:
    """What is not true, where."""

    assertion: str
    environment: str
    where: str

    def __str__(self) -> str:
        return f"{self.environment}: {self.assertion}: {self.where}"


@dataclass(frozen=True)
class Assertion:
    """One property that every environment must have."""

    name: str
    sentence: str
    check: Check

    def findings(self, environment: Environment) -> list[Finding]:
        """Return what breaks it; a template that lacks what is looked at is a finding, not an error."""
        try:
            return [Finding(self.name, environment.name, where) for where in self.check(environment)]
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            where = f"what it looks at is not there: {type(error).__name__} {error}"
            return [Finding(self.name, environment.name, where)]


ASSERTIONS: dict[str, Assertion] = {}


def holds(check: Check) -> Check:
    """Add a function to the list. Its name and the first sentence of its docstring say what is true when it is
    green.
    """
    name = check.__name__
    if name in ASSERTIONS or not check.__doc__:
        raise ValueError(f"{name} needs a docstring and a name of its own")
    ASSERTIONS[name] = Assertion(name, " ".join(check.__doc__.split()), check)
    return check
