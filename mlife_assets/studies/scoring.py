"""Score rows with the model of a table, and judge it on labelled ones."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.studies.answers import Answer
from mlife_assets.studies.frames import Table, source_of, with_columns
from mlife_assets.studies.model import AdoptedModel, Known, mature_rows, opened

PROBABILITY, REASONS = "probability", "reasons"


def score(model: Known, rows: Table, *, reasons: bool = False, holds_history: bool = False) -> Any:
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

    known = opened(model)
    if reasons and isinstance(known, AdoptedModel):
        raise InvalidInputError(f"{known.model_version} gives no reasons: its inside is not known; ask for none")
    source = source_of(rows)
    written = source if isinstance(source, pa.Table) else read_as_written(source)
    inputs = known.inputs(source, holds_history=holds_history)
    if inputs.num_rows != written.num_rows:
        raise InvalidInputError(
            f"{source} has {written.num_rows:,} lines and {inputs.num_rows:,} rows; convert it to Parquet"
        )
    columns = {PROBABILITY: pa.array(known.probabilities(inputs))}
    if not isinstance(known, AdoptedModel) and reasons:
        scorer, found = known.scorer, []
        for start in range(0, inputs.num_rows, ROWS_AT_ONCE):
            matrix = examples_matrix(inputs.slice(start, ROWS_AT_ONCE), scorer.feature_spec)
            found += strongest_reasons(scorer, matrix, {})
        columns[REASONS] = pa.array(found, pa.list_(pa.string()))
    return with_columns(rows, written, columns)


def judge(model: Known, table: Table) -> Answer:
    """Judge a model on labelled rows: its ranking beside chance and the rivals that it had, and its probabilities.

    A model holds, which `is_well` says, if it is shown to rank better than chance and than the rule of the spec, and
    its probabilities are not shown to be off. Rows that it was trained on may be among them, which is said.

    Args:
        model: a model or its folder.
        table: rows with the columns of the training, label and label time too, or a file.

    Raises:
        NotFoundError: there is no such file or model.
        InvalidInputError: the table has faults, or a label is not complete yet; names the first.
    """
    from mlife_assets.core.training.example_training import human_of
    from mlife_assets.core.training.gate.comparing import CHALLENGER, evaluate
    from mlife_assets.core.training.gate.verdict import NAMES, SIMPLE, compared, is_calibrated, other_side
    from mlife_assets.core.training.judgement import GateRows, measured_calibration
    from mlife_assets.core.training.manifest_facts import last_trained_day
    from mlife_assets.core.training.simple_rule import simple_scores

    known = opened(model)
    study = known.reading.study
    roles, policy = study.model.roles, study.model.promotion
    rows, _ = mature_rows(known, table)
    gate = GateRows.of_examples(rows, roles)
    probability = known.probabilities(rows)
    scores, versions, names = {CHALLENGER: probability}, {CHALLENGER: known.model_version}, dict(NAMES)
    if (human := human_of(study.model, rows)) is not None:
        scores["human"], versions["human"], names["human"] = human.scores, human.name, human.named
    if isinstance(known, AdoptedModel):
        trained, simple = None, known.simple_scores(rows)
        names[SIMPLE] = "a simple rule that was fitted on the known rows"
    else:
        trained = last_trained_day(known.artifact.manifest)
        simple = simple_scores(known.artifact, gate.matrix(known.artifact.feature_spec))
    if simple is not None:
        scores[SIMPLE] = simple
    evaluation = evaluate(gate.examples, scores, versions, policy)
    objective = "average precision" if roles.item is None else f"MAP@{policy.ranking_depth}"
    measured = measured_calibration(probability, rows, roles)
    thin = [one.sentence for one in evaluation.evidence if not one.is_met]
    unbeaten = [one for one in evaluation.comparisons if one.is_for_a_win and not one.delta.lower > 0]
    calibrated = is_calibrated(measured, policy)
    is_well = not (thin or unbeaten) and all(one.is_met for one in calibrated)
    verdict = "it holds" if is_well else "not enough evidence" if thin else "it does not hold"
    first, last = (end(rows[roles.time]).as_py() for end in (pc.min, pc.max))
    positives = int(np.count_nonzero(gate.examples.is_relevant))
    lines = [f"{rows.num_rows:,} examples of {first} to {last}, {positives:,} positive: {verdict}.", *thin]
    if trained is not None and first <= trained:
        lines.append(f"The model learned from days up to {trained}: on rows of these it looks better than it is.")
    for one in evaluation.comparisons:
        unshown = ", not shown to be better" if one in unbeaten else ""
        lines.append(f"Against {other_side(one, names)}: {compared(one, objective)}{unshown}.")
    lines += [one.sentence for one in calibrated]
    record = {
        "model_version": known.model_version,
        "rows": rows.num_rows,
        "positives": positives,
        "first_day": first,
        "last_day": last,
        "trained_to": trained,
        "verdict": verdict,
        "objective": objective,
        "comparisons": [asdict(one) for one in evaluation.comparisons],
        "calibration": None if measured is None else asdict(measured),
    }
    return Answer(tuple(lines), record, is_well=is_well)
