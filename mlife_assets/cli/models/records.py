"""What is on record about a version: registration, terms of service, card, reference.

Belongs here: reading events and the registry for the commands of `mlife models`. Does not belong here: printing,
writing events, verdicts (`components.shown.verdicts`).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mlife_assets.components.shown.verdicts import imports
from mlife_assets.core.errors import IntegrityError

if TYPE_CHECKING:
    from mlife_assets.components.platform.model_platform import ModelPlatform


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
    from mlife_assets.components.monitoring.inputs import reference_source
    from mlife_assets.core.monitoring.reference import is_readable

    try:
        found = reference_source(platform, model_version)
    except IntegrityError as error:
        return str(error)
    if found is not None and is_readable(found[2]):
        return None
    if imports(platform, model_version) if found is None else found[0] is not platform.model_tables:
        return "export it again where it served, with a reference that this mlife reads, and import that"
    day = registration(platform, model_version)["as_of_date"] if found is None else found[1]
    return f"materialize {platform.reference} for {day} before"
