"""The site as an ASGI application: every page for people at one address.

Concept: the site only shows. It answers GET, on this machine, to callers who use a name of this machine, and reads
the home anew on each request, so a page is never older than the home. An unknown address gets a page with
links.

The trace of a message shows the facts that `mlife trace` prints. Each hop names the event that proves it and both of
its times. Runbooks stay as they are read in the repository. A link to another runbook becomes a link between pages; a
link to a file that is not served would be dead, so its words stay and the link goes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from mlife_assets.core.errors import IntegrityError, NotFoundError, TransientError
from mlife_assets.core.pages import Link, Markup, element, page, render
from mlife_assets.core.pages.document import (
    BACKTEST,
    DASHBOARD,
    RUNBOOKS,
    Places,
    between,
    card_key,
    served_nav,
    with_served_links,
)
from mlife_assets.core.pictures import data_uri
from mlife_assets.core.quoting import cut
from mlife_assets.core.training.explain import plot_waterfall
from mlife_assets.recruiting.features import PAIR_WORDS
from mlife_assets.recruiting.mail.body import body_line, mail_of
from mlife_assets.recruiting.message_trace import CONVERSIONS, Hop, MessageLine, MessageTrace
from mlife_assets.recruiting.places import CALLS, MESSAGES, SERVED
from mlife_assets.serving.connections import Access, PageHeaders

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MARK = "x-mlife-site"
"""A header of every answer, by which the site of a home is known: `mlife open` finds one that runs already."""
_HOW_BUILT = {
    DASHBOARD: "run `mlife demo` or `mlife day`, or launch `metrics_job` in the Dagster UI: they build it",
    BACKTEST: "launch `lifecycle_backtest_job` in the Dagster UI: it builds it from the days that ran",
}
_ASSETS = {
    DASHBOARD: "metrics/dashboard",
    BACKTEST: "model/lifecycle_backtest",
    "models/": "model/evaluation",
    MESSAGES: "messages/message_plan",
}
"""The asset in the Dagster UI that a page belongs to, by the beginning of the page's address."""
_CALL_LIST = re.compile(rf"{CALLS}[a-z][a-z0-9_]*/\d{{4}}-\d{{2}}-\d{{2}}\.(?:html|csv)")
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of Prometheus's text format."""
LISTED = 60
"""Call lists that are listed, the newest first."""

FIRST = "drift_alert"
"""The runbook that leads to the others."""
_TITLE = re.compile(r"^# (?:Runbook: )?(.+)$", re.MULTILINE)
_WHEN = re.compile(r"^(?:\*\*You are here because\*\*\s+|## When\n+)(.+?)(?:\n\n|\Z)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?P<name>\w+)\.md(?P<anchor>#[\w-]+)?")

NEWEST, CONVERTED, RANKED = 20, 10, 5
FARTHEST = tuple(reversed(CONVERSIONS.values()))
SHOWN_APART = {"body", "reasons"}
STAGES = {
    "raw events": "Known facts",
    "model": "The model",
    "prediction": "The score",
    "plan": "The plan",
    "send": "The send",
    "conversion": "What came of it",
}


def create_site(
    contents: SiteContents, *, ui_url: str | None = None, mark: str = "", served: Places = SERVED
) -> Starlette:
    """Return the application.

    Args:
        ui_url: address of the Dagster UI; None when there is none to link to.
        mark: sent with every answer in the header `x-mlife-site`.
        served: the pages beside those of the lake; a place that is not named has no page.

    Routes, all GET: `/` and `/dashboard/index.html`, `/models/<version>/card.html`,
    `/backtest/lifecycle_backtest.html`, `/runbooks/`, `/runbooks/<name>`, `/messages/` (`?id=` leads to the message),
    `/messages/<message_id>`, `/calls/`, `/calls/<application>/<day>.html` and `.csv`, and `/metrics` for Prometheus.
    """
    site = _Site(contents, ui_url, served)
    places = {place for _, place in served}
    messages = [Route(f"/{MESSAGES}", site.messages), Route(f"/{MESSAGES}{{message_id}}", site.message)]
    calls = [Route(f"/{CALLS}", site.calls), Route(f"/{CALLS}{{application}}/{{file}}", site.call_list)]
    runbooks = [Route(f"/{RUNBOOKS}", site.runbooks), Route(f"/{RUNBOOKS}{{name}}", site.runbook)]
    app = Starlette(
        routes=[
            Route("/", site.dashboard),
            Route(f"/{DASHBOARD}", site.dashboard),
            Route(f"/{BACKTEST}", site.backtest),
            Route(f"/{card_key('{version}')}", site.card),
            Route("/metrics", site.metrics),
            *(runbooks if RUNBOOKS in places else ()),
            *(messages if MESSAGES in places else ()),
            *(calls if CALLS in places else ()),
        ],
        middleware=[
            Middleware(PageHeaders, more={MARK: mark}),
            Middleware(Access, token=None, refusal=lambda status, *words: site.notice("", status, *words)),
        ],
        exception_handlers={
            NotFoundError: site.failed(404),
            TransientError: site.failed(503),
            IntegrityError: site.failed(500),
            HTTPException: site.no_route,
            Exception: site.defect,
        },
    )
    app.router.redirect_slashes = False  # to whatever the client called this host
    return app


class _Site:
    """The routes. Following a message takes seconds of one core, so that is done for one request at a time."""

    def __init__(self, contents: SiteContents, ui_url: str | None, served: Places) -> None:
        self._served = served
        self._contents, self._ui_url = contents, None if ui_url is None else ui_url.rstrip("/")
        self._slow = CapacityLimiter(1)

    def dashboard(self, request: Request) -> Response:
        return self._stored(request, DASHBOARD, self._contents.dashboard())

    def backtest(self, request: Request) -> Response:
        return self._stored(request, BACKTEST, self._contents.backtest())

    def card(self, request: Request) -> Response:
        version = request.path_params["version"]
        card = self._contents.card(version)
        if card is None:
            raise NotFoundError(
                f"there is no card of a model version {cut(version)}; the dashboard names the versions, and a version "
                "has a card once the gate has judged it"
            )
        return self._stored(request, card_key(version), card)

    async def metrics(self, _: Request) -> Response:
        text = await to_thread.run_sync(self._contents.metrics, limiter=self._slow)
        return Response(text, headers={"content-type": METRICS_TYPE})

    def runbooks(self, _: Request) -> Response:
        books = read_runbooks(self._contents.runbooks())
        return self._page(
            RUNBOOKS,
            "Runbooks",
            render("runbooks.html", package="mlife_assets.serving.site", runbooks=list(books.values())),
        )

    def runbook(self, request: Request) -> Response:
        name = request.path_params["name"]
        book = read_runbooks(self._contents.runbooks()).get(name)
        if book is None:
            raise NotFoundError(f"there is no runbook {cut(name)}; the list of runbooks names them all")
        return self._page(RUNBOOKS + name, book.title, element("article", book.body, class_="prose card"))

    async def messages(self, request: Request) -> Response:
        wanted = request.query_params.get("id", "").strip()
        if wanted:
            return RedirectResponse(quote(wanted, safe=""), 303)
        return await to_thread.run_sync(self._messages, limiter=self._slow)

    def _messages(self) -> Response:
        try:
            lines, note = self._contents.messages(), ""
        except NotFoundError as error:
            lines, note = (), str(error)
        return self._page(MESSAGES, "Messages", messages_body(lines, note))

    async def message(self, request: Request) -> Response:
        return await to_thread.run_sync(self._message, request.path_params["message_id"], limiter=self._slow)

    def _message(self, message_id: str) -> Response:
        here = MESSAGES + message_id
        found = self._contents.trace(message_id)
        versions = {str(version) for hop in found.hops if (version := hop.details.get("model_version"))}
        cards = {
            version: between(MESSAGES, card_key(version))
            for version in sorted(versions)
            if self._contents.card(version) is not None
        }
        plan = self._asset(here, f"?partition={_planned(found).observed_at:%Y-%m-%d}")
        body = trace_body(found, cards, plan)
        return self._page(here, found.message_id, body, is_wide=True)

    def calls(self, _: Request) -> Response:
        keys = self._contents.call_lists()[:LISTED]
        lists = [
            (key.removeprefix(CALLS), _application_of(key).replace("_", " "), PurePosixPath(key).stem) for key in keys
        ]
        body = render("calls.html", package="mlife_assets.serving.site", lists=lists)
        return self._page(CALLS, "Calls", body)

    def call_list(self, request: Request) -> Response:
        application, file = (request.path_params[name] for name in ("application", "file"))
        key = f"{CALLS}{application}/{file}"
        found = self._contents.call_list(key) if _CALL_LIST.fullmatch(key) else None
        if found is None:
            raise NotFoundError(f"there is no call list {cut(key)}; the page of calls names them all")
        if file.endswith(".csv"):
            return Response(
                found,
                media_type="text/csv",
                headers={"content-disposition": f'attachment; filename="{application}_{file}"'},
            )
        links = (Link("As a file", file.replace(".html", ".csv")), *self._ui_links(key))
        return HTMLResponse(with_served_links(found.decode(), key, self._served, links))

    def _stored(self, request: Request, key: str, document: str | None) -> Response:
        """Answer with a page of the lake."""
        if document is None:
            return self.notice(request.url.path, 404, "this page was not built yet", _HOW_BUILT[key])
        links = self._ui_links(key)
        if key != BACKTEST and BACKTEST not in document and self._contents.backtest() is not None:
            links = (Link("Backtest", between(key, BACKTEST)), *links)  # the page is older than the backtest
        return HTMLResponse(with_served_links(document, key, self._served, links))

    def _page(self, here: str, title: str, body: Markup, *, is_wide: bool = False) -> Response:
        links = (
            *served_nav(here, self._served, has_backtest=self._contents.backtest() is not None),
            *self._ui_links(here),
        )
        return HTMLResponse(page(title, body, nav=links, is_wide=is_wide))

    def notice(self, path: str, status: int, message: str, remedy: str) -> Response:
        """Answer with the fault and links."""
        sentence = f"{message[:1].upper()}{message[1:]}."
        advice = [element("p", f"{remedy[:1].upper()}{remedy[1:].rstrip('.')}.")] if remedy else []
        body = element("article", element("h1", sentence), *advice, class_="prose card")
        here = path.lstrip("/")
        return HTMLResponse(page(sentence, body, nav=(*served_nav(here, self._served), *self._ui_links(here))), status)

    def _ui_links(self, here: str) -> tuple[Link, ...]:
        asset = self._asset(here)
        return () if asset is None else (Link("Dagster UI", asset),)

    def _asset(self, here: str, selection: str = "") -> str | None:
        if self._ui_url is None:
            return None
        asset = next((asset for start, asset in _ASSETS.items() if here.startswith(start)), None)
        if _CALL_LIST.fullmatch(here):
            asset = f"{_application_of(here)}/call_list"
        return f"{self._ui_url}/asset-groups" if asset is None else f"{self._ui_url}/assets/{asset}{selection}"

    def failed(self, status: int) -> Callable[[Request, Exception], Response]:
        """Return a handler that answers errors of ours, split into fault and remedy."""

        def answer(request: Request, error: Exception) -> Response:
            message, _, remedy = str(error).partition("; ")
            return self.notice(request.url.path, status, message, remedy)

        return answer

    def no_route(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        path = request.url.path
        message = (
            f"there is no page {cut(path)}" if error.status_code == 404 else f"{cut(request.method)}: {error.detail}"
        )
        answer = self.notice(path, error.status_code, message, "the links above lead to what there is")
        answer.headers.update(error.headers or {})
        return answer

    def defect(self, request: Request, _: Exception) -> Response:
        return self.notice(request.url.path, 500, "this page could not be made", "the site's log says why")


def _application_of(key: str) -> str:
    return key.split("/")[1]


@dataclass(frozen=True)
class Runbook:
    """A runbook: its name in addresses, its title, when to open it (HTML, maybe empty), and all of it as HTML."""

    name: str
    title: str
    when: Markup
    body: Markup


def read_runbooks(sources: Mapping[str, str]) -> dict[str, Runbook]:
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
    box = '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table class="data">\n'
    parser.add_render_rule("fence", _fence)
    parser.add_render_rule("table_open", lambda *_: box)
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return parser


def _fence(_: Any, tokens: Sequence[Token], place: int, *__: Any) -> str:
    """A command may be wider than the page, so its box scrolls, by keyboard too."""
    return str(element("pre", element("code", tokens[place].content), tabindex="0")) + "\n"


def messages_body(lines: Sequence[MessageLine], note: str = "") -> Markup:
    """Return the content of the page that finds a message; `note` says why there is none."""
    reached = (line for line in lines if line.outcome in FARTHEST)
    farthest = sorted(reached, key=lambda line: (FARTHEST.index(line.outcome), -line.as_of_date.toordinal()))
    return render(
        "messages.html",
        package="mlife_assets.serving.site",
        note=note,
        lists=[
            ("Led to something", "an application or a hire, or else a click", farthest[:CONVERTED]),
            ("Newest", "the last that were planned", list(lines[:NEWEST])),
        ],
        body_line=body_line,
    )


def trace_body(found: MessageTrace, cards: Mapping[str, str], plan_href: str | None) -> Markup:
    """Return the page of one message, with links to cards by model version and to the plan in the Dagster UI."""
    prediction = next((hop for hop in found.hops if hop.event_type == "prediction"), None)
    stages = dict.fromkeys(hop.stage for hop in found.hops)
    outcome, is_converted = _outcome(found)
    body = str(_planned(found).details["body"])
    return render(
        "trace.html",
        package="mlife_assets.serving.site",
        message_id=found.message_id,
        outcome=outcome,
        is_converted=is_converted,
        text=body_line(body),
        mail=mail_of(body),
        stages=[
            (name, STAGES.get(name, name.capitalize()), [_hop(hop, cards) for hop in found.hops if hop.stage == name])
            for name in stages
        ],
        prediction_id=None if prediction is None else prediction.details["prediction_id"],
        reasons=found.reasons,
        waterfall=None if found.parts is None else data_uri(plot_waterfall(found.parts, PAIR_WORDS)),
        features=[(name, f"{value:.4g}") for name, value in found.features.items()],
        ranked=found.alternatives[:RANKED],
        ranked_in_all=len(found.alternatives),
        plan_href=plan_href,
    )


def _planned(found: MessageTrace) -> Hop:
    return next(hop for hop in found.hops if hop.event_type == "message_planned")


def _hop(hop: Hop, cards: Mapping[str, str]) -> dict[str, Any]:
    facts = [
        {"name": name.replace("_", " "), "lines": _lines(value), "href": cards.get(str(value))}
        for name, value in hop.details.items()
        if value is not None and name not in SHOWN_APART
    ]
    return {
        "event_type": hop.event_type,
        "event_id": hop.event_id,
        "occurred": _moment(hop.occurred_at),
        "observed": _moment(hop.observed_at),
        "facts": facts,
    }


def _lines(value: Any) -> list[str]:
    """Return a fact as lines of text."""
    if isinstance(value, list | tuple):
        return [str(one) for one in value]
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    return [f"{value:.6g}" if isinstance(value, float) else str(value)]


def _outcome(found: MessageTrace) -> tuple[str, bool]:
    """Return the farthest thing that happened, and whether it is a conversion."""
    last = found.hops[-1]
    if last.stage == "conversion":
        return CONVERSIONS[last.event_type], True
    return str(last.details.get("status") or last.event_type.replace("_", " ")), False


def _moment(value: datetime) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}Z"


class SiteContents(Protocol):
    """The pages and facts of one deployment."""

    def dashboard(self) -> str | None:
        """Return the dashboard; None before it was built."""

    def backtest(self) -> str | None:
        """Return the page of the team's backtest; None before it was built."""

    def card(self, model_version: str) -> str | None:
        """Return the card of a model version; None when there is no such version, or no card of it."""

    def runbooks(self) -> Mapping[str, str]:
        """Return the runbooks in Markdown, by name."""

    def messages(self) -> Sequence[MessageLine]:
        """Return the messages of the last days, the newest first. Raises NotFoundError when no day ran."""

    def call_lists(self) -> Sequence[str]:
        """Return the keys of the pages of call lists (`places.call_list_key`), the newest first."""

    def call_list(self, key: str) -> bytes | None:
        """Return a call list by its key, as page or as file; None when there is none."""

    def metrics(self) -> str:
        """Return where the deployment stands as the text that Prometheus reads. Raises NotFoundError before any day."""

    def trace(self, message_id: str) -> MessageTrace:
        """Follow one message. Raises NotFoundError, or IntegrityError when the log does not hold."""
