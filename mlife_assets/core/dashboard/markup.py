"""Building HTML that is escaped by construction.

Belongs here: the one place that turns text into markup. Does not belong here: what the page says.

Concept: a `Markup` is HTML; any other string is text and is escaped when it becomes a child or an attribute.
"""

from __future__ import annotations

import re
from html import escape

_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Return `value` escaped; control characters and lone surrogates become U+FFFD."""
    return value if isinstance(value, Markup) else Markup(escape(_UNSAFE.sub("\ufffd", str(value)), quote=True))


def number(value: float) -> str:
    """Return a coordinate with at most two decimals: the same bytes on every machine."""
    written = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


def element(tag: str, *children: str, **attributes: str | float | None) -> Markup:
    """Return `<tag ...>children</tag>`: in attribute names a trailing `_` goes, others become `-`; None omits one."""
    written = ""
    for key, value in attributes.items():
        if value is not None:
            content = number(value) if isinstance(value, (int, float)) else text(value).replace("\n", "&#10;")
            written += f' {key.rstrip("_").replace("_", "-")}="{content}"'
    return Markup(f"<{tag}{written}>{join(*children)}</{tag}>")


def join(*parts: str) -> Markup:
    """Return the parts in a row, escaping those that are text."""
    return Markup("".join(text(part) for part in parts))
