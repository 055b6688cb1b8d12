"""The error hierarchy of mlife.

Concept: the type alone says whether a retry can help. A `PermanentError` fails the same way every time; a
`TransientError` may pass. Each message names the fault, its place and its remedy.
"""

from __future__ import annotations


class MlifeError(Exception):
    """Base of all deliberate mlife errors."""


class PermanentError(MlifeError):
    """A retry with the same input fails again."""


class TransientError(MlifeError):
    """A later retry may succeed."""


class InvalidInputError(PermanentError):
    """A value from outside violates its contract; names the field, the row and the remedy."""


class ContentConflictError(PermanentError):
    """A write-once key already holds other bytes."""


class IntegrityError(PermanentError):
    """Stored bytes do not match the hash that was recorded for them."""


class NewerVersionError(PermanentError):
    """Something was stored by a newer mlife; names it and asks for an upgrade."""


class MissingExtraError(PermanentError):
    """An optional part of mlife lacks a package; names the extra to install."""


class NotFoundError(PermanentError):
    """The named thing does not exist."""


class NotGivenError(NotFoundError):
    """The owner of a deployment has set no such thing; names the setting. Something that was lost is another error."""


class UpstreamMismatchError(PermanentError):
    """An upstream result does not belong to the inputs at hand; names what to refresh."""


class GateClosedError(PermanentError):
    """A rule of safety, quality or compliance forbids the action."""


class NotEnoughEvidenceError(PermanentError):
    """The data is too small for the asked statement; names the count and the minimum."""


class ProviderThrottledError(TransientError):
    """The provider refused before accepting anything; sending again later is safe."""


class ProviderRejectedError(PermanentError):
    """The provider refused this send permanently."""


class AmbiguousSendError(PermanentError):
    """The outcome of a send is unknown (timeout or 5xx after the request left); it must never be resent."""
