"""Verdicts of gates on versions, and origins of imported versions.

Concept: the newest verdict counts. A version may be judged again, against another champion or on other days. Another
environment's verdict on an imported version counts until the gate here has judged it, and is always shown with that
environment's name. Such verdicts are ordered by their time: an older bundle may be imported later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlife_assets.deployments.ports import ModelPorts

_VERDICT = (
    "model_version",
    "champion_version",
    "as_of_date",
    "outcome",
    "delta_map",
    "delta_map_lower",
    "delta_map_upper",
    "users_with_positives",
    "sentences",
    "policy_version",
    "environment",
)


def verdicts(platform: ModelPorts, model_version: str | None = None) -> list[dict[str, Any]]:
    """Return the verdicts of the gate, of one version or of all, oldest first; before them those of other environments.

    `environment` is None for the gate here. `decided_at` is the time of the verdict at its own gate.
    """
    from mlife_assets.core.model_events import IMPORTED, NOT_JUDGED

    judged = (row for row in platform.registry.events(IMPORTED) if row["outcome"] != NOT_JUDGED)
    elsewhere = sorted(judged, key=lambda row: row["judged_at"])
    return [
        {name: row.get(name) for name in _VERDICT} | {"decided_at": row.get("judged_at") or row["observed_at"]}
        for row in (*elsewhere, *platform.registry.events("promotion_decided"))
        if model_version in (None, row["model_version"])
    ]


def last_verdict(platform: ModelPorts, model_version: str) -> dict[str, Any] | None:
    """Return the valid verdict on a version; None if no gate judged it."""
    found = verdicts(platform, model_version)
    return found[-1] if found else None


def outcome_words(verdict: Mapping[str, Any] | None) -> str:
    """Return a verdict for people."""
    if verdict is None:
        return "not judged"
    words: str = verdict["outcome"].replace("_", " ")
    return f"{words} in {verdict['environment']}" if verdict["environment"] else words


def imports(platform: ModelPorts, model_version: str) -> list[dict[str, Any]]:
    """Return the imports of a version, with origin, actor and reason, oldest first."""
    from mlife_assets.core.model_events import IMPORTED

    names = ("bundle_id", "environment", "signed_by", "actor", "reason")
    rows = platform.registry.events(IMPORTED)
    return [
        {name: row[name] for name in names} | {"imported_at": row["observed_at"]}
        for row in rows
        if row["model_version"] == model_version
    ]
