"""What goes into a dispatch from outside, what comes out of it, and how fast it may send.

Concept: results are frozen and hold counts and reasons only: no person, no phone number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from mlife_assets.core.ports import Clock
from mlife_assets.recruiting.messaging.binding import nothing_approved
from mlife_assets.recruiting.messaging.states import SendState
from mlife_assets.recruiting.ports import LedgerRow

CLOSED_AFTER = timedelta(days=1)
"""How long after its end a day's plan is closed for good. Nothing of it is sent meanwhile, but a clock that was hours
ahead can be set right and the rest sent."""


@dataclass(frozen=True)
class Recipient:
    """What is known of a person at send time."""

    is_consented: bool
    state_code: str | None
    time_zone: str | None


class Recheck(Protocol):
    """Reads the present facts of recipients just before sending."""

    def __call__(self, user_ids: Sequence[str]) -> Mapping[str, Recipient]:
        """Return the facts of each user; who is missing is not texted. Any error stops the dispatch: raise
        GateClosedError when sending as a whole is forbidden (quality block, unreadable list).
        """


class Verify(Protocol):
    """Holds rows against the approved plan, just before they are sent."""

    def __call__(self, rows: Sequence[LedgerRow]) -> None:
        """Raise GateClosedError unless every row is, to the letter, a message that was approved."""


@dataclass(frozen=True)
class Checks:
    """What is asked before a send.

    Attributes:
        recheck: present consent and place of recipients.
        verify: holds every row against the approved plan; by default nothing is approved, so nothing can be sent.
        texts_per_day: most texts a day of all applications together; None where each has its own limit alone.
        is_stopped: whether a switch outside stops every send; asked before each.
    """

    recheck: Recheck
    verify: Verify = nothing_approved
    texts_per_day: int | None = None
    is_stopped: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class DispatchReport:
    """What one dispatch did.

    Attributes:
        accepted, rejected, throttled, ambiguous: provider answers in this run; `throttled` counts answers, not texts.
        recovered: rows of an earlier crash that became ambiguous.
        expired: waiting rows of earlier days that were suppressed.
        suppressed: (reason, count) of rows refused at send time, ordered by reason.
        stopped_by: None when everything leased was handled; else `paused`, `daily_budget`, `expired`,
            `clock_set_back`, `provider_unhealthy` or `stopped_outside`.
    """

    accepted: int
    rejected: int
    throttled: int
    ambiguous: int
    recovered: int
    expired: int
    suppressed: tuple[tuple[str, int], ...]
    stopped_by: str | None


@dataclass(frozen=True)
class ReconcileReport:
    """What became of ambiguous sends: found at the provider, closed as unknown, still open; `unreadable` of those that
    are open, because the provider could not be asked.
    """

    accepted: int
    unknown: int
    still_ambiguous: int
    unreadable: int


@dataclass(frozen=True)
class InboundReport:
    """New inbound texts by keyword, and how many STOPs were among them."""

    new: int
    stops: int
    keywords: tuple[tuple[str, int], ...]


class Run:
    """Counts of one dispatch while it runs."""

    def __init__(self, began: datetime) -> None:
        """Start at zero; `newest` is the latest time that its clock has shown."""
        self.newest = began
        self.outcomes: Counter[str] = Counter()
        self.suppressed: Counter[str] = Counter()
        self.ambiguous_in_a_row = 0
        self.stopped_by: str | None = None

    @property
    def is_stopped(self) -> bool:
        return self.stopped_by is not None

    def report(self, recovered: int, expired: int) -> DispatchReport:
        """Return the frozen report."""
        return DispatchReport(
            accepted=self.outcomes[SendState.ACCEPTED],
            rejected=self.outcomes[SendState.REJECTED],
            throttled=self.outcomes[SendState.THROTTLED],
            ambiguous=self.outcomes[SendState.AMBIGUOUS],
            recovered=recovered,
            expired=expired,
            suppressed=tuple(sorted((+self.suppressed).items())),
            stopped_by=self.stopped_by,
        )


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
        self._sleep(seconds)
        self._tokens, self._last = 0.0, max(self._clock.now(), self._last)
