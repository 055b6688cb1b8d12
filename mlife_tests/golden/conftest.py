"""Released versions, and event types as a later release may change them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mlife_assets.core.event_columns import Column, EventType, Upcaster, added, duckdb_type, integer, text
from mlife_assets.recruiting.events import EVENT_TYPES

FOLDER = Path(__file__).parent


@pytest.fixture(scope="session")
def event_examples(loaded_module) -> ModuleType:
    return loaded_module("mlife_golden_event_examples", "golden/event_examples.py")


@pytest.fixture(scope="session")
def permitted_changes(loaded_module) -> ModuleType:
    return loaded_module("mlife_golden_permitted_changes", "golden/permitted_changes.py")


@pytest.fixture(scope="session", params=sorted(FOLDER.glob("events_*.json")), ids=lambda path: path.stem)
def release(request: pytest.FixtureRequest) -> tuple[list[Any], Path]:
    """Return what a release told of its event types, and the folder of its golden log."""
    return json.loads(request.param.read_text(encoding="utf-8")), request.param.with_suffix("")


def with_value(column: Column, name: str, value: str) -> Column:
    return replace(column, allowed=(*column.allowed, value)) if column.name == name else column


def evolved_types() -> dict[str, EventType]:
    """Return types after three more releases: a nullable column, an enum value, a rename, a column of new meaning."""
    click, closed, shown = (EVENT_TYPES[name] for name in ("click", "job_closed", "impression"))
    next_version = shown.version + 1
    renamed = tuple(replace(one, name="place") if one.name == "surface" else one for one in shown.columns)
    renamed = (*renamed, added(next_version + 1, text("device")))
    counted = tuple(one for one in renamed if one.name != "position")
    return {
        "click": replace(
            click, columns=(*click.columns, added(click.version + 1, text("device"))), version=click.version + 1
        ),
        "job_closed": replace(
            closed,
            columns=tuple(with_value(one, "reason", "moved") for one in closed.columns),
            version=closed.version + 1,
        ),
        "impression": replace(
            shown,
            columns=(*counted, integer("page", 1)),
            version=next_version + 2,
            upcasters=(
                *shown.upcasters,
                Upcaster(shown.version, shown.columns, "* exclude (surface), surface as place"),
                Upcaster(next_version + 1, renamed, "* exclude (position), (position - 1) // 10 + 1 as page"),
            ),
        ),
    }


@pytest.fixture
def evolved(monkeypatch: pytest.MonkeyPatch) -> dict[str, EventType]:
    """Let the code be that of a later release."""
    types = evolved_types()
    for name, kind in types.items():
        monkeypatch.setitem(EVENT_TYPES, name, kind)
    return types


def source_table_of(kind: EventType, description: str) -> dict[str, Any]:
    """Return how dbt is told of a type: `models/staging/_sources.yml` has these for the types that it reads."""

    def columns(of: EventType) -> list[dict[str, str]]:
        return [{"name": one.name, "data_type": duckdb_type(one.type)} for one in of.all_columns]

    told: dict[str, Any] = {"version": kind.version} if kind.version > 1 else {}
    if kind.upcasters:
        told["upcasters"] = [
            {
                "version": one.version,
                "select": one.select,
                **({"adds": [{"name": name, "sql": sql} for name, sql in one.adds]} if one.adds else {}),
                "columns": columns(kind.contract(one.version)),
            }
            for one in kind.upcasters
        ]
    table = {"name": kind.name, "description": description}
    return {**table, **({"config": {"meta": told}} if told else {}), "columns": columns(kind)}


@pytest.fixture(scope="session")
def source_table() -> Callable[[EventType, str], dict[str, Any]]:
    return source_table_of
