"""The prequential gate: a recipe is judged by scores that it would have served, each row scored by a model of earlier
knowledge.

Concept: a holdout judges one model, which must not have seen the judged weeks, and so gets older with more evidence.
Here the recipe is judged: the window is cut into folds, each scored by the recipe fitted on the data mature when the
fold began (prequential evaluation: Dawid, Journal of the Royal Statistical Society A 1984), and compared with the
served scores. Every row is out of sample on both sides, and the newest fold is scored by a model as fresh as folds and
the delay of labels allow. Both sides are ranked by the served calibrated probability; raw scores of different models
would be on no common scale either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.model import Model
from mlife_assets.core.ports import Scores
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.scorer import score_table, scorer_of
from mlife_assets.core.training.folds import FOLD_DAYS
from mlife_assets.core.training.gate import Condition
from mlife_assets.core.training.manifest_facts import trained_to_words
from mlife_assets.core.training.required import RowInputs, parity_of, scoring_conditions, training_conditions
from mlife_assets.core.training.training_set import TrainingSet

VERSION_PREFIX = "recipe_"
SERVING_PREFIX = "serving_"
"""Prefix of conditions on the model to serve, which keeps their names apart from conditions of folds."""


@dataclass(frozen=True)
class JudgedFold:
    """A model and its rows of the gate's window.

    Attributes:
        model_version: of the model.
        first_day: first day of its rows.
        conditions: of the fold alone, as `fold_conditions` returns them.
    """

    model_version: str
    first_day: date
    conditions: tuple[Condition, ...]


def recipe_version(model_versions: Sequence[str]) -> str:
    """Return a name for a judged recipe: a hash of its models' versions."""
    return VERSION_PREFIX + hashlib.sha256("|".join(model_versions).encode()).hexdigest()[:16]


def fold_conditions(
    artifact: ModelArtifact,
    training: TrainingSet,
    rows: pa.Table,
    model: Model,
    scores: Scores | None = None,
) -> tuple[Condition, ...]:
    """Return the conditions that each fold has to meet on its own.

    They concern one model and the rows that it scores: it was trained before them, on outcomes complete when they
    began; they are no copies of training rows; and it scores them to the same bits in every way of asking.

    Args:
        artifact: the model of the fold.
        training: its training set.
        rows: of the fold, at least one.
        model: roles and policies.
        scores: of them; None to compute them here.
    """
    inputs = RowInputs(rows, artifact.feature_spec)
    first = rows[model.roles.time].to_numpy().astype("datetime64[D]").min().item()
    complete = training.complete_on
    is_before = training.last_day < first and complete <= first
    text = (
        f"The model of the fold of {first} learned from rows up to {trained_to_words(training.trained_to)}, whose "
        f"outcomes were complete on {complete}."
    )
    return (
        Condition("fold_trained_before_its_rows", is_before, text),
        *scoring_conditions(artifact, training, rows, inputs, model, threads=model.training.threads, scores=scores),
    )


def serving_conditions(
    artifact: ModelArtifact, rows: pa.Table, model: Model, *, is_refit: bool
) -> tuple[Condition, ...]:
    """Return the conditions on the model to serve.

    Folds judge its recipe and not the model itself. The rows are in its training data, so they cannot measure its
    quality, only that it works: finite, varying probabilities, with the same bits in every way of asking.

    Args:
        artifact: the model.
        rows: of the gate's window, n of them, at least one.
        model: roles and policies.
        is_refit: whether a model of the same configuration serves. A refit whose scores said nothing in validation
            still knows the level, while the model that it follows has an older one.
    """
    spec, threads = artifact.feature_spec, model.training.threads
    scores, version = score_table(scorer_of(artifact, threads=threads), rows), artifact.model_version
    probability = scores.probability
    wrong, is_constant = int(np.count_nonzero(~np.isfinite(probability))), bool(np.all(probability == probability[0]))
    is_constant &= not (is_refit and len(probability) == 1)
    finite = f"All {len(probability):,} probabilities of {version} are finite."
    if wrong:
        finite = f"{wrong:,} of {len(probability):,} probabilities of {version} are not finite."
    varied = f"The probabilities of {version} vary."
    if not is_refit and all(stage.calibrator.method == "base_rate" for stage in artifact.stages):
        is_constant = True
        varied = f"The scores of {version} said nothing in validation, so its probabilities are the base rate for all."
    elif is_constant:
        varied = f"All {len(probability):,} probabilities of {version} are {probability[0]:g}, so they rank nothing."
    return (
        Condition("serving_probabilities_are_finite", wrong == 0, finite),
        Condition("serving_probabilities_vary", not is_constant, varied),
        parity_of(artifact, RowInputs(rows, spec), model, threads=threads, scores=scores),
    )


def newest_week(rows: pa.Table, roles: ExampleSpec) -> pa.Table:
    """Return the rows of the last seven days. The newest fold may be a day old, and few rows rank by luck."""
    days = rows[roles.time].to_numpy().astype("datetime64[D]")
    return rows.filter(pa.array(days > days.max() - np.timedelta64(FOLD_DAYS, "D")))


def follows_newest_fold(serving: ModelArtifact, newest: ModelArtifact, rows: pa.Table, model: Model) -> Condition:
    """Return the condition that the model to serve ranks rows roughly as the newest fold's model.

    Spearman's correlation of their probabilities. Folds judge a recipe; this checks that the model follows that recipe.
    The rows are in its training data, so this does not measure quality.

    Args:
        serving: the fit on everything mature.
        newest: the model of the newest fold.
        rows: of the newest week, n of them, at least two.
        model: roles and policies.
    """
    scores = [
        score_table(scorer_of(one, threads=model.training.threads), rows).probability for one in (serving, newest)
    ]
    least = model.promotion.fold_rank_correlation_minimum
    found = rank_correlation(*scores)
    name, text = "serving_scores_follow_the_newest_fold", f"The scores of {serving.model_version}"
    if found is None:
        return Condition(name, False, f"{text} or of {newest.model_version} do not vary, so they cannot be compared.")
    verb = "follow" if found >= least else "do not follow"
    text = f"{text} {verb} those of the newest fold's model on {rows.num_rows:,} rows of the newest week"
    return Condition(name, found >= least, f"{text}: rank correlation {found:.2f}, at least {least:g} needed.")


def recipe_conditions(
    serving: ModelArtifact,
    to_be_learned: TrainingSet,
    folds: Sequence[JudgedFold],
    newest: ModelArtifact,
    newest_rows: pa.Table,
    exposures: pa.Table,
    model: Model,
    is_refit: bool,
) -> tuple[Condition, ...]:
    """Return the conditions on a recipe judged by folds and on its fit to serve.

    Args:
        serving: the fit on everything mature.
        to_be_learned: its training set.
        folds: models of the folds, with the conditions of each.
        newest: the newest fold's model.
        newest_rows: the rows of the newest week.
        exposures: all rows of the window.
        model: roles and policies.
        is_refit: whether the champion has the same configuration.

    Raises:
        NotEnoughEvidenceError: only one class in the training data.
    """
    of_the_fit = [
        replace(one, name=f"{SERVING_PREFIX}{one.name.removeprefix(SERVING_PREFIX)}")
        for one in serving_conditions(serving, exposures, model, is_refit=is_refit)
    ]
    return (
        *training_conditions(to_be_learned, serving.feature_spec),
        *over_folds(folds),
        *of_the_fit,
        follows_newest_fold(serving, newest, newest_rows, model),
    )


def rank_correlation(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> float | None:
    """Return Spearman's correlation of n pairs of finite values, equal ones at their mean rank; None if a side is flat.

    Spearman, American Journal of Psychology 1904.
    """
    from scipy.stats import rankdata

    centred = [ranks - ranks.mean() for ranks in (rankdata(left), rankdata(right))]
    spread = [float(np.sqrt(np.sum(ranks * ranks))) for ranks in centred]
    if not all(spread):
        return None
    return float(np.sum(centred[0] * centred[1]) / (spread[0] * spread[1]))


def over_folds(folds: Sequence[JudgedFold]) -> tuple[Condition, ...]:
    """Return each condition once: met if every fold meets it, else in the words of the first failure."""
    found = []
    for name in dict.fromkeys(one.name for fold in folds for one in fold.conditions):
        ones = [(fold, one) for fold in folds for one in fold.conditions if one.name == name]
        unmet = next(((fold, one) for fold, one in ones if not one.is_met), None)
        if unmet is None:
            found.append(Condition(name, True, f"In each of {len(ones)} folds: {ones[-1][1].sentence}"))
        else:
            found.append(Condition(name, False, f"In the fold of {unmet[0].first_day}: {unmet[1].sentence}"))
    return tuple(found)
