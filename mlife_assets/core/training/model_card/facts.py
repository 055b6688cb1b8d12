"""What a model card says: frozen records, each optional part None when it was not measured.

Belongs here: the input of `page.render_model_card`. Does not belong here: where it comes from (`describe`), how it
looks (`page`, `explain`), what follows from it (`limits`).

Concept: a part that is missing is said to be missing. A card that is silent about fairness or about people reads as if
all were well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from mlife_assets.core.training.fairness.results import FairnessAudit
from mlife_assets.core.training.gate import Comparison, Condition
from mlife_assets.core.training.reliability import Calibration

Facts = tuple[tuple[str, str], ...]
"""Names and values for people, in order."""


@dataclass(frozen=True)
class CardWindow:
    """A span of days, both included, that data came from.

    Attributes:
        name: "training", "validation" or "gate", say.
        first: first day.
        last: last day.
        note: what it was used for.
        rows: examples in it; None when not counted.
        positives: of them with the outcome; None when not counted.
    """

    name: str
    first: date
    last: date
    note: str = ""
    rows: int | None = None
    positives: int | None = None


@dataclass(frozen=True)
class CardMetric:
    """A measured value, with a 95 % interval where there is one."""

    name: str
    value: float
    lower: float | None = None
    upper: float | None = None
    note: str = ""


@dataclass(frozen=True)
class ModelCard:
    """All facts of one version.

    Attributes:
        model_version: content hash of the artifact.
        title: what the model answers, in a few words.
        purpose: what it is for and what not, one sentence each.
        outcome_name: what is predicted, in words that finish "the chance that ...".
        as_of_date: day of its training; None when there is none.
        windows: where its data came from.
        data: counts and rules of the data, attribution windows included.
        objective_name: what the comparisons compare, "MAP@10" or "average precision"; None when nothing was compared.
        cohort: where the outcomes of the comparison come from; None when nothing was compared.
        comparisons: against other rankings on the same rows; those that were not made are missing.
        outcome: the gate's verdict; None when no gate judged.
        conditions: all that the gate asked for.
        sentences: the verdict for people.
        metrics: further measured values.
        calibration: whether probabilities can be believed; None when not measured.
        slope_bounds: within which the gate wants the interval of the slope; None when no gate judged.
        level_bounds: the same of the level.
        fairness: impact ratios by group; None when not audited.
        importance: stage -> feature -> mean |SHAP|, in the unit of the score; the stage of a model of one step is "".
        pictures: title -> data URI of a PNG of how features move the score, the one of all features first.
        feature_words: feature -> what it means, where there are words for it.
        measure_words: measure of the fairness audit -> its heading, where the usual one is not used.
        vocabularies: categorical feature -> known values.
        policies: policy -> field -> value, what people decided.
        method: how it was fitted: trees, calibrator and the like.
        provenance: code version and hashes.
        limits: known before any measurement; `limits.derived_limits` adds those that follow from the facts.
    """

    model_version: str
    title: str
    purpose: tuple[str, ...]
    outcome_name: str
    as_of_date: date | None = None
    windows: tuple[CardWindow, ...] = ()
    data: Facts = ()
    objective_name: str | None = None
    cohort: str | None = None
    comparisons: tuple[Comparison, ...] = ()
    outcome: str | None = None
    conditions: tuple[Condition, ...] = ()
    sentences: tuple[str, ...] = ()
    metrics: tuple[CardMetric, ...] = ()
    calibration: Calibration | None = None
    slope_bounds: tuple[float, float] | None = None
    level_bounds: tuple[float, float] | None = None
    fairness: FairnessAudit | None = None
    importance: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    pictures: Mapping[str, str] = field(default_factory=dict)
    feature_words: Mapping[str, str] = field(default_factory=dict)
    measure_words: Mapping[str, str] = field(default_factory=dict)
    vocabularies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    policies: Mapping[str, Facts] = field(default_factory=dict)
    method: Facts = ()
    provenance: Facts = ()
    limits: tuple[str, ...] = ()

    def against(self, name: str) -> Comparison | None:
        """Return the comparison with "human", "champion" or "random"; None when it was not made."""
        return next((comparison for comparison in self.comparisons if comparison.against == name), None)

    @property
    def is_ranking(self) -> bool:
        """Whether users were resampled (MAP@k) and not days."""
        return self.objective_name is not None and self.objective_name.startswith("MAP")

    @property
    def positives(self) -> int | None:
        """Positive training examples; None when no training window counts them."""
        return next((window.positives for window in self.windows if window.name == "training"), None)
