"""What must be true of every environment; importing this package fills the list of `infra.gate.findings`."""

from infra.gate.assertions import (
    bi,
    bundles,
    catalog,
    compute,
    database,
    event_log,
    identity,
    network,
    observability,
    people,
    rights,
    storage,
    triggers,
    wiring,
    workflows,
)

__all__ = [
    "bi",
    "bundles",
    "catalog",
    "compute",
    "database",
    "event_log",
    "identity",
    "network",
    "observability",
    "people",
    "rights",
    "storage",
    "triggers",
    "wiring",
    "workflows",
]
