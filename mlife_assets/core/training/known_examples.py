"""Examples as known on a day: the outcome of each step, once it was complete.

Concept: steps of a funnel are complete at different ages, so the newest exposures have the outcome of early steps and
none of the label. A step is known per cohort of exposures: for all that are old enough, never only for those whose
outcome came early, or fast outcomes would be overrepresented. An early label is known for the same cohorts as the last
step before the label. Unknown outcomes are null, so none is learned by mistake.
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
"""Maximum of row runs sliced without copying. Each becomes a chunk of every column, at little cost."""


def as_known(rows: pa.Table, roles: ExampleSpec, known_on: date) -> pa.Table:
    """Return the rows with a complete step as of `known_on`; incomplete outcomes are null.

    Args:
        rows: n rows with the columns of the steps and their times.
        roles: roles of the columns.
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
    """Return the outcome columns, each with the column of the first day as of which it is complete."""
    early = roles.early_label
    times = roles.step_times
    return times if early is None or early not in rows.column_names else {**times, early: roles.early_time}


def require_roles(rows: pa.Table, roles: ExampleSpec, row_id: str) -> None:
    """Refuse examples whose roles are unknown: a null date would pass every comparison with a date.

    Raises:
        InvalidInputError: a column is missing, or null where it must not be.
    """
    for name in (row_id, roles.time, roles.label_time, *roles.steps):
        if name not in rows.column_names:
            raise InvalidInputError(f"the examples lack column {name}; read the whole mart")
        if name not in roles.steps and rows[name].null_count:
            row = pc.index(rows[name].is_null(), True).as_py()
            raise InvalidInputError(f"{name} is null in row {row} of the examples; rebuild the mart")


def require_mature(rows: pa.Table, roles: ExampleSpec, as_of: date) -> None:
    """Refuse an outcome that exists before it is complete.

    Raises:
        InvalidInputError: names the step, the number of rows, the first of them and the remedy.
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
    """Refuse a complete outcome that is null: training would silently skip its row.

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
    """Rows of a step's mart to learn from.

    Attributes:
        step: the step.
        after: exposures after this day; None for all rows of the label's mart, which has all steps.
        last: last exposure day.
    """

    step: Step
    after: date | None
    last: date


def mart_windows(model: Model, known_on: date) -> tuple[MartWindow, ...]:
    """Return the windows of the marts as known on a day: the label's, then additional ones of earlier steps."""
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
    """Return rows of the marts of steps as one table: common columns, the steps and their times.

    Rows of a mart without the early label have null.

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
    """Return rows of a mart with the early label; null if the mart's release had none."""
    if roles.early_label is None or roles.early_label in rows.column_names:
        return rows
    return rows.append_column(roles.early_label, pa.nulls(rows.num_rows, pa.bool_()))


def with_step_times(rows: pa.Table, model: Model) -> pa.Table:
    """Return rows of a mart with the day as of which each step is complete: the mart's, or the step's if later.

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
    """Return rows by day and exposure, without a copy if they are in this order already.

    Raises:
        InvalidInputError: an exposure occurs twice.
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
    """Return the rows of a mask: slices if they form few runs, such as whole days, else a copy."""
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
