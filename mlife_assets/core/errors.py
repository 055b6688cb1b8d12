"""The error hierarchy of mlife.

Concept: a caller decides by type alone whether trying again can help. A `PermanentError` fails the same way every
time; a `TransientError` may pass. Each message names what was wrong, where, and what to do about it.
"""

from __future__ import annotations


class MlifeError(Exception):
    """Base of every error raised on purpose by mlife."""


class PermanentError(MlifeError):
    """Trying again with the same input fails again."""


class TransientError(MlifeError):
    """Trying again later may succeed."""


class InvalidInputError(PermanentError):
    """A value from outside violates its contract; names the field, the row and the remedy."""


class ContentConflictError(PermanentError):
    """A write-once key already holds other bytes."""


class IntegrityError(PermanentError):
    """Stored bytes do not match the hash that was recorded for them."""


class NewerVersionError(PermanentError):
    """Something was stored by a newer mlife than this one; names what, and that mlife must be upgraded."""


class MissingExtraError(PermanentError):
    """A package is not installed that an optional part of mlife needs; names the extra that has it."""


class NotFoundError(PermanentError):
    """The named thing does not exist."""


class NotGivenError(NotFoundError):
    """The owner of a deployment has named no such thing; names the setting. One that is gone is another."""


class UpstreamMismatchError(PermanentError):
    """An upstream result does not belong to the inputs at hand; names what to refresh."""


class GateClosedError(PermanentError):
    """A rule of safety, quality or compliance forbids the action."""


class NotEnoughEvidenceError(PermanentError):
    """The data is too small for the asked statement; names the count and the minimum."""


class ProviderThrottledError(TransientError):
    """The provider refused before accepting anything; sending again later is safe."""


class ProviderRejectedError(PermanentError):
    """The provider refused this send for good."""


class AmbiguousSendError(PermanentError):
    """The outcome of a send is unknown (timeout or 5xx after the request left); it must never be resent."""
