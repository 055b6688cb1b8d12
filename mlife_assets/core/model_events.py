"""Events of a model's life: registered, judged, promoted, rolled back, imported, due for retraining; its scores, and
the history of champions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlife_assets.core.event_columns import (
    Column,
    EventType,
    Upcaster,
    added,
    choice,
    day,
    identifier,
    integer,
    moment,
    note,
    number,
    text,
    text_list,
)

PROMOTED, ROLLED_BACK = "model_promoted", "model_rolled_back"
REIGN_EVENTS = (PROMOTED, ROLLED_BACK)
_SAID = ("model_version", "previous_version", "actor", "reason")
WHY = (text("actor"), note("reason"))
"""Actor and reason of an act."""
MODEL_NAME = "model_name"
"""Column with the model of an event."""
DECLARATION_HASH = "declaration_hash"
"""Column with the hash of the model's record behind a decision (`core.model`); null before there were hashes."""
IMPORTED = "model_imported"
"""A version came from another environment. That environment's verdict of the gate does not count here."""
OUTCOMES = ("promoted", "refused", "not_enough_evidence")
NOT_JUDGED = "not_judged"
PROMOTION_KIND = "kind"
"""Column with the challenger's way to promotion (`training.gate`); null in verdicts from when there was one."""
_PAYLOADS: dict[str, tuple[Column, ...]] = {
    "retrain_decided": (
        identifier("decision_id"),
        day("as_of_date"),
        choice("verdict", "retrain", "wait", "block"),
        text_list("codes"),
        text_list("sentences"),
        identifier("model_version", nullable=True),
        identifier("policy_version"),
    ),
    "model_registered": (
        identifier("model_version"),
        day("as_of_date"),
        day("training_start_date"),
        day("training_end_date"),
        identifier("training_data_hash"),
        integer("examples", 0),
        integer("positives", 0),
    ),
    "promotion_decided": (
        identifier("model_version"),
        identifier("champion_version", nullable=True),
        day("as_of_date"),
        choice("outcome", *OUTCOMES),
        number("delta_map", nullable=True),
        number("delta_map_lower", nullable=True),
        number("delta_map_upper", nullable=True),
        integer("users_with_positives", 0),
        text_list("sentences"),
        identifier("policy_version"),
    ),
    "model_promoted": (identifier("model_version"), identifier("previous_version", nullable=True), *WHY),
    "model_rolled_back": (identifier("model_version"), identifier("previous_version"), *WHY),
}
_SCORED = (
    identifier("prediction_id"),
    day("as_of_date"),
    identifier("model_version"),
    identifier("entity_id"),
    identifier("feature_hash"),
    number("raw_score"),
    number("probability", 0, 1),
)
"""A score of an entity, for models without an item; rankings have events of their own."""
_IMPORTED = (
    identifier("model_version"),
    identifier("bundle_id"),
    text("environment"),
    identifier("signed_by"),
    choice("outcome", *OUTCOMES, NOT_JUDGED),
    moment("judged_at", nullable=True),
    text_list("sentences"),
    *WHY,
)
"""Origin of a version, whose key signed it, and the last verdict of the gate there with its date."""


@dataclass(frozen=True)
class Reign:
    """One change of the champion.

    Attributes:
        model_version: champion from `since` on.
        previous_version: champion before; None at first.
        since: time at which it was known.
        kind: `promoted` or `rolled_back`.
        actor: who made the change.
        reason: why.
    """

    model_version: str
    previous_version: str | None
    since: datetime
    kind: str
    actor: str
    reason: str


def reigns_of(events: Mapping[str, Iterable[Mapping[str, Any]]]) -> list[Reign]:
    """Return all changes of one model's champion, oldest first, from the rows of each of `REIGN_EVENTS`."""
    found = [
        Reign(since=row["observed_at"], kind=name.removeprefix("model_"), **{said: row[said] for said in _SAID})
        for name, rows in events.items()
        for row in rows
    ]
    return sorted(found, key=lambda reign: (reign.since, reign.kind, reign.model_version))


def standing(history: Sequence[Reign]) -> list[str]:
    """Return the champions that were never rolled back, oldest first; the last one serves."""
    versions: list[str] = []
    for reign in history:
        if reign.kind == "rolled_back" and reign.model_version in versions:
            place = len(versions) - 1 - versions[::-1].index(reign.model_version)
            del versions[place + 1 :]
        else:
            versions.append(reign.model_version)
    return versions


def model_event_types(first_model: str) -> tuple[EventType, ...]:
    """Return the event types; rows of version 1, from before there were several models, belong to `first_model`."""
    about = identifier(MODEL_NAME)
    under = added(2, identifier(DECLARATION_HASH, nullable=True))
    later = {
        "retrain_decided": (under,),
        "promotion_decided": (under, added(2, choice(PROMOTION_KIND, "win", "non_inferiority", "refit"))),
    }
    return (
        *(
            EventType(
                name,
                "platform",
                (*columns, about, *later.get(name, ())),
                version=2,
                upcasters=(Upcaster.adding(1, columns, **{MODEL_NAME: f"'{first_model}'"}),),
            )
            for name, columns in _PAYLOADS.items()
        ),
        EventType("entity_scored", "platform", (*_SCORED, about)),
        EventType(IMPORTED, "platform", (*_IMPORTED, about)),
    )
