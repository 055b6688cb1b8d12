"""One click ends mails: an ASGI application for everybody.

Concept: programs that scan mails for danger open every link, so opening one changes nothing; the button, and mail
programs by RFC 8058, post. There is no login, and no answer says whose link it is. Success is only shown once it is
recorded, and posting again is harmless. Serve it without a log of requests: their paths are tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from mlife_assets.core.errors import InvalidInputError, TransientError
from mlife_assets.core.pages import page, render
from mlife_assets.recruiting.mail.mime import ONE_CLICK, LinkUse, Unsubscription, use_of_link
from mlife_assets.serving.connections import PageHeaders
from mlife_assets.serving.requests import BodyReader, BodyTooLargeError, BodyTooSlowError, BusyError, RequestLimits

_LOGGER = logging.getLogger(__name__)
LIMITS = RequestLimits(
    body_bytes=16 * 1024, held_bytes=1024 * 1024, free_bytes=1024, body_grace_seconds=5.0, body_seconds=10.0
)
"""Of a post, whose body is one short field that nothing depends on."""
RECORDED_AT_ONCE, WAITING_MAXIMUM = 4, 100

ReadToken = Callable[[str], Unsubscription | None]
Record = Callable[[LinkUse], None]


class _UnknownLinkError(InvalidInputError):
    """A token that is none of ours."""


def create_one_click_app(
    read_token: ReadToken, record: Record, *, brand: str, now: Callable[[], datetime]
) -> Starlette:
    """Return the application.

    Args:
        read_token: returns the content of a token, None when it is invalid (`read_unsubscribe_token` with the key).
        record: keeps that an account wants no more mails, at once; the same use again changes nothing.
        brand: whose mails end.

    Routes:
        GET /unsubscribe/<token>: a page with a button; changes nothing.
        POST /unsubscribe/<token>: ends mails; 200 once that is recorded.

    Answers are pages: 404 (a link of nobody), 405, 408, 413, 503 (could not be recorded now) or 500 (a defect).
    """
    bodies, places = BodyReader(LIMITS), CapacityLimiter(RECORDED_AT_ONCE)
    name, _, value = ONE_CLICK.partition("=")

    def answer(status: int, heading: str, *sentences: str, asks: bool = False) -> Response:
        body = render(
            "one_click.html",
            package="mlife_assets.serving.one_click",
            heading=heading,
            sentences=sentences,
            field=(name, value) if asks else None,
        )
        return HTMLResponse(page(heading, body), status)

    def asked(request: Request) -> tuple[str, Unsubscription]:
        token = request.path_params["token"]
        said = read_token(token)
        if said is None:
            raise _UnknownLinkError("the link is none of ours")
        return token, said

    async def show(request: Request) -> Response:
        asked(request)
        return answer(200, f"No more mails from {brand}?", "One click ends them. Nothing else changes.", asks=True)

    async def end(request: Request) -> Response:
        token, said = asked(request)
        async with bodies.body(request):
            pass  # the body does not matter: a post asks to leave
        if places.statistics().tasks_waiting >= WAITING_MAXIMUM:
            raise BusyError("too many people are leaving at once; try again in a few seconds")
        await to_thread.run_sync(lambda: record(use_of_link(said, token, now())), limiter=places)
        return answer(200, "Done", f"You get no more mails from {brand}.")

    def failed(status: int, heading: str, *sentences: str) -> Callable[[Request, Exception], Response]:
        def respond(_: Request, __: Exception) -> Response:
            response = answer(status, heading, *sentences)
            if status == 503:
                response.headers["retry-after"] = "5"
            return response

        return respond

    def no_route(_: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        response = answer(error.status_code, "There is nothing here", "Open the link in the mail.")
        response.headers.update(error.headers or {})
        return response

    def defect(_: Request, error: Exception) -> Response:
        # Not its text: it may hold whatever the ledger was given.
        _LOGGER.error("an unsubscription could not be recorded (%s)", type(error).__name__)
        response = answer(500, "That did not work", "You may still get mails. Please try again later.")
        response.headers["connection"] = "close"  # the server cuts it after a defect, so nobody asks on it again
        return response

    not_now = failed(503, "That did not work yet", "Please try again in a minute.")
    served = Starlette(
        routes=[
            Route(f"/unsubscribe/{{token}}{slash}", does, methods=[method])
            for slash in ("", "/")
            for method, does in (("GET", show), ("POST", end))
        ],
        middleware=[Middleware(PageHeaders, more={"x-robots-tag": "noindex"})],
        exception_handlers={
            _UnknownLinkError: failed(404, "This link is not whole", "Please open it from the mail again."),
            BodyTooLargeError: failed(413, "That was too much", "Please use the button."),
            BodyTooSlowError: failed(408, "That was too slow", "Please try again."),
            TransientError: not_now,
            ClientDisconnect: failed(400, "That did not arrive", "Please try again."),
            HTTPException: no_route,
            Exception: defect,
        },
    )
    served.router.redirect_slashes = False  # to whatever the client called this host
    return served
