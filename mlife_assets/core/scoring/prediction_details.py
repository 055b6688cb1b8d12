"""What is said of a prediction beside its score: how likely its first step is, and why it scores as it does.

Belongs here: the two facts that batch, endpoint and trace must state alike. Does not belong here: scores (`scoring`),
the words of a reason (`reasons`), logging.

Concept: one definition, so what was logged can be computed again from the artifact and compared as it stands.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from mlife_assets.core.ports import Scorer, Scores
from mlife_assets.core.scoring.feature_spec import FeatureSpec
from mlife_assets.core.scoring.reasons import Words, reasons

REASONS_LOGGED = 3


class ExplainableScorer(Scorer, Protocol):
    """A scorer that brings names and vocabularies of its features."""

    @property
    def feature_spec(self) -> FeatureSpec:
        """Order of the features, codes of the categories, smoothed rates."""
        ...


def first_step_probabilities(scores: Scores) -> npt.NDArray[np.float64]:
    """Return the calibrated probability of the first step of a funnel, float64 (n,); NaN where a model has one step."""
    steps = list(scores.steps.values())
    return np.full(len(scores.probability), np.nan) if len(steps) < 2 else np.asarray(steps[0], dtype=np.float64)


def strongest_reasons(scorer: ExplainableScorer, matrix: npt.NDArray[np.float64], words: Words) -> list[list[str]]:
    """Return the `REASONS_LOGGED` strongest reasons of each row of a matrix (n, feature_names), strongest first.

    A row alone gives the words that it gives in a batch. A contribution of exactly 0 is no reason, so a row may have
    fewer.
    """
    spec = scorer.feature_spec
    rows = zip(scorer.contributions(matrix), spec.expanded(matrix), strict=True)
    return [reasons(contributions, values, spec, words, REASONS_LOGGED) for contributions, values in rows]
