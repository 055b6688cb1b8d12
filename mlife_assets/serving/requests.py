"""Requests: from a body within bounds to a feature matrix, exact to the bit, or an error that says what to change.

Concept: a row names every feature once. A number is taken as it is (JSON keeps doubles to the bit), `null` is missing,
and the three doubles that JSON lacks are the texts "NaN", "Infinity" and "-Infinity". A category is its text; the
fitted vocabulary turns it into a code, and a text that the model has never seen is missing, as it is in a batch.

A sender may be slow, large or many, and none of it may cost the others. A body has a limit; all bodies that are held
share a budget, from which the first bytes of each are free, so that a small request is answered while large ones are
refused; and a body has to keep a pace, or it is answered with 408. Nobody waits for memory: what does not fit is
refused at once, and its sender asked to try again.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from starlette.requests import Request

from mlife_assets.core.errors import InvalidInputError, TransientError
from mlife_assets.core.quoting import cut, quoted
from mlife_assets.core.scoring.feature_spec import FeatureSpec

SPECIAL_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

DRAINED = 4
"""A body of up to so many times the limit is read to its end and dropped: a client that is cut off sees no answer."""


class RowError(InvalidInputError):
    """A request that cannot be scored; `row` and `field` say where, `remedy` what to do."""

    def __init__(self, message: str, remedy: str, *, row: int | None = None, field: str | None = None) -> None:
        """Keep the parts apart, so that a client need not parse a sentence."""
        super().__init__(f"{message}; {remedy}")
        self.message, self.remedy, self.row, self.field = message, remedy, row, field


@dataclass(frozen=True)
class RequestLimits:
    """What requests may ask for.

    Attributes:
        body_bytes: of one body; a row of the present features takes about 0.9 kB.
        rows: of one request.
        held_bytes: of all bodies at a time, beyond `free_bytes` of each.
        free_bytes: of each body, not counted: this much is always accepted, however many bodies are held.
        body_grace_seconds: in which nothing of a body need arrive.
        bytes_per_second: pace of a body after that.
        body_seconds: in which a body of any size has to be complete.
        scored_at_once: requests that are decoded and scored at a time; decoded, a body takes ten times its bytes.
    """

    body_bytes: int = 16 * 1024 * 1024
    rows: int = 10_000
    held_bytes: int = 64 * 1024 * 1024
    free_bytes: int = 64 * 1024
    body_grace_seconds: float = 5.0
    bytes_per_second: int = 64 * 1024
    body_seconds: float = 60.0
    scored_at_once: int = 2

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                raise InvalidInputError(f"RequestLimits.{name} is {value}; allow more than 0")


def parse_rows(body: bytes, limits: RequestLimits) -> list[Any]:
    """Return the rows of a body `{"rows": [...]}`, not yet checked. Raises `RowError`."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RowError(f"the body is not JSON: {error}", 'send {"rows": [{"feature": value, ...}]}') from error
    if not isinstance(document, dict) or not isinstance(document.get("rows"), list):
        raise RowError("the body has no list of rows", 'send {"rows": [{"feature": value, ...}]}', field="rows")
    unknown = sorted(set(document) - {"rows"})
    if unknown:
        raise RowError(f"the body has an unknown key {quoted(unknown[0])}", "send rows only", field=cut(unknown[0]))
    rows: list[Any] = document["rows"]
    if len(rows) > limits.rows:
        raise RowError(f"{len(rows)} rows in one request", f"send at most {limits.rows} rows", field="rows")
    return rows


def rows_matrix(rows: list[Any], spec: FeatureSpec) -> np.ndarray:
    """Return the matrix of `rows` in the order of `spec`, float64 of shape (n, features). Raises `RowError`."""
    codes = [spec.codes.get(name) for name in spec.names]
    names, known, filled = spec.names, frozenset(spec.names), []
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise RowError(f"row {number} is no object", "send one object of features per row", row=number)
        if row.keys() != known:
            _refuse_names(number, row, spec)
        for name, code in zip(names, codes, strict=True):
            value = row[name]
            # What nearly all values are: a number of a number, a text of a category.
            if type(value) is float and code is None:
                filled.append(value)
            else:
                filled.append(_value(number, name, value, code))
    return np.array(filled, dtype=np.float64).reshape(len(rows), len(names))


def _refuse_names(number: int, row: Mapping[str, Any], spec: FeatureSpec) -> None:
    missing = [name for name in spec.names if name not in row]
    if missing:
        raise RowError(
            f"row {number} lacks the feature {missing[0]}",
            "send every feature of GET /v1/model, null where it is unknown",
            row=number,
            field=missing[0],
        )
    unknown = sorted(set(row) - set(spec.names))[0]
    raise RowError(
        f"row {number} has the unknown feature {quoted(unknown)}",
        "send only the features of GET /v1/model",
        row=number,
        field=cut(unknown),
    )


def _value(number: int, name: str, value: Any, codes: Mapping[str, float] | None) -> float:
    if value is None:
        return math.nan
    if codes is not None:
        if isinstance(value, str):
            return codes.get(value, math.nan)
        raise RowError(
            f"{name} of row {number} is {quoted(value)}, but it is a category",
            "send it as text, or null",
            row=number,
            field=name,
        )
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and value in SPECIAL_NUMBERS:
        return SPECIAL_NUMBERS[value]
    raise RowError(
        f"{name} of row {number} is {quoted(value)}, but it is a number",
        'send a number, null, "NaN", "Infinity" or "-Infinity"',
        row=number,
        field=name,
    )


class BodyTooLargeError(InvalidInputError):
    """The body exceeds the limit; never kept beyond it."""


class BodyTooSlowError(InvalidInputError):
    """The body did not arrive in time."""


class BusyError(TransientError):
    """The bodies at hand fill the budget."""


class BodyReader:
    """Reads bodies of requests, and knows how many bytes of all of them are held. For one event loop."""

    def __init__(self, limits: RequestLimits) -> None:
        self._limits = limits
        self._held = 0

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[list[bytes]]:
        """Yield the body's parts, counted as held. Raises BodyTooLargeError, BodyTooSlowError or BusyError."""
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
