"""Pacing: never faster than the provider's rate.

Concept: two hundred leased rows are a queue, not a burst. Clock and sleep are injected, so tests and the simulated
world need not wait.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from mlife_assets.core.ports import Clock


class TokenBucket:
    """Paces calls to a rate, without a burst beyond `burst` calls. Clock and sleep are injected.

    Time that was slept counts even if the clock stands still, so a simulated clock cannot make it wait forever.
    """

    def __init__(self, per_second: float, *, clock: Clock, sleep: Callable[[float], None], burst: float = 1.0) -> None:
        self._per_second, self._burst, self._tokens = per_second, burst, burst
        self._clock, self._sleep = clock, sleep
        self._last = clock.now()

    def take(self) -> None:
        """Wait until one call is allowed."""
        now = max(self._clock.now(), self._last)
        refilled = (now - self._last).total_seconds() * self._per_second
        self._tokens, self._last = min(self._burst, self._tokens + refilled), now
        if self._tokens < 1.0:
            seconds = (1.0 - self._tokens) / self._per_second
            self._sleep(seconds)
            self._tokens, self._last = 1.0, now + timedelta(seconds=seconds)
        self._tokens -= 1.0

    def back_off(self, seconds: float) -> None:
        """Wait after a throttle."""
        self._sleep(seconds)
        self._tokens, self._last = 0.0, max(self._clock.now(), self._last)
