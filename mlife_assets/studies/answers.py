"""Answers: what a function of a table found, as lines for people and a record for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlife_assets.core.pages import element, text


@dataclass(frozen=True, eq=False)
class Answer:
    """An answer.

    Attributes:
        lines: it in words, a line each.
        record: it as JSON-able values and days.
        is_well: whether nothing was found that needs somebody: no fault, no alarm.
    """

    lines: tuple[str, ...]
    record: Mapping[str, Any]
    is_well: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return what `--json` prints: values of JSON, days as text."""
        import orjson

        found: dict[str, Any] = orjson.loads(orjson.dumps(self.record))
        return found

    def __repr__(self) -> str:
        return "\n".join(self.lines)

    def _repr_html_(self) -> str:
        return element("div", *(element("p", text(line)) for line in self.lines))


def framed(document: str, *, height: int = 640) -> str:
    """Return a whole page for a notebook, in a frame of its own: its style is not the notebook's."""
    return element("iframe", srcdoc=document, width="100%", height=height, style="border:0")
