"""A deployment in memory, served for real, and a reader of pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
import requests

from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.pages import element, page
from mlife_assets.core.pages.document import BACKTEST, DASHBOARD, card_key, nav
from mlife_assets.core.scoring.reasons import ScoreParts
from mlife_assets.recruiting.message_trace import Hop, MessageLine, MessageTrace
from mlife_assets.recruiting.places import call_list_key
from mlife_assets.serving.site.app import create_site

DAY = date(2026, 6, 10)
AT = datetime(2026, 6, 10, 18, 5, tzinfo=UTC)
VERSION, OTHER_VERSION = "mdl_1", "mdl_2"
BODY = "Cook <b>wanted</b> & more. Reply STOP to opt out"


def hop(stage: str, event_type: str, **details: Any) -> Hop:
    return Hop(stage, event_type, f"evt_{event_type}", AT, AT, details)


TRACE = MessageTrace(
    "msg_1",
    (
        hop("raw events", "consent", channel="sms", is_granted=True),
        hop("model", "model_promoted", model_version=VERSION, previous_version=OTHER_VERSION, actor="gate"),
        hop("prediction", "prediction", prediction_id="prd_1", model_version=VERSION, reasons=["near"], gone=None),
        hop("plan", "message_planned", message_id="msg_1", slice="exploit", body=BODY),
        hop("send", "message_status", status="delivered"),
    ),
    {"distance_km": 1.23456},
    ("near: the score by +0.5",),
    tuple(
        {"job_id": f"j{n}", "probability": 0.1, "click_probability": None, "rank": n, "prediction_id": f"prd_{n}"}
        for n in range(1, 8)
    ),
    ScoreParts(-2.0, {"distance_km": 0.75, "job_age_days": -0.25}, {"distance_km": "1.23", "job_age_days": "4"}),
)
LINES = [
    MessageLine("msg_1", DAY, BODY, "applied"),
    *(MessageLine(f"msg_{number}", DAY, "A text", "delivered") for number in range(2, 40)),
    MessageLine("msg_clicked", DAY, "A text", "clicked"),
]


@dataclass
class Contents:
    """A deployment whose dashboard and card are there, and whose backtest is not."""

    pages: dict[str, str] = field(default_factory=dict)
    lists: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        to_card = element("a", "card", href=f"../{card_key(VERSION)}")
        self.pages[DASHBOARD] = page("Dashboard", element("h1", "Dashboard", to_card), nav=nav(DASHBOARD))
        key = call_list_key("calls", DAY, "html")
        self.lists[key] = page("Calls", element("h1", "Calls"), nav=nav(key)).encode()
        self.lists[call_list_key("calls", DAY, "csv")] = b"user_id\r\nu1\r\n"
        self.pages[card_key(VERSION)] = page("Card", element("h1", "Card"), nav=nav(card_key(VERSION)))

    def dashboard(self) -> str | None:
        return self.pages.get(DASHBOARD)

    def backtest(self) -> str | None:
        return self.pages.get(BACKTEST)

    def card(self, model_version: str) -> str | None:
        return self.pages.get(card_key(model_version))

    def runbooks(self) -> Mapping[str, str]:
        drift = "# Runbook: data drift\n\n**You are here because** it *moved*.\n\nSee [failed](failed_send.md).\n"
        return {"data_drift": drift, "failed_send": "# Runbook: failed sends\n"}

    def messages(self) -> Sequence[MessageLine]:
        return LINES

    def call_lists(self) -> Sequence[str]:
        return sorted((key for key in self.lists if key.endswith(".html")), reverse=True)

    def call_list(self, key: str) -> bytes | None:
        return self.lists.get(key)

    def metrics(self) -> str:
        return "mlife_sending_is_paused 0.0\n"

    def trace(self, message_id: str) -> MessageTrace:
        if message_id != TRACE.message_id:
            raise NotFoundError(f"no message_planned event has message_id {message_id!r}; look again")
        return TRACE


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action")]


def links(document: str) -> list[str]:
    """Return where a page links to; `data:` is no place."""
    reader = _Reader()
    reader.feed(document)
    return [link for link in reader.links if not link.startswith("data:")]


@pytest.fixture(name="links", scope="session")
def links_fixture() -> Callable[[str], list[str]]:
    return links


@pytest.fixture
def contents() -> Contents:
    return Contents()


@pytest.fixture
def site(contents: Contents, serve: Callable[..., Any]) -> Iterator[str]:
    """Serve the deployment; yield the address."""
    with serve(create_site(contents, ui_url="http://127.0.0.1:3000/", mark="m1")) as url:
        yield url


@pytest.fixture
def get(site: str, session: requests.Session) -> Callable[..., requests.Response]:
    """Return what asks for a path."""

    def ask(path: str, **options: Any) -> requests.Response:
        return session.get(site + path, timeout=20, **options)

    return ask
