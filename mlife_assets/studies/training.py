"""Check a table, and train a model on it that its last days judge."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Container, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pyarrow.compute as pc

import mlife_assets
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.model import Model
from mlife_assets.core.study import Study
from mlife_assets.studies.answers import Answer
from mlife_assets.studies.drifting import name_faults, usual_rows
from mlife_assets.studies.frames import Table, name_of, source_of
from mlife_assets.studies.model import (
    CARD_FILE,
    JSON,
    MODEL_FOLDER,
    PLOTS_FOLDER,
    READING_FILE,
    RESULT_FILE,
    ROWS_FILE,
    TRIALS_FILE,
    Reading,
    Spec,
    StudyModel,
    load_folder,
    spec_text,
)

if TYPE_CHECKING:
    from datetime import date

    from mlife_assets.core.table_check import ReadTable, TableReport
    from mlife_assets.core.training.boosting import Progress
    from mlife_assets.core.training.example_training import TrainedModel

EXPLAINED_ROWS = 2_000
DEPENDENCE_PLOTS = 4
STRONGEST_FEATURES = 3


@dataclass(frozen=True)
class Watching:
    """Who watches a training: of its report before it begins, of trees, and of trials of a search."""

    report: Callable[[Answer], None] | None = None
    trees: Progress | None = None
    trials: Progress | None = None


def check(table: Table, spec: Spec) -> Answer:
    """Return all that is wrong with a table and its spec, each with its remedy, and what its last days can show.

    `as_dict()["findings"]` has faults, by which a training would be refused, warnings and notes.

    Raises:
        NotFoundError: there is no such file.
        InvalidInputError: the spec is none, or does not fit the table.
    """
    study = Reading(spec_text(spec), {}).study
    return _answer(_examined(table, study)[1])


def train(
    table: Table,
    spec: Spec,
    *,
    champion: StudyModel | Path | str | None = None,
    trials: int | None = None,
    journal: Path | str | None = None,
    watching: Watching = Watching(),
) -> StudyModel:
    """Train a model on a table and judge it on the last days.

    Args:
        table: a DataFrame of pandas or polars, a table of Arrow, or a file: one row per example.
        spec: roles of its columns, or a spec: a file or its content.
        champion: an earlier model of the same features, to be beaten.
        trials: settings that the search tries, instead of the spec's; 0 is off.
        journal: folder that keeps trials of the search, from which it continues.
        watching: who watches.

    Raises:
        NotFoundError: there is no such file.
        InvalidInputError: the spec is none, or the table has faults; names all of them.
        NotEnoughEvidenceError: too few days, examples or positives.
    """
    from mlife_assets.adapters.parquet_bytes import encode_table
    from mlife_assets.adapters.search_storage import open_search_storage
    from mlife_assets.core.training.example_training import canonical, train_on_examples
    from mlife_assets.core.training.search import search

    text = spec_text(spec)
    study = Reading(text, {}).study
    declared = study.model
    if trials is not None:
        declared = replace(declared, training=replace(declared.training, search_trials=trials))
    earlier = champion if champion is None or isinstance(champion, StudyModel) else load_folder(champion)
    read, report, today = _examined(table, study)
    if report.faults:
        raise InvalidInputError("\n".join(report.faults))
    if watching.report is not None:
        watching.report(_answer(report))
    storage = None
    if declared.training.search_trials and journal is not None:
        Path(journal).mkdir(parents=True, exist_ok=True)
        storage = open_search_storage(Path(journal) / TRIALS_FILE)
    fitted = train_on_examples(
        read.rows,
        declared,
        today=today,
        gate_share=study.gate_share,
        validation_share=study.validation_share,
        champion=None if earlier is None else earlier.artifact,
        progress=watching.trees,
        searched=partial(search, storage=storage, progress=watching.trials),
    )
    model = _with_code_version(fitted)
    result = _result(model, declared, name_of(table), text)
    result["check"] = asdict(report)
    result["label_times"] = result["check"].pop("label_times")
    files = {f"{MODEL_FOLDER}/{name}": data for name, data in model.artifact.files().items()}
    plots, pictures = _plots(model)
    files |= {f"{PLOTS_FOLDER}/{name}.png": data for name, data in plots.items()}
    files[CARD_FILE] = _card(model, declared, pictures).encode()
    files[READING_FILE] = orjson.dumps({"spec": text, "types": read.types}, option=JSON)
    rows, said = canonical(read.rows, declared.roles), StudyModel(model.artifact, files, ()).probabilities
    files[ROWS_FILE] = encode_table(usual_rows(rows, declared.roles, model.artifact.feature_spec.names, said))
    files[RESULT_FILE] = orjson.dumps(result, option=JSON)
    lines = (*_training_sentences(model, declared), *model.decision.sentences)
    return StudyModel(model.artifact, files, lines)


def _examined(table: Table, study: Study) -> tuple[ReadTable, TableReport, date]:
    """Return a table as read, its report, and today."""
    from mlife_assets.adapters.clock import SystemClock
    from mlife_assets.adapters.example_files import examine_examples
    from mlife_assets.core.table_check import Finding, check_table

    today = SystemClock().now().date()
    read = examine_examples(source_of(table), study)
    report = check_table(read, study, today)
    named = [Finding("fault", "name", None, one) for one in name_faults(study.model.roles)]
    return read, replace(report, findings=(*named, *report.findings)), today


def _answer(report: TableReport) -> Answer:
    return Answer(tuple(_report_lines(report)), asdict(report), is_well=not report.faults)


def _report_lines(report: TableReport) -> Iterator[str]:
    """Yield the lines of a report, faults first."""
    kinds: list[str] = [one.severity for one in report.findings]
    counts = [(kinds.count(kind), kind) for kind in ("fault", "warning") if kind in kinds]
    found = [f"{count:,} {kind}{'' if count == 1 else 's'}" for count, kind in counts]
    yield f"{report.rows:,} rows, {report.positives:,} positive: {' and '.join(found) or 'nothing is wrong'}."
    for one in report.findings:
        yield f"  {one.severity.capitalize()}: {one.sentence}"


def _with_code_version(model: TrainedModel) -> TrainedModel:
    """Return the model with the code that fitted it in its manifest; its version hashes what decides scores alone."""
    manifest = {**model.artifact.manifest, "code_version": mlife_assets.__version__}
    return replace(model, artifact=replace(model.artifact, manifest=manifest))


def _training_sentences(model: TrainedModel, declared: Model) -> tuple[str, str]:
    """Return sentences on training data and judged data, and on the fit; a moving base rate is the first to look at."""
    from mlife_assets.core.training.manifest_facts import (
        early_label_words,
        fitted_words,
        recipe_words,
        trained_to_words,
    )

    parts = []
    for verb, rows in (("Trained", model.training.examples), ("judged", model.gate)):
        first, last = (end(rows[declared.roles.time]).as_py() for end in (pc.min, pc.max))
        rate = pc.mean(rows[declared.roles.label].cast("int8")).as_py()
        parts.append(f"{verb} on {rows.num_rows:,} examples of {first} to {last}, {rate:.1%} positive")
    if len(set(model.training.trained_to.values())) > 1:
        parts.append(f"each step was learned up to {trained_to_words(model.training.trained_to)}")
    manifest = model.artifact.manifest
    if words := early_label_words(manifest):
        parts.append(words)
    strongest = sorted(manifest["importance"], key=lambda name: (-manifest["importance"][name], name))
    return (
        "; ".join(parts) + ".",
        f"Formulation {manifest['formulation']}, {fitted_words(manifest)}, calibrator {manifest['calibrator']} of "
        f"{manifest['validation_start_date']} to {manifest['validation_end_date']}; {recipe_words(manifest)}; "
        f"it looks most at {', '.join(strongest[:STRONGEST_FEATURES])}.",
    )


def _result(model: TrainedModel, declared: Model, examples: str, spec: str) -> dict[str, Any]:
    search = None
    if model.search is not None:
        search = {"best": model.search.best.number, "trials": [asdict(trial) for trial in model.search.trials]}
    decision = asdict(model.decision)
    return {
        "model_version": model.artifact.model_version,
        "title": declared.title,
        "examples": {
            "file": examples,
            "rows_before_gate": model.training.examples.num_rows,
            "rows_of_gate": model.gate.num_rows,
            "first_day": model.training.first_day,
            "last_training_day": model.training.last_day,
            "trained_to": model.training.trained_to,
            "as_of_date": model.as_of,
        },
        "spec_sha256": hashlib.sha256(spec.encode()).hexdigest(),
        "outcome": decision.pop("outcome"),
        "sentences": decision.pop("sentences"),
        "gate": decision,
        "calibration": None if model.calibration is None else asdict(model.calibration),
        "search": search,
        "manifest": dict(model.artifact.manifest),
    }


def _plots(model: TrainedModel) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return the plots by name of their file, and those of them that the card shows."""
    from mlife_assets.core.scoring.feature_spec import examples_matrix
    from mlife_assets.core.scoring.reasons import global_importance
    from mlife_assets.core.scoring.scorer import scorer_of
    from mlife_assets.core.training.explain import for_pages, plot_beeswarm, plot_dependences, plot_importance
    from mlife_assets.core.training.search import plot_search

    scorer = scorer_of(model.artifact, threads=1)
    sample = np.linspace(0, model.gate.num_rows - 1, min(EXPLAINED_ROWS, model.gate.num_rows)).astype(np.int64)
    matrix = examples_matrix(model.gate, scorer.feature_spec)[sample]
    contributions, seen = scorer.contributions(matrix), scorer.feature_spec.expanded(matrix)
    importance = global_importance(contributions, scorer.model_names)
    plots = {
        "importance": plot_importance(importance, {}),
        "shap": plot_beeswarm(contributions, seen, scorer.feature_spec, {}),
    }
    dependences = plot_dependences(contributions, seen, scorer.feature_spec, {}, DEPENDENCE_PLOTS)
    for name, png in dependences.items():
        plots[_file_stem(f"dependence_{name}", plots)] = png
    if model.search is not None:
        plots["search"] = plot_search(model.search)
    return plots, for_pages(plots["shap"], dependences, {})


def _file_stem(name: str, taken: Container[str]) -> str:
    """Return a name for a file that no other plot has: any text names a column, not any text a file."""
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)
    while stem in taken:
        stem += "_"
    return stem


def _card(model: TrainedModel, declared: Model, pictures: dict[str, str]) -> str:
    from mlife_assets.core.training.model_card.describe import describe_model
    from mlife_assets.core.training.model_card.facts import CardSubject, CardWindow
    from mlife_assets.core.training.model_card.page import render_model_card

    days = model.gate[declared.roles.time]
    first, last = pc.min(days).as_py(), pc.max(days).as_py()
    positives = pc.sum(model.gate[declared.roles.label]).as_py()
    gate = CardWindow("gate", first, last, "judged on these days", rows=model.gate.num_rows, positives=positives)
    subject = CardSubject(
        title=declared.title,
        purpose=(),
        outcome_name=declared.outcome,
        data=(("source", declared.source),),
        policies={"promotion": declared.promotion},
    )
    return render_model_card(
        describe_model(
            model.artifact,
            subject,
            as_of=model.as_of,
            decision=model.decision,
            calibration=model.calibration,
            windows=(gate,),
            pictures=pictures,
        )
    )
