"""Reading bodies within bounds.

Belongs here: how many bytes are held, for one request and for all, and how long a sender may take. Does not belong
here: what a body says (`serving.requests`).

Concept: a sender may be slow, large or many, and none of it may cost the others. A body has a limit; all bodies that
are held share a budget, from which the first bytes of each are free, so that a small request is answered while large
ones are refused; and a body has to keep a pace, or it is answered with 408. Nobody waits for memory: what does not fit
is refused at once, and its sender asked to try again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from mlife_assets.core.errors import InvalidInputError, TransientError
from mlife_assets.serving.requests import RequestLimits

DRAINED = 4
"""A body of up to so many times the limit is read to its end and dropped: a client that is cut off sees no answer."""


class BodyTooLargeError(InvalidInputError):
    """The body exceeds the limit; never kept beyond it."""


class BodyTooSlowError(InvalidInputError):
    """The body did not arrive in time."""


class BusyError(TransientError):
    """The bodies at hand fill the budget."""


class BodyReader:
    """Reads bodies of requests, and knows how many bytes of all of them are held. For one event loop."""

    def __init__(self, limits: RequestLimits) -> None:
        """Start with nothing held."""
        self._limits = limits
        self._held = 0

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[list[bytes]]:
        """Yield the parts of the body; their bytes count as held until the context is left.

        Raises:
            BodyTooLargeError: it exceeds the limit of one request.
            BodyTooSlowError: it fell behind the pace.
            BusyError: with it, the budget of all requests would be exceeded.
        """
        body = _Held()
        try:
            yield await self._read(request, body)
        finally:
            self._held -= body.charged

    async def _read(self, request: Request, body: _Held) -> list[bytes]:
        limits, loop = self._limits, asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout_at(started + limits.body_grace_seconds) as deadline:
                async for part in request.stream():
                    body.size += len(part)
                    if body.size > limits.body_bytes * DRAINED:
                        break
                    if body.size <= limits.body_bytes:
                        self._charge(body)
                        body.parts.append(part)
                    else:
                        body.parts.clear()
                    earned = limits.body_grace_seconds + body.size / limits.bytes_per_second
                    deadline.reschedule(started + min(earned, limits.body_seconds))
        except TimeoutError as error:
            raise BodyTooSlowError(
                f"the body was too slow: {body.size} bytes in {loop.time() - started:.0f} seconds; send it at "
                f"{limits.bytes_per_second} bytes per second or faster, within {limits.body_seconds:.0f} seconds"
            ) from error
        if body.size > limits.body_bytes:
            raise BodyTooLargeError(f"the body exceeds {limits.body_bytes} bytes; send fewer rows per request")
        return body.parts

    def _charge(self, body: _Held) -> None:
        more = max(0, body.size - self._limits.free_bytes) - body.charged
        if more > 0 and self._held + more > self._limits.held_bytes:
            raise BusyError("the endpoint holds as many large requests as it can; try again in a few seconds")
        self._held += more
        body.charged += more


class _Held:
    """One body while it is read: its parts, its size so far, and what of it counts against the budget."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = self.charged = 0
