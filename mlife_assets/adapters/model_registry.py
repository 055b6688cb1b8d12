"""The model registry: artifacts by content, the champion as a fold of events.

Concept: there is no "current model" file to corrupt. Promotions and rollbacks observed until a moment give the
champion of that moment, so history and audit come for free and a rollback takes effect at the next prediction. A
model's card lies beside its artifact and is no part of it: it is derived, may be written again, and nothing hashes it.
The fold is made again when an event was added (`EventLog.remembered`), so asking costs the same however many there are.

An endpoint asks at every request whether the chain has a next manifest, which is one question however long it is, and
makes the fold again only when a promotion or a rollback was listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.adapters.event_log import ChainEnd, ParquetEventLog
from mlife_assets.adapters.event_log.manifests import EVENTS
from mlife_assets.core.errors import (
    ContentConflictError,
    GateClosedError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
)
from mlife_assets.core.ids import event_id
from mlife_assets.core.model_events import MODEL_NAME, PROMOTED, REIGN_EVENTS, ROLLED_BACK, Reign, reigns_of, standing
from mlife_assets.core.ports import EventLog, ObjectStore, Rows
from mlife_assets.core.scoring.artifact import MANIFEST_FILE, ModelArtifact, file_names
from mlife_assets.recruiting.events import EVENT_TYPES

_PLACES = tuple(f"{EVENTS}/event_type={name}/" for name in REIGN_EVENTS)
REGISTERED = "model_registered"
WRITER = "registry"
CARD_FILE = "card.html"
VERSIONS, FOLDS = "models", "fold_models"
CHAMPION = "champion"
VERSIONS_NAMED = 5
STEP = timedelta(seconds=1)
"""Between two changes of the champion at least, so that their order is plain."""


class ModelRegistry:
    """One model's artifacts at `models/<version>/` and their events; folds, which never serve, have none."""

    def __init__(self, store: ObjectStore, event_log: EventLog, model_name: str) -> None:
        """Keep artifacts of a model in `store` and record in `event_log`; other models are not seen."""
        self._store, self._event_log, self.model_name = store, event_log, model_name
        self._loaded: dict[str, ModelArtifact] = {}
        self._folded: tuple[tuple[Rows, ...], list[Reign]] = ((),) * len(REIGN_EVENTS), []

    def register(self, artifact: ModelArtifact, *, as_of: date, now: datetime) -> str:
        """Store and record an artifact; again is a no-op. Returns its version. Raises as `registration` does.

        The manifest of a first registration stays; one that was damaged is written again.
        """
        event = self.registration(artifact, as_of=as_of, now=now)
        self._keep(VERSIONS, artifact)
        if event is not None:
            self._event_log.append(REGISTERED, event, writer=WRITER)
        return artifact.model_version

    def events(self, event_type: str, *, start: date | None = None, end: date | None = None) -> list[dict[str, Any]]:
        return events_of(self._event_log, self.model_name, event_type, start=start, end=end)

    def registration(self, artifact: ModelArtifact, *, as_of: date, now: datetime) -> pa.Table | None:
        """Return the event that `register` would append. Raises ContentConflictError on another model's version."""
        version = artifact.model_version
        (registered,) = self._event_log.remembered(REGISTERED, anew=True)
        recorded = next((row for row in registered if row["model_version"] == version), None)
        if recorded is not None and recorded[MODEL_NAME] != self.model_name:
            raise ContentConflictError(
                f"{version} is a version of {recorded[MODEL_NAME]} and {self.model_name} learned it, too; give "
                f"{self.model_name} rows, columns or settings of its own"
            )
        row = registered_row(artifact, self.model_name, as_of, now if recorded is None else recorded["observed_at"])
        if recorded not in (None, row):
            return None
        return pa.Table.from_pylist([row], schema=EVENT_TYPES[REGISTERED].schema)  # again: lists it after a crash

    def keep_fold(self, artifact: ModelArtifact) -> str:
        """Store the model of a fold and return its version; files that are there are rewritten if damaged."""
        version = artifact.model_version
        if not self._store.exists(f"{VERSIONS}/{version}/{MANIFEST_FILE}"):
            self._keep(FOLDS, artifact)
            return version
        self._keep(VERSIONS, artifact, without=MANIFEST_FILE)
        self._keep(VERSIONS, artifact)
        return version

    def _keep(self, kind: str, artifact: ModelArtifact, without: str = "") -> None:
        version = artifact.model_version
        try:
            self._read(kind, version)
        except (NotFoundError, IntegrityError):
            for name, data in sorted(artifact.files().items(), key=lambda item: item[0] == MANIFEST_FILE):
                if name == without:
                    continue
                key = f"{kind}/{version}/{name}"
                try:
                    self._store.put_if_absent(key, data)
                except ContentConflictError:
                    self._store.replace(key, data)

    def load(self, model_version: str) -> ModelArtifact:
        """Return an artifact, registered or of a fold. Raises NotFoundError, or IntegrityError if it was changed."""
        folder = f"{VERSIONS}/{model_version}"
        is_registered = folder in self._loaded or self._store.exists(f"{folder}/{MANIFEST_FILE}")
        is_fold = not is_registered and self._store.exists(f"{FOLDS}/{model_version}/{MANIFEST_FILE}")
        return self._read(FOLDS if is_fold else VERSIONS, model_version)

    def _read(self, kind: str, model_version: str) -> ModelArtifact:
        folder = f"{kind}/{model_version}"
        if folder not in self._loaded:
            if not self._store.exists(f"{folder}/{MANIFEST_FILE}"):
                raise NotFoundError(f"there is no model {model_version}; {self._shows_all}")
            try:
                names = file_names(self._store.get(f"{folder}/{MANIFEST_FILE}"))
                files: Mapping[str, bytes] = {name: self._store.get(f"{folder}/{name}") for name in names}
            except NotFoundError as error:
                raise IntegrityError(f"the artifact of {model_version} lacks a file ({error}); restore it") from error
            self._loaded[folder] = ModelArtifact.from_files(model_version, files)
        return self._loaded[folder]

    def versions(self) -> list[dict[str, Any]]:
        return self._rows(REGISTERED)

    def resolve(self, text: str) -> str:
        """Return the version that begins with `text`, or `champion`. Raises NotFoundError or InvalidInputError."""
        if not text:
            raise InvalidInputError("a model version is empty; write at least its first letters")
        if text == CHAMPION:
            champion = self.champion()
            if champion is None:
                raise NotFoundError(f"no model was promoted yet, so there is no champion; {self._shows_all}")
            return champion
        versions = list(dict.fromkeys(row["model_version"] for row in self.versions()))
        found = [version for version in versions if version.startswith(text)]
        if text in found or len(found) == 1:
            return text if text in found else found[0]
        if not found:
            raise NotFoundError(f"there is no model {text}; {self._shows_all}")
        named = ", ".join(found[:VERSIONS_NAMED]) + (", ..." if len(found) > VERSIONS_NAMED else "")
        raise InvalidInputError(f"{text} is the beginning of {len(found)} versions ({named}); write more of it")

    def card_key(self, model_version: str) -> str:
        return f"models/{model_version}/{CARD_FILE}"

    def put_card(self, model_version: str, html: str) -> str:
        """Write, or rewrite, the card of a version; returns its key. Raises NotFoundError without the version."""
        if not self._store.exists(f"models/{model_version}/{MANIFEST_FILE}"):
            raise NotFoundError(f"there is no model {model_version} to describe; register it first")
        key = self.card_key(model_version)
        self._store.replace(key, html.encode())
        return key

    def card(self, model_version: str) -> str | None:
        key = self.card_key(model_version)
        return self._store.get(key).decode() if self._store.exists(key) else None

    def history(self, until: datetime | None = None) -> list[Reign]:
        """Return all changes of the champion observed by `until`, oldest first."""
        rows = self._event_log.remembered(*REIGN_EVENTS)
        folded, reigns = self._folded
        if any(now is not then for now, then in zip(rows, folded, strict=True)):
            reigns = reigns_of({event_type: self._rows(event_type) for event_type in REIGN_EVENTS})
            self._folded = rows, reigns
        return [reign for reign in reigns if until is None or reign.since <= until]

    def champion_at(self, moment: datetime) -> str | None:
        history = self.history(moment)
        return history[-1].model_version if history else None

    def champion(self) -> str | None:
        history = self.history()
        return history[-1].model_version if history else None

    def promote(
        self, model_version: str, *, actor: str, reason: str, now: datetime, decided: datetime | None = None
    ) -> None:
        """Make a version the champion, after everything recorded before; again since `decided` is the same promotion.

        Raises NotFoundError if the model has no such version, IntegrityError if it cannot be loaded.
        """
        self.load(model_version)
        self._event_log.remembered(*REIGN_EVENTS, REGISTERED, anew=True)  # files that a crash left unlisted count, too
        if all(row["model_version"] != model_version for row in self.versions()):
            raise NotFoundError(f"{self.model_name} has no version {model_version}; {self._shows_all}")
        previous, since = self.champion(), decided or now
        done = [r for r in self._rows(PROMOTED) if r["model_version"] == model_version and r["observed_at"] >= since]
        if done:
            at = done[-1]["observed_at"]
            before = [reign.model_version for reign in self.history() if reign.since < at]
            own = self._reign_event(PROMOTED, model_version, before[-1] if before else None, actor, reason, at)
            if done[-1] == own:
                self._append(PROMOTED, own)  # lists it where a crash left it unlisted; else a no-op
            return
        if previous == model_version:
            return
        now = max([now, *(reign.since + STEP for reign in self.history()[-1:])])
        self._append(PROMOTED, self._reign_event(PROMOTED, model_version, previous, actor, reason, now))

    def rollback(self, *, actor: str, reason: str, now: datetime, to: str | None = None) -> str:
        """Return to an earlier champion, by default the one before, after everything recorded; returns its version.

        A second rollback goes one further back. The same call again (same `now`, actor and reason) changes nothing.
        Raises GateClosedError if there is none to return to, or `to` never was champion.
        """
        self._event_log.remembered(*REIGN_EVENTS, anew=True)  # files that a crash left unlisted count, too
        history = self.history()
        if not history:
            raise GateClosedError("no model was ever promoted, so there is nothing to roll back")
        newest = history[-1]
        if newest.since >= now and (newest.kind, newest.actor, newest.reason) == ("rolled_back", actor, reason):
            recorded = next(row for row in self._rows(ROLLED_BACK) if row["observed_at"] == newest.since)
            self._append(ROLLED_BACK, recorded)  # lists it where a crash left it unlisted; else a no-op
            return newest.model_version
        now = max(now, newest.since + STEP)
        present = newest.model_version
        earlier = [reign.model_version for reign in history[:-1] if reign.model_version != present]
        stood = standing(history)
        target = to or (stood[-2] if len(stood) > 1 else None)
        if target is None:
            raise GateClosedError(f"{present} is the only champion so far, so there is nothing to roll back to")
        if target not in earlier:
            known = ", ".join(dict.fromkeys(earlier)) or "none"
            raise GateClosedError(f"{target} was not champion before {present}; earlier champions: {known}")
        self.load(target)
        self._append(ROLLED_BACK, self._reign_event(ROLLED_BACK, target, present, actor, reason, now))
        return target

    def _reign_event(
        self, event_type: str, version: str, previous: str | None, actor: str, reason: str, now: datetime
    ) -> dict[str, Any]:
        return {
            "event_id": event_id(event_type, version, previous, now.isoformat()),
            "occurred_at": now,
            "observed_at": now,
            "model_version": version,
            "previous_version": previous,
            "actor": actor,
            "reason": reason,
            MODEL_NAME: self.model_name,
        }

    @property
    def _shows_all(self) -> str:
        return f"`mlife models list --model {self.model_name}` shows all versions"

    def _rows(self, event_type: str) -> list[dict[str, Any]]:
        return events_of(self._event_log, self.model_name, event_type)

    def _append(self, event_type: str, row: Mapping[str, Any]) -> None:
        table = pa.Table.from_pylist([dict(row)], schema=EVENT_TYPES[event_type].schema)
        self._event_log.append(event_type, table, writer=WRITER)


def model_names(event_log: EventLog) -> list[str]:
    return sorted({row[MODEL_NAME] for rows in event_log.remembered(REGISTERED, PROMOTED) for row in rows})


def events_of(
    event_log: EventLog, model_name: str, event_type: str, *, start: date | None = None, end: date | None = None
) -> list[dict[str, Any]]:
    """Return a model's rows of a type observed in [start, end], oldest first; without days each file is read once."""
    if start is None and end is None:
        (found,) = event_log.remembered(event_type)
        return [dict(row) for row in found if row[MODEL_NAME] == model_name]
    rows = event_log.read(event_type, start=start, end=end)
    return list(rows.filter(pc.equal(rows[MODEL_NAME], model_name)).to_pylist())


def registered_row(artifact: ModelArtifact, model_name: str, as_of: date, at: datetime) -> dict[str, Any]:
    """Return the event that registers an artifact. Raises KeyError, TypeError or ValueError on a bad manifest."""
    manifest = artifact.manifest
    return {
        "event_id": event_id(REGISTERED, artifact.model_version),
        "occurred_at": at,
        "observed_at": at,
        "model_version": artifact.model_version,
        "as_of_date": as_of,
        "training_start_date": date.fromisoformat(manifest["training_start_date"]),
        "training_end_date": date.fromisoformat(manifest["training_end_date"]),
        "training_data_hash": artifact.training_data_hash,
        "examples": manifest["examples"],
        "positives": manifest["positives"],
        MODEL_NAME: model_name,
    }


class ChampionWatch:
    """The champion of one model; safe to ask from several threads."""

    def __init__(self, registry: ModelRegistry, event_log: ParquetEventLog) -> None:
        self._registry, self._event_log = registry, event_log
        self._lock = Lock()
        self._seen: ChainEnd | None = None
        self._version: str | None = None

    def champion(self) -> str | None:
        """Return the present champion, None before the first. Raises IntegrityError if the log's end was changed."""
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
        added = self._event_log.chain.since(seen.sequence)
        return any(entry.key.startswith(_PLACES) for _, manifest in added for entry in manifest.entries)
