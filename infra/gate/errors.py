"""What can be wrong with a template before any property of it is judged.

Concept: an intrinsic function, a reference or a condition operator that the gate does not know is an error and never a
guess: what cannot be rendered exactly cannot be judged.
"""

from __future__ import annotations


class TemplateError(Exception):
    """A template that cannot be rendered: it names what is not there, or uses what the gate does not know."""


class PolicyError(Exception):
    """A policy that cannot be evaluated: an operator, an element or a principal that the simulator does not know."""


class LinterError(Exception):
    """A linter that is not there, or ended without an answer."""
