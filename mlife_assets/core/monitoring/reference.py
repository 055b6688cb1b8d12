"""The monitoring reference of a model at its promotion: samples, limits, ranges and vocabularies.

Concept: the reference belongs to one model version, is small (days x fixed sample), out of sample for the model, and
never changes. A retrained model gets a new one, so drift is always measured against the serving model's own data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.monitoring.columns import LABEL, MonitoringColumns
from mlife_assets.core.monitoring.contributions import contributing
from mlife_assets.core.monitoring.thresholds import Threshold, changed_sizes
from mlife_assets.core.policies import MonitoringPolicy

DAY = "as_of_date"
DAYS_MINIMUM = 8
"""Days of a reference: two halves of four are compared to learn how days differ."""
STORED_FORM = 2
"""Version of the stored layout. Version 1 had limits of outcomes along standardised values instead of ranks."""
EXAMPLE_COLUMNS = ("exposure_date", "label_mature_date", "probability", "is_positive")


@dataclass(frozen=True)
class Profile:
    """Summary of one column of the reference; shares are those of the worst day.

    Attributes:
        column: its name.
        minimum, maximum, median, mean, standard_deviation: of its numbers; None for text.
        missing_share, zero_share: of all rows.
        most_frequent_share: of the rows that hold the most frequent value.
        values: of text, sorted; empty for numbers.
    """

    column: str
    minimum: float | None
    maximum: float | None
    median: float | None
    mean: float | None
    standard_deviation: float | None
    missing_share: float
    zero_share: float
    most_frequent_share: float
    values: tuple[str, ...]


def profile(column: str, values: pa.ChunkedArray, days: npt.NDArray[np.datetime64]) -> Profile:
    """Return the profile of a column whose n rows, float64 with NaN for missing or text, are in the order of `days`."""
    starts = np.flatnonzero(np.r_[True, days[1:] != days[:-1]])
    sizes = np.diff(np.r_[starts, len(days)])
    plain = plain_values(values)
    most_frequent_share = max(most_frequent(part)[1] for part in np.split(plain, starts[1:]))

    def worst(flags: npt.NDArray[np.bool_]) -> float:
        return float((np.add.reduceat(flags.astype(np.int64), starts) / sizes).max())

    if not pa.types.is_floating(values.type):
        known = tuple(sorted(value for value in pc.unique(values).to_pylist() if value is not None))
        missing_share = worst(np.asarray(values.is_null()))
        return Profile(
            column,
            minimum=None,
            maximum=None,
            median=None,
            mean=None,
            standard_deviation=None,
            missing_share=missing_share,
            zero_share=0.0,
            most_frequent_share=most_frequent_share,
            values=known,
        )
    return Profile(
        column,
        minimum=float(np.nanmin(plain)),
        maximum=float(np.nanmax(plain)),
        median=float(np.nanmedian(plain)),
        mean=float(np.nanmean(plain)),
        standard_deviation=float(np.nanstd(plain)),
        missing_share=worst(np.isnan(plain)),
        zero_share=worst(plain == 0),
        most_frequent_share=most_frequent_share,
        values=(),
    )


def plain_values(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Return the values of a column in the order of its rows: float64 with NaN, or text with "" for missing."""
    if pa.types.is_floating(column.type):
        values: npt.NDArray[Any] = column.to_numpy()
        return values
    return np.asarray(pc.fill_null(column, "").to_pylist(), dtype=str)


def most_frequent(values: npt.NDArray[Any]) -> tuple[str, float]:
    """Return the most frequent of `plain_values`, not counting missing ones, and its share of all rows."""
    is_number = np.issubdtype(values.dtype, np.floating)
    there = values[~np.isnan(values)] if is_number else values[values != ""]
    if len(there) == 0:
        return "none", 0.0
    found, counts = np.unique(there, return_counts=True)
    top = int(np.argmax(counts))
    return (f"{found[top]:.4g}" if is_number else str(found[top])), float(counts[top] / len(values))


@dataclass(frozen=True)
class MonitoringReference:
    """The reference of one model version.

    `ids`: columns that cluster rows, the entity's and, in a ranking, the item's. `sample`: one row per sampled pair
    (`as_of_date`, `ids`, watched, embedding and SHAP columns). `examples`: mature, scored, out of sample
    (`exposure_date`, `label_mature_date`, `probability`, `is_positive`, optional ids and feature columns), at most
    label-mature as of `as_of_date`. `steps`: the same with the probability and the outcome of each earlier step of a
    funnel, by its name. `scored_by`: models that scored an outcome's examples, version -> rows; empty for the model
    itself. `pair_rows`: candidate pairs of each reference day before sampling. `sizes`: numbers of rows with which
    `thresholds` were learned (`sizes.sizes_of`).
    """

    model_version: str
    as_of_date: date
    columns: MonitoringColumns
    ids: tuple[str, ...]
    sample: pa.Table
    examples: pa.Table
    pair_rows: Mapping[str, int]
    profiles: tuple[Profile, ...]
    thresholds: tuple[Threshold, ...] = ()
    steps: Mapping[str, pa.Table] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    scored_by: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def outcomes(self) -> tuple[str, ...]:
        """The outcomes with scored examples: the label, then earlier steps."""
        return (LABEL, *self.steps)

    def scored(self, outcome: str) -> pa.Table:
        """Return the scored examples of an outcome. Raises InvalidInputError when there are none."""
        if outcome == LABEL:
            return self.examples
        if outcome not in self.steps:
            raise InvalidInputError(f"the reference of {self.model_version} has no scored examples of {outcome}")
        return self.steps[outcome]

    @cached_property
    def content_hash(self) -> str:
        """Hash of the sample, the examples and the monitored columns: the key of stored fitted calculators."""
        columns = self.columns
        watched = (columns.watched, columns.alarming, columns.embedding, columns.contribution)
        digest = hashlib.sha256(repr(watched).encode())
        for table in (self.sample, self.examples, *self.steps.values()):
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table.combine_chunks())
            digest.update(sink.getvalue())
        return digest.hexdigest()

    @property
    def days(self) -> tuple[date, ...]:
        """The reference days, oldest first."""
        return tuple(sorted(set(self.sample[DAY].to_pylist())))

    def day(self, day: date) -> pa.Table:
        """Return the sample of one reference day."""
        return self.sample.filter(pc.equal(self.sample[DAY], pa.scalar(day, pa.date32())))

    def why_incomparable(self, pairs: pa.Table, policy: MonitoringPolicy, sizes: Sequence[str]) -> str | None:
        """Return why the sample `pairs` of a day cannot be compared with this reference; None if it can.

        Limits hold for the `sizes` (`COLUMN_SIZES` or `JOINT_SIZES`) that they were learned with, and for days of full
        samples: one of less than half the rows scatters more than they allow.
        """
        lost = [name for name in (*self.columns.watched, *self.columns.embedding) if name not in pairs.column_names]
        if lost:
            return f"Not judged: today's pairs lack {', '.join(lost)}, which data quality reports."
        if (changed := changed_sizes(self.sizes, policy, sizes)) is not None:
            return f"Not judged: {changed}; materialize monitoring_reference for {self.as_of_date} again."
        usual = min(pc.value_counts(self.sample[DAY]).field("counts").to_pylist())
        if 2 * pairs.num_rows < usual:
            return (
                f"Not judged: {pairs.num_rows:,} pairs were sampled, {usual:,} on the smallest reference day; at least "
                "half as many are needed."
            )
        return None

    def profile(self, column: str) -> Profile:
        """Return the profile of a column. Raises InvalidInputError when the reference does not have it."""
        for known in self.profiles:
            if known.column == column:
                return known
        raise InvalidInputError(f"the reference of {self.model_version} has no column {column}; rebuild the reference")

    def with_thresholds(
        self, thresholds: Sequence[Threshold], sizes: Mapping[str, int] | None = None
    ) -> MonitoringReference:
        """Return this reference with `thresholds` that were learned with `sizes`, if known."""
        return replace(self, thresholds=tuple(thresholds), sizes=dict(sizes or {}))

    def to_tables(self) -> tuple[dict[str, pa.Table], dict[str, Any]]:
        """Return ({sample, examples, one of each earlier step}, JSON-able facts), for storage as Parquet and JSON."""
        tables = {"sample": self.sample, "examples": self.examples}
        tables |= {f"{step}s": rows for step, rows in self.steps.items()}
        facts = {
            "form": STORED_FORM,
            "tables": sorted(tables),
            "model_version": self.model_version,
            "as_of_date": self.as_of_date.isoformat(),
            "columns": asdict(self.columns),
            "ids": list(self.ids),
            "steps": list(self.steps),
            "pair_rows": dict(sorted(self.pair_rows.items())),
            "profiles": [asdict(one) for one in self.profiles],
            "thresholds": [asdict(threshold) for threshold in self.thresholds],
            "sizes": dict(self.sizes),
            "scored_by": {outcome: dict(counts) for outcome, counts in self.scored_by.items()},
        }
        return tables, facts

    @classmethod
    def from_tables(cls, tables: Mapping[str, pa.Table], facts: Mapping[str, Any]) -> MonitoringReference:
        """Return the reference that `to_tables` described.

        Raises InvalidInputError when a part is missing, or when it is stored in another form.
        """
        if not is_readable(facts):
            form = facts.get("form", 1)
            raise InvalidInputError(
                f"the reference is stored in form {form}, this version reads form {STORED_FORM}; build it again"
            )
        try:
            columns: dict[str, Any] = {
                name: {key: tuple(values) for key, values in value.items()} if name == "closed" else tuple(value)
                for name, value in facts["columns"].items()
            }
            return cls(
                model_version=facts["model_version"],
                as_of_date=date.fromisoformat(facts["as_of_date"]),
                columns=MonitoringColumns(**columns),
                ids=tuple(facts["ids"]),
                sample=tables["sample"],
                examples=tables["examples"],
                pair_rows=dict(facts["pair_rows"]),
                profiles=tuple(Profile(**p | {"values": tuple(p["values"])}) for p in facts["profiles"]),
                thresholds=tuple(Threshold(**threshold) for threshold in facts["thresholds"]),
                steps={step: tables[f"{step}s"] for step in facts["steps"]},
                sizes=dict(facts["sizes"]),
                scored_by=facts.get("scored_by", {}),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInputError(f"this is not a stored reference ({error!r}); write it with to_tables") from error


def is_readable(facts: Mapping[str, Any]) -> bool:
    """Return whether stored facts are of the form that `MonitoringReference.from_tables` reads."""
    return bool(facts.get("form", 1) == STORED_FORM)


def build_reference(
    *,
    model_version: str,
    as_of: date,
    sample: pa.Table,
    pair_rows: Mapping[date, int],
    examples: pa.Table,
    columns: MonitoringColumns,
    ids: Sequence[str],
    steps: Mapping[str, pa.Table] | None = None,
) -> MonitoringReference:
    """Return a reference without thresholds from sampled pairs and scored mature examples.

    `sample` holds `as_of_date`, `ids` and the pair columns of at least 8 drift-free days, each of the same sample size;
    SHAP values beside them (`contributions.with_contributions`) are watched jointly too. Columns of `columns` that the
    sample lacks, or that are missing throughout, are not watched. `steps` are scored mature examples of the earlier
    steps of a funnel. Raises NotEnoughEvidenceError on too few days and InvalidInputError on days
    without a pair count or immature examples.
    """
    days = sorted(set(sample[DAY].to_pylist()))
    if len(days) < DAYS_MINIMUM:
        raise NotEnoughEvidenceError(f"the reference has {len(days)} days, {DAYS_MINIMUM} needed; sample more days")
    uncounted = [day.isoformat() for day in days if day not in pair_rows]
    if uncounted:
        raise InvalidInputError(f"pair_rows lacks {', '.join(uncounted)}; count the pairs of every sampled day")
    earlier = steps or {}
    scored = [examples, *earlier.values()]
    for table in scored:
        check_examples(table, as_of)
    present = [name for name in sample.column_names if sample[name].null_count < sample.num_rows]
    residual = tuple(name for name in columns.residual if all(name in table.column_names for table in scored))
    columns = replace(
        columns.restricted_to(present), residual=residual, contribution=contributing(sample, columns.unalarmed)
    )
    wanted = [*columns.watched, *columns.embedding, *(name for name in columns.closed if name not in columns.watched)]
    order = pc.sort_indices(sample, sort_keys=[(DAY, "ascending")])
    kept = tidy(sample.take(order), columns, [*ids, *wanted, *columns.contribution])
    return MonitoringReference(
        model_version,
        as_of,
        columns,
        tuple(ids),
        kept,
        _kept(examples, columns, ids),
        {day.isoformat(): int(pair_rows[day]) for day in days},
        tuple(profile(name, kept[name], kept[DAY].to_numpy()) for name in wanted),
        steps={step: _kept(rows, columns, ids) for step, rows in earlier.items()},
    )


def tidy(table: pa.Table, columns: MonitoringColumns, names: Sequence[str]) -> pa.Table:
    """Return the day and columns `names` of `table`: numbers as float64 with NaN for null, everything else as string.

    Raises InvalidInputError naming a column that the table lacks.
    """
    arrays: dict[str, pa.Array] = {}
    numeric = {*columns.numeric, *columns.embedding, *columns.contribution}
    if DAY in table.column_names:
        arrays[DAY] = table[DAY].cast(pa.date32())
    for name in names:
        if name not in table.column_names:
            raise InvalidInputError(f"the sampled pairs lack column {name}; sample the columns of the reference")
        arrays[name] = pa.array(numbers(table, name)) if name in numeric else table[name].cast(pa.string())
    return pa.table(arrays)


def numbers(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    """Return a numeric column as float64, shape (n,), NaN for null."""
    column = table[name].cast(pa.float64())
    filled = pc.fill_null(column, float("nan")) if column.null_count else column
    found: npt.NDArray[np.float64] = filled.to_numpy().astype(np.float64)
    return found


def check_examples(examples: pa.Table, as_of: date) -> None:
    """Raise InvalidInputError unless every scored example has its columns and a label that is mature as of `as_of`."""
    for name in EXAMPLE_COLUMNS:
        if name not in examples.column_names:
            raise InvalidInputError(f"the scored examples lack column {name}; pass {', '.join(EXAMPLE_COLUMNS)}")
        if examples[name].null_count:
            row = int(np.flatnonzero(np.asarray(examples[name].is_null()))[0])
            raise InvalidInputError(f"{name} of example {row} is null; pass only scored examples with mature labels")
    late = np.flatnonzero(np.asarray(pc.greater(examples["label_mature_date"], pa.scalar(as_of, pa.date32()))))
    if len(late):
        row = int(late[0])
        mature = examples["label_mature_date"][row].as_py()
        raise InvalidInputError(
            f"label_mature_date of example {row} is {mature}, after as_of {as_of}; pass only labels that are mature"
        )
    probability = examples["probability"].to_numpy().astype(np.float64)
    wrong = np.flatnonzero(~((probability >= 0) & (probability <= 1)))
    if len(wrong):
        row = int(wrong[0])
        raise InvalidInputError(f"probability of example {row} is {probability[row]}; score it with the champion")


def _kept(examples: pa.Table, columns: MonitoringColumns, ids: Sequence[str]) -> pa.Table:
    """Return the columns for learning limits of outcomes, with ids, if any, for clusters."""
    known = [name for name in ids if name in examples.column_names]
    return examples.select([*EXAMPLE_COLUMNS, *known, *columns.residual])
