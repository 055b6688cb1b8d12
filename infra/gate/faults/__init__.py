"""Planted faults: one edit each of the files of `infra/`, which the gate must find.

Importing this package fills the list of `infra.gate.faults.fault`.
"""

from infra.gate.faults import bi, bundles, data, delivery, identity, log, network, operations, people, tasks, workflows

__all__ = [
    "bi",
    "bundles",
    "data",
    "delivery",
    "identity",
    "log",
    "network",
    "operations",
    "people",
    "tasks",
    "workflows",
]
