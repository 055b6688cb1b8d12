"""From an artifact and its measurements to the facts of its card.

Concept: the caller gives the model's purpose and results. Every fact of the manifest reaches the card, including those
unknown to this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from mlife_assets.core.policies import PromotionPolicy, policy_version
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.training.fairness.results import FairnessAudit
from mlife_assets.core.training.gate import PromotionDecision
from mlife_assets.core.training.manifest_facts import (
    EARLY_LABEL,
    OWN_ESTIMATOR,
    TRAINED_TO,
    Scalar,
    fitted_words,
    importance_by_stage,
    manifest_facts,
    section_of,
    value_words,
)
from mlife_assets.core.training.model_card.facts import (
    CALIBRATOR,
    CALIBRATOR_OF_STEP,
    CardMetric,
    CardSubject,
    CardWindow,
    Facts,
    ModelCard,
)
from mlife_assets.core.training.reliability import Calibration

_WINDOWS = (
    ("training", "fitted on these days"),
    ("validation", "formulation, recipe, calibrator and number of trees, if any, chosen here"),
)
_EARLY_NOTE = "too young for the label; fitted on what had happened early"
_PROVENANCE = {"training_data_hash", "code_version"}


def describe_model(
    artifact: ModelArtifact,
    subject: CardSubject,
    *,
    as_of: date | None = None,
    decision: PromotionDecision | None = None,
    calibration: Calibration | None = None,
    fairness: FairnessAudit | None = None,
    windows: Sequence[CardWindow] = (),
    pictures: Mapping[str, str] | None = None,
) -> ModelCard:
    """Return the facts of a model's card.

    Args:
        artifact: the model; its manifest names windows, counts, policies and importance.
        subject: description of the model.
        as_of: labels were complete as of this day.
        decision: the gate's verdict, of any objective; None if no gate judged.
        calibration: on mature outcomes outside the training.
        fairness: the audit of this version.
        windows: further windows, for example the gate's; one with the name of a window of the manifest replaces it.
        pictures: title -> data URI of a PNG, of how features move the score.
    """
    facts = manifest_facts(artifact.manifest)
    by_section: dict[str, dict[str, Scalar]] = {}
    for name, value in facts.items():
        by_section.setdefault(section_of(name, value), {})[name] = value
    given = subject.policies
    promotion = next((policy for policy in given.values() if isinstance(policy, PromotionPolicy)), None)
    dates = {name: value for name, value in by_section.get("windows", {}).items() if not _is_in_window(name)}
    return ModelCard(
        model_version=artifact.model_version,
        subject=subject,
        as_of_date=as_of,
        windows=_windows(facts, windows),
        data=(*subject.data, *_words({**by_section.get("data", {}), **dates})),
        decision=decision,
        metrics=tuple(_metrics(by_section.get("metrics", {}))),
        calibration=calibration,
        **(_bounds(promotion) if decision and promotion else {}),
        fairness=fairness,
        importance=importance_by_stage(artifact.manifest),
        pictures=dict(pictures or {}),
        vocabularies=dict(artifact.feature_spec.vocabularies),
        policies={**_manifest_policies(by_section.get("policy", {})), **_given_policies(given)},
        method=(
            *([(OWN_ESTIMATOR, fitted_words(artifact.manifest))] if OWN_ESTIMATOR in artifact.manifest else []),
            *_calibrators(artifact),
            *_method(by_section.get("method", {})),
            *_priors(artifact),
        ),
        provenance=(
            ("model version", artifact.model_version),
            ("training data", artifact.training_data_hash),
            ("code version", value_words(facts.get("code_version", "not recorded"))),
        ),
    )


def _calibrators(artifact: ModelArtifact) -> Facts:
    """Return the calibrator of each step by name, which the manifest's list lacks."""
    is_one = len(artifact.stages) == 1
    return tuple(
        (CALIBRATOR if is_one else CALIBRATOR_OF_STEP + stage.step, stage.calibrator.method)
        for stage in artifact.stages
    )


def _method(facts: Mapping[str, Scalar]) -> Facts:
    return tuple((name, words) for name, words in _words(facts) if name != CALIBRATOR)


def _priors(artifact: ModelArtifact) -> Facts:
    return tuple(
        (f"prior of {rate.name}", f"{rate.prior_rate:.4g}, worth {rate.prior_strength:.4g} trials")
        for rate in artifact.feature_spec.rates
    )


def _is_in_window(name: str) -> bool:
    shown = (f"{window}_{end}_date" for window, _ in _WINDOWS for end in ("start", "end"))
    early = (f"{EARLY_LABEL}.first_day", f"{EARLY_LABEL}.last_day")
    return name in (*shown, *early) or name.startswith(f"{TRAINED_TO}.")


def _windows(facts: Mapping[str, Scalar], given: Sequence[CardWindow]) -> tuple[CardWindow, ...]:
    """Return the windows of the manifest, steps with newer training days apart, and the given ones.

    The training is that of the label; validation ends with it.
    """
    found: dict[str, CardWindow] = {}
    label_end = facts.get(f"{TRAINED_TO}.{facts.get('label')}", facts.get("training_end_date"))
    for name, note in _WINDOWS:
        first = facts.get(f"{name}_start_date")
        last = label_end if name == "training" else facts.get(f"{name}_end_date", label_end)
        if first is not None and last is not None:
            counts = ("examples", "positives") if name == "training" else (f"{name}_rows", f"{name}_positives")
            rows, positives = (_count(facts.get(count)) for count in counts)
            days = (date.fromisoformat(str(first)), date.fromisoformat(str(last)))
            found[name] = CardWindow(name, *days, note, rows, positives)
    for fact, last in facts.items():
        key, _, step = fact.partition(".")
        if key == TRAINED_TO and last != label_end and "training" in found:
            rows = _count(facts.get(f"examples_by_step.{step}"))
            until = date.fromisoformat(str(last))
            found[step] = CardWindow(step, found["training"].first, until, "this step is known sooner", rows)
    begins, ends = (facts.get(f"{EARLY_LABEL}.{end}_day") for end in ("first", "last"))
    if begins is not None and ends is not None:
        rows, positives = (_count(facts.get(f"{EARLY_LABEL}.{count}")) for count in ("rows", "positives"))
        days = (date.fromisoformat(str(begins)), date.fromisoformat(str(ends)))
        found[EARLY_LABEL] = CardWindow(EARLY_LABEL, *days, _EARLY_NOTE, rows, positives)
    return tuple((found | {window.name: window for window in given}).values())


def _count(value: Scalar) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _words(facts: Mapping[str, Scalar]) -> Facts:
    return tuple((name, value_words(value)) for name, value in facts.items() if name not in _PROVENANCE)


def _metrics(facts: Mapping[str, Scalar]) -> tuple[CardMetric, ...]:
    return tuple(
        CardMetric(name, float(value), note="from the manifest")
        for name, value in facts.items()
        if isinstance(value, int | float)
    )


def _bounds(policy: PromotionPolicy) -> dict[str, Any]:
    return {
        "slope_bounds": (policy.calibration_slope_minimum, policy.calibration_slope_maximum),
        "level_bounds": (policy.calibration_level_minimum, policy.calibration_level_maximum),
    }


def _manifest_policies(facts: Mapping[str, Scalar]) -> dict[str, Facts]:
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, value in facts.items():
        first, _, rest = name.partition(".")
        alone = first if first == OWN_ESTIMATOR else "training"
        group, _, leaf = rest.partition(".") if first == "policies" else (alone, "", rest or name)
        groups.setdefault(group, []).append((leaf or group, value_words(value)))
    return {name: tuple(fields) for name, fields in groups.items()}


def _given_policies(policies: Mapping[str, Any]) -> dict[str, Facts]:
    return {
        name: (*_words(manifest_facts(asdict(policy))), ("policy_version", policy_version(policy)))
        for name, policy in policies.items()
    }
