"""Events of every released version, held against today's types: read whole, and changed only as permitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.event_columns import Column, EventType, Upcaster, added, choice, integer, text
from mlife_assets.recruiting.events import EVENT_TYPES

Types = dict[str, EventType]


def test_golden_files_are_read_as_rows_of_today(release, event_examples) -> None:
    told, folder = release
    log = ParquetEventLog(ObstoreObjectStore.local(folder))
    for one in told:
        kind = EVENT_TYPES[one["name"]]
        rows = log.read(kind.name)
        assert rows.schema.equals(kind.schema), kind.name
        expected = event_examples.example_table(one)
        assert rows.num_rows == expected.num_rows
        rows = rows.sort_by("event_id")
        for name in rows.column_names:
            if name in expected.column_names:
                assert rows[name].equals(expected[name].cast(rows.schema.field(name).type)), (kind.name, name)
            elif not kind.upcasters:
                assert rows[name].null_count == rows.num_rows, (kind.name, name)


def test_each_column_can_be_read_alone(release) -> None:
    told, folder = release
    log = ParquetEventLog(ObstoreObjectStore.local(folder))
    for one in told:
        for name in EVENT_TYPES[one["name"]].schema.names:
            assert log.read(one["name"], columns=[name]).column_names == [name]


def test_a_release_left_one_golden_file_of_each_type(release) -> None:
    told, folder = release
    assert sorted(path.name for path in (folder / "events").iterdir()) == sorted(
        f"event_type={t['name']}" for t in told
    )


def test_types_changed_only_as_permitted(release, event_examples, permitted_changes) -> None:
    """What fails here would make logs of released versions unreadable, or rows of theirs mean something else."""
    told, _ = release
    assert permitted_changes.faults(told, EVENT_TYPES, event_examples.columns_of) == []


def test_todays_own_description_is_without_fault(event_examples, permitted_changes) -> None:
    told = [event_examples.described(kind) for kind in EVENT_TYPES.values()]
    assert permitted_changes.faults(told, EVENT_TYPES, event_examples.columns_of) == []


def test_what_a_later_release_may_change_is_permitted(release, evolved, event_examples, permitted_changes) -> None:
    told, _ = release
    assert permitted_changes.faults(told, EVENT_TYPES, event_examples.columns_of) == []


def with_columns(kind: EventType, columns: tuple[Column, ...], **more: Any) -> Types:
    return {kind.name: replace(kind, columns=columns, **more)}


def without(name: str, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    return tuple(one for one in columns if one.name != name)


def changed(kind: EventType, column: str, **more: Any) -> tuple[Column, ...]:
    return tuple(replace(one, **more) if one.name == column else one for one in kind.columns)


MISTAKES: dict[str, tuple[Callable[[EventType, int], Types], str]] = {
    "a nullable column without a version": (
        lambda kind, n: with_columns(kind, (*kind.columns, added(n, text("device"))), version=n - 1),
        "the type changed since",
    ),
    "a nullable column that is not said to be added": (
        lambda kind, n: with_columns(kind, (*kind.columns, text("device", nullable=True)), version=n),
        "column device is new; declare it with added",
    ),
    "a required column": (lambda kind, n: with_columns(kind, (*kind.columns, text("device")), version=n),
        "column device is new"),
    "a column in between": (lambda kind, n: with_columns(kind, (added(n, text("device")), *kind.columns), version=n),
        "columns changed places"),
    "a rename without upcaster": (lambda kind, n: with_columns(kind, changed(kind, "surface", name="place"), version=n),
        "column surface is gone; add an upcaster"),
    "another type": (lambda kind, n: with_columns(kind, changed(kind, "position", type=pa.float64()), version=n),
        "column position changed"),
    "an enum value less": (lambda kind, n: with_columns(kind, changed(kind, "surface", allowed=("search",)), version=n),
        "column surface lost a value"),
    "an enum value more without a version": (
        lambda kind, n: with_columns(kind, changed(kind, "surface", allowed=("search", "feed", "map"))),
        "the type changed since",
    ),
    "an upcaster without a version": (
        lambda kind, n: with_columns(
            kind,
            (*without("surface", kind.columns), choice("place", "search", "feed")),
            upcasters=(Upcaster(kind.version, kind.columns, "* exclude (surface), surface as place"),),
        ),
        "upcasters start from",
    ),
    "another type under the old name": (
        lambda kind, n: with_columns(
            kind,
            changed(kind, "position", type=pa.float64()),
            version=n,
            upcasters=(Upcaster(kind.version, kind.columns, "* replace (cast(position as double) as position)"),),
        ),
        "a name keeps its type",
    ),
    "a column of a version to come": (
        lambda kind, n: with_columns(kind, (*kind.columns, added(n + 1, integer("page"))), version=n),
        "column page is since version",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_change_is_reported_with_its_remedy(mistake, event_examples, permitted_changes) -> None:
    told = [event_examples.described(kind) for kind in EVENT_TYPES.values()]
    change, message = MISTAKES[mistake]
    kind = EVENT_TYPES["impression"]
    types = {**EVENT_TYPES, **change(kind, kind.version + 1)}
    found = permitted_changes.faults(told, types, event_examples.columns_of)
    assert found, mistake
    assert all(one.startswith("impression: ") for one in found)
    assert any(message in one for one in found), found


def test_a_type_that_is_gone_is_reported(event_examples, permitted_changes) -> None:
    told = [event_examples.described(kind) for kind in EVENT_TYPES.values()]
    types = {name: kind for name, kind in EVENT_TYPES.items() if name != "hire"}
    (fault,) = permitted_changes.faults(told, types, event_examples.columns_of)
    assert fault.startswith("hire was released and is gone")
