"""Protocols of everything with a side effect: used by `core` and `components`, provided by adapters.

Concept: each port has exactly one embedded adapter today; production adapters fit the same shape and the same tests.
Signed heads protect the event log against writers of the lake, so their place and key must be safe.
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
    """Storage of heads, outside the lake, each written once."""

    @property
    def name(self) -> str:
        """Name of this place in findings."""

    def put(self, sequence: int, body: bytes, *, at: datetime, replaces: bool = False) -> None:
        """Keep a head. Raises ContentConflictError when another is there, unless it `replaces` a damaged one."""

    def get(self, sequence: int) -> bytes:
        """Return a head. Raises NotFoundError."""

    def sequences(self) -> list[int]:
        """Return the numbers of all heads, ascending."""


class HeadSigner(Protocol):
    """Signs heads with Ed25519: a key of this host, or a key service."""

    @property
    def message_bytes_maximum(self) -> int | None:
        """Largest message that it signs, in bytes; None for any."""

    @property
    def public_key(self) -> bytes:
        """The 32 bytes that verify its signatures."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 bytes."""


class HeadPins(Protocol):
    """Public keys that may sign heads."""

    @property
    def says_signed(self) -> bool:
        """Whether pinning a key leaves a signed head, so that a pinned key without heads proves a loss."""

    def keys(self) -> list[bytes]:
        """Return the pinned keys, the root of trust first."""

    def by_id(self) -> Mapping[str, bytes]:
        """Return the pinned keys by their ids."""

    def pin(self, key: bytes) -> None:
        """Trust one more key; a no-op if known."""


class Clock(Protocol):
    """The only source of the present. In the embedded world it is simulated from the partition day."""

    def now(self) -> datetime:
        """Return the present, aware, in UTC."""


class ObjectStore(Protocol):
    """A bucket or a folder. Keys are relative, with `/`."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Create `key`; False if it already holds these bytes. Raises ContentConflictError if it holds others."""

    def replace(self, key: str, data: bytes) -> None:
        """Overwrite `key`. For derived, rebuildable data only; never for the event log or artifacts."""

    def get(self, key: str) -> bytes:
        """Return the bytes of `key`. Raises NotFoundError; a failed read is never an empty answer."""

    def exists(self, key: str) -> bool:
        """Return whether `key` exists."""

    def folders(self, prefix: str) -> list[str]:
        """Return the names of the folders directly below `prefix`, sorted, without listing their content."""

    def list(self, prefix: str) -> list[str]:
        """Return all keys below `prefix`, sorted."""


@dataclass(frozen=True)
class Append:
    """Result of one append to the event log."""

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

        Appends of other processes count from the next call on. The same object is returned until rows are added. Files
        that a crash left unlisted may count only if files are listed `anew`.
        """


@dataclass(frozen=True)
class Scores:
    """Scores of n rows, float64 of shape (n,).

    Attributes:
        raw: uncalibrated score in log-odds (for several steps: the log-probability of all). Contributions sum to it,
            and calibrators are fitted on it.
        probability: calibrated probability of the outcome. It is served and ranks.
        steps: step of the funnel -> its calibrated probability given the step before; the product is `probability`.
    """

    raw: np.ndarray
    probability: np.ndarray
    steps: Mapping[str, np.ndarray] = field(default_factory=dict)


class Scorer(Protocol):
    """A loaded model with its preprocessing."""

    @property
    def model_version(self) -> str:
        """Content hash of the artifact."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of the matrix that `score` takes."""

    @property
    def model_names(self) -> tuple[str, ...]:
        """Names for contributions: the columns of the matrix and the model's derived ones."""

    def score(self, features: np.ndarray) -> Scores:
        """Score a float64 matrix of shape (n, len(feature_names)); missing is NaN, categories are codes."""

    def contributions(self, features: np.ndarray) -> np.ndarray:
        """Return SHAP values, shape (n, model_names + 1); the last column is the expected value; rows sum to `raw`."""


class AlertChannel(Protocol):
    """Destination of alerts: a chat, a pager, a mailbox."""

    @property
    def name(self) -> str:
        """Its kind, as shown in runs."""

    def deliver(self, alerts: Sequence[Alert]) -> None:
        """Send alerts as one message; the same may come twice. Raises TransientError or PermanentError."""


class Measures(Protocol):
    """Destination of metrics that alarms watch."""

    def report(self, name: str, value: float) -> None:
        """Publish a current value. Failures are logged only: a metric stops no day."""


class SendingStop(Protocol):
    """A switch outside the platform that stops every send."""

    def is_stopped(self) -> bool:
        """Return whether sending is stopped; an unknown state counts as stopped."""


class EventSource(Protocol):
    """Source of raw events: delivers landing files, knows nothing of the platform."""

    def deliver(self, day: date) -> list[str]:
        """Make sure that the landing files of `day` exist and return their object keys, sorted."""


class Detectors(Protocol):
    """Detectors as a replay uses them: numbers about sampled rows and scored outcomes, never verdicts."""

    def limits(self, reference: MonitoringReference, policy: MonitoringPolicy) -> tuple[Threshold, ...]:
        """Return the limits learned from the A/A windows of a reference."""

    def drift(self, reference: MonitoringReference, rows: pa.Table) -> tuple[Statistic, ...]:
        """Return the distance of every monitored column of a window's sample from the reference."""

    def latent(self, reference: MonitoringReference, rows: pa.Table, policy: MonitoringPolicy) -> tuple[Statistic, ...]:
        """Return how well the rows of a window's sample can be separated from the reference jointly."""

    def performance(self, reference: MonitoringReference, examples: pa.Table) -> tuple[Statistic, ...]:
        """Return estimated and realised performance of scored examples with mature labels."""
