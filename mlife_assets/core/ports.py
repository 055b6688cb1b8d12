"""Protocols of everything with a side effect: what `core` and `components` ask for, and adapters provide.

Belongs here: the narrow interfaces and the frozen records that cross them. Does not belong here: implementations.

Concept: each port has exactly one embedded adapter today; production adapters fit the same shape and the same tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from mlife_assets.core.monitoring.reference import MonitoringReference
    from mlife_assets.core.monitoring.thresholds import Statistic, Threshold
    from mlife_assets.core.policies import MonitoringPolicy


class Clock(Protocol):
    """The only source of the present. In the embedded world it is simulated from the partition day."""

    def now(self) -> datetime:
        """Return the present, aware, in UTC."""
        ...


class ObjectStore(Protocol):
    """A bucket or a folder. Keys are relative, with `/`."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Create `key`; False when it already holds these bytes. Raises ContentConflictError when it holds others."""
        ...

    def replace(self, key: str, data: bytes) -> None:
        """Write `key`, whatever it held. For derived, rebuildable data only; never for the event log or artifacts."""
        ...

    def get(self, key: str) -> bytes:
        """Return the bytes of `key`. Raises NotFoundError; a failed read is never an empty answer."""
        ...

    def exists(self, key: str) -> bool:
        """Return whether `key` exists."""
        ...

    def list(self, prefix: str) -> list[str]:
        """Return all keys below `prefix`, sorted."""
        ...


@dataclass(frozen=True)
class Append:
    """What one append to the event log did."""

    event_type: str
    keys: tuple[str, ...]
    rows: int


class EventLog(Protocol):
    """The append-only source of truth."""

    def append(self, event_type: str, table: pa.Table, *, writer: str) -> Append:
        """Append validated rows (exact schema of the type); same rows again is a no-op. Rows may span hours."""
        ...

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
        ...


@dataclass(frozen=True)
class Scores:
    """Scores of n rows, float64 of shape (n,).

    Attributes:
        raw: what ranks; higher is likelier.
        probability: calibrated probability of the outcome.
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
        ...

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of the matrix that `score` takes."""
        ...

    @property
    def model_names(self) -> tuple[str, ...]:
        """Names of what contributions are for: the columns of the matrix and what the model derives from them."""
        ...

    def score(self, features: np.ndarray) -> Scores:
        """Score a float64 matrix of shape (n, len(feature_names)); missing is NaN, categories are codes."""
        ...

    def contributions(self, features: np.ndarray) -> np.ndarray:
        """Return SHAP values, shape (n, model_names + 1); the last column is the expected value; rows sum to `raw`."""
        ...


@dataclass(frozen=True)
class OutboundMessage:
    """One text to hand to a provider. `phone_number` is E.164 and must not be logged."""

    message_id: str
    user_id: str
    phone_number: str = field(repr=False)
    body: str


@dataclass(frozen=True)
class Accepted:
    """The provider took the message."""

    provider_message_id: str


@dataclass(frozen=True)
class Receipt:
    """A delivery receipt."""

    message_id: str
    provider_message_id: str
    is_delivered: bool
    received_at: datetime


@dataclass(frozen=True)
class Inbound:
    """A text from a person to us. `body` is personal data: classify it, never store it."""

    inbound_id: str
    user_id: str
    body: str = field(repr=False)
    received_at: datetime


class SmsGateway(Protocol):
    """A provider of text messages. No retries inside."""

    @property
    def name(self) -> str:
        """Provider name; `console` for the embedded one."""
        ...

    def send(self, message: OutboundMessage, *, now: datetime) -> Accepted:
        """Send once. Raises ProviderThrottledError, ProviderRejectedError or AmbiguousSendError."""
        ...

    def find(self, message_id: str) -> Accepted | None:
        """Return the provider's record of `message_id`, for reconciling an ambiguous send."""
        ...

    def receipts(self, *, until: datetime) -> list[Receipt]:
        """Return all delivery receipts up to `until`, oldest first; safe to read again."""
        ...

    def inbound(self, *, until: datetime, since: datetime | None = None) -> list[Inbound]:
        """Return all inbound texts received from `since` up to `until`, oldest first; safe to read again."""
        ...


class ContactBook(Protocol):
    """The private directory of phone numbers, outside the lake."""

    def phone_numbers(self, user_ids: Sequence[str]) -> Mapping[str, str | None]:
        """Return user id -> number as it is written in the book, None without one. Raises when it cannot be read."""
        ...


@dataclass(frozen=True)
class AuditGroups:
    """Self-reported answers of n people in the order asked for, `unknown` where there is none. Personal data."""

    sex: tuple[str, ...] = field(repr=False)
    race_ethnicity: tuple[str, ...] = field(repr=False)


class AuditAttributes(Protocol):
    """The restricted audit table, outside the lake. The fairness audit alone may read it, to write aggregates."""

    def groups_of(self, user_ids: Sequence[str]) -> AuditGroups:
        """Return the answers of users. Raises when the table cannot be read, which is never an empty answer."""
        ...


class EventSource(Protocol):
    """Where raw events come from: delivers landing files, knows nothing of the platform."""

    def deliver(self, day: date) -> list[str]:
        """Make sure that the landing files of `day` exist and return their object keys, sorted."""
        ...


@dataclass(frozen=True)
class LedgerRow:
    """One send in the ledger; `state` is a value of `recruiting.messaging.states.SendState`."""

    message_id: str
    user_id: str
    job_id: str
    campaign: str
    as_of_date: date
    body: str
    state: str
    attempts: int
    provider_message_id: str | None
    updated_at: datetime


class Detectors(Protocol):
    """What a replay asks of detectors: numbers about sampled rows and scored outcomes, never verdicts."""

    def limits(self, reference: MonitoringReference, policy: MonitoringPolicy) -> tuple[Threshold, ...]:
        """Return the limits that the A/A windows of a reference teach."""
        ...

    def drift(self, reference: MonitoringReference, rows: pa.Table) -> tuple[Statistic, ...]:
        """Return the distance of every watched column of a window's sample from the reference."""
        ...

    def latent(self, reference: MonitoringReference, rows: pa.Table, policy: MonitoringPolicy) -> tuple[Statistic, ...]:
        """Return how well the rows of a window's sample can be separated from the reference jointly."""
        ...

    def performance(self, reference: MonitoringReference, examples: pa.Table) -> tuple[Statistic, ...]:
        """Return estimated and realised performance of scored examples with mature labels."""
        ...
