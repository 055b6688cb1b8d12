"""What is on record about a version: registration, verdicts, terms of service, card.

Belongs here: reading events and the registry for the commands of `mlife models`. Does not belong here: printing,
writing events.

Concept: the newest verdict counts. A version may be judged again, by another champion or on other days. What the gate
of another environment said of an imported version counts until the gate here has judged it, and is never shown without
that environment's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mlife_assets.core.errors import IntegrityError

if TYPE_CHECKING:
    from mlife_assets.components.platform.model_platform import ModelPlatform

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


def verdicts(platform: ModelPlatform, model_version: str | None = None) -> list[dict[str, Any]]:
    """Return the verdicts of the gate, of one version or of all, oldest first; before them those of other environments.

    `environment` is None in those of the gate here. Of others `decided_at` says when they became known here.
    """
    from mlife_assets.core.model_events import IMPORTED, NOT_JUDGED

    kinds = (IMPORTED, "promotion_decided")
    return [
        {name: row.get(name) for name in _VERDICT} | {"decided_at": row["observed_at"]}
        for kind in kinds
        for row in platform.model_events(kind)
        if model_version in (None, row["model_version"]) and row["outcome"] != NOT_JUDGED
    ]


def last_verdict(platform: ModelPlatform, model_version: str) -> dict[str, Any] | None:
    """Return the newest verdict on a version; None when the gate never judged it."""
    found = verdicts(platform, model_version)
    return found[-1] if found else None


def outcome_words(verdict: Mapping[str, Any] | None) -> str:
    """Return a verdict as people read it."""
    if verdict is None:
        return "not judged"
    words: str = verdict["outcome"].replace("_", " ")
    return f"{words} in {verdict['environment']}" if verdict["environment"] else words


def imports(platform: ModelPlatform, model_version: str) -> list[dict[str, Any]]:
    """Return from where a version was imported, by whom and why, oldest first."""
    from mlife_assets.core.model_events import IMPORTED

    names = ("bundle_id", "environment", "signed_by", "actor", "reason")
    rows = platform.model_events(IMPORTED)
    return [
        {name: row[name] for name in names} | {"imported_at": row["observed_at"]}
        for row in rows
        if row["model_version"] == model_version
    ]


def reigns(platform: ModelPlatform, model_version: str) -> list[dict[str, Any]]:
    """Return when a version served: since, until (None while it serves), how, by whom, why; oldest first."""
    history = platform.registry.history()
    ends = [*(reign.since for reign in history[1:]), None][: len(history)]
    return [
        asdict(reign) | {"until": until}
        for reign, until in zip(history, ends, strict=True)
        if reign.model_version == model_version
    ]


def registration(platform: ModelPlatform, model_version: str) -> dict[str, Any]:
    """Return the registration of a registered version."""
    return next(row for row in platform.registry.versions() if row["model_version"] == model_version)


def card_place(platform: ModelPlatform, model_version: str) -> str | None:
    """Return where the card of a version lies, as a path or an address; None when there is none."""
    key = platform.registry.card_key(model_version)
    if not platform.lake.exists(key):
        return None
    return f"{platform.settings.lake_name}/{key}"


def reference_fault(platform: ModelPlatform, model_version: str) -> str | None:
    """Return why monitoring cannot read what normal looks like to a version, and the remedy; None where it can.

    With a fault the daily checks stop. A damaged report of a later day hides what lies before it.
    """
    from mlife_assets.components.monitoring.inputs import stored_reference
    from mlife_assets.core.monitoring.reference import is_readable

    try:
        stored = stored_reference(platform, model_version)
    except IntegrityError as error:
        return str(error)
    if stored is not None and is_readable(stored[1]):
        return None
    if imports(platform, model_version):
        return "export it again where it served, with a reference that this mlife reads, and import that"
    day = registration(platform, model_version)["as_of_date"] if stored is None else stored[0]
    return f"materialize {platform.reference} for {day} before"
