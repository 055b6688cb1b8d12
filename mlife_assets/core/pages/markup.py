"""Building HTML and SVG in Python, escaped by construction.

Concept: a `Markup` is HTML; any other string is text and is escaped when it becomes a child or an attribute. It is the
type that templates know too, so a drawing goes into a template as it is.
"""

from __future__ import annotations

import re

from markupsafe import Markup, escape

__all__ = ["Markup", "element", "join", "number", "text", "writable"]

_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def writable(value: str) -> str:
    """Return text with U+FFFD for characters that HTML or UTF-8 cannot hold (control characters, lone surrogates)."""
    return _UNSAFE.sub("\ufffd", value)


def text(value: object) -> Markup:
    """Return `value` escaped and writable."""
    return value if isinstance(value, Markup) else escape(writable(str(value)))


def number(value: float) -> str:
    """Return a coordinate with at most two decimals: the same bytes on every machine."""
    written = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


def element(tag: str, *children: str, **attributes: str | float | None) -> Markup:
    """Return `<tag ...>children</tag>`: in attribute names a trailing `_` goes, others become `-`; None omits one."""
    written = ""
    for key, value in attributes.items():
        if value is not None:
            content = number(value) if isinstance(value, (int, float)) else text(value)
            written += f' {key.rstrip("_").replace("_", "-")}="{content}"'
    return Markup(f"<{tag}{written}>{join(*children)}</{tag}>")  # noqa: S704 - every part was escaped


def join(*parts: str) -> Markup:
    """Return the concatenated parts; text is escaped."""
    return Markup("").join(text(part) for part in parts)
