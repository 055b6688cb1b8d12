"""The prediction endpoint as an ASGI application.

Concept: the endpoint adds nothing to a score. It asks a model's provider for the champion again and again, so a
promotion or a rollback needs no restart, and it sends floats that read back to the same bits. Every refusal has an
explanation.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from math import inf, isnan
from typing import Any

import orjson
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from mlife_assets.core.errors import IntegrityError, InvalidInputError, NotFoundError, TransientError
from mlife_assets.core.quoting import cut
from mlife_assets.core.scoring.reasons import ExplainableScorer, first_step_probabilities
from mlife_assets.serving.connections import Access
from mlife_assets.serving.requests import (
    BodyReader,
    BodyTooLargeError,
    BodyTooSlowError,
    RequestLimits,
    RowError,
    parse_rows,
    rows_matrix,
)

ScorerProvider = Callable[[], ExplainableScorer]
_LOGGER = logging.getLogger(__name__)
INLINE_BYTES = 64 * 1024
"""Bodies up to this size are scored by the loop itself, where machine code does it: a thread would cost more."""
CHAMPION_SECONDS = 0.1
"""Time for which small requests are scored by the champion that was found, before it is looked up again."""
HEALTH_SECONDS = 1.0
"""Time for which `/health` repeats its answer: it needs no token, so frequent requests must cost nothing."""


def create_app(
    models: Mapping[str, ScorerProvider], limits: RequestLimits | None = None, *, token: str | None = None
) -> Starlette:
    """Return the application.

    Args:
        models: name -> what returns the scorer of the model's present champion; called for each large request, and ten
            times a second for small ones, so it should cache by version. Raises NotFoundError when nothing was
            promoted, which is answered with 503.
        token: bearer token of every request except `/health`; with None, any caller who uses a name of this machine
            gets an answer, so let it listen on loopback alone.

    Routes:
        POST /v1/models/<name>/score: `{"rows": [{feature: value, ...}]}` -> `{"model_version", "scores": [{"raw",
            "probability", "click_probability"}]}`; the last is null where the model is no funnel.
        GET /v1/models/<name>: version, features and vocabularies of the champion.
        GET /v1/models: names of the models, and the version of each champion, null where none can be loaded.
        POST /v1/score and GET /v1/model: the same of the first of `models`, as when there was one.
        GET /health: 200 when the champion of any of `models` can be loaded, else 503; `{"status"}` and no more. What
            one model lacks takes no other away; `/v1/models` says which champions cannot be loaded.

    Raises InvalidInputError if `models` is empty.

    Errors are `{"error": {"message", "remedy", "row", "field"}}` with 401 (no token), 404 or 405 (no such route or
    model), 408 (too slow), 413 (too large), 421 (a host that is not ours), 422 (cannot be scored), 503 (no champion can
    be loaded now, or too many large requests) or 500 (a defect; its text stays in the server's log).
    """
    if not models:
        raise InvalidInputError("models is empty; pass the provider of one model or more")
    allowed, first = limits or RequestLimits(), next(iter(models))
    bodies, places, pulse = BodyReader(allowed), CapacityLimiter(allowed.scored_at_once), _Pulse(models)
    champions = _Champions()

    def named(request: Request) -> ScorerProvider:
        name = request.path_params.get("name", first)
        if name not in models:
            raise _UnknownModelError(f"there is no model {cut(name)}; use one of {', '.join(models)}")
        return models[name]

    async def score(request: Request) -> Response:
        provider = named(request)
        async with bodies.body(request) as parts:
            if sum(map(len, parts)) <= INLINE_BYTES and (scorer := await champions.of(provider)).is_quick:
                return _answered(scorer, parts, allowed)
            return await to_thread.run_sync(lambda: _answered(provider(), parts, allowed), limiter=places)

    async def overview(_: Request) -> Response:
        versions = {name: await run_in_threadpool(_version, provider) for name, provider in models.items()}
        return _json({"models": [{"name": name, "model_version": version} for name, version in versions.items()]})

    async def model(request: Request) -> Response:
        scorer = await run_in_threadpool(named(request))
        spec = scorer.feature_spec
        vocabularies = dict(spec.vocabularies)
        features = [
            {"name": name, "type": "category", "values": vocabularies[name]}
            if name in vocabularies
            else {"name": name, "type": "number"}
            for name in spec.names
        ]
        return _json({"model_version": scorer.model_version, "features": features, "maximum_rows": allowed.rows})

    async def health(_: Request) -> Response:
        is_well = await pulse.is_well()
        return _json({"status": "ok" if is_well else "unavailable"}, 200 if is_well else 503)

    served = Starlette(
        routes=[
            Route("/v1/models/{name}/score", score, methods=["POST"]),
            Route("/v1/score", score, methods=["POST"]),
            Route("/v1/models", overview, methods=["GET"]),
            Route("/v1/models/{name}", model, methods=["GET"]),
            Route("/v1/model", model, methods=["GET"]),
            Route("/health", health, methods=["GET"]),
        ],
        middleware=[Middleware(Access, token=token, refusal=_error)],
        exception_handlers={
            RowError: _refused,
            BodyTooLargeError: _failed(413),
            BodyTooSlowError: _failed(408),
            _UnknownModelError: _no_model,
            NotFoundError: _failed(503),
            IntegrityError: _failed(503),
            TransientError: _failed(503),
            ClientDisconnect: _gone,
            HTTPException: _no_route,
            Exception: _defect,
        },
    )
    served.router.redirect_slashes = False  # to whatever the client called this host
    return served


class _Pulse:
    """Whether any champion can be loaded, found out once a `HEALTH_SECONDS`, however many ask."""

    def __init__(self, models: Mapping[str, ScorerProvider]) -> None:
        self._models, self._lock = models, asyncio.Lock()
        self._is_well, self._until = False, -inf

    async def is_well(self) -> bool:
        async with self._lock:
            loop = asyncio.get_running_loop()
            if loop.time() >= self._until:
                self._is_well = await run_in_threadpool(self._can_load)
                self._until = loop.time() + HEALTH_SECONDS
            return self._is_well

    def _can_load(self) -> bool:
        for name, provider in self._models.items():
            try:
                provider()
            except NotFoundError:
                continue  # not promoted yet, which is no fault
            except Exception:
                _LOGGER.exception("the champion of %s cannot be loaded", name)
            else:
                return True
        return False


class _UnknownModelError(NotFoundError):
    """A request names a model that is not served."""


def _version(provider: ScorerProvider) -> str | None:
    try:
        return provider().model_version
    except (NotFoundError, IntegrityError, TransientError):
        return None


class _Champions:
    """Scorers of the champions, looked up in a thread once a `CHAMPION_SECONDS`, however many small requests ask.

    Requests that come during a look wait for its answer, so a new champion is loaded once.
    """

    def __init__(self) -> None:
        self._looks: dict[ScorerProvider, tuple[float, asyncio.Future[ExplainableScorer]]] = {}

    async def of(self, provider: ScorerProvider) -> ExplainableScorer:
        now = asyncio.get_running_loop().time()
        until, look = self._looks.get(provider, (-inf, None))
        if look is None or (look.done() and (now >= until or look.exception() is not None)):
            look = asyncio.ensure_future(run_in_threadpool(provider))
            self._looks[provider] = now + CHAMPION_SECONDS, look
        return await asyncio.shield(look)


def _answered(scorer: ExplainableScorer, parts: list[bytes], limits: RequestLimits) -> Response:
    rows = parse_rows(b"".join(parts), limits)
    scores = scorer.score(rows_matrix(rows, scorer.feature_spec))
    columns = (scores.raw, scores.probability, first_step_probabilities(scores))
    return _json(
        {
            "model_version": scorer.model_version,
            "scores": [
                {"raw": raw, "probability": probability, "click_probability": None if isnan(click) else click}
                for raw, probability, click in zip(*(column.tolist() for column in columns), strict=True)
            ],
        }
    )


def _json(document: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(document), status_code=status, media_type="application/json")


def _error(status: int, message: str, remedy: str, row: int | None = None, field: str | None = None) -> Response:
    return _json({"error": {"message": message, "remedy": remedy, "row": row, "field": field}}, status)


def _refused(_: Request, error: Exception) -> Response:
    if not isinstance(error, RowError):
        raise error
    return _error(422, error.message, error.remedy, error.row, error.field)


def _failed(status: int) -> Callable[[Request, Exception], Response]:
    """Return a handler that answers an error of ours, split into fault and remedy."""

    def answer(_: Request, error: Exception) -> Response:
        message, __, remedy = str(error).partition("; ")
        if status != 503:
            return _error(status, message, remedy)
        response = _error(status, message, remedy or "promote a model, or try again later")
        response.headers["retry-after"] = "1"
        return response

    return answer


def _no_model(_: Request, error: Exception) -> Response:
    message, __, remedy = str(error).rpartition("; ")  # the caller chose what stands before, the remedy is ours
    return _error(404, message, remedy)


def _no_route(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    response = _error(
        error.status_code,
        f"{cut(request.method)} {cut(request.url.path)}: {error.detail}",
        "use POST /v1/models/<name>/score, GET /v1/models/<name>, GET /v1/models or GET /health",
    )
    response.headers.update(error.headers or {})
    return response


def _gone(_: Request, __: Exception) -> Response:
    return _error(400, "the client left before its body was complete", "send the request again")


def _defect(_: Request, __: Exception) -> Response:
    response = _error(500, "the endpoint failed on this request", "try again; if it stays, see the server's log")
    response.headers["connection"] = "close"
    return response
