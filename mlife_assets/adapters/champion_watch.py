"""Who is champion, watched: what an endpoint may ask at every request.

Concept: who serves is a fold over all promotions and rollbacks, which takes longer with each of them. But an event
counts once a manifest lists it, and whether the chain has a next manifest is one question, however long it is. So a
promotion or a rollback by any process takes effect at the next call, and the fold is made again only when one was
listed.
"""

from __future__ import annotations

from threading import Lock

from mlife_assets.adapters.event_log import ChainEnd, ParquetEventLog
from mlife_assets.adapters.event_log.layout import EVENTS
from mlife_assets.adapters.model_registry import ModelRegistry
from mlife_assets.core.model_events import REIGN_EVENTS

_PLACES = tuple(f"{EVENTS}/event_type={name}/" for name in REIGN_EVENTS)


class ChampionWatch:
    """The champion of one model; safe to ask from several threads."""

    def __init__(self, registry: ModelRegistry, event_log: ParquetEventLog) -> None:
        self._registry, self._event_log = registry, event_log
        self._lock = Lock()
        self._seen: ChainEnd | None = None
        self._version: str | None = None

    def champion(self) -> str | None:
        """Return who serves now; None before the first promotion.

        Raises:
            IntegrityError: the end of the log was changed.
        """
        with self._lock:
            end = self._event_log.chain.end()
            if end is None:
                return self._registry.champion()  # nothing says what changed, so nothing is remembered
            if end != self._seen:
                if self._seen is None or self._is_listed_since(self._seen):
                    self._version = self._registry.champion()
                self._seen = end
            return self._version

    def _is_listed_since(self, seen: ChainEnd) -> bool:
        """Return whether a manifest after `seen` lists a promotion or a rollback."""
        added = self._event_log.chain.since(seen.sequence)
        return any(entry.key.startswith(_PLACES) for _, manifest in added for entry in manifest.entries)
