"""Which columns, and did the scores, move between the rows that a model knows and new ones?

Concept: the newest rows of the table, trained and judged ones, are kept with the model; they name nobody, an entity is
a number. They are cut into parts of equal size in order of time, and how parts of one half differ from the other half
gives the usual distance: monitoring's limits (`core.monitoring.thresholds`) for samples of the size of the new rows.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.monitoring.columns import MonitoringColumns
from mlife_assets.core.monitoring.contributions import importance_shares
from mlife_assets.core.monitoring.reference import DAY
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.scorer import score_table, scorer_of
from mlife_assets.studies.answers import Answer
from mlife_assets.studies.frames import Table
from mlife_assets.studies.model import StudyModel, load

if TYPE_CHECKING:
    from mlife_assets.core.monitoring.reference import MonitoringReference

KEPT_ROWS, KEPT_DAYS = 20_000, 56
PARTS_MAXIMUM, PARTS_MINIMUM = 14, 8
PART_ROWS, PART_ROWS_MINIMUM = 200, 100
"""Rows of a part that are worth more parts, and fewest of one."""
PROBABILITY, ENTITY = "probability", "entity"


def usual_rows(artifact: ModelArtifact, rows: pa.Table, roles: ExampleSpec) -> pa.Table:
    """Return the newest of rows in order of time, at most `KEPT_ROWS`: day, inputs, probability and a number of each
    entity.
    """
    days = rows[roles.time].to_numpy().astype("datetime64[D]")
    newest = np.flatnonzero(days > days[-1] - KEPT_DAYS)
    kept = rows.take(pa.array(_spread(newest, KEPT_ROWS)))
    names = artifact.feature_spec.names
    return pa.table(
        {
            DAY: kept[roles.time],
            ENTITY: kept[roles.entity].combine_chunks().dictionary_encode().indices,
            **{name: kept[name] for name in names},
            PROBABILITY: score_table(scorer_of(artifact, threads=1), kept).probability,
        }
    )


def drift(model: StudyModel | Path | str, rows: Table, *, holds_history: bool = False) -> Answer:
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

    known = model if isinstance(model, StudyModel) else load(model)
    inputs = known.inputs(rows, holds_history=holds_history)
    new = inputs.append_column(PROBABILITY, pa.array(known.probabilities(inputs)))
    usual = known.usual_rows
    reference = _reference(known, usual, new.num_rows)
    size = next(iter(reference.pair_rows.values()))
    asked = new.take(pa.array(_spread(np.arange(new.num_rows), size)))
    report = data_drift_report(
        as_of=reference.as_of_date,
        reference=reference,
        pairs=asked,
        statistics=drift_statistics(reference, asked, engine=OwnEngine()),
    )
    shares = importance_shares(known.artifact.manifest["importance"]) or {}
    findings: list[dict[str, Any]] = []
    lines = []
    for one in report.findings:
        share = shares.get(one.column)
        if one.is_alarm:
            lines.append(one.sentence + ("" if share is None else f" It has {share:.1%} of the model's importance."))
        findings.append(
            {
                "column": one.column,
                "method": one.method,
                "distance": one.statistic,
                "limit": one.threshold,
                "has_moved": one.is_alarm,
                "importance_share": share,
            }
        )
    first, last = usual[DAY][0].as_py(), usual[DAY][-1].as_py()
    moved = f"{len(lines)} of {len(findings)} columns moved" if lines else f"none of {len(findings)} columns moved"
    lines.insert(0, f"{size:,} of {new.num_rows:,} rows beside {usual.num_rows:,} of {first} to {last}: {moved}.")
    record = {"model_version": known.model_version, "rows": new.num_rows, "compared_rows": size, "findings": findings}
    return Answer(tuple(lines), record, is_well=len(lines) == 1)


def _reference(model: StudyModel, usual: pa.Table, new_rows: int) -> MonitoringReference:
    """Return kept rows as the reference of samples as large as the new rows, or as its parts if those are smaller."""
    from mlife_assets.adapters.nannyml_calculators import learn_thresholds
    from mlife_assets.core.monitoring.reference import build_reference

    spec = model.artifact.feature_spec
    parts = PARTS_MAXIMUM if usual.num_rows >= PARTS_MAXIMUM * PART_ROWS else PARTS_MINIMUM
    size = min(new_rows, usual.num_rows // parts)
    if size < PART_ROWS_MINIMUM:
        raise NotEnoughEvidenceError(
            f"{new_rows:,} new rows and {usual.num_rows:,} kept ones, {PART_ROWS_MINIMUM} and "
            f"{PARTS_MINIMUM * PART_ROWS_MINIMUM:,} needed to tell drift from chance; gather more rows"
        )
    last: date = usual[DAY][-1].as_py()
    samples = []
    for place, part in enumerate(np.array_split(np.arange(usual.num_rows), parts)):
        day = pa.array([last - timedelta(days=parts - 1 - place)] * size, pa.date32())
        chosen = usual.take(pa.array(_spread(part, size)))
        samples.append(chosen.set_column(0, DAY, day))
    sample = pa.concat_tables(samples)
    nothing = pa.table(
        {
            "exposure_date": pa.array([], pa.date32()),
            "label_mature_date": pa.array([], pa.date32()),
            "probability": pa.array([], pa.float64()),
            "is_positive": pa.array([], pa.bool_()),
        }
    )
    numeric = tuple(name for name in spec.names if name not in spec.categorical)
    bare = build_reference(
        model_version=model.model_version,
        as_of=last,
        sample=sample.set_column(1, ENTITY, sample[ENTITY].cast(pa.string())),
        pair_rows=dict.fromkeys(sorted(set(sample[DAY].to_pylist())), size),
        examples=nothing,
        columns=MonitoringColumns(numeric=(*numeric, PROBABILITY), categorical=spec.categorical),
        ids=(ENTITY,),
    )
    return bare.with_thresholds(learn_thresholds(bare, model.reading.study.model.monitoring, is_joint=False))


def _spread(places: np.ndarray, most: int) -> np.ndarray:
    """Return at most so many of the places, evenly spread."""
    return places[np.linspace(0, len(places) - 1, min(most, len(places))).astype(np.int64)]
