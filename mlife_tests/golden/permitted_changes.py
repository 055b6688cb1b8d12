"""What a release may change in an event type, as a comparison of what was released with what is declared now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlife_assets.core.event_columns import Column, EventType


def faults(released: Sequence[Any], today: Mapping[str, EventType], columns_of: Any) -> list[str]:
    """Return what is wrong with today's types, given what one release told of its own; each fault says what to do."""
    found = []
    for told in released:
        name, version = told["name"], told["version"]
        kind = today.get(name)
        if kind is None:
            found.append(f"{name} was released and is gone; keep the type, its files stay in the log")
            continue
        found += [f"{name}: {fault}" for fault in _differences(columns_of(told), version, kind)]
    return found + [f"{kind.name}: {fault}" for kind in today.values() for fault in _contradictions(kind)]


def _differences(then: Sequence[Column], version: int, kind: EventType) -> list[str]:
    contract = kind.contract(version)
    now = {column.name: column for column in contract.columns}
    found = []
    for column in then:
        kept = now.get(column.name)
        if kept is None:
            found.append(f"column {column.name} is gone; add an upcaster from version {version}")
        elif (kept.type, kept.nullable, kept.list_size) != (column.type, column.nullable, column.list_size):
            found.append(f"column {column.name} changed; give it a new name and add an upcaster from version {version}")
        elif set(column.allowed or ()) - set(kept.allowed or ()) or (kept.allowed is None) != (column.allowed is None):
            found.append(f"column {column.name} lost a value; add an upcaster from version {version}")
    names = [column.name for column in then]
    if [column.name for column in contract.columns][: len(then)] != names and not found:
        found.append("columns changed places; add new ones at the end")
    for column in contract.columns:
        if column.name not in names and not (column.nullable and column.since > version):
            found.append(f"column {column.name} is new; declare it with added({version + 1}, ...)")
    is_same = contract is kind and [_told(one) for one in contract.columns] == [_told(one) for one in then]
    if not is_same and kind.version <= version:
        found.append(f"the type changed since version {version} was released; set version={version + 1}")
    return found


def _told(column: Column) -> tuple[Any, ...]:
    return (column.name, column.type, column.nullable, column.allowed)


def _contradictions(kind: EventType) -> list[str]:
    versions = [upcaster.version for upcaster in kind.upcasters]
    found = []
    if versions != sorted(set(versions)) or any(not 1 <= version < kind.version for version in versions):
        found.append(f"upcasters start from {versions}; list each earlier version once, in order")
    types: dict[str, Any] = {}
    for columns in [*(upcaster.columns for upcaster in kind.upcasters), kind.columns]:
        for column in columns:
            if types.setdefault(column.name, column.type) != column.type:
                found.append(f"column {column.name} had another type; a name keeps its type for ever, take a new one")
    found += [
        f"column {column.name} is since version {column.since}, the type has {kind.version}; set version={column.since}"
        for column in kind.columns
        if column.since > kind.version
    ]
    return found
