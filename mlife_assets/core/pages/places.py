"""Where each page is, so that pages can link to each other.

Belongs here: keys of pages in the lake, addresses of pages that are only served, relative links. Does not belong here:
writing pages (`components`), serving them.

Concept: the address of a page is its key in the lake, so a relative link works over HTTP and between files alike. `/`
serves the dashboard too: `..` of the root is the root. Some pages have no file; only a server links to them.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlife_assets.core.pages.document import SLOT, Link, with_links

DASHBOARD = "dashboard/index.html"
BACKTEST = "backtest/lifecycle_backtest.html"
RUNBOOKS = "runbooks/"

Places = Sequence[tuple[str, str]]
"""(words, address) of the pages that have no file, only a server."""


def card_key(model_version: str) -> str:
    """Return the key of a version's card."""
    return f"models/{model_version}/card.html"


def between(here: str, there: str) -> str:
    """Return the relative link from the page `here` to the page `there`, both as keys without a leading slash."""
    return "../" * here.count("/") + there


def nav(here: str, *, has_backtest: bool = False) -> tuple[Link, ...]:
    """Return the links of a page of the lake to the others: what a file can follow."""
    places = [("Dashboard", DASHBOARD), ("Model versions", f"{DASHBOARD}#models")]
    if has_backtest or here == BACKTEST:
        places.append(("Backtest", BACKTEST))
    return tuple(Link(words, between(here, there), there == here) for words, there in places)


def served_nav(here: str, served: Places, *, has_backtest: bool = False) -> tuple[Link, ...]:
    """Return the links of a page that is only served."""
    return (*nav(here, has_backtest=has_backtest), *_served_links(here, served))


def with_served_links(document: str, here: str, served: Places, more: Sequence[Link] = ()) -> str:
    """Return a page of the lake as it is served: with links to what is only served, and `more`.

    A page of an earlier release has no bar; it gets one with all links.
    """
    return with_links(
        document, (*(_served_links(here, served) if SLOT in document else served_nav(here, served)), *more)
    )


def _served_links(here: str, served: Places) -> tuple[Link, ...]:
    return tuple(Link(words, between(here, there), here.startswith(there)) for words, there in served)
