"""What must be true of every environment; importing this package fills the list of `infra.gate.findings`."""

from infra.gate.assertions import (
    catalog,
    compute,
    database,
    event_log,
    identity,
    network,
    observability,
    rights,
    storage,
    triggers,
    wiring,
)

__all__ = [
    "catalog",
    "compute",
    "database",
    "event_log",
    "identity",
    "network",
    "observability",
    "rights",
    "storage",
    "triggers",
    "wiring",
]
