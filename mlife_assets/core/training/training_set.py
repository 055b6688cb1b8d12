"""The training set: the mature examples for training, and their split in time.

Concept: a model that serves on day A could have learned only from outcomes mature on A, for each step separately. The
gate judges days from `gate_start` on, so all training outcomes were mature by then. Validation is the latest labelled
days with enough of both classes, and newer rows: never more of either class than is left to fit on. It is cut into
folds; a step is fitted on its outcomes complete at the start of a fold, so no validation row is used for fitting.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.model import Model
from mlife_assets.core.policies import PromotionPolicy, TrainingPolicy
from mlife_assets.core.training.folds import FOLD_DAYS
from mlife_assets.core.training.known_examples import (
    as_known,
    in_order,
    require_known,
    require_mature,
    require_roles,
    where,
    with_step_times,
)
from mlife_assets.core.windows import add_days, last_mature_exposure_day

Days = npt.NDArray[np.datetime64]
Mask = npt.NDArray[np.bool_]
Rest = Callable[[], None]
COLUMNS_BETWEEN_RESTS = 10


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Examples in a canonical order that starts with their day, their known outcomes, and the split.

    Attributes:
        examples: n rows with all features and at least one known step; unknown outcomes are null.
        roles: roles of the columns.
        validation_start: first exposure day of the validation window.
        data_hash: of the rows with derived columns; independent of the order of the input.
        quarantined_rows: rows left out because the features of their day were faulty.
        is_by_weeks: whether each week of validation is a fold.
        rest: releases the memory of reading mapped examples, which stay readable: for a fit, which needs it.
    """

    examples: pa.Table
    roles: ExampleSpec
    validation_start: date
    data_hash: str
    quarantined_rows: int = 0
    is_by_weeks: bool = False
    rest: Rest = lambda: None

    @property
    def first_day(self) -> date:
        """First exposure day."""
        return pc.min(self.examples[self.roles.time]).as_py()  # type: ignore[no-any-return]

    @property
    def last_day(self) -> date:
        """Last exposure day, for any step."""
        return pc.max(self.examples[self.roles.time]).as_py()  # type: ignore[no-any-return]

    @property
    def trained_to(self) -> dict[str, date]:
        """Known steps in order, each with the last exposure day whose complete outcome is used."""
        days = self.examples[self.roles.time]
        last = {step: pc.max(days.filter(pa.array(self.known(step)))).as_py() for step in self.roles.steps}
        return {step: day for step, day in last.items() if day is not None}

    @property
    def complete_on(self) -> date:
        """First day on which all its outcomes were complete."""
        times = self.roles.step_times.items()
        known = (self.examples[time].filter(pa.array(self.known(step))) for step, time in times)
        return max(pc.max(days).as_py() for days in known)  # type: ignore[no-any-return]

    @property
    def positives(self) -> int:
        """Number of positive labels."""
        return int(self.outcome(self.roles.label, self.known(self.roles.label)).sum())

    @property
    def is_fit(self) -> Mask:
        """Rows on which to fit the label before validation, bool (n,)."""
        return self.fitting(self.roles.label)

    @property
    def is_validation(self) -> Mask:
        """Validation rows of the label, on which formulations are compared, bool (n,)."""
        return self.validating(self.roles.label)

    @cached_property
    def entity_codes(self) -> npt.NDArray[np.int64]:
        """Code of each row's entity, int64 (n,)."""
        entities = self.examples[self.roles.entity].combine_chunks().dictionary_encode()
        return np.asarray(entities.indices, dtype=np.int64)

    def by_weeks(self, weeks: int) -> TrainingSet:
        """Return the same rows with the last label weeks as folds of validation, each with both classes."""
        start = add_days(self.trained_to[self.roles.label], 1 - 7 * weeks)
        return replace(self, validation_start=start, is_by_weeks=True)

    def known(self, step: str) -> Mask:
        """Return the rows whose outcome of a step is known, bool (n,)."""
        return np.asarray(self.examples[step].is_valid())

    @cached_property
    def fold_starts(self) -> tuple[date, ...]:
        """First days of the folds of validation: two with equal numbers of positives, if each then has both classes."""
        days = self.days[self.is_validation]
        flags = self.outcome(self.roles.label, self.is_validation)
        happened, start = np.sort(days[flags]), np.datetime64(self.validation_start, "D")
        found, seconds = [start], happened[len(happened) // 2 :][:1]
        if self.is_by_weeks:
            seconds = start + np.unique((days - start) // 7 * 7)
        for second in seconds:
            parts = ((days >= found[-1]) & (days < second), days >= second)
            if all(flags[part].any() and not flags[part].all() for part in parts):
                found.append(second)
        return tuple(one.item() for one in found)

    def fitting(self, step: str, start: date | None = None) -> Mask:
        """Return the rows with a complete outcome of a step at the start of a fold, by default the first, bool (n,)."""
        known_on = np.datetime64(self.validation_start if start is None else start, "D")
        return self.known(step) & (self._days(self.roles.step_times[step]) <= known_on)

    def validating(self, step: str) -> Mask:
        """Return the rows from validation's start on with a known outcome of a step, bool (n,)."""
        return self.known(step) & (self.days >= np.datetime64(self.validation_start, "D"))

    def outcome(self, step: str, rows: Mask | None = None) -> Mask:
        """Return whether the m rows of a mask, by default all, reached a step of the funnel, bool (m,).

        Raises:
            InvalidInputError: the outcome of a row is unknown.
        """
        asked = self.examples[step] if rows is None else self.examples[step].filter(pa.array(rows))
        if asked.null_count:
            raise InvalidInputError(
                f"{step} is not known of {asked.null_count} of {len(asked)} rows; ask for rows of known({step!r})"
            )
        return np.asarray(asked.to_numpy(zero_copy_only=False), dtype=bool)

    @property
    def days(self) -> Days:
        """Exposure day of each row, datetime64[D] (n,)."""
        return self._days(self.roles.time)

    def _days(self, name: str) -> Days:
        return self.examples[name].to_numpy().astype("datetime64[D]")  # type: ignore[no-any-return]


def gate_days(as_of: date, maturity_days: int, promotion: PromotionPolicy) -> list[date]:
    """Return the days on which the gate ranks as of `as_of`: weeks apart, all mature, oldest first."""
    last = last_mature_exposure_day(as_of, maturity_days)
    return [add_days(last, -7 * week) for week in range(promotion.gate_weeks)][::-1]


def first_gate_day(as_of: date, model: Model) -> date:
    """Return the first day of a holdout: of its rankings, or of the weeks whose rows are all judged."""
    if model.roles.item is not None:
        return gate_days(as_of, model.label_step.maturity_days, model.promotion)[0]
    return add_days(last_mature_exposure_day(as_of, model.label_step.maturity_days), 1 - 7 * model.promotion.gate_weeks)


def last_training_day(gate_start: date, maturity_days: int) -> date:
    """Return the last exposure day whose label was mature at the gate's first ranking."""
    return last_mature_exposure_day(gate_start, maturity_days)


def least_history_days(model: Model) -> int:
    """Return the minimum of history days before the platform's first day, for its model to have a day to fit on.

    That model is made the day before. The gate, the labels and the validation window each lie further back, and the
    very first day has no features. With folds the newest is enough, which began up to a week before the last mature
    day: the gate decides whether it holds enough.
    """
    made_on = date(2000, 1, 1)
    by_folds = model.promotion.judged_by == "folds"
    newest_fold = add_days(last_mature_exposure_day(made_on, model.label_step.maturity_days), 1 - FOLD_DAYS)
    known = newest_fold if by_folds else first_gate_day(made_on, model)
    last = last_training_day(known, model.label_step.maturity_days)
    validation_start = add_days(last, 1 - model.training.validation_days)
    last_fitted = last_mature_exposure_day(validation_start, model.label_step.maturity_days)
    return (made_on - last_fitted).days + 2


def build_training_set(
    rows: pa.Table,
    model: Model,
    *,
    as_of: date,
    gate_start: date,
    quarantined: Collection[date],
    is_derived: bool = False,
    rest: Rest = lambda: None,
) -> TrainingSet:
    """Return the training set of a model whose gate judges days from `gate_start` on.

    Rows in order are not copied, so a set of memory-mapped rows takes memory only for its outcomes.

    Args:
        rows: of the mart of the label, or of those of all steps (`joined_marts`), one per exposure; outcomes unknown at
            the gate's start are left out.
        model: roles, maturity, and the policy of the split and of minimum sizes.
        as_of: day of the training.
        gate_start: first day on which the gate ranks; the day of the training without a holdout.
        quarantined: days whose features must not train.
        is_derived: whether the rows have their derived features.
        rest: of the training set.

    Raises:
        InvalidInputError: an outcome is not mature as of `as_of`, or unknown although it is, or an exposure occurs
            twice.
        NotEnoughEvidenceError: too few examples or positives.
    """
    roles, row_id = model.roles, model.row_id
    if row_id is None:
        raise InvalidInputError(f"model {model.name} has no row_id; a model of the platform names its marts")
    require_roles(rows, roles, row_id)
    rows = with_step_times(rows if is_derived else model.derive(rows), model)
    require_mature(rows, roles, as_of)
    inside = as_known(rows, roles, gate_start)
    is_faulty = pc.is_in(inside[roles.time], value_set=pa.array(sorted(quarantined), pa.date32()))
    examples = in_order(where(inside, pc.invert(is_faulty)), roles.time, row_id)
    split = split_examples(
        examples,
        roles,
        known_on=gate_start,
        policy=model.training,
        data_hash=hash_examples(examples, rest),
        quarantined_rows=inside.num_rows - examples.num_rows,
    )
    return replace(split, rest=rest)


def split_examples(
    examples: pa.Table,
    roles: ExampleSpec,
    *,
    known_on: date,
    policy: TrainingPolicy,
    data_hash: str,
    quarantined_rows: int = 0,
) -> TrainingSet:
    """Return the training set as known on a day (`as_known`), split in time.

    Validation is the last `policy.validation_days` of mature labels, or more if these hold too few of a class, and
    newer rows; but of neither class more than is fitted on. Rows to fit a step on are those whose outcome was complete
    when validation starts, so the gap is the step's own attribution window.

    Raises:
        InvalidInputError: an outcome is not mature as of `known_on`, or unknown although it is.
        NotEnoughEvidenceError: too few examples or positives, or a part has one class only.
    """
    require_mature(examples, roles, known_on)
    require_known(examples, roles, known_on)
    mature = examples.select([roles.time, roles.label_time, roles.label])
    mature = mature.filter(mature[roles.label].is_valid())
    days = mature[roles.time].to_numpy().astype("datetime64[D]")
    flags = np.asarray(mature[roles.label].to_numpy(zero_copy_only=False), dtype=bool)
    last_day: date = days.max().item() if len(days) else known_on
    for name, found, needed in (
        ("examples", mature.num_rows, policy.minimum_examples),
        ("positives", int(flags.sum()), policy.minimum_positives),
    ):
        if found < needed:
            raise NotEnoughEvidenceError(
                f"{found} mature {name} until {last_day}, {needed} needed; wait or widen the window"
            )
    known = mature[roles.label_time].to_numpy().astype("datetime64[D]")
    start = _validation_start(days, known, flags, last_day, policy)
    training = TrainingSet(examples, roles, start, data_hash, quarantined_rows)
    for name, mask in (("fitting", training.is_fit), ("validation", training.is_validation)):
        positives, rows = int(training.outcome(roles.label, mask).sum()), int(mask.sum())
        if not 0 < positives < rows:
            raise NotEnoughEvidenceError(
                f"the {name} days until {last_day} hold {positives} positives in {rows} examples; both classes are "
                "needed: wait for more history"
            )
    return training


def _validation_start(days: Days, mature: Days, flags: Mask, last_day: date, policy: TrainingPolicy) -> date:
    """Return the first day of validation: with enough of both classes, but of neither more than there is to fit on."""
    start = np.datetime64(add_days(last_day, 1 - policy.validation_days), "D")
    classes = [mask for mask in (flags, ~flags) if mask.any()]
    enough = min(np.sort(days[mask])[-min(policy.validation_minimum_per_class, int(mask.sum()))] for mask in classes)
    asked = np.arange(days.min(), days.max() + 1) if len(days) else np.array([start])
    is_fair = np.ones(len(asked), dtype=bool)
    for mask in classes:
        fitted = np.searchsorted(np.sort(mature[mask]), asked, side="right")
        is_fair &= fitted >= int(mask.sum()) - np.searchsorted(np.sort(days[mask]), asked, side="left")
    fair = asked[np.argmax(is_fair)] if is_fair.any() else asked[-1]
    return max(min(start, enough), fair).item()  # type: ignore[no-any-return]


def hash_examples(examples: pa.Table, rest: Rest = lambda: None) -> str:
    """Return a hash over names, types and values of every column of ordered examples; call `rest` between them.

    Values enter as the bytes that Arrow stores, with nulls zeroed and marked apart, so neither slices, chunks nor bytes
    under a null change the hash, and a null differs from an empty text or zero.
    """
    digest = hashlib.sha256(examples.num_rows.to_bytes(8, "big"))
    for place, name in enumerate(sorted(examples.column_names)):
        if place % COLUMNS_BETWEEN_RESTS == 0:
            rest()
        column = examples[name].combine_chunks()  # one column at a time: the rows may exceed memory
        digest.update(f"\x1e{name}\x1f{column.type}\x1f{column.null_count}\x1f".encode())
        if column.null_count:
            digest.update(np.packbits(np.asarray(column.is_null())).data)
        for part in _canonical_bytes(column):
            digest.update(part.data)
    rest()
    return digest.hexdigest()


def _canonical_bytes(column: pa.Array) -> list[npt.NDArray[Any]]:
    """Return contiguous arrays with exactly the values of a column without nulls."""
    types, values = pa.types, column.drop_null()
    if types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if types.is_string(values.type) or types.is_large_string(values.type):
        lengths = np.ascontiguousarray(pc.binary_length(values).to_numpy(zero_copy_only=False), dtype=np.int64)
        joined = pa.LargeListArray.from_arrays(pa.array([0, len(values)], pa.int64()), values)
        text = pc.binary_join(joined, "")
        data = np.frombuffer(text[0].as_buffer() if len(values) else b"", dtype=np.uint8)
        return [lengths, data]
    if types.is_boolean(values.type):
        return [np.packbits(values.to_numpy(zero_copy_only=False))]
    if types.is_integer(values.type) or types.is_floating(values.type):
        return [np.ascontiguousarray(values.to_numpy(zero_copy_only=False))]
    if types.is_date32(values.type):
        return [np.ascontiguousarray(values.cast(pa.int32()).to_numpy(zero_copy_only=False))]
    if types.is_temporal(values.type):
        return [np.ascontiguousarray(values.cast(pa.int64()).to_numpy(zero_copy_only=False))]
    return _canonical_bytes(values.cast(pa.string()))
