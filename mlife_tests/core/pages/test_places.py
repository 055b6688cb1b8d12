"""Links between pages lead there, as files and over HTTP, from the root too."""

from __future__ import annotations

from urllib.parse import urljoin

import pytest

from mlife_assets.core.pages import Markup, page
from mlife_assets.core.pages.places import (
    BACKTEST,
    DASHBOARD,
    RUNBOOKS,
    between,
    card_key,
    nav,
    served_nav,
    with_served_links,
)
from mlife_assets.recruiting.places import MESSAGES, SERVED

CARD = card_key("mdl_1")
HERE = (DASHBOARD, CARD, BACKTEST, f"{RUNBOOKS}retrain", f"{MESSAGES}msg_1", RUNBOOKS)


@pytest.mark.parametrize("base", ["file:///home/lake/", "http://127.0.0.1:3001/"])
@pytest.mark.parametrize("here", HERE)
@pytest.mark.parametrize("there", HERE)
def test_a_relative_link_leads_there(base: str, here: str, there: str) -> None:
    assert urljoin(base + here, between(here, there)) == base + there


def test_the_root_serves_the_dashboard_with_the_same_links() -> None:
    for link in nav(DASHBOARD, has_backtest=True):
        assert urljoin("http://127.0.0.1/", link.href) == urljoin(f"http://127.0.0.1/{DASHBOARD}", link.href)


def test_a_file_links_to_files_only_and_says_where_it_is() -> None:
    links = nav(CARD)
    assert [link.href for link in links] == ["../../dashboard/index.html", "../../dashboard/index.html#models"]
    assert not any(link.is_here for link in links)
    assert [link.words for link in nav(DASHBOARD) if link.is_here] == ["Dashboard"]
    assert BACKTEST not in {link.href.removeprefix("../") for link in nav(DASHBOARD)}
    assert [link.words for link in nav(BACKTEST) if link.is_here] == ["Backtest"]


def test_what_is_served_links_to_everything() -> None:
    words = [link.words for link in served_nav(f"{RUNBOOKS}retrain", SERVED, has_backtest=True)]
    assert words == ["Dashboard", "Model versions", "Backtest", "Messages", "Calls", "Runbooks"]
    served = with_served_links(page("T", Markup("x"), nav=nav(CARD)), CARD, SERVED)
    assert '<a href="../../runbooks/">Runbooks</a>' in served
    assert served.count(">Dashboard<") == 1
    old = with_served_links("<html><body>\nold</body></html>", CARD, SERVED)
    assert ">Dashboard<" in old
    assert ">Messages<" in old
