"""Scores by folds: each row of a gate's window is scored by the model of its day.

Concept: raw scores of different models are on no common scale; probabilities are, and the same score ranks everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.model import Model
from mlife_assets.core.ports import Scores
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.feature_spec import Array, examples_matrix
from mlife_assets.core.scoring.scorer import StagedScorer, score_table
from mlife_assets.core.training.folds import Days, Fold, Places, rows_by_fold
from mlife_assets.core.training.judgement import GateRows, Side
from mlife_assets.core.training.manifest_facts import last_trained_day, learned_to, trained_to
from mlife_assets.core.training.simple_rule import simple_scores
from mlife_assets.core.windows import add_days, mature_day

Scorers = Callable[[str], StagedScorer]
"""The scorer of a model version."""


def itself(artifact: ModelArtifact, model: Model) -> Fold:
    """Return the fold of the days that a model may score: all its training outcomes were complete when they began.

    Args:
        artifact: the model.
        model: steps and their maturity.
    """
    manifest = artifact.manifest
    complete = [mature_day(trained_to(manifest, step.label), step.maturity_days) for step in model.steps]
    return Fold(max(complete), artifact.model_version, last_trained_day(manifest))


def first_unlearned_day(artifact: ModelArtifact) -> date:
    """Return the first exposure day that no step of a model has learned from.

    Steps of a funnel are trained up to different days, and the product of all is compared with the label.
    """
    return add_days(max(learned_to(artifact.manifest, stage.step) for stage in artifact.stages), 1)


@dataclass(frozen=True, eq=False)
class ScoredPart:
    """The scores of one fold.

    Attributes:
        fold: the fold, with its model.
        places: positions of its rows, int64 (m,).
        scores: of them.
    """

    fold: Fold
    places: Places
    scores: Scores


def side_of_folds(
    version: str,
    folds: Sequence[Fold],
    gate: GateRows,
    roles: ExampleSpec,
    scorers: Scorers,
    known: Sequence[ScoredPart] = (),
) -> Side:
    """Return the probabilities of the gate's rows, each row by the model of its fold.

    `known` has earlier scores of exposures; no row is scored twice.

    Raises:
        InvalidInputError: a row is older than all folds, or was in its model's training set.
    """
    days, exposed = ranked_days(gate), gate.exposures[roles.time].to_numpy().astype("datetime64[D]")
    probability = np.empty(len(exposed))
    for fold, places in rows_by_fold(folds, exposed):
        said, is_said = np.empty(len(exposed)), np.zeros(len(exposed), dtype=np.bool_)
        for part in known:
            if part.fold.model_version == fold.model_version:
                said[part.places], is_said[part.places] = part.scores.probability, True
        if len(left := places[~is_said[places]]):
            said[left] = score_table(scorers(fold.model_version), at_places(gate.exposures, left)).probability
        probability[places] = said[places]
    ranking = probability
    if gate.ranked is not gate.exposures:
        ranking = by_fold(folds, gate.ranked, days, gate.constants, scorers)
    return Side(version, rows_by_fold(folds, days)[0][0].trained_to, ranking, probability)


def side_alone(version: str, folds: Sequence[Fold], gate: GateRows, scorers: Scorers) -> Side:
    """Return a model's scores of the gate's rows, if its folds cover their days.

    Older rows score 0 and count as training rows, so that the gate leaves them out.
    """
    first = folds[0].first_day
    days = ranked_days(gate)
    places = np.flatnonzero(days >= np.datetime64(first, "D"))
    ranking, rows = np.zeros(len(days)), gate.ranked.take(pa.array(places))
    ranking[places] = by_fold(folds, rows, days[places], gate.constants, scorers)
    return Side(version, add_days(first, -1), ranking, np.zeros(0))


def simple_of_folds(folds: Sequence[Fold], gate: GateRows, load: Callable[[str], ModelArtifact]) -> Array | None:
    """Return the scores of the ranked rows by the simple rules beside the folds' models; None if a fold has none."""
    found = np.empty(gate.ranked.num_rows)
    for fold, places in rows_by_fold(folds, ranked_days(gate)):
        artifact = load(fold.model_version)
        rows = gate.ranked.take(pa.array(places))
        scores = simple_scores(artifact, examples_matrix(rows, artifact.feature_spec, dict(gate.constants)))
        if scores is None:
            return None
        found[places] = scores
    return found


def by_fold(folds: Sequence[Fold], rows: pa.Table, days: Days, constants: Mapping[str, str], scorers: Scorers) -> Array:
    """Return the probabilities of n rows with features, each by the model of its day, float64 (n,)."""
    found = np.empty(rows.num_rows)
    for part in scored_parts(folds, rows, days, constants, scorers):
        found[part.places] = part.scores.probability
    return found


def scored_parts(
    folds: Sequence[Fold], rows: pa.Table, days: Days, constants: Mapping[str, str], scorers: Scorers
) -> Iterator[ScoredPart]:
    """Yield the scores of each fold that has rows, oldest first."""
    for fold, places in rows_by_fold(folds, days):
        yield ScoredPart(fold, places, score_table(scorers(fold.model_version), at_places(rows, places), constants))


def at_places(rows: pa.Table, places: Places) -> pa.Table:
    """Return the rows at ascending places; adjacent ones, as those of a fold usually are, are not copied."""
    if len(places) and places[-1] - places[0] + 1 == len(places):
        return rows.slice(int(places[0]), len(places))
    return rows.take(pa.array(places))


def ranked_days(gate: GateRows) -> Days:
    """Return the days of the ranked rows, datetime64[D] (n,)."""
    return np.asarray(gate.examples.as_of_dates, dtype="datetime64[D]")
