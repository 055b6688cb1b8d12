"""`mlife train`: a model of any examples, judged on their last days. `mlife backtest`: what retraining it would have
been worth.

Concept: one folder holds everything about the model: the artifact, the verdict as JSON, the card, plots, and the trials
of the search, so the same command continues where it was stopped. So does the folder of a replay, whose timings are in
a file of their own: the result is the same for the same inputs.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import mlife_assets
from mlife_assets.cli.check import Examples, Spec, read_study, report_lines, require_sound
from mlife_assets.cli.options import AsJson
from mlife_assets.cli.output import answer_console, counted_progress, print_json
from mlife_assets.core.errors import IntegrityError, InvalidInputError, NotFoundError
from mlife_assets.recruiting.released_names import POLICY_FIELDS

if TYPE_CHECKING:
    from mlife_assets.core.model import Model
    from mlife_assets.core.scoring.artifact import ModelArtifact
    from mlife_assets.core.training.example_training import TrainedModel
    from mlife_assets.lifecycle.backtest import BacktestResult

REPLAY_FILE, PAGE_FILE, TIMINGS_FILE, CHECKPOINTS_FOLDER = "result.json", "backtest.html", "timings.json", "checkpoints"
MODEL_FOLDER, PLOTS_FOLDER = "model", "plots"
RESULT_FILE, CARD_FILE, TRIALS_FILE = "result.json", "card.html", "search.journal"
EXPLAINED_ROWS = 2_000
DEPENDENCE_PLOTS = 4
STRONGEST_FEATURES = 3


def train(
    examples: Examples,
    spec: Spec,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the model, its card and plots go.")],
    champion: Annotated[
        Path | None,
        typer.Option("--champion", metavar="DIR", help="Output of an earlier training, to be beaten."),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials",
            min=0,
            max=1000,
            help="Settings that the search tries; 0 is off.",
            show_default="the spec's",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a file of examples, train a model on it and judge it on the last days.

    Exit codes: 0 done, whatever the gate said; 1 failed.
    """
    from mlife_assets.adapters.clock import SystemClock
    from mlife_assets.adapters.example_files import examine_examples
    from mlife_assets.adapters.search_storage import open_search_storage
    from mlife_assets.core.table_check import check_table
    from mlife_assets.core.training.example_training import train_on_examples
    from mlife_assets.core.training.search import search

    study, console, today = read_study(spec), answer_console(), SystemClock().now().date()
    declared = study.model
    if trials is not None:
        declared = replace(declared, training=replace(declared.training, search_trials=trials))
    earlier = None if champion is None else _load(champion)
    read = examine_examples(examples, study)
    report = check_table(read, study, today)
    require_sound(report)
    if not as_json:
        for line in report_lines(report):
            console.print(line, soft_wrap=True)
    out.mkdir(parents=True, exist_ok=True)
    storage = open_search_storage(out / TRIALS_FILE) if declared.training.search_trials else None
    with counted_progress("Fitting, trees") as trees, counted_progress("Searching, trials") as trials_done:
        fitted = train_on_examples(
            read.rows,
            declared,
            today=today,
            gate_share=study.gate_share,
            validation_share=study.validation_share,
            champion=earlier,
            progress=trees,
            searched=partial(search, storage=storage, progress=trials_done),
        )
    model = _with_code_version(fitted)
    checked = asdict(report)
    result = {**_result(model, declared, examples, spec), "label_times": checked.pop("label_times"), "check": checked}
    _write(model, declared, out, result)
    if as_json:
        print_json(result)
        return
    console.print(f"{model.artifact.model_version}  {declared.title}", soft_wrap=True)
    for sentence in (*_training_sentences(model, declared), *model.decision.sentences):
        console.print(f"  {sentence}", soft_wrap=True)
    console.print(f"  Card: {out / CARD_FILE}", soft_wrap=True)


def _with_code_version(model: TrainedModel) -> TrainedModel:
    """Return the model with the code that fitted it in its manifest; its version hashes what decides scores alone."""
    manifest = {**model.artifact.manifest, "code_version": mlife_assets.__version__}
    return replace(model, artifact=replace(model.artifact, manifest=manifest))


def _training_sentences(model: TrainedModel, declared: Model) -> tuple[str, str]:
    """Return sentences on training data and judged data, and on the fit; a moving base rate is the first to look at."""
    import pyarrow.compute as pc

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


def _load(folder: Path) -> ModelArtifact:
    """Return the artifact that an earlier training wrote. Raises IntegrityError when a file was changed."""
    from mlife_assets.core.scoring.artifact import MANIFEST_FILE, ModelArtifact, file_names

    manifest = folder / MODEL_FOLDER / MANIFEST_FILE
    if not manifest.is_file() or not (folder / RESULT_FILE).is_file():
        raise NotFoundError(f"{folder} holds no trained model; name the --out of an earlier training")
    names = file_names(manifest.read_bytes())
    missing = [name for name in names if not (folder / MODEL_FOLDER / name).is_file()]
    if missing:
        raise InvalidInputError(f"the model in {folder} lacks {missing[0]}; train it again")
    files = {name: (folder / MODEL_FOLDER / name).read_bytes() for name in names}
    return ModelArtifact.from_files(_version_of(folder), files)


def _version_of(folder: Path) -> str:
    """Return which model an earlier training wrote. Raises IntegrityError when its result cannot be read."""
    import orjson

    try:
        version = orjson.loads((folder / RESULT_FILE).read_bytes())["model_version"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        version = None
    if not isinstance(version, str):
        raise IntegrityError(
            f"{folder / RESULT_FILE} does not say which model it is of, so it was changed or cut off; restore the "
            f"file, or train the champion again with --out {folder}"
        )
    return version


def _result(model: TrainedModel, declared: Model, examples: Path, spec: Path) -> dict[str, Any]:
    import hashlib

    search = None
    if model.search is not None:
        search = {"best": model.search.best.number, "trials": [asdict(trial) for trial in model.search.trials]}
    decision = asdict(model.decision)
    return {
        "model_version": model.artifact.model_version,
        "title": declared.title,
        "examples": {
            "file": examples.name,
            "rows_before_gate": model.training.examples.num_rows,
            "rows_of_gate": model.gate.num_rows,
            "first_day": model.training.first_day,
            "last_training_day": model.training.last_day,
            "trained_to": model.training.trained_to,
            "as_of_date": model.as_of,
        },
        "spec_sha256": hashlib.sha256(spec.read_bytes()).hexdigest(),
        "outcome": decision.pop("outcome"),
        "sentences": decision.pop("sentences"),
        "gate": decision,
        "calibration": None if model.calibration is None else asdict(model.calibration),
        "search": search,
        "manifest": dict(model.artifact.manifest),
    }


def _write(model: TrainedModel, declared: Model, out: Path, result: dict[str, Any]) -> None:
    import orjson

    is_ours = (out / RESULT_FILE).is_file()
    for folder in (MODEL_FOLDER, PLOTS_FOLDER):
        (out / folder).mkdir(exist_ok=True)
        for earlier in (out / folder).iterdir() if is_ours else ():
            earlier.unlink()
    for name, data in model.artifact.files().items():
        (out / MODEL_FOLDER / name).write_bytes(data)
    plots, pictures = _plots(model)
    for name, data in plots.items():
        (out / PLOTS_FOLDER / f"{name}.png").write_bytes(data)
    (out / CARD_FILE).write_text(_card(model, declared, pictures))
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    (out / RESULT_FILE).write_bytes(orjson.dumps(result, option=options))


def _plots(model: TrainedModel) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return the plots by name of their file, and those of them that the card shows."""
    import numpy as np

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
    import pyarrow.compute as pc

    from mlife_assets.core.training.model_card.describe import CardSubject, describe_model
    from mlife_assets.core.training.model_card.facts import CardWindow
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


def backtest(
    examples: Examples,
    spec: Spec,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where result, page and checkpoints go.")],
    policy: Annotated[
        Path | None,
        typer.Option("--policy", metavar="FILE", help="JSON: changes of the spec's policies, by name and field."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replay a history under five retraining policies and recommend one.

    Governed, frozen, naive, retraining on every alarm, and one probability for everybody see the same rows and the same
    mature labels. Sizes that the spec omits (windows, positives needed, warm-up) follow the history. If it
    was stopped, the same command continues.

    Exit codes: 0 done, whatever is recommended; 1 failed.
    """
    from time import perf_counter

    from mlife_assets.adapters.backtest_detectors import ReplayDetectors
    from mlife_assets.adapters.clock import SystemClock
    from mlife_assets.adapters.example_files import read_examples
    from mlife_assets.adapters.object_store import ObstoreObjectStore
    from mlife_assets.core.study import Study
    from mlife_assets.lifecycle.backtest import prepare_history, replay
    from mlife_assets.lifecycle.backtest.page import render_backtest

    study = Study.from_json(_policies_text(spec, "name the spec of the examples"), POLICY_FIELDS)
    if policy is not None:
        study = study.with_policies(_policies_text(policy, "name a file of policy changes"), POLICY_FIELDS)
    history = prepare_history(
        read_examples(examples, study),
        study.model,
        today=SystemClock().now().date(),
        validation_share=study.validation_share,
        stated=study.stated,
    )
    store = ObstoreObjectStore.local(out / CHECKPOINTS_FOLDER)
    with counted_progress("Replaying, days") as days:
        replayed = replay(history, ReplayDetectors(), store, stopwatch=perf_counter, progress=days)
    result = replayed.result
    record = result.to_record()
    (out / REPLAY_FILE).write_bytes(_replay_json(record))
    (out / TIMINGS_FILE).write_bytes(_replay_json({"fit_seconds": replayed.cost.fit_seconds}))
    (out / PAGE_FILE).write_text(render_backtest(result, replayed.cost), encoding="utf-8")
    if as_json:
        print_json(record)
        return
    console = answer_console()
    console.print(f"{result.title}: {result.rows:,} rows of {result.start_day} to {result.last_day}", soft_wrap=True)
    for line in (*result.notes, *_policies_table(result), *result.recommendation.sentences):
        console.print(f"  {line}", soft_wrap=True)
    console.print(f"  Page: {out / PAGE_FILE}", soft_wrap=True)


def _policies_table(result: BacktestResult) -> list[str]:
    lines = []
    for one in result.policies:
        found = one.score.average_precision
        lines.append(
            f"{one.name:<12} average precision {found.estimate:.4f} ({found.lower:.4f} to {found.upper:.4f}), within "
            f"periods {one.score.within_periods.estimate:.4f}, log loss {one.score.log_loss:.4f}; trainings "
            f"{one.trainings}, fits {one.fits}, refused {one.refusals}, installed {one.installations}, "
            f"rows fitted {one.fitted_rows:,}"
        )
    return lines


def _policies_text(path: Path, remedy: str) -> str:
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}; {remedy}")
    return path.read_text(encoding="utf-8")


def _replay_json(record: dict[str, Any]) -> bytes:
    import orjson

    return orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
