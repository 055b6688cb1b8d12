"""Bodies: a limit for each, a budget for all, a pace. Time is that of the event loop, so the times are short."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from mlife_assets.serving.bodies import BodyReader, BodyTooLargeError, BodyTooSlowError, BusyError
from mlife_assets.serving.requests import RequestLimits

LIMITS = RequestLimits(body_bytes=1_000, held_bytes=1_500, free_bytes=100)


class Sent:
    """Stands for a request whose body arrives in parts; `None` is a part that never comes."""

    def __init__(self, *parts: bytes | None, seconds: float = 0.0) -> None:
        self.parts, self.seconds = parts, seconds

    async def stream(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            await asyncio.sleep(self.seconds)
            if part is None:
                await asyncio.Event().wait()
            yield part or b""


async def read(reader: BodyReader, sent: Any) -> bytes:
    async with reader.body(sent) as parts:
        return b"".join(parts)


def test_a_body_is_its_parts() -> None:
    assert asyncio.run(read(BodyReader(LIMITS), Sent(b"ab", b"", b"c"))) == b"abc"


@pytest.mark.parametrize("size", [1_001, 3_999, 50_000])
def test_a_large_body_is_refused(size: int) -> None:
    with pytest.raises(BodyTooLargeError, match="1000 bytes"):
        asyncio.run(read(BodyReader(LIMITS), Sent(*[b"x" * 500] * (size // 500), b"x" * (size % 500))))


def test_what_is_held_has_a_budget_that_is_free_again_afterwards() -> None:
    async def attack() -> None:
        reader = BodyReader(LIMITS)
        for _ in range(3):
            async with reader.body(Sent(b"x" * 900)), reader.body(Sent(b"x" * 800)):  # type: ignore[arg-type]
                with pytest.raises(BusyError):
                    await read(reader, Sent(b"x" * 101))
                assert await read(reader, Sent(b"x" * 100)) == b"x" * 100, "the first bytes are free"
            with pytest.raises(BodyTooLargeError):
                await read(reader, Sent(b"x" * 900, b"x" * 900))
            with pytest.raises(BusyError):
                async with reader.body(Sent(b"x" * 1_000)):  # type: ignore[arg-type]
                    await read(reader, Sent(b"x" * 800))

    asyncio.run(attack())


@pytest.mark.parametrize("sent", [Sent(None), Sent(b"x" * 100, None), Sent(*[b"x"] * 1_000, seconds=0.01)])
def test_a_body_that_falls_behind_the_pace_is_given_up(sent: Sent) -> None:
    limits = replace(LIMITS, body_grace_seconds=0.05, bytes_per_second=1_000)
    reader = BodyReader(limits)
    with pytest.raises(BodyTooSlowError, match="1000 bytes per second"):
        asyncio.run(asyncio.wait_for(read(reader, sent), 10))


def test_a_body_that_keeps_the_pace_has_an_end_all_the_same() -> None:
    limits = replace(LIMITS, body_grace_seconds=0.05, bytes_per_second=1, body_seconds=0.2)
    with pytest.raises(BodyTooSlowError, match=r"within 0 seconds"):
        asyncio.run(asyncio.wait_for(read(BodyReader(limits), Sent(*[b"x"] * 900, seconds=0.01)), 10))


def test_a_body_that_keeps_the_pace_is_read() -> None:
    limits = replace(LIMITS, body_grace_seconds=0.2, bytes_per_second=100)
    assert asyncio.run(read(BodyReader(limits), Sent(*[b"x" * 50] * 10, seconds=0.05))) == b"x" * 500
