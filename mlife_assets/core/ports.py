"""Protocols of everything with a side effect: what `core` and `components` ask for, and adapters provide.

Concept: each port has exactly one embedded adapter today; production adapters fit the same shape and the same tests.
The lake is the threat to the event log, so a signed head is worth what its place and its key are worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from mlife_assets.core.alerts import Alert
    from mlife_assets.core.monitoring.reference import MonitoringReference
    from mlife_assets.core.monitoring.thresholds import Statistic, Threshold
    from mlife_assets.core.policies import MonitoringPolicy


class HeadStore(Protocol):
    """Where heads are kept: outside the lake, each written once."""

    @property
    def name(self) -> str:
        """How findings call this place."""

    def put(self, sequence: int, body: bytes, *, at: datetime, replaces: bool = False) -> None:
        """Keep a head. Raises ContentConflictError when another is there, unless it `replaces` a damaged one."""

    def get(self, sequence: int) -> bytes:
        """Return a head. Raises NotFoundError."""

    def sequences(self) -> list[int]:
        """Return the numbers of all heads, ascending."""


class HeadSigner(Protocol):
    """Who signs heads, with Ed25519: a key of this host, or a key service."""

    @property
    def message_bytes_maximum(self) -> int | None:
        """How many bytes it signs at most; None for any number."""

    @property
    def public_key(self) -> bytes:
        """The 32 bytes that verify what it signs."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 bytes."""


class HeadPins(Protocol):
    """Public keys that may sign heads."""

    @property
    def says_signed(self) -> bool:
        """Whether a key is pinned by signing with it, so that one without heads says that they are gone."""

    def keys(self) -> list[bytes]:
        """Return the pinned keys, the root of trust first."""

    def by_id(self) -> Mapping[str, bytes]:
        """Return the pinned keys by their ids."""

    def pin(self, key: bytes) -> None:
        """Trust one more key; again is a no-op."""


class Clock(Protocol):
    """The only source of the present. In the embedded world it is simulated from the partition day."""

    def now(self) -> datetime:
        """Return the present, aware, in UTC."""


class ObjectStore(Protocol):
    """A bucket or a folder. Keys are relative, with `/`."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Create `key`; False when it already holds these bytes. Raises ContentConflictError when it holds others."""

    def replace(self, key: str, data: bytes) -> None:
        """Write `key`, whatever it held. For derived, rebuildable data only; never for the event log or artifacts."""

    def get(self, key: str) -> bytes:
        """Return the bytes of `key`. Raises NotFoundError; a failed read is never an empty answer."""

    def exists(self, key: str) -> bool:
        """Return whether `key` exists."""

    def folders(self, prefix: str) -> list[str]:
        """Return the names of the folders directly below `prefix`, sorted, without listing what is in them."""

    def list(self, prefix: str) -> list[str]:
        """Return all keys below `prefix`, sorted."""


@dataclass(frozen=True)
class Append:
    """What one append to the event log did."""

    event_type: str
    keys: tuple[str, ...]
    rows: int


Rows = tuple[Mapping[str, Any], ...]
"""Rows of one event type, oldest first."""


class EventLog(Protocol):
    """The append-only source of truth."""

    def append(self, event_type: str, table: pa.Table, *, writer: str) -> Append:
        """Append validated rows (exact schema of the type); same rows again is a no-op. Rows may span hours."""

    def read(
        self,
        event_type: str,
        *,
        start: date | None = None,
        end: date | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Return rows whose `observed_at` day lies in [start, end], both included, ordered by (observed_at, event_id),
        one row per event_id (the first observed).
        """

    def remembered(self, *event_types: str, anew: bool = False) -> tuple[Rows, ...]:
        """Return all rows of each type, as `read` does; a process reads each file once.

        What another process appends counts at the next call. The rows are the same object for as long as nothing was
        added. What a crash left unlisted may count only when files are listed `anew`.
        """


@dataclass(frozen=True)
class Scores:
    """Scores of n rows, float64 of shape (n,).

    Attributes:
        raw: what the model says before calibration, in log-odds (of several steps: the log-probability of all). It is
            what contributions sum to and calibrators are fitted on.
        probability: calibrated probability of the outcome. It serves, so it is what ranks.
        steps: step of the funnel -> its calibrated probability given the step before; the product is `probability`.
    """

    raw: np.ndarray
    probability: np.ndarray
    steps: Mapping[str, np.ndarray] = field(default_factory=dict)


class Scorer(Protocol):
    """A loaded model with all its preprocessing."""

    @property
    def model_version(self) -> str:
        """Content hash of the artifact behind it."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of the matrix that `score` takes."""

    @property
    def model_names(self) -> tuple[str, ...]:
        """Names of what contributions are for: the columns of the matrix and what the model derives from them."""

    def score(self, features: np.ndarray) -> Scores:
        """Score a float64 matrix of shape (n, len(feature_names)); missing is NaN, categories are codes."""

    def contributions(self, features: np.ndarray) -> np.ndarray:
        """Return SHAP values, shape (n, model_names + 1); the last column is the expected value; rows sum to `raw`."""


class AlertChannel(Protocol):
    """Whom alerts are sent to: a chat, a pager, a mailbox."""

    @property
    def name(self) -> str:
        """Its kind, as runs show it."""

    def deliver(self, alerts: Sequence[Alert]) -> None:
        """Hand over alerts as one message; the same may come twice. Raises TransientError or PermanentError."""


class Measures(Protocol):
    """Whom numbers are handed to that alarms watch."""

    def report(self, name: str, value: float) -> None:
        """Hand a number over, of now. What goes wrong is logged: a number stops no day."""


class SendingStop(Protocol):
    """A switch outside of everything that runs, which stops every send."""

    def is_stopped(self) -> bool:
        """Return whether nothing may be sent now; where that cannot be known, nothing may."""


class EventSource(Protocol):
    """Where raw events come from: delivers landing files, knows nothing of the platform."""

    def deliver(self, day: date) -> list[str]:
        """Make sure that the landing files of `day` exist and return their object keys, sorted."""


class Detectors(Protocol):
    """What a replay asks of detectors: numbers about sampled rows and scored outcomes, never verdicts."""

    def limits(self, reference: MonitoringReference, policy: MonitoringPolicy) -> tuple[Threshold, ...]:
        """Return the limits that the A/A windows of a reference teach."""

    def drift(self, reference: MonitoringReference, rows: pa.Table) -> tuple[Statistic, ...]:
        """Return the distance of every watched column of a window's sample from the reference."""

    def latent(self, reference: MonitoringReference, rows: pa.Table, policy: MonitoringPolicy) -> tuple[Statistic, ...]:
        """Return how well the rows of a window's sample can be separated from the reference jointly."""

    def performance(self, reference: MonitoringReference, examples: pa.Table) -> tuple[Statistic, ...]:
        """Return estimated and realised performance of scored examples with mature labels."""
