"""Links name the address that the pages have in this deployment."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.shown.metadata import message_links, page_link, runbook_link, worded_link
from mlife_assets.components.shown.runbooks import DATA_DRIFT
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings


def platform(tmp_path: Path, **settings: object) -> Platform:
    return Platform(settings=Settings(home=tmp_path, **settings), policies=Policies())


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, "http://127.0.0.1:3001"),
        ({"pages_port": 4001}, "http://127.0.0.1:4001"),
        ({"pages_port": 4001, "pages_url": "https://jobs.example/mlife/"}, "https://jobs.example/mlife"),
    ],
)
def test_a_link_is_the_address_of_the_pages_and_the_place_of_one(tmp_path, settings, address) -> None:
    here = platform(tmp_path, **settings)
    assert page_link(here, "dashboard/index.html").url == f"{address}/dashboard/index.html"
    assert worded_link(here, "dashboard/index.html", "it").value == f"[it]({address}/dashboard/index.html)"
    assert runbook_link(here, DATA_DRIFT).url == f"{address}/runbooks/data_drift"
    listed = message_links(here, [("msg_1", "Cook [now](http://x) `wanted`\n*"), ("msg_2", "b")]).value
    assert listed == (
        f"- [msg_1]({address}/messages/msg_1): `Cook [now](http://x) 'wanted' *`\n"
        f"- [msg_2]({address}/messages/msg_2): `b`"
    )


@pytest.mark.parametrize("url", ["jobs.example", "ftp://x", "http://x?a=1", "http://x#a", "http://x y", "javascript:x"])
def test_an_address_is_a_plain_http_url(tmp_path, url) -> None:
    for name in ("pages_url", "ui_url"):
        with pytest.raises(ValidationError):
            Settings(home=tmp_path, **{name: url})
