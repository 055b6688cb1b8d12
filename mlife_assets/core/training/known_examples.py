"""What was known of examples on a day: the outcomes of each step, and none before it was complete.

Concept: steps of a funnel are complete at different ages, so the newest exposures have the outcome of early steps and
none of the label. A step is known by cohort of exposure: of all exposures that are old enough, never of those whose
outcome came early, or fast ones would count double. An early label is known by the same cohort as the last step before
the label. What is not known is null, so nobody learns from it by mistake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.model import Model, Step
from mlife_assets.core.windows import last_mature_exposure_day

RUNS_MAXIMUM = 100
"""Runs of rows that are put together as they lie. Each becomes a chunk of every column, which costs little."""


def as_known(rows: pa.Table, roles: ExampleSpec, known_on: date) -> pa.Table:
    """Return the rows of which a step was complete as of `known_on`; outcomes that were not are null.

    Args:
        rows: n rows with the columns of the steps and their times.
        roles: what the columns are.
        known_on: the day.
    """
    day = pa.scalar(known_on, pa.date32())
    masks = {step: pc.less_equal(rows[time], day) for step, time in roles.step_times.items()}
    is_any = masks[roles.label]
    for mask in masks.values():
        is_any = pc.or_(is_any, mask)
    kept = where(rows, is_any)
    for step, time in _outcome_times(kept, roles).items():
        is_complete = pc.less_equal(kept[time], day)
        if count(is_complete) < kept.num_rows:
            hidden = pc.if_else(is_complete, kept[step], pa.scalar(None, pa.bool_()))
            kept = kept.set_column(kept.column_names.index(step), step, hidden)
    return kept


def _outcome_times(rows: pa.Table, roles: ExampleSpec) -> dict[str, str]:
    """Return the columns that say what happened, each with the first day as of which it is complete."""
    early = roles.early_label
    times = roles.step_times
    return times if early is None or early not in rows.column_names else {**times, early: roles.early_time}


def require_roles(rows: pa.Table, roles: ExampleSpec, row_id: str) -> None:
    """Refuse examples whose roles are unknown: a null date would pass every comparison with a date.

    Raises:
        InvalidInputError: a column is not there, or null where it must not be.
    """
    for name in (row_id, roles.time, roles.label_time, *roles.steps):
        if name not in rows.column_names:
            raise InvalidInputError(f"the examples lack column {name}; read the whole mart")
        if name not in roles.steps and rows[name].null_count:
            row = pc.index(rows[name].is_null(), True).as_py()
            raise InvalidInputError(f"{name} is null in row {row} of the examples; rebuild the mart")


def require_mature(rows: pa.Table, roles: ExampleSpec, as_of: date) -> None:
    """Refuse an outcome that is there before it is complete.

    Raises:
        InvalidInputError: names the step, how many rows, the first of them and the remedy.
    """
    for step, time in _outcome_times(rows, roles).items():
        is_early = pc.and_not(rows[step].is_valid(), pc.less_equal(rows[time], pa.scalar(as_of, pa.date32())))
        if early := count(is_early):
            row = pc.index(is_early, True).as_py()
            raise InvalidInputError(
                f"{step} of {early} examples is not mature as of {as_of}, the first in row {row} with {time} "
                f"{rows[time][row].as_py()}; pass outcomes that are mature, others as null"
            )


def require_known(rows: pa.Table, roles: ExampleSpec, as_of: date) -> None:
    """Refuse an outcome that is complete and not there: its row would silently not be learned from.

    Raises:
        InvalidInputError: names the step, the first row and the remedy.
    """
    for step, time in roles.step_times.items():
        is_missing = pc.and_(rows[step].is_null(), pc.less_equal(rows[time], pa.scalar(as_of, pa.date32())))
        if count(is_missing):
            row = pc.index(is_missing, True).as_py()
            raise InvalidInputError(
                f"{step} is null in row {row} although it is complete as of {rows[time][row].as_py()}; rebuild the mart"
            )


@dataclass(frozen=True)
class MartWindow:
    """Which rows of a step's mart are learned from.

    Attributes:
        step: the step.
        after: exposures after this day; None for all, of the label, whose mart knows all steps.
        last: last exposure day.
    """

    step: Step
    after: date | None
    last: date


def mart_windows(model: Model, known_on: date) -> tuple[MartWindow, ...]:
    """Return which rows of which marts hold all that was known on a day: the label's, then what earlier steps add."""
    roles = model.roles
    sooner = [one for one in model.steps[:-1] if roles.step_times[one.label] != roles.label_time]
    windows: list[MartWindow] = []
    for step in (model.label_step, *sorted(sooner, key=lambda one: -one.maturity_days)):
        last = last_mature_exposure_day(known_on, step.maturity_days)
        after = windows[-1].last if windows else None
        if after is None or last > after:
            windows.append(MartWindow(step, after, last))
    return tuple(windows)


def joined_marts(marts: Sequence[tuple[Step, pa.Table]], model: Model) -> pa.Table:
    """Return rows of the marts of steps as one table: the columns that all have, the steps and their times.

    A mart without the early label knows none.

    Args:
        marts: steps with rows of their marts, as of `mart_windows`: the label's first.
        model: roles and steps.

    Raises:
        InvalidInputError: a mart lacks a column; names both.
    """
    roles = model.roles
    tables = []
    for step, rows in marts:
        needed = [one.label for one in model.steps if one.maturity_days <= step.maturity_days]
        for name in (roles.time, roles.label_time, *needed):
            if name not in rows.column_names:
                raise InvalidInputError(f"the mart {step.examples} lacks column {name}; add it there")
        if step is not model.label_step:
            names = [roles.step_times[step.label] if name == roles.label_time else name for name in rows.column_names]
            rows = rows.rename_columns(names)
            for one in model.steps:
                if one.label not in needed:
                    rows = _with(rows, one.label, pa.nulls(rows.num_rows, pa.bool_()))
        tables.append(with_step_times(with_early_label(rows, roles), model))
    common = [name for name in tables[0].column_names if all(name in one.column_names for one in tables)]
    return pa.concat_tables([one.select(common) for one in tables])


def with_early_label(rows: pa.Table, roles: ExampleSpec) -> pa.Table:
    """Return rows of a mart with the early label; it is not known where a release built the mart that knew none."""
    if roles.early_label is None or roles.early_label in rows.column_names:
        return rows
    return rows.append_column(roles.early_label, pa.nulls(rows.num_rows, pa.bool_()))


def with_step_times(rows: pa.Table, model: Model) -> pa.Table:
    """Return rows of a mart with the day as of which each step is complete: what the mart says, or the steps if later.

    Args:
        rows: n rows with their day.
        model: roles, and steps with their maturity.
    """
    days = rows[model.roles.time].to_numpy().astype("datetime64[D]")
    for step in model.steps:
        name = model.roles.step_times[step.label]
        by_record = pa.chunked_array([pa.array(days + np.timedelta64(step.maturity_days + 1, "D"), pa.date32())])
        known = pc.max_element_wise(rows[name], by_record) if name in rows.column_names else by_record
        rows = _with(rows, name, known)
    return rows


def in_order(rows: pa.Table, time: str, row_id: str) -> pa.Table:
    """Return rows by day and exposure, the order in which a mart is read: then they are not copied.

    Raises:
        InvalidInputError: an exposure is there twice.
    """
    if _is_rising(rows, time, row_id):
        return rows
    rows = rows.sort_by([(time, "ascending"), (row_id, "ascending")])
    if not _is_rising(rows, time, row_id):
        ids, days = rows[row_id], rows[time]
        is_same = pc.and_(pc.equal(ids[1:], ids[:-1]), pc.equal(days[1:], days[:-1]))
        twice = ids[pc.index(is_same, True).as_py()].as_py()
        raise InvalidInputError(f"{row_id} {twice} is there twice; the mart holds one row per exposure")
    return rows


def _is_rising(rows: pa.Table, time: str, row_id: str) -> bool:
    """Return whether each row is of a later day than the one before, or of the same and has a larger id."""
    if rows.num_rows < 2:
        return True
    passed = np.diff(rows[time].cast(pa.int32()).to_numpy())
    if passed.min() < 0:
        return False
    ids = rows[row_id]
    is_larger = pc.greater(ids[1:], ids[:-1]).to_numpy()
    return bool(np.all(is_larger[passed == 0]))


def count(mask: pa.ChunkedArray) -> int:
    """Return how many values of a mask are true."""
    return int(pc.sum(mask).as_py() or 0)


def where(rows: pa.Table, mask: pa.ChunkedArray) -> pa.Table:
    """Return the rows of a mask: as they lie where they are a few runs, such as whole days, else those of the first."""
    if count(mask) == rows.num_rows:
        return rows
    runs = np.flatnonzero(np.diff(np.asarray(mask, dtype=np.int8), prepend=0, append=0)).reshape(-1, 2)
    few = runs if len(runs) <= RUNS_MAXIMUM else runs[:1]
    parts = [rows.slice(start, end - start) for start, end in few.tolist()]
    if len(runs) > len(few):
        rest = int(few[0, 1])
        parts.append(rows.slice(rest).filter(mask.slice(rest)))
    return pa.concat_tables([rows.slice(0, 0), *parts])


def _with(rows: pa.Table, name: str, values: pa.ChunkedArray | pa.Array) -> pa.Table:
    if name not in rows.column_names:
        return rows.append_column(name, values)
    return rows.set_column(rows.column_names.index(name), name, values)
