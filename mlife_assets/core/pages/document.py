"""The document around every page, the templates of words and tables in it, and the pages' addresses.

Concept: one string in, one file out. A page loads nothing, which its own content security policy enforces: no script
runs but the one with the hash that the policy names. The same page gives the same bytes. Python chooses, counts, sorts
and words; a template lays out. An undefined name is an error, so that a page cannot silently lose a part.

The address of a page is its key in the lake, so a relative link works over HTTP and between files alike. `/` serves the
dashboard too: `..` of the root is the root. Some pages have no file; only a server links to them.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from mlife_assets.core.pages.charts.values import format_day, format_value
from mlife_assets.core.pages.markup import Markup, element, join, text, writable

if TYPE_CHECKING:
    from jinja2 import Environment

DASHBOARD = "dashboard/index.html"
BACKTEST = "backtest/lifecycle_backtest.html"
RUNBOOKS = "runbooks/"
Places = Sequence[tuple[str, str]]
"""(words, address) of the pages that only a server has, without a file."""
PACKAGE = "mlife_assets.core.pages"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'self'"
SLOT = "<!--served-->"
"""Place for the server's own links. Text cannot hold it: `<` is escaped."""


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
    """Return a page with further links in its bar; a page of an earlier release gets a bar."""
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


def render(template: str, *, package: str = PACKAGE, **context: Any) -> Markup:
    """Render a template of `<package>/templates`, or of the shared ones, with its names filled in."""
    return Markup(_environment(package).get_template(template).render(context))


@cache
def packaged(name: str) -> str:
    """Return a file of this package as it is: the style sheet, the script."""
    from jinja2 import PackageLoader

    loader = PackageLoader(PACKAGE, "")
    return loader.get_source(_environment(PACKAGE), name)[0]


def breakable(name: str) -> Markup:
    """Return a name that may be broken after `_`, `.` and `/` where a column is narrow."""
    return Markup(re.sub(r"([_./])(?=[^\W\d_])", r"\1<wbr>", str(text(name))))


def _clean(value: Any) -> Any:
    return writable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _environment(package: str) -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(PACKAGE)]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_clean,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(breakable=breakable, day=format_day, value=format_value)
    return environment


def card_key(model_version: str) -> str:
    return f"models/{model_version}/card.html"


def between(here: str, there: str) -> str:
    """Return the relative link from the page `here` to the page `there`, both as keys without a leading slash."""
    return "../" * here.count("/") + there


def nav(here: str, *, has_backtest: bool = False) -> tuple[Link, ...]:
    """Return the links from a page of the lake to the others that are files."""
    places = [("Dashboard", DASHBOARD), ("Model versions", f"{DASHBOARD}#models")]
    if has_backtest or here == BACKTEST:
        places.append(("Backtest", BACKTEST))
    return tuple(Link(words, between(here, there), there == here) for words, there in places)


def served_nav(here: str, served: Places, *, has_backtest: bool = False) -> tuple[Link, ...]:
    """Return the links of a page that exists only on the server."""
    return (*nav(here, has_backtest=has_backtest), *_served_links(here, served))


def with_served_links(document: str, here: str, served: Places, more: Sequence[Link] = ()) -> str:
    """Return a page of the lake with the server's links and `more`.

    A page of an earlier release has no bar; it gets one with all links.
    """
    return with_links(
        document, (*(_served_links(here, served) if SLOT in document else served_nav(here, served)), *more)
    )


def _served_links(here: str, served: Places) -> tuple[Link, ...]:
    return tuple(Link(words, between(here, there), here.startswith(there)) for words, there in served)
