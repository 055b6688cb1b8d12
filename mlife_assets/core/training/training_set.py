"""The training set: which mature examples a model may learn from, and how they are split in time.

Belongs here: maturity, quarantine, the time-ordered split, the data hash. Does not belong here: features
(the domain), fitting (`fit`).

Concept: a model that serves on day A could have learned only from labels that were mature on A. The gate judges on
days from `gate_start`, so everything that the model sees was mature by then. Within it, validation is the latest
days that hold enough to learn from, after a gap of one attribution window.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.model import Model
from mlife_assets.core.policies import PromotionPolicy, TrainingPolicy
from mlife_assets.core.training.folds import fold_starts
from mlife_assets.core.windows import add_days, last_mature_exposure_day

Days = npt.NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Examples in a canonical order that starts with their day, and the split.

    Attributes:
        examples: n rows with all features.
        roles: what the columns are.
        is_fit: rows to find the number of trees on, bool (n,).
        is_validation: rows for early stopping, choosing and calibration, bool (n,); the rest is the gap.
        data_hash: of the rows; independent of the order of the input.
        quarantined_rows: rows left out because the features of their day were faulty.
    """

    examples: pa.Table
    roles: ExampleSpec
    is_fit: np.ndarray
    is_validation: np.ndarray
    data_hash: str
    quarantined_rows: int = 0

    @property
    def first_day(self) -> date:
        """First exposure day."""
        return pc.min(self.examples[self.roles.time]).as_py()  # type: ignore[no-any-return]

    @property
    def last_day(self) -> date:
        """Last exposure day."""
        return pc.max(self.examples[self.roles.time]).as_py()  # type: ignore[no-any-return]

    @property
    def validation_start(self) -> date:
        """First exposure day of the validation window."""
        return pc.min(self.examples[self.roles.time].filter(pa.array(self.is_validation))).as_py()  # type: ignore[no-any-return]

    @property
    def positives(self) -> int:
        """Number of positive labels."""
        return int(self.outcome(self.roles.label).sum())

    def outcome(self, step: str) -> np.ndarray:
        """Return whether each row reached a step of the funnel, bool (n,)."""
        return np.asarray(self.examples[step].to_numpy(zero_copy_only=False), dtype=bool)


def gate_days(as_of: date, maturity_days: int, promotion: PromotionPolicy) -> list[date]:
    """Return the days on which the gate ranks as of `as_of`: weeks apart, all mature, oldest first."""
    last = last_mature_exposure_day(as_of, maturity_days)
    return [add_days(last, -7 * week) for week in range(promotion.gate_weeks)][::-1]


def first_gate_day(as_of: date, model: Model) -> date:
    """Return the first day that a holdout keeps: of its rankings, or of the weeks that it judges all rows of."""
    if model.roles.item is not None:
        return gate_days(as_of, model.maturity_days, model.promotion)[0]
    return add_days(last_mature_exposure_day(as_of, model.maturity_days), 1 - 7 * model.promotion.gate_weeks)


def last_training_day(gate_start: date, maturity_days: int) -> date:
    """Return the last exposure day whose label was mature when the gate's first ranking was made."""
    return last_mature_exposure_day(gate_start, maturity_days)


def least_history_days(model: Model) -> int:
    """Return how many days there must be before the platform's first day for its model to have a day to fit on.

    That model is made the day before that first day. The gate, the labels and the validation window each lie
    further back, and the very first day has no features: nothing was known before it. By folds one is enough, the
    newest: the gate says whether what it holds suffices.
    """
    made_on = date(2000, 1, 1)
    by_folds = model.promotion.judged_by == "folds"
    known = fold_starts(made_on, model.maturity_days, 1)[0] if by_folds else first_gate_day(made_on, model)
    last = last_training_day(known, model.maturity_days)
    validation_start = add_days(last, 1 - model.training.validation_days)
    last_fitted = last_mature_exposure_day(validation_start, model.maturity_days)
    return (made_on - last_fitted).days + 2


def build_training_set(
    rows: pa.Table, model: Model, *, as_of: date, gate_start: date, quarantined: Collection[date]
) -> TrainingSet:
    """Return the training set of a model that is gated on days from `gate_start`.

    Args:
        rows: of the mart of the label, one per exposure; those after the training window are left out.
        model: roles, maturity, and the policy of the split and of minimum sizes.
        as_of: day of the training.
        gate_start: first day on which the gate ranks.
        quarantined: days whose features must not train.

    Raises:
        InvalidInputError: a label is not mature as of `as_of`, unknown, or an exposure is there twice.
        NotEnoughEvidenceError: too few examples or positives.
    """
    roles, row_id = model.roles, model.row_id
    if row_id is None:
        raise InvalidInputError(f"model {model.name} has no row_id; a model of the platform names its marts")
    _require_known(rows, roles, row_id)
    is_immature = pc.greater(rows[roles.label_time], pa.scalar(as_of, pa.date32()))
    if count := _count(is_immature):
        row = rows.filter(is_immature).slice(0, 1).to_pylist()[0]
        raise InvalidInputError(
            f"{count} examples are not mature as of {as_of}, the first is {row[row_id]} with "
            f"{roles.label_time} {row[roles.label_time]}; pass labels that are mature"
        )
    last = last_training_day(gate_start, model.maturity_days)
    days = rows[roles.time]
    is_inside = pc.less_equal(days, pa.scalar(last, pa.date32()))
    is_sound = pc.and_not(is_inside, pc.is_in(days, value_set=pa.array(sorted(quarantined), pa.date32())))
    examples = _in_order(_where(rows, is_sound), roles.time, row_id).combine_chunks()
    _require_unique(examples, roles.time, row_id)
    return split_examples(
        model.derive(examples),
        roles,
        last_day=last,
        policy=model.training,
        data_hash=hash_examples(examples),
        quarantined_rows=_count(is_inside) - examples.num_rows,
    )


def _count(mask: pa.ChunkedArray) -> int:
    return int(pc.sum(mask).as_py() or 0)


def _where(rows: pa.Table, mask: pa.ChunkedArray) -> pa.Table:
    """Return the rows of a mask; usually all, which are not copied then."""
    return rows if _count(mask) == rows.num_rows else rows.filter(mask)


def _in_order(rows: pa.Table, time: str, row_id: str) -> pa.Table:
    """Return rows by day and exposure, the order in which a mart is read: then they are not copied."""
    order = pc.sort_indices(rows, sort_keys=[(time, "ascending"), (row_id, "ascending")]).to_numpy()
    return rows if np.array_equal(order, np.arange(len(order))) else rows.take(pa.array(order))


def split_examples(
    examples: pa.Table,
    roles: ExampleSpec,
    *,
    last_day: date,
    policy: TrainingPolicy,
    data_hash: str,
    quarantined_rows: int = 0,
) -> TrainingSet:
    """Return the training set of mature examples up to `last_day`, split in time.

    Validation is the last `policy.validation_days`, or more where these hold too few of a class and half of each stays
    to fit on. Rows to fit on are those whose label was complete when validation starts, so the gap is the rows' own
    attribution window.

    Raises:
        InvalidInputError: an example is later than `last_day`.
        NotEnoughEvidenceError: too few examples or positives, or a part has one class only.
    """
    days = examples[roles.time].to_numpy().astype("datetime64[D]")
    if late := int((days > np.datetime64(last_day, "D")).sum()):
        raise InvalidInputError(f"{late} examples are later than {last_day}; leave them to the gate")
    flags = np.asarray(examples[roles.label].to_numpy(zero_copy_only=False), dtype=bool)
    for name, found, needed in (
        ("examples", examples.num_rows, policy.minimum_examples),
        ("positives", int(flags.sum()), policy.minimum_positives),
    ):
        if found < needed:
            raise NotEnoughEvidenceError(
                f"{found} mature {name} until {last_day}, {needed} needed; wait or widen the window"
            )
    mature = examples[roles.label_time].to_numpy().astype("datetime64[D]")
    validation_start = _validation_start(days, mature, flags, last_day, policy)
    is_validation = days >= validation_start
    is_fit = mature <= validation_start
    for name, mask in (("fitting", is_fit), ("validation", is_validation)):
        if not 0 < flags[mask].sum() < mask.sum():
            raise NotEnoughEvidenceError(
                f"the {name} days until {last_day} hold {int(flags[mask].sum())} positives in {int(mask.sum())} "
                "examples; both classes are needed: wait for more history"
            )
    return TrainingSet(examples, roles, is_fit, is_validation, data_hash, quarantined_rows)


def _validation_start(
    days: Days, mature: Days, flags: npt.NDArray[np.bool_], last_day: date, policy: TrainingPolicy
) -> np.datetime64:
    """Return the first day of validation: with enough of both classes, and half of each still there to fit on.

    The days of the policy are validation in any case.
    """
    start = np.datetime64(add_days(last_day, 1 - policy.validation_days), "D")
    classes = [mask for mask in (flags, ~flags) if mask.any()]
    enough = min(np.sort(days[mask])[-min(policy.validation_minimum_per_class, int(mask.sum()))] for mask in classes)
    half_is_mature = max(np.sort(mature[mask])[(int(mask.sum()) - 1) // 2] for mask in classes)
    return min(start, max(enough, half_is_mature))


def _require_known(rows: pa.Table, roles: ExampleSpec, row_id: str) -> None:
    """Refuse examples whose roles are unknown: a null date would pass every comparison with a date."""
    for name in (row_id, roles.time, roles.label_time, roles.label):
        if name not in rows.column_names:
            raise InvalidInputError(f"the examples lack column {name}; read the whole mart")
        if rows[name].null_count:
            row = pc.index(rows[name].is_null(), True).as_py()
            raise InvalidInputError(f"{name} is null in row {row} of the examples; rebuild the mart")


def _require_unique(rows: pa.Table, time: str, row_id: str) -> None:
    """Refuse an exposure that counts twice; `rows` are ordered by day and id."""
    if rows.num_rows < 2:
        return
    ids, days = rows[row_id], rows[time]
    is_same = pc.and_(pc.equal(ids[1:], ids[:-1]), pc.equal(days[1:], days[:-1]))
    first = pc.index(is_same, True).as_py()
    if first >= 0:
        raise InvalidInputError(f"{row_id} {ids[first].as_py()} is there twice; the mart holds one row per exposure")


def hash_examples(examples: pa.Table) -> str:
    """Return a hash over names, types and values of every column of ordered examples.

    Values enter as the bytes that Arrow stores, with nulls zeroed and marked apart, so neither slices and chunks nor
    what lies under a null can change the hash, and a null is not an empty text or a zero.
    """
    digest = hashlib.sha256(examples.num_rows.to_bytes(8, "big"))
    for name in sorted(examples.column_names):
        column = examples[name].combine_chunks()
        digest.update(f"\x1e{name}\x1f{column.type}\x1f{column.null_count}\x1f".encode())
        if column.null_count:
            digest.update(np.packbits(np.asarray(column.is_null())).data)
        for part in _canonical_bytes(column):
            digest.update(part.data)
    return digest.hexdigest()


def _canonical_bytes(column: pa.Array) -> list[npt.NDArray[Any]]:
    """Return contiguous arrays that hold the values of a column without nulls, and nothing else."""
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
