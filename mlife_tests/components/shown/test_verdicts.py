"""Which verdict on a version counts, of the gate here and of those of other environments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from mlife_assets.components.metrics.dashboard import _models
from mlife_assets.components.shown.verdicts import imports, last_verdict, outcome_words, verdicts
from mlife_assets.recruiting.dashboard.data import ModelVersion
from mlife_assets.recruiting.events import EVENT_TYPES

NOW = datetime(2026, 6, 12, 22, tzinfo=UTC)


@pytest.fixture
def add(production) -> Any:
    """What records an import, or a verdict of the gate here, some hours after `NOW`."""

    def call(event_type: str, hours: int, outcome: str, version: str = "mdl_1", **more: Any) -> None:
        at = NOW + timedelta(hours=hours)
        row = {
            "event_id": f"{event_type}_{hours}", "occurred_at": at, "observed_at": at, "model_version": version,
            "bundle_id": f"bdl_{hours}", "environment": "dev", "signed_by": "ab" * 32, "as_of_date": at.date(),
            "outcome": outcome, "users_with_positives": 900, "sentences": [f"{outcome}."], "policy_version": "pol",
            "actor": "ann", "reason": "r", "model_name": production.model_name, **more,
        }  # fmt: skip
        schema = EVENT_TYPES[event_type].schema
        table = pa.Table.from_pylist([{name: row.get(name) for name in schema.names}], schema=schema)
        production.event_log.append(event_type, table, writer="test")

    return call


def test_of_other_gates_the_newest_verdict_counts_whenever_it_was_imported(production, add) -> None:
    assert last_verdict(production, "mdl_1") is None
    add("model_imported", 1, "refused", judged_at=NOW - timedelta(days=1))
    add("model_imported", 2, "promoted", judged_at=NOW - timedelta(days=2))
    add("model_imported", 3, "not_judged", judged_at=None)
    counts = last_verdict(production, "mdl_1")
    assert (counts["outcome"], counts["decided_at"]) == ("refused", NOW - timedelta(days=1))
    assert outcome_words(counts) == "refused in dev"
    assert [row["outcome"] for row in verdicts(production)] == ["promoted", "refused"]
    assert [row["bundle_id"] for row in imports(production, "mdl_1")] == ["bdl_1", "bdl_2", "bdl_3"]


def test_what_the_gate_here_said_counts_before_all_others(production, add) -> None:
    add("promotion_decided", 1, "not_enough_evidence")
    add("model_imported", 2, "promoted", judged_at=NOW + timedelta(hours=2))
    add("model_imported", 3, "promoted", version="mdl_2", judged_at=NOW)
    assert outcome_words(last_verdict(production, "mdl_1")) == "not enough evidence"
    assert outcome_words(last_verdict(production, "mdl_2")) == "promoted in dev"
    assert outcome_words(None) == "not judged"


def test_the_dashboard_shows_an_imported_champion_as_judged_elsewhere(production, add, tiny_models) -> None:
    day = NOW.date()
    version = production.registry.register(tiny_models.tiny_artifact(1), as_of=day, now=NOW)
    pending = production.registry.register(tiny_models.tiny_artifact(2), as_of=day, now=NOW)
    add("model_imported", 1, "promoted", version=version, judged_at=NOW)
    production.registry.promote(version, actor="ann", reason="r", now=NOW + timedelta(hours=2))
    shown: dict[str, ModelVersion] = {one.model_version: one for one in _models(production, [], day)}
    champion = shown[version]
    assert (champion.outcome, champion.judged_in, champion.sentences) == ("promoted", "dev", ("promoted.",))
    assert champion.is_champion
    assert champion.delta_map is None, "what it gained there says nothing of people here"
    assert (shown[pending].outcome, shown[pending].judged_in) == ("pending", "")
