"""Signs of what happened to a model: one shape per kind, the same on every page.

Belongs here: shapes and their words. Does not belong here: colours (the style sheet), where a sign stands (`days`).
"""

from __future__ import annotations

from mlife_assets.core.pages.charts.values import MarkerKind
from mlife_assets.core.pages.markup import Markup, element

GLYPHS: dict[MarkerKind, str] = {
    "retrain": "M0 -5L5 4H-5Z",
    "promoted": "M-4.5 0A4.5 4.5 0 1 0 4.5 0A4.5 4.5 0 1 0 -4.5 0Z",
    "refused": "M0 -5L5 0L0 5L-5 0Z",
    "block": "M-4 -4H4V4H-4Z",
    "rollback": "M-5 -4H5L0 5Z",
}
MARKER_NAMES: dict[MarkerKind, str] = {
    "retrain": "retrain decided",
    "promoted": "model promoted",
    "refused": "promotion refused",
    "block": "blocked by data quality",
    "rollback": "rolled back",
}


def glyph(kind: MarkerKind) -> Markup:
    """Return the sign of a marker kind as a small drawing for legends."""
    path = element("path", d=GLYPHS[kind], class_=f"m-{kind}")
    return element("svg", path, viewBox="-7 -7 14 14", class_="glyph", aria_hidden="true")
