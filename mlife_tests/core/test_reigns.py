"""Who served when: the order of changes, and what a rollback leaves standing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mlife_assets.core.reigns import PROMOTED, ROLLED_BACK, Reign, anchor_of, reigns_of, standing

NOON = datetime(2026, 6, 2, 12, tzinfo=UTC)


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
