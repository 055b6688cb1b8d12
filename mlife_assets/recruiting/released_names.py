"""Names of release 0.1.0 that were renamed since: old files are read as if they had today's names.

Concept: 0.1.0 knew one model, so it wrote down neither its ids nor its steps. The core knows names of no domain;
readers of files pass these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

POLICY_FIELDS = {
    "reference_click_examples": "reference_step_examples",
    "domain_classifier_user_reference_rows": "domain_classifier_entity_reference_rows",
}
"""Fields of `MonitoringPolicy`, in specs, policy files and sizes that limits were learned with."""


def reference_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of a stored monitoring reference as `MonitoringReference.from_tables` takes them."""
    steps = ["click"] if "clicks" in facts.get("tables", ()) else []
    sizes = {POLICY_FIELDS.get(name, name): size for name, size in facts.get("sizes", {}).items()}
    return {"ids": ["user_id", "job_id"], "steps": steps, **facts, "sizes": sizes}
