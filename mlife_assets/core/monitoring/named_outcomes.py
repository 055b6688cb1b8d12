"""What outcomes are called: in names of statistics, and in sentences for people.

Belongs here: the outcome of the label, prefixes, words. Does not belong here: which outcomes a model has
(`core.model`), what is computed of them (`outcomes`).

Concept: a model is about its label, so statistics of the label have plain names. What has to happen before it is an
outcome too, known sooner and more frequent; its statistics have the name of the step in front.
"""

from __future__ import annotations

from dataclasses import dataclass

LABEL = ""
"""The outcome that a model is about; an earlier step is called by its name."""


@dataclass(frozen=True)
class Wording:
    """How an outcome is spoken of: `plural` is several of them, `verb` what a row does that has it."""

    plural: str = "outcomes"
    verb: str = "converts"


PLAIN_WORDS = {LABEL: Wording()}
"""Words for a model that says nothing but its label."""


def capitalised(words: str) -> str:
    """Return words as a sentence begins with them; what is written in capitals stays."""
    return words[:1].upper() + words[1:]


def prefix_of(outcome: str) -> str:
    """Return what names of statistics of an outcome begin with."""
    return f"{outcome}_" if outcome else ""
