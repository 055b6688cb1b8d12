"""Types of events that every model has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mlife_assets.core.model_events import (
    MODEL_NAME,
    PROMOTED,
    ROLLED_BACK,
    Reign,
    anchor_of,
    model_event_types,
    reigns_of,
    standing,
)

NOON = datetime(2026, 6, 2, 12, tzinfo=UTC)


def test_every_type_says_which_model_and_old_rows_are_about_the_first() -> None:
    types = {kind.name: kind for kind in model_event_types("first")}
    assert set(types) == {
        "retrain_decided", "model_registered", "promotion_decided", "model_promoted", "model_rolled_back",
        "entity_scored", "model_imported",
    }  # fmt: skip
    assert all(not kind.schema.field(MODEL_NAME).nullable for kind in types.values())
    for later in ("entity_scored", "model_imported"):
        assert types.pop(later).version == 1, "there was one model when version 1 of the others was released"
    for kind in types.values():
        (upcaster,) = kind.upcasters
        assert upcaster.select == "*, 'first' as model_name"
        assert MODEL_NAME not in kind.contract(1).schema.names


def row(version: str, hour: int) -> dict[str, object]:
    said = {"model_version": version, "previous_version": None, "actor": "gate", "reason": "r"}
    return said | {"observed_at": NOON + timedelta(hours=hour), "event_id": "not said"}


def reign(version: str, kind: str = "promoted") -> Reign:
    return Reign(version, None, NOON, kind, "gate", "r")


def test_changes_are_ordered_by_when_they_were_known_whatever_their_kind() -> None:
    found = reigns_of({PROMOTED: [row("b", 2), row("a", 0)], ROLLED_BACK: [row("a", 3), row("c", 1)]})
    assert [(one.model_version, one.kind) for one in found] == [
        ("a", "promoted"),
        ("c", "rolled_back"),
        ("b", "promoted"),
        ("a", "rolled_back"),
    ]
    assert found[0] == Reign("a", None, NOON, "promoted", "gate", "r")


def test_a_rollback_takes_down_what_came_after_the_last_time_its_target_served() -> None:
    promoted = [reign(version) for version in "abac"]
    assert standing(promoted) == ["a", "b", "a", "c"]
    assert standing([*promoted, reign("a", "rolled_back")]) == ["a", "b", "a"]
    assert standing([*promoted, reign("b", "rolled_back")]) == ["a", "b"]
    assert standing([*promoted, reign("x", "rolled_back")]) == ["a", "b", "a", "c", "x"]
    assert standing([]) == []


def test_the_anchor_is_the_last_that_won_or_the_first() -> None:
    promoted = [reign(version) for version in "abcd"]
    assert anchor_of([], set()) is None
    assert anchor_of(promoted, set()) == "d", "before there were two ways every promotion was a win"
    assert anchor_of(promoted, {"c", "d"}) == "b"
    assert anchor_of(promoted, {"a", "b", "c", "d"}) == "a"
    assert anchor_of([*promoted, reign("c", "rolled_back")], {"c", "d"}) == "b"
    assert anchor_of([*promoted, reign("a", "rolled_back")], {"c", "d"}) == "a", "what was rolled back anchors nothing"
