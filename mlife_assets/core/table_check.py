"""Check of a table before training: all of its faults at once, and the difference that its gate can detect.

Concept: a *fault* stops a training, a *warning* makes its model worse or its verdict untrue, a *note* is information.
Each names column, rows and remedy. Faults come from the code by which a training refuses; the rest is found on evenly
spaced rows. The gate's power is measured on its own days with two quick, typical rankings: small trees and a weighted
sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from math import ceil
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.quoting import quoted
from mlife_assets.core.scoring.feature_spec import VOCABULARY_MAXIMUM, examples_matrix, fit_feature_spec
from mlife_assets.core.study import Study
from mlife_assets.core.training.example_training import gate_start, require_complete, training_rows
from mlife_assets.core.training.gate import CHALLENGER, SIMPLE
from mlife_assets.core.training.gate.comparing import evaluate
from mlife_assets.core.training.judgement import GateRows
from mlife_assets.core.training.known_examples import as_known
from mlife_assets.core.training.label_times import LabelTimes, guessed, label_times
from mlife_assets.core.training.required import (
    SEPARATION_MAXIMUM,
    Fingerprints,
    fingerprints,
    giveaway_words,
    separations,
    with_outcome,
)
from mlife_assets.core.training.simple_rule import fit_simple_rule

Severity = Literal["fault", "warning", "note"]
ROWS_EXAMINED = 20_000
IDENTIFIER_SHARE = 0.5
"""Ratio of distinct values to rows from which on a column identifies rows."""
WORDS_OF_TEXT = 4
DEAD_DAYS, DEAD_ROWS = 7, 20
"""A column is dead if it is empty on so many days, which used to have so many of its rows."""
COPIES_MINIMUM, COPIES_SHARE, COPIES_TIMES_CHANCE = 5, 0.001, 5
"""Minimum, share of rows and multiple of chance from which on copies under other ids are reported."""
NOBODY = "\x01"
"""Column that replaces the entity when rows are compared without it."""
RESAMPLES = 200
MARGIN = 0.01
"""The difference that a gate should be able to detect."""


@dataclass(frozen=True, eq=False)
class ReadTable:
    """A table after reading.

    Attributes:
        rows: existing columns of the roles; unreadable values are null.
        faults: sentences on unreadable values.
        cut: column of days -> rows that lost a time of day.
        types: column of the file -> type that it was read as, in the words of the reader.
    """

    rows: pa.Table
    faults: tuple[str, ...] = ()
    cut: Mapping[str, int] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """One finding on a table: `kind` is a stable name, `column` its column, if any."""

    severity: Severity
    kind: str
    column: str | None
    sentence: str


@dataclass(frozen=True)
class Power:
    """Power of the gate.

    Attributes:
        half_width: of the 95 % interval of a difference in the objective.
        objective: metric of the differences.
        gate_days: days of the gate.
        more_days: similar days needed in addition to detect a difference of `MARGIN`.
    """

    half_width: float
    objective: str
    gate_days: int
    more_days: int


@dataclass(frozen=True)
class TableReport:
    """The report on a table. A part is None if a fault prevents it."""

    rows: int
    positives: int
    findings: tuple[Finding, ...]
    label_times: LabelTimes | None = None
    power: Power | None = None

    @property
    def faults(self) -> tuple[str, ...]:
        """Sentences of the faults, which stop a training."""
        return tuple(one.sentence for one in self.findings if one.severity == "fault")


def check_table(read: ReadTable, study: Study, today: date) -> TableReport:
    """Return the report on a table before training. The order of rows changes no finding.

    Args:
        read: the table.
        study: roles, policies and the gate's share of the days.
        today: labels complete after this day are unknown yet.
    """
    rows, roles = read.rows, study.model.roles
    faults = [*read.faults, *roles.faults(rows)]
    found = [Finding("fault", "unreadable", None, one) for one in faults]
    found += _cut_times(read, roles)
    named = [name for name in (*roles.features, *roles.categoricals) if name in rows.column_names]
    few = rows.take(pa.array(np.linspace(0, rows.num_rows - 1, min(rows.num_rows, ROWS_EXAMINED)).astype(np.int64)))
    if rows.num_rows:
        days = None if roles.time not in rows.column_names else rows[roles.time]
        found += [one for name in named for one in _of_column(name, rows[name], few[name], days)]
        found += _copied_columns(few, named)
    power, times, positives = None, None, 0
    if not faults:
        positives = int(pc.sum(rows[roles.label]).as_py() or 0)
        found += _of_training(rows, study, today)
        found += _of_outcomes(few, roles)
        times = label_times(rows, roles, pc.max(rows[roles.label_time]).as_py())
        if times.remark is not None:
            severity: Severity = "warning" if times.depends_on_outcome else "note"
            found.append(Finding(severity, "label_times", roles.label_time, times.remark))
        found += _copied_rows(rows, roles)
        if not any(one.severity == "fault" for one in found):
            power, words = _power(rows, study)
            found += [Finding("note", "power", None, words)]
    order = ("fault", "warning", "note")
    found.sort(key=lambda one: order.index(one.severity))
    return TableReport(rows.num_rows, positives, tuple(found), times, power)


def _cut_times(read: ReadTable, roles: ExampleSpec) -> Iterator[Finding]:
    for name, count in read.cut.items():
        known = f"{name} holds times of day in {count:,} of {read.rows.num_rows:,} rows, which are cut to days"
        if name == roles.time:
            text = f"{known}: features count as known on that morning, so leave out what came later on the day"
        else:
            text = f"{known}: values known at night count as known that morning; derive the day after, {name} + 1"
        yield Finding("warning", "times_cut_to_days", name, f"{text}.")


def _of_column(
    name: str, column: pa.ChunkedArray, few: pa.ChunkedArray, days: pa.ChunkedArray | None
) -> Iterator[Finding]:
    """Yield the faults of a feature; `few` are its examined rows."""
    said = partial(Finding, "warning", column=name)
    count, filled = len(column), len(column) - column.null_count
    if not filled:
        yield said("dead", sentence=f"{name} is missing in every row; leave it out.")
        return
    distinct = pc.count_distinct(few, mode="only_valid").as_py()
    if filled == count and distinct == 1 and pc.count_distinct(column).as_py() == 1:
        value = quoted(column[0].as_py())
        yield said("constant", sentence=f"{name} is {value} in every row, which tells none apart; leave it out.")
        return
    if days is not None and days.null_count == 0:
        last = pc.max(days.filter(column.is_valid()))
        since = pc.sum(pc.greater(days, last)).as_py()
        if (pc.max(days).as_py() - last.as_py()).days >= DEAD_DAYS and since * filled >= DEAD_ROWS * (count - since):
            text = f"{name} is missing in every row since {last}; mend what delivers it, or leave it out"
            yield said("dead", sentence=f"{text}, since a model would rely on what no longer comes.")
    known = len(few) - few.null_count
    is_unlike, is_text = known >= 100 and distinct > IDENTIFIER_SHARE * known, pa.types.is_string(column.type)
    if is_unlike and not is_text:
        values = few.drop_null().to_numpy()
        if distinct == known and np.all(values == np.round(values)):
            text = f"{name} looks like an identifier: each of {known:,} rows examined has a whole number of its own"
            yield said("identifier", sentence=f"{text}; leave it out.")
    elif is_unlike:
        words = pc.mean(pc.list_value_length(pc.utf8_split_whitespace(few.drop_null()))).as_py()
        if words >= WORDS_OF_TEXT:
            text = f"{name} holds free text, {words:.0f} words on average, of which a model sees nothing"
            more = f"derive numbers from it (length({name}), {name} ilike '%word%'), or leave it out"
            yield said("free_text", sentence=f"{text}; {more}.")
        else:
            text = f"{name} looks like an identifier: {distinct:,} values in {known:,} rows examined"
            yield said("identifier", sentence=f"{text}; leave it out, or derive features from it.")
    elif is_text and distinct > VOCABULARY_MAXIMUM:
        counts = np.sort(pc.value_counts(few.drop_null()).field("counts").to_numpy())[::-1]
        rest = counts[VOCABULARY_MAXIMUM:].sum() / known
        text = f"{name} has more than {VOCABULARY_MAXIMUM} values; those beyond the most frequent count as missing"
        yield Finding("note", "many_values", name, f"{text}, {rest:.0%} of the rows: group rare ones with derive.")


def _copied_columns(few: pa.Table, names: list[str]) -> Iterator[Finding]:
    """Yield each column whose values are ordered as an earlier one's: a copy, or another unit."""
    seen: dict[bytes, str] = {}
    for name in names:
        column = few[name].combine_chunks()
        if pa.types.is_string(column.type):
            codes = column.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        else:
            codes = np.unique(pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy(), return_inverse=True)[1]
        if len(np.unique(codes)) < 2:
            continue
        key = np.ascontiguousarray(codes, dtype=np.int64).tobytes()
        if (other := seen.setdefault(key, name)) != name:
            text = f"{name} is a copy of {other}, perhaps in another unit, in all {len(few):,} rows examined; keep one"
            yield Finding("warning", "copied_column", name, f"{text}.")


def _of_training(rows: pa.Table, study: Study, today: date) -> Iterator[Finding]:
    """Yield faults that a training would refuse."""
    for step in (
        lambda: require_complete(rows, study.model.roles, today),
        lambda: training_rows(rows, study.model, study.gate_share, study.validation_share),
    ):
        try:
            step()
        except (InvalidInputError, NotEnoughEvidenceError) as error:
            yield Finding("fault", "refused", None, str(error))


def _of_outcomes(few: pa.Table, roles: ExampleSpec) -> Iterator[Finding]:
    """Yield features that give the label away."""
    outcome = _flags(few[roles.label])
    if 0 < outcome.sum() < len(outcome):
        spec = fit_feature_spec(few, roles)
        for one in separations(examples_matrix(few, spec), outcome, spec):
            if one.area > SEPARATION_MAXIMUM:
                yield Finding("warning", "gives_the_outcome_away", one.feature, giveaway_words(one))


def _copied_rows(rows: pa.Table, roles: ExampleSpec) -> Iterator[Finding]:
    """Yield rows that repeat another of their day, under the same ids or under others.

    Chance repeats are measured on rows of different days; columns that are constant within a day, such as the weather,
    are left out.
    """
    spec = fit_feature_spec(rows, roles)
    day = rows[roles.time].to_numpy().astype("datetime64[D]").astype(np.int64)
    outcome = _flags(rows[roles.label])
    ids = with_outcome(fingerprints(rows, roles, spec), outcome)
    if twice := len(ids) - len(np.unique(_on_day(ids, day))):
        text = f"{twice:,} of {len(ids):,} rows are there more than once, ids and day included; keep each once"
        yield Finding("warning", "copied_rows", None, f"{text}.")
    keys = [roles.time, *roles.ids]
    if again := len(ids) - twice - rows.group_by(keys).aggregate([]).num_rows:
        text = f"{again:,} of {len(ids):,} rows share {', '.join(keys)} with another, which the gate refuses"
        yield Finding("warning", "repeated_ids", roles.entity, f"{text}; name as entity what one row is about.")
    varied = _varied_within_days(rows, roles, day)
    if not varied:
        return
    nobody = rows.append_column(NOBODY, pa.array(np.zeros(len(ids), dtype=np.int64)))
    prints = with_outcome(fingerprints(nobody, replace(roles, entity=NOBODY, item=None), spec.only(varied)), outcome)
    same_day, all_pairs, alike = _pairs(day), len(ids) * (len(ids) - 1) / 2, _pairs(_on_day(prints, day))
    by_chance = (_pairs(prints) - alike) * same_day / max(all_pairs - same_day, 1)
    repeated = alike - _pairs(_on_day(ids, day))
    if repeated >= max(COPIES_MINIMUM, COPIES_SHARE * len(ids)) and repeated > COPIES_TIMES_CHANCE * by_chance:
        text = (
            f"About {repeated:,.0f} of {len(ids):,} rows repeat another of their day in every feature and the outcome, "
            f"under another {roles.entity}, where {by_chance:,.0f} would by chance"
        )
        yield Finding("warning", "copied_rows", roles.entity, f"{text}; if they are copies, keep each once.")


def _on_day(prints: Fingerprints, day: npt.NDArray[np.int64]) -> Fingerprints:
    """Return fingerprints that include the day."""
    return prints ^ (day.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))


def _varied_within_days(rows: pa.Table, roles: ExampleSpec, day: npt.NDArray[np.int64]) -> list[str]:
    order = np.argsort(day, kind="stable")
    is_same_day = np.diff(day[order]) == 0
    varied = []
    for name in (*roles.features, *roles.categoricals):
        column = rows[name].combine_chunks()
        codes = pc.fill_null(column.dictionary_encode().indices, -1).to_numpy(zero_copy_only=False)[order]
        if np.any((np.diff(codes) != 0) & is_same_day):
            varied.append(name)
    return varied


def _pairs(keys: npt.NDArray[Any]) -> float:
    """Return the number of pairs of equal keys."""
    _, counts = np.unique(keys, return_counts=True)
    return float(np.sum(counts * (counts - 1.0) / 2))


def _power(rows: pa.Table, study: Study) -> tuple[Power | None, str]:
    """Return the gate's power, and the same in words."""
    model, roles = study.model, study.model.roles
    start = gate_start(rows, model, study.gate_share)
    before = as_known(rows, roles, start)
    known = before.filter(before[roles.label].is_valid())
    known = known.take(
        pa.array(np.linspace(0, known.num_rows - 1, min(known.num_rows, ROWS_EXAMINED)).astype(np.int64))
    )
    gate = rows.filter(pc.field(roles.time) >= pa.scalar(start))
    spec, outcome = fit_feature_spec(known, roles), _flags(known[roles.label])
    learned, asked = examples_matrix(known, spec), examples_matrix(gate, spec)
    categorical = [spec.names.index(name) for name in spec.categorical]
    (trees,) = guessed(learned, [outcome.astype(np.float64)], asked, categorical)
    rule = fit_simple_rule(spec.expanded(learned), outcome, spec, model.simple_columns)
    scores = {CHALLENGER: trees, SIMPLE: rule.score(asked, spec)}
    policy = replace(model.promotion, bootstrap_resamples=RESAMPLES)
    evaluation = evaluate(GateRows.of_examples(gate, roles).examples, scores, {}, policy)
    unmet = [one.sentence for one in evaluation.evidence if not one.is_met]
    days = (pc.max(gate[roles.time]).as_py() - start).days + 1
    if not (compared := evaluation.against(SIMPLE)):
        return None, f"The gate's {days} days can show nothing yet: {' '.join(unmet)}"
    delta = compared[0].delta
    half = (delta.upper - delta.lower) / 2
    more = max(0, ceil(days * ((half / MARGIN) ** 2 - 1)))
    objective = "average precision" if roles.item is None else f"MAP@{policy.ranking_depth}"
    text = f"The gate's {days} days, from {start} on, can show a difference of +-{half:.3f} in {objective}"
    if more:
        text += f"; +-{MARGIN:g} takes about {more:,} more days to judge on"
    return Power(half, objective, days, more), " ".join([f"{text}.", *unmet])


def _flags(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=bool)
