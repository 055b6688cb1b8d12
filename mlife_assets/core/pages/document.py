"""The document around every page.

Belongs here: head, content security policy, style, links to other pages, script. Does not belong here: what a page
says, where pages are (`places`).

Concept: one string in, one file out. A page loads nothing, which its own content security policy enforces: no script
runs but the one with the hash that the policy names. The same page gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from mlife_assets.core.pages.markup import Markup, element, join, text
from mlife_assets.core.pages.templates import packaged, render

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'self'"

SLOT = "<!--served-->"
"""Where the server puts links to what only it has. Text cannot hold it: `<` is escaped."""


@dataclass(frozen=True)
class Link:
    """A link to another page, or (`is_here`) to the page itself."""

    words: str
    href: str
    is_here: bool = False


def reading_script() -> str:
    """Return the script of pages with charts over days: it shows the values of the day under the pointer."""
    return packaged("reading.js")


def page(title: str, body: Markup, *, nav: Sequence[Link] = (), script: str = "", is_wide: bool = False) -> str:
    """Return one self-contained HTML document (UTF-8, no network, light and dark, for paper too).

    Args:
        title: of the window, as text.
        body: the content of `<main>`; a plain string is text and gets escaped.
        nav: links to other pages; none leaves the bar out.
        script: run when the page is open; the page has to be complete without it.
        is_wide: for charts side by side; otherwise lines are as long as one likes to read.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return str(
        render(
            "document.html",
            title=title,
            body=text(body),
            nav=_bar(nav),
            style=Markup(packaged("style.css")),
            script=Markup(script),
            policy=Markup(f"{_POLICY}; script-src 'sha256-{digest}'" if script else _POLICY),
            is_wide=is_wide,
        )
    )


def with_links(document: str, links: Sequence[Link]) -> str:
    """Return a page with further links in its bar; a page of an earlier release, which has none, gets one."""
    if SLOT in document:
        return document.replace(SLOT, str(join(*map(_item, links), Markup(SLOT))), 1)
    bar = element("nav", *(join(_anchor(link), " ") for link in links), style="padding:12px 24px")
    return document.replace("<body>", f"<body>\n{bar}", 1)


def _bar(links: Sequence[Link]) -> Markup:
    if not links:
        return Markup("")
    items = join(*map(_item, links), Markup(SLOT))
    return element("nav", element("ul", items), class_="pages", aria_label="Pages")


def _item(link: Link) -> Markup:
    return element("li", _anchor(link))


def _anchor(link: Link) -> Markup:
    return element("a", link.words, href=link.href, aria_current="page" if link.is_here else None)
