"""Types of events that every model has."""

from __future__ import annotations

from mlife_assets.core.model_events import MODEL_NAME, model_event_types


def test_every_type_says_which_model_and_old_rows_are_about_the_first() -> None:
    types = {kind.name: kind for kind in model_event_types("first")}
    assert set(types) == {
        "retrain_decided",
        "model_registered",
        "promotion_decided",
        "model_promoted",
        "model_rolled_back",
        "entity_scored",
        "model_imported",
    }
    assert all(not kind.schema.field(MODEL_NAME).nullable for kind in types.values())
    for later in ("entity_scored", "model_imported"):
        assert types.pop(later).version == 1, "there was one model when version 1 of the others was released"
    for kind in types.values():
        (upcaster,) = kind.upcasters
        assert upcaster.select == "*, 'first' as model_name"
        assert MODEL_NAME not in kind.contract(1).schema.names
