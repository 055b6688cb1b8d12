"""Differences between two artifacts: facts, features, vocabularies, importance.

Concept: two versions that score differently differ in data, in policy, in features or in code; a diff names which, and
the shifts of importance. Importance is compared as a share of its sum, because its unit, log-odds or log-probability,
grows with the model's confidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.training.manifest_facts import (
    Scalar,
    Section,
    importance_by_stage,
    manifest_facts,
    section_of,
)

SHIFT_MINIMUM = 0.01
"""Smaller shifts of a share of importance get no sentence."""
SHIFTS_NAMED = 5


@dataclass(frozen=True)
class FactChange:
    """One fact that differs. A missing side is None; `is_new` and `is_gone` distinguish it from a value None.

    Attributes:
        section: "windows", "data", "policy", "metrics" or "method".
        name: dotted name in the manifest.
        left: value of the left artifact.
        right: value of the right artifact.
        is_new: whether the left one lacks it.
        is_gone: whether the right one lacks it.
    """

    section: Section
    name: str
    left: Scalar
    right: Scalar
    is_new: bool = False
    is_gone: bool = False

    @property
    def change(self) -> float | None:
        """Right minus left where both are numbers."""
        if isinstance(self.left, bool) or isinstance(self.right, bool):
            return None
        if isinstance(self.left, int | float) and isinstance(self.right, int | float):
            return self.right - self.left
        return None


@dataclass(frozen=True)
class VocabularyChange:
    """Values of a categorical feature known to one side only; the other counts them as missing."""

    feature: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    is_reordered: bool = False


@dataclass(frozen=True)
class ImportanceShift:
    """A feature's share of a stage's importance on both sides; 0 if a side lacks the feature."""

    stage: str
    feature: str
    left_share: float
    right_share: float

    @property
    def change(self) -> float:
        """Right minus left."""
        return self.right_share - self.left_share


@dataclass(frozen=True)
class ModelDiff:
    """All differences between two artifacts.

    Attributes:
        left_version: the artifact that the other is compared with.
        right_version: the other.
        facts: manifest facts that differ, by section and name.
        features_added: columns that only the right one sees, in its order.
        features_removed: columns that only the left one sees.
        is_feature_order_changed: the same columns in another order.
        vocabularies: by feature.
        importance: every feature of every stage, largest move first.
    """

    left_version: str
    right_version: str
    facts: tuple[FactChange, ...]
    features_added: tuple[str, ...]
    features_removed: tuple[str, ...]
    is_feature_order_changed: bool
    vocabularies: tuple[VocabularyChange, ...]
    importance: tuple[ImportanceShift, ...]

    @property
    def is_same(self) -> bool:
        """Whether both are one version."""
        return self.left_version == self.right_version

    @property
    def sentences(self) -> tuple[str, ...]:
        """The difference in sentences, the most explanatory first."""
        if self.is_same:
            return (f"Both are {self.left_version}.",)
        changed = {fact.name for fact in self.facts}
        sections = {fact.section for fact in self.facts}
        lines = [
            "They learned from different data."
            if "training_data_hash" in changed
            else "They learned from the same data.",
            "They were fitted under different policies." if "policy" in sections else "Their policies are the same.",
        ]
        if "code_version" in changed:
            lines.append("They were fitted by different code.")
        lines += self._feature_sentences()
        for shift in [one for one in self.importance if abs(one.change) >= SHIFT_MINIMUM][:SHIFTS_NAMED]:
            where = f" in {shift.stage}" if shift.stage else ""
            verb = "gained" if shift.change > 0 else "lost"
            lines.append(
                f"{shift.feature} {verb} importance{where}: "
                f"{100 * shift.left_share:.1f} % to {100 * shift.right_share:.1f} %."
            )
        return tuple(lines)

    def _feature_sentences(self) -> list[str]:
        lines = []
        if self.features_added:
            lines.append(f"Only {self.right_version} sees {', '.join(self.features_added)}.")
        if self.features_removed:
            lines.append(f"Only {self.left_version} sees {', '.join(self.features_removed)}.")
        if self.is_feature_order_changed:
            lines.append("The order of the features differs.")
        for one in self.vocabularies:
            if one.added:
                lines.append(f"{one.feature}: only {self.right_version} knows {', '.join(one.added)}.")
            if one.removed:
                lines.append(f"{one.feature}: only {self.left_version} knows {', '.join(one.removed)}.")
            if one.is_reordered:
                lines.append(f"{one.feature}: the codes of known values differ.")
        return lines


def diff_models(left: ModelArtifact, right: ModelArtifact) -> ModelDiff:
    """Return the differences between two artifacts, seen from `left`."""
    ours, theirs = left.feature_spec, right.feature_spec
    return ModelDiff(
        left_version=left.model_version,
        right_version=right.model_version,
        facts=_facts(_all_facts(left), _all_facts(right)),
        features_added=tuple(name for name in theirs.model_names if name not in ours.model_names),
        features_removed=tuple(name for name in ours.model_names if name not in theirs.model_names),
        is_feature_order_changed=ours.model_names != theirs.model_names
        and sorted(ours.model_names) == sorted(theirs.model_names),
        vocabularies=_vocabularies(dict(ours.vocabularies), dict(theirs.vocabularies)),
        importance=_importance(importance_by_stage(left.manifest), importance_by_stage(right.manifest)),
    )


def _all_facts(artifact: ModelArtifact) -> dict[str, Scalar]:
    """Return the manifest's facts, the hash of the data, and the priors of smoothed rates."""
    facts = manifest_facts(artifact.manifest) | {"training_data_hash": artifact.training_data_hash}
    for rate in artifact.feature_spec.rates:
        facts[f"priors.{rate.name}.rate"] = rate.prior_rate
        facts[f"priors.{rate.name}.strength"] = rate.prior_strength
    return facts


def _facts(left: Mapping[str, Scalar], right: Mapping[str, Scalar]) -> tuple[FactChange, ...]:
    found = []
    for name in sorted(left.keys() | right.keys()):
        ours, theirs = left.get(name), right.get(name)
        if name in left and name in right and ours == theirs:
            continue
        section = section_of(name, ours if name in left else theirs)
        found.append(FactChange(section, name, ours, theirs, is_new=name not in left, is_gone=name not in right))
    order: tuple[Section, ...] = ("windows", "data", "metrics", "method", "policy")
    return tuple(sorted(found, key=lambda fact: (order.index(fact.section), fact.name)))


def _vocabularies(
    left: Mapping[str, tuple[str, ...]], right: Mapping[str, tuple[str, ...]]
) -> tuple[VocabularyChange, ...]:
    found = []
    for feature in sorted(left.keys() & right.keys()):
        ours, theirs = left[feature], right[feature]
        if ours == theirs:
            continue
        added = tuple(value for value in theirs if value not in ours)
        removed = tuple(value for value in ours if value not in theirs)
        found.append(VocabularyChange(feature, added, removed, is_reordered=not added and not removed))
    return tuple(found)


def _importance(
    left: Mapping[str, Mapping[str, float]], right: Mapping[str, Mapping[str, float]]
) -> tuple[ImportanceShift, ...]:
    shifts = []
    for stage in sorted(left.keys() | right.keys()):
        ours, theirs = _shares(left.get(stage, {})), _shares(right.get(stage, {}))
        for feature in sorted(ours.keys() | theirs.keys()):
            shifts.append(ImportanceShift(stage, feature, ours.get(feature, 0.0), theirs.get(feature, 0.0)))
    return tuple(sorted(shifts, key=lambda shift: (-abs(shift.change), shift.stage, shift.feature)))


def _shares(values: Mapping[str, float]) -> dict[str, float]:
    total = sum(values.values())
    return {name: value / total if total > 0 else 0.0 for name, value in values.items()}
