"""Score rows with the model of a table, and judge it on labelled ones."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.studies.answers import Answer
from mlife_assets.studies.frames import Table, source_of, with_columns
from mlife_assets.studies.model import StudyModel, load

PROBABILITY, REASONS = "probability", "reasons"


def score(model: StudyModel | Path | str, rows: Table, *, reasons: bool = False, holds_history: bool = False) -> Any:
    """Return rows with the column `probability`, and with `reasons` if asked for, the strongest first.

    DataFrames of pandas and polars come back as they came; the rows of a file, and others, as an Arrow table. A
    category that the training did not have counts as missing, as it does at the endpoint.

    Args:
        model: a model or its folder.
        rows: a table with the columns that the training had, or a file.
        reasons: also say why.
        holds_history: whether the earlier rows are among them that columns which the spec derives look back at.

    Raises:
        NotFoundError: there is no such file or model.
        InvalidInputError: rows lack a column, hold an unreadable value or a column of these names, or a column is
            derived from other rows and `holds_history` is not said; names it.
    """
    from mlife_assets.adapters.example_files import read_as_written
    from mlife_assets.core.scoring.feature_spec import examples_matrix
    from mlife_assets.core.scoring.reasons import strongest_reasons
    from mlife_assets.core.scoring.scorer import ROWS_AT_ONCE

    known = model if isinstance(model, StudyModel) else load(model)
    source = source_of(rows)
    written = source if isinstance(source, pa.Table) else read_as_written(source)
    inputs = known.inputs(source, holds_history=holds_history)
    if inputs.num_rows != written.num_rows:
        raise InvalidInputError(
            f"{source} has {written.num_rows:,} lines and {inputs.num_rows:,} rows; convert it to Parquet"
        )
    columns = {PROBABILITY: pa.array(known.probabilities(inputs))}
    if reasons:
        scorer, found = known.scorer, []
        for start in range(0, inputs.num_rows, ROWS_AT_ONCE):
            matrix = examples_matrix(inputs.slice(start, ROWS_AT_ONCE), scorer.feature_spec)
            found += strongest_reasons(scorer, matrix, {})
        columns[REASONS] = pa.array(found, pa.list_(pa.string()))
    return with_columns(rows, written, columns)


def judge(model: StudyModel | Path | str, table: Table) -> Answer:
    """Judge a model on labelled rows: its ranking beside the rivals that it had, and its probabilities.

    Nothing is decided: rows that it was trained on may be among them, which is said.

    Args:
        model: a model or its folder.
        table: rows with the columns of the training, label and label time too, or a file.

    Raises:
        NotFoundError: there is no such file or model.
        InvalidInputError: the table has faults, or a label is not complete yet; names the first.
    """
    from mlife_assets.adapters.clock import SystemClock
    from mlife_assets.adapters.example_files import read_examples
    from mlife_assets.core.training.example_training import canonical, human_of, require_complete
    from mlife_assets.core.training.gate.comparing import CHALLENGER, evaluate
    from mlife_assets.core.training.gate.verdict import SIMPLE, compared, level_words, other_side, slope_words
    from mlife_assets.core.training.judgement import GateRows, measured_calibration
    from mlife_assets.core.training.manifest_facts import last_trained_day
    from mlife_assets.core.training.simple_rule import simple_scores

    known = model if isinstance(model, StudyModel) else load(model)
    study = known.reading.study
    roles, policy = study.model.roles, study.model.promotion
    found = read_examples(source_of(table), study)
    require_complete(found, roles, SystemClock().now().date())
    if not found.num_rows:
        raise InvalidInputError("the table has no examples to judge; pass rows whose label is known")
    rows = canonical(found, roles)
    gate = GateRows.of_examples(rows, roles)
    probability = known.probabilities(rows)
    scores, names = {CHALLENGER: probability}, {CHALLENGER: known.model_version}
    if (human := human_of(study.model, rows)) is not None:
        scores["human"], names["human"] = human.scores, human.name
    if (simple := simple_scores(known.artifact, gate.matrix(known.artifact.feature_spec))) is not None:
        scores[SIMPLE] = simple
    evaluation = evaluate(gate.examples, scores, names, policy)
    objective = "average precision" if roles.item is None else f"MAP@{policy.ranking_depth}"
    measured = measured_calibration(probability, rows, roles)
    first, last = (end(rows[roles.time]).as_py() for end in (pc.min, pc.max))
    positives, trained = int(np.count_nonzero(gate.examples.is_relevant)), last_trained_day(known.artifact.manifest)
    lines = [f"{rows.num_rows:,} examples of {first} to {last}, {positives:,} positive."]
    if first <= trained:
        lines.append(f"The model learned from days up to {trained}: on rows of these it looks better than it is.")
    lines += [one.sentence for one in evaluation.evidence if not one.is_met]
    lines += [f"Against {other_side(one)}: {compared(one, objective)}." for one in evaluation.comparisons]
    lines += [f"{words(measured)}." for words in (slope_words, level_words) if measured is not None]
    record = {
        "model_version": known.model_version,
        "rows": rows.num_rows,
        "positives": positives,
        "first_day": first,
        "last_day": last,
        "trained_to": trained,
        "objective": objective,
        "comparisons": [asdict(one) for one in evaluation.comparisons],
        "calibration": None if measured is None else asdict(measured),
    }
    return Answer(tuple(lines), record)
