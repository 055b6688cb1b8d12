"""Runbooks as pages.

Belongs here: from Markdown to HTML, links between runbooks. Does not belong here: what a runbook says
(`docs/runbooks`), which alarm leads to which (`components.shown.runbooks`).

Concept: the files stay as they are read in the repository. A link to another runbook becomes a link between pages; a
link to a file that is not served would be dead, so its words stay and the link goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from mlife_assets.core.pages import Markup, element

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

FIRST = "drift_alert"
"""The runbook that leads to the others."""
_TITLE = re.compile(r"^# (?:Runbook: )?(.+)$", re.MULTILINE)
_WHEN = re.compile(r"^(?:\*\*You are here because\*\*\s+|## When\n+)(.+?)(?:\n\n|\Z)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?P<name>\w+)\.md(?P<anchor>#[\w-]+)?")


@dataclass(frozen=True)
class Runbook:
    """A runbook: its name in addresses, its title, when to open it (HTML, maybe empty), and all of it as HTML."""

    name: str
    title: str
    when: Markup
    body: Markup


def read_runbooks(sources: Mapping[str, str]) -> dict[str, Runbook]:
    """Return all runbooks by name, the one that leads to the others first, then by title."""
    found = [_runbook(name, source, sources) for name, source in sources.items()]
    return {one.name: one for one in sorted(found, key=lambda one: (one.name != FIRST, one.title.lower()))}


def _runbook(name: str, source: str, sources: Mapping[str, str]) -> Runbook:
    title, when = _TITLE.search(source), _WHEN.search(source)
    return Runbook(
        name=name,
        title=_capital(title.group(1)) if title else name,
        when=_html(_capital(when.group(1)), sources, is_inline=True) if when else Markup(""),
        body=_html(source, sources),
    )


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _html(source: str, sources: Mapping[str, str], *, is_inline: bool = False) -> Markup:
    parser = _parser()
    tokens = parser.parseInline(source) if is_inline else parser.parse(source)
    for token in tokens:
        if token.children:
            token.children = list(_linked(token.children, sources))
    return Markup(parser.renderer.render(tokens, parser.options, {}))


def _linked(tokens: list[Token], sources: Mapping[str, str]) -> Iterator[Token]:
    """Yield the tokens with links between runbooks made links between pages, and without links to other files."""
    is_dropped = False
    for token in tokens:
        if token.type == "link_open":
            target = str(token.attrs["href"])
            known = _LINK.fullmatch(target)
            is_served = known is not None and known["name"] in sources
            is_dropped = not is_served and not target.startswith(("https://", "http://", "#"))
            if known is not None and is_served:
                token.attrs["href"] = known["name"] + (known["anchor"] or "")
        if token.type not in ("link_open", "link_close") or not is_dropped:
            yield token


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    for name, rule in (("fence", _fence), ("table_open", _table_open), ("table_close", _table_close)):
        parser.add_render_rule(name, rule)
    return parser


def _fence(_: Any, tokens: Sequence[Token], place: int, *__: Any) -> str:
    """A command may be wider than the page, so its box scrolls, by keyboard too."""
    return str(element("pre", element("code", tokens[place].content), tabindex="0")) + "\n"


def _table_open(*_: Any) -> str:
    return '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table class="data">\n'


def _table_close(*_: Any) -> str:
    return "</table></div>\n"
