"""Which columns, and did the scores, move between the rows that a model knows and new ones?

Concept: the newest rows of the table, trained and judged ones, are kept with the model; they name nobody, an entity is
a number. They are cut into parts of equal size in order of time, and how parts of one half differ from the other half
gives the usual distance: monitoring's limits (`core.monitoring.thresholds`) for samples of the size of the new rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.monitoring.columns import MonitoringColumns
from mlife_assets.core.monitoring.contributions import importance_shares
from mlife_assets.core.monitoring.outcomes import METRICS
from mlife_assets.core.monitoring.reference import DAY
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.core.statistics import student_lower_bound
from mlife_assets.studies.answers import Answer
from mlife_assets.studies.frames import Table
from mlife_assets.studies.model import AdoptedModel, Known, StudyModel, opened

if TYPE_CHECKING:
    from mlife_assets.core.monitoring.reference import MonitoringReference
    from mlife_assets.core.scoring.feature_spec import Array

KEPT_ROWS, KEPT_DAYS = 20_000, 56
PARTS_MAXIMUM, PARTS_MINIMUM = 14, 8
PART_ROWS, PART_ROWS_MINIMUM = 200, 100
"""Rows of a part that are worth more parts, and fewest of one."""
PROBABILITY, ENTITY, ANSWER = "probability", "entity", "(label)"
OURS = {DAY: "day", ENTITY: "entity", ANSWER: "answer", PROBABILITY: "probability"}
"""Columns of `usual_rows` that are ours, which no feature may be called by."""
ESTIMATED = {**METRICS, "log_loss": "log loss", "positive_share": "share of positives"}
"""What is estimated of new rows; METRICS alarm."""


def name_faults(roles: ExampleSpec) -> Iterator[str]:
    """Yield a sentence for each feature that has the name of a column that mlife adds."""
    for role in ("features", "categoricals"):
        for name in getattr(roles, role):
            if name in OURS:
                yield f"{role} names {name}, under which mlife keeps a row's {OURS[name]}; rename it in table and spec"


def usual_rows(
    rows: pa.Table,
    roles: ExampleSpec,
    names: Sequence[str],
    probability: Callable[[pa.Table], Array],
    has_answers: bool = False,
) -> pa.Table:
    """Return the newest of rows in order of time, at most `KEPT_ROWS`: day, inputs, probability and a number of each
    entity; the label too if it `has_answers`.
    """
    days = rows[roles.time].to_numpy().astype("datetime64[D]")
    newest = np.flatnonzero(days > days[-1] - KEPT_DAYS)
    kept = rows.take(pa.array(_spread(newest, KEPT_ROWS)))
    return pa.table(
        {
            DAY: kept[roles.time],
            ENTITY: kept[roles.entity].combine_chunks().dictionary_encode().indices,
            **{name: kept[name] for name in names},
            PROBABILITY: probability(kept),
            **({ANSWER: kept[roles.label]} if has_answers else {}),
        }
    )


def drift(model: Known, rows: Table, *, holds_history: bool = False) -> Answer:
    """Say which columns moved between the rows that a model was trained and judged on and new ones, and its scores.

    `as_dict()["findings"]` has each column's distance and limit; `is_well` is whether none moved.

    Args:
        model: a model or its folder.
        rows: new rows, as for `score`.
        holds_history: as for `score`.

    Raises:
        NotFoundError: there is no such file or model, or its folder keeps no rows.
        InvalidInputError: as of `score`.
        NotEnoughEvidenceError: too few rows, new or kept.
    """
    from mlife_assets.adapters.nannyml_calculators import drift_statistics
    from mlife_assets.adapters.own_calculators import OwnEngine
    from mlife_assets.core.monitoring.drift import data_drift_report

    known = opened(model)
    inputs = known.inputs(rows, holds_history=holds_history)
    usual, probability = known.usual_rows, pa.array(known.probabilities(inputs))
    new = inputs.drop_columns([name for name in (PROBABILITY,) if name in inputs.column_names])
    new = new.append_column(PROBABILITY, probability)
    reference = _reference(known, usual, new.num_rows)
    size = next(iter(reference.pair_rows.values()))
    asked = new.take(pa.array(_spread(np.arange(new.num_rows), size)))
    report = data_drift_report(
        as_of=reference.as_of_date,
        reference=reference,
        pairs=asked,
        statistics=drift_statistics(reference, asked, engine=OwnEngine()),
    )
    manifest = {} if isinstance(known, AdoptedModel) else known.artifact.manifest
    shares = importance_shares(manifest.get("importance")) or {}
    findings: list[dict[str, Any]] = []
    lines = []
    for one in report.findings:
        share = shares.get(one.column)
        if one.is_alarm:
            lines.append(one.sentence + ("" if share is None else f" It has {share:.1%} of the model's importance."))
        found = {"column": one.column, "method": one.method, "distance": one.statistic, "limit": one.threshold}
        findings.append({**found, "has_moved": one.is_alarm, "importance_share": share})
    estimates = _estimates(usual, new, known.reading.study.model.monitoring) if ANSWER in usual.column_names else []
    first, last = usual[DAY][0].as_py(), usual[DAY][-1].as_py()
    moved = f"{len(lines)} of {len(findings)} columns moved" if lines else f"none of {len(findings)} columns moved"
    lines.insert(0, f"{size:,} of {new.num_rows:,} rows beside {usual.num_rows:,} of {first} to {last}: {moved}.")
    is_well = len(lines) == 1 and not any(one["has_fallen"] for one in estimates)
    for each in estimates:
        limit, beside = each["limit"], "below" if each["has_fallen"] else "above"
        words = f"Estimated {ESTIMATED[each['metric']]} {each['estimated']:.3f}, {each['known']:.3f} on known rows"
        lines.append(f"{words}." if limit is None else f"{words}: {beside} the limit {limit:.3f}.")
    if estimates:
        lines.append("An estimate takes the probabilities to mean what they meant; what changed in that, labels show.")
    record = {"model_version": known.model_version, "rows": new.num_rows, "compared_rows": size, "findings": findings}
    return Answer(tuple(lines), record | {"estimates": estimates}, is_well=is_well)


def _estimates(usual: pa.Table, new: pa.Table, policy: MonitoringPolicy) -> list[dict[str, Any]]:
    """Return what to expect of new rows before their answers are known (CBPE, fitted on the known rows).

    A limit is learned from what parts of these came to, each as large as the new rows or as a part can be.
    """
    from mlife_assets.adapters.own_calculators import OwnEngine, realised

    scores, answers = usual[PROBABILITY].to_numpy(), usual[ANSWER].to_numpy(zero_copy_only=False)
    if not 0 < answers.mean() < 1:
        return []
    estimated, known = OwnEngine().estimated(scores, answers), realised(scores, answers)
    expected, of_known = estimated(new[PROBABILITY].to_numpy()), estimated(scores)
    parts = [realised(scores[one], answers[one]) for one in _parts(usual, new.num_rows) if 0 < answers[one].mean() < 1]
    rate, count, found = policy.false_alarm_rate_per_day / len(METRICS), len(parts), []
    for metric in ESTIMATED:
        value, limit = expected[metric] - (of_known[metric] - known[metric]), None  # equal scores bias an estimate
        if metric in METRICS and count >= PARTS_MINIMUM:
            values = np.array([one[metric] for one in parts])
            error = float(values.std(ddof=1)) * (1 + 1 / count) ** 0.5
            limit = student_lower_bound(float(values.mean()), error, rate, count)
        values_of = {"metric": metric, "estimated": value, "known": known[metric], "limit": limit}
        found.append({**values_of, "has_fallen": limit is not None and value < limit})
    return found


def _parts(usual: pa.Table, new_rows: int) -> list[np.ndarray]:
    """Return the rows of parts of the kept rows in order of time, each of as many rows as there are new ones, or fewer.

    Raises NotEnoughEvidenceError when that are too few.
    """
    parts = PARTS_MAXIMUM if usual.num_rows >= PARTS_MAXIMUM * PART_ROWS else PARTS_MINIMUM
    size = min(new_rows, usual.num_rows // parts)
    if size < PART_ROWS_MINIMUM:
        raise NotEnoughEvidenceError(
            f"{new_rows:,} new rows and {usual.num_rows:,} kept ones, {PART_ROWS_MINIMUM} and "
            f"{PARTS_MINIMUM * PART_ROWS_MINIMUM:,} needed to tell drift from chance; gather more rows"
        )
    return [_spread(part, size) for part in np.array_split(np.arange(usual.num_rows), parts)]


def _reference(model: StudyModel | AdoptedModel, usual: pa.Table, new_rows: int) -> MonitoringReference:
    """Return kept rows as the reference of samples as large as the new rows, or as its parts if those are smaller."""
    from mlife_assets.adapters.nannyml_calculators import learn_thresholds
    from mlife_assets.core.monitoring.reference import build_reference

    parts = _parts(usual, new_rows)
    size = len(parts[0])
    last: date = usual[DAY][-1].as_py()
    samples = []
    for place, part in enumerate(parts):
        day = pa.array([last - timedelta(days=len(parts) - 1 - place)] * size, pa.date32())
        samples.append(usual.take(pa.array(part)).set_column(0, DAY, day))
    sample = pa.concat_tables(samples)
    days, more = dict.fromkeys(("exposure_date", "label_mature_date"), pa.date32()), {"is_positive": pa.bool_()}
    nothing = pa.schema({**days, "probability": pa.float64(), **more}).empty_table()
    inputs = [name for name in usual.column_names if name not in (DAY, ENTITY, ANSWER)]
    words = tuple(name for name in inputs if pa.types.is_string(usual.schema.field(name).type))
    bare = build_reference(
        model_version=model.model_version,
        as_of=last,
        sample=sample.set_column(1, ENTITY, sample[ENTITY].cast(pa.string())),
        pair_rows=dict.fromkeys(sorted(set(sample[DAY].to_pylist())), size),
        examples=nothing,
        columns=MonitoringColumns(numeric=tuple(name for name in inputs if name not in words), categorical=words),
        ids=(ENTITY,),
    )
    return bare.with_thresholds(learn_thresholds(bare, model.reading.study.model.monitoring, is_joint=False))


def _spread(places: np.ndarray, most: int) -> np.ndarray:
    """Return at most so many of the places, evenly spread."""
    return places[np.linspace(0, len(places) - 1, min(most, len(places))).astype(np.int64)]
