"""What 0.1.0 wrote down is read under the names of today."""

from __future__ import annotations

import pytest

from mlife_assets.core.monitoring.thresholds import JOINT_SIZES
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.recruiting.released_names import POLICY_FIELDS, reference_facts


def test_old_fields_are_fields_of_today() -> None:
    fields = set(MonitoringPolicy.__dataclass_fields__)
    assert set(POLICY_FIELDS.values()) <= fields
    assert not set(POLICY_FIELDS) & fields


@pytest.mark.parametrize(("tables", "steps"), [(["clicks", "examples", "sample"], ["click"]), (["examples"], [])])
def test_a_reference_of_0_1_0_has_the_ids_and_the_steps_of_its_one_model(tables: list[str], steps: list[str]) -> None:
    sizes = {"sample_rows_per_day": 1, "domain_classifier_user_reference_rows": 2}
    found = reference_facts({"form": 2, "tables": tables, "sizes": sizes})
    assert (found["form"], found["ids"], found["steps"]) == (2, ["user_id", "job_id"], steps)
    assert set(found["sizes"]) <= set(JOINT_SIZES)
    assert found["sizes"]["domain_classifier_entity_reference_rows"] == 2


def test_a_reference_of_today_stays_as_it_is() -> None:
    facts = {"tables": ["clicks"], "ids": ["client"], "steps": [], "sizes": {"sample_rows_per_day": 1}}
    assert reference_facts(facts) == facts
