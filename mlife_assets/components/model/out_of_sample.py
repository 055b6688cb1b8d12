"""Out of sample: which model may be asked about which day, for a challenger, for a champion, and for what was served.

Belongs here: folds of a version and of what was served, from the registry and the reports, and scores by them. Does not
belong here: fitting folds (`fold_models`), what a fold is (`core.training.folds`), what is judged (`judging`).

Concept: a model speaks for itself from the day on by which it had learned everything it knows; for the days before, the
folds of its training do. What was served is whoever served; before the first champion, that one's folds stand in. So a
champion that was promoted yesterday has a word on weeks that its own fit has learned from, and no row is scored by
what has seen it.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.scoring.feature_spec import Array, examples_matrix
from mlife_assets.core.training.folds import Days, Fold, in_order, rows_by_fold, since, until
from mlife_assets.core.training.judgement import GateRows, Side
from mlife_assets.core.training.manifest_facts import last_trained_day, trained_to
from mlife_assets.core.training.simple_rule import simple_scores
from mlife_assets.core.windows import add_days, mature_day, run_time

FOLD_REPORT = "folds"


def fold_report(platform: Platform, day: date, model_version: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the report of the folds of a day's challenger, with those of challengers that the day had before.

    One of them may serve: it was promoted, and the day was trained again under other settings. Its folds are asked.
    """
    earlier = {version: one for version, one in _reported(platform, day).items() if version != model_version}
    return {"model_version": model_version, "folds": list(rows), "earlier": earlier}


def stored_folds(platform: Platform, day: date, model_version: str) -> tuple[Fold, ...]:
    """Return the folds of a challenger of a day; none when no report of the day has them."""
    return tuple(
        Fold(date.fromisoformat(one["first_day"]), one["model_version"], date.fromisoformat(one["trained_to"]))
        for one in _reported(platform, day).get(model_version, ())
    )


def _reported(platform: Platform, day: date) -> dict[str, list[dict[str, Any]]]:
    try:
        report = platform.model_tables.read_report(FOLD_REPORT, day)
    except NotFoundError:
        return {}
    return {**report.get("earlier", {}), report["model_version"]: report["folds"]}


def folds_of(platform: Platform, model_version: str) -> tuple[Fold, ...]:
    """Return who is asked for a registered model: the folds of its training, then itself.

    A model that was judged on a holdout has no folds, and speaks for itself from the first day of the holdout on.
    """
    rows = [row for row in platform.registry.versions() if row["model_version"] == model_version]
    folds = [fold for row in rows[:1] for fold in stored_folds(platform, row["as_of_date"], model_version)]
    manifest = platform.registry.load(model_version).manifest
    complete = [mature_day(trained_to(manifest, step.label), step.maturity_days) for step in platform.model.steps]
    itself = Fold(max(complete), model_version, last_trained_day(manifest))
    return (*until(folds, itself.first_day), itself)


def served_folds(platform: Platform, day: date) -> tuple[Fold, ...]:
    """Return what was served as partition `day` decides, for all days on which anybody may be asked; none without one.

    A champion serves from the first run after its promotion on.
    """
    history = platform.registry.history(run_time(day))
    if not history:
        return ()
    found = list(folds_of(platform, history[0].model_version))
    for reign in history:
        recorded = reign.since.date()
        begins = recorded if reign.since <= run_time(recorded) else add_days(recorded, 1)
        found = [*until(found, begins), *since(folds_of(platform, reign.model_version), begins)]
    return in_order(found)


def side_of_folds(platform: Platform, version: str, folds: Sequence[Fold], gate: GateRows) -> Side:
    """Return the probabilities of the gate's rows, each row by the model of its fold.

    Raw scores of different models are on no common scale; probabilities are, and one score ranks everywhere.

    Raises:
        InvalidInputError: a row is older than all folds, or was learned from.
    """
    days = _days(gate)
    exposed = gate.exposures[platform.model.roles.time].to_numpy().astype("datetime64[D]")
    probability = _probability(platform, folds, gate.exposures, exposed, {})
    ranking = probability
    if gate.ranked is not gate.exposures:
        ranking = _probability(platform, folds, gate.ranked, days, dict(gate.constants))
    return Side(version, rows_by_fold(folds, days)[0][0].trained_to, ranking, probability)


def anchor_side(platform: Platform, version: str, gate: GateRows) -> Side:
    """Return how a registered model ranks the gate's rows on whose days anybody may be asked for it.

    Older rows score 0 and count as learned from, so that the gate leaves them out.
    """
    folds = folds_of(platform, version)
    first = folds[0].first_day
    days = _days(gate)
    places = np.flatnonzero(days >= np.datetime64(first, "D"))
    ranking, rows = np.zeros(len(days)), gate.ranked.take(pa.array(places))
    ranking[places] = _probability(platform, folds, rows, days[places], dict(gate.constants))
    return Side(version, add_days(first, -1), ranking, np.zeros(0))


def simple_of_folds(platform: Platform, folds: Sequence[Fold], gate: GateRows) -> Array | None:
    """Return what the simple rules beside the models of folds say of the ranked rows; None where a fold has none."""
    days, found = _days(gate), np.empty(gate.ranked.num_rows)
    for fold, places in rows_by_fold(folds, days):
        artifact = platform.registry.load(fold.model_version)
        rows = gate.ranked.take(pa.array(places))
        scores = simple_scores(artifact, examples_matrix(rows, artifact.feature_spec, dict(gate.constants)))
        if scores is None:
            return None
        found[places] = scores
    return found


def _probability(
    platform: Platform, folds: Sequence[Fold], rows: pa.Table, days: Days, constants: dict[str, str]
) -> Array:
    found = np.empty(rows.num_rows)
    for fold, places in rows_by_fold(folds, days):
        scorer = platform.scorer(fold.model_version)
        matrix = examples_matrix(rows.take(pa.array(places)), scorer.feature_spec, constants)
        found[places] = scorer.score(matrix).probability
    return found


def _days(gate: GateRows) -> Days:
    return np.asarray(gate.examples.as_of_dates, dtype="datetime64[D]")
