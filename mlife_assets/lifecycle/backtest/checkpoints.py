"""Checkpoints of a replay, so that a killed one can be resumed: results of costly steps by their inputs.

Concept: the replay itself is a pure fold and runs again each time; only its costly steps are stored. Their keys hold
the hash of history and policies, so other inputs have other keys, and each is written once and whole: a killed replay
leaves whole results only, and a different result under the same key is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.ports import ObjectStore

FORMAT = "replay_5"
"""Part of every key; change it with any change of results that inputs do not show."""


class Checkpoints:
    """Results of costly steps of one replay, kept in an object store."""

    def __init__(self, store: ObjectStore, content_hash: str) -> None:
        self._store = store
        self._prefix = hashlib.sha256(f"{FORMAT}|{content_hash}".encode()).hexdigest()[:24]
        self._computed: set[str] = set()
        self._found: set[str] = set()

    @property
    def found(self) -> int:
        """Number of steps that an earlier replay had kept."""
        return len(self._found)

    def remember(self, step: str, compute: Callable[[], Any]) -> Any:
        """Return the JSON-able result of a step: kept, or computed and then kept.

        Raises:
            IntegrityError: the stored result was changed.
        """
        key = f"{self._prefix}/{hashlib.sha256(step.encode()).hexdigest()[:32]}.json"
        if self._store.exists(key):
            if key not in self._computed:
                self._found.add(key)
            return self._read(key, step)
        result = compute()
        body = json.dumps(result, sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        sealed = {"step": step, "sha256": hashlib.sha256(body.encode()).hexdigest(), "result": result}
        text = json.dumps(sealed, sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        self._store.put_if_absent(key, text.encode())
        self._computed.add(key)
        return json.loads(body)

    def _read(self, key: str, step: str) -> Any:
        try:
            sealed = json.loads(self._store.get(key))
            body = json.dumps(
                sealed["result"], sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":")
            )
            is_sound = sealed["step"] == step and sealed["sha256"] == hashlib.sha256(body.encode()).hexdigest()
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(f"the checkpoint {key} cannot be read ({error}); delete it and run again") from error
        if not is_sound:
            raise IntegrityError(f"the checkpoint {key} of {step} was changed; delete it and run again")
        return sealed["result"]


class Timings:
    """Measured seconds by step, stored apart from results, which are the same on every machine."""

    def __init__(self, store: ObjectStore, content_hash: str, stopwatch: Callable[[], float]) -> None:
        """Measure with `stopwatch`, which returns seconds from any start."""
        self._store = store
        self._prefix = hashlib.sha256(f"{FORMAT}|{content_hash}".encode()).hexdigest()[:24] + "_seconds"
        self._stopwatch = stopwatch

    def measure(self, step: str, compute: Callable[[], Any]) -> Any:
        """Call `compute`, store its duration and return its result."""
        began = self._stopwatch()
        result = compute()
        self._store.replace(self._key(step), repr(self._stopwatch() - began).encode())
        return result

    def seconds(self, step: str) -> float:
        """Return the seconds that a step took to compute. Raises NotFoundError if it never was."""
        return float(self._store.get(self._key(step)))

    def _key(self, step: str) -> str:
        return f"{self._prefix}/{hashlib.sha256(step.encode()).hexdigest()[:32]}.txt"
