"""Facts of a manifest for people: flat, named, in a fixed order.

Concept: manifests grow, and old ones stay. A reader with fixed keys would omit new ones, so everything is flattened to
dotted names. Importance is kept apart, because it is a table, and the declaration of the model, because its hash
suffices for comparison.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

from mlife_assets.core.model import DECLARATION

Scalar = str | int | float | bool | None
Section = Literal["windows", "data", "policy", "metrics", "method"]

IMPORTANCE = "importance"
OWN_ESTIMATOR = "estimator"
"""Key of the parameters of an estimator in LightGBM's place."""
AT_LIMIT = "trees_at_limit"
"""Key of the steps whose number of trees was bounded by a limit, each with the limit."""
FIRST_TREE, MAXIMUM = "first tree", "maximum of trees"  # of models that stopped early by log loss
LIMIT_WORDS = {
    FIRST_TREE: "stopped at its first tree: a second one made validation worse, so it learned next to nothing",
    MAXIMUM: "took as many trees as it may: more might have been better",
}
TRAINED_TO = "trained_to"
"""Key of the last exposure day whose complete outcome each step learned from; models of 0.1.0 have none."""
EARLY_LABEL = "early_label"
"""Key of the facts on early labels in training (`training.early_label`)."""
_APART = (IMPORTANCE, DECLARATION)
_DATA = {
    "examples",
    "fit_rows",
    "positives",
    "quarantined_rows",
    "rows",
    "training_data_hash",
    "validation_rows",
}
_POLICY = ("policy", "policies", "policy_version", OWN_ESTIMATOR)
_METHOD = {
    "calibrator",
    "code_version",
    "declaration_hash",
    "formulation",
    "label",
    "model_name",
    "objective",
    "priors",
    "recipe",
    "rows_by_step",
    "trees",
    "trees_at_limit",
    "trees_by_step",
}


def trained_to(manifest: Mapping[str, Any], step: str) -> date:
    """Return the last exposure day whose complete outcome a step learned from; by default that of the model."""
    days: Mapping[str, str] = manifest.get(TRAINED_TO, {})
    return date.fromisoformat(days.get(step, manifest["training_end_date"]))


def learned_to(manifest: Mapping[str, Any], step: str) -> date:
    """Return the last exposure day in the training of a step, early labels included."""
    early = manifest.get(EARLY_LABEL, {}).get("last_day")
    days = [trained_to(manifest, step)]
    if early is not None and step == manifest.get("label"):
        days.append(date.fromisoformat(early))
    return max(days)


def last_trained_day(manifest: Mapping[str, Any]) -> date:
    """Return the last exposure day in the training of any step: later rows are out of sample."""
    return max(
        date.fromisoformat(day) for day in (manifest["training_end_date"], *manifest.get(TRAINED_TO, {}).values())
    )


def trained_to_words(days: Mapping[str, date]) -> str:
    """Return the last exposure day whose complete outcome each step learned from: one day if all agree."""
    if len(set(days.values())) == 1:
        return next(iter(days.values())).isoformat()
    return ", ".join(f"{day.isoformat()} ({step})" for step, day in days.items())


def manifest_facts(manifest: Mapping[str, Any]) -> dict[str, Scalar]:
    """Return all facts but importance and declaration: dotted name -> value, sorted. Lists become text."""
    return dict(sorted(_flat("", {key: value for key, value in manifest.items() if key not in _APART}).items()))


def importance_by_stage(manifest: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return mean |SHAP| by stage and feature, largest first; the stage of a model of one step is ""."""
    found: Mapping[str, Any] = manifest.get(IMPORTANCE) or {}
    stages: dict[str, Mapping[str, Any]] = {}
    for name, value in found.items():
        if isinstance(value, Mapping):
            stages[name] = value
        else:
            stages[""] = {**stages.get("", {}), name: value}
    return {
        stage: {name: float(value) for name, value in sorted(values.items(), key=lambda item: (-item[1], item[0]))}
        for stage, values in stages.items()
    }


def fitted_words(manifest: Mapping[str, Any]) -> str:
    """Return the fitted model in words: the number of trees and any limit, or the estimator's steps."""
    if OWN_ESTIMATOR in manifest:
        return ", ".join(manifest[OWN_ESTIMATOR])
    if not manifest["trees"]:
        return "a logistic regression"
    limits: Mapping[str, str] = manifest.get(AT_LIMIT, {})
    words = [f"{step} {LIMIT_WORDS[why].partition(':')[0]}" for step, why in limits.items()]
    return f"{manifest['trees']} trees" + (f" ({'; '.join(words)})" if words else "")


def early_label_words(manifest: Mapping[str, Any]) -> str:
    """Return the use of early labels in words; "" without any."""
    facts: Mapping[str, Any] = manifest.get(EARLY_LABEL, {})
    if "refused" in facts:
        return f"rows too young for their label taught it nothing: {facts['refused']}"
    silent = f"; next to nothing came of {facts['silent_days']}, which taught nothing" if "silent_days" in facts else ""
    if "rows" not in facts:
        return silent.removeprefix("; ")
    return (
        f"{facts['rows']:,} rows of {facts['first_day']} to {facts['last_day']}, too young for their label, taught it "
        f"by what had come early, as {facts['share_of_positives']:.1%} of positives do{silent}"
    )


def trees_at_limit(trees_by_step: Mapping[str, int], maximum: int) -> dict[str, str]:
    """Return the steps with the maximum of trees: more might be better."""
    return {step: MAXIMUM for step, trees in trees_by_step.items() if trees >= maximum}


def recipe_words(manifest: Mapping[str, Any]) -> str:
    """Return the recipe, and the log loss of each that competed on the validation window, the lowest first.

    A model of release 0.1.0 names none: its rows count alike, and its trees have no base.
    """
    losses: Mapping[str, float] = manifest.get("recipes", {})
    shown = sorted(losses.items(), key=lambda item: (item[1], item[0]))
    worth = ", ".join(f"{name} {loss:.5f}" for name, loss in shown)
    chosen = f"recipe {manifest.get('recipe', 'plain')}"
    return f"{chosen} (log loss {worth})" if len(losses) > 1 else chosen


def section_of(name: str, value: Scalar) -> Section:
    """Return the heading of a fact."""
    parts = name.split(".")
    if parts[0] in _POLICY:
        return "policy"
    if parts[0] == TRAINED_TO or any(part.endswith(("_date", "_day", "_days")) for part in parts):
        return "windows"
    if parts[-1] in _DATA or parts[0] in ("examples_by_step", EARLY_LABEL):
        return "data"
    if _METHOD.intersection(parts) or isinstance(value, str | bool) or value is None:
        return "method"
    return "metrics"


def value_words(value: Scalar) -> str:
    """Return a value for people: whole numbers with separators, others with six significant digits.

    An empty text, as of an empty list, is "none".
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.6g}" if isinstance(value, float) else value or "none"


def _flat(prefix: str, value: Any) -> dict[str, Scalar]:
    if isinstance(value, Mapping):
        found: dict[str, Scalar] = {}
        for key, inner in value.items():
            found |= _flat(f"{prefix}.{key}" if prefix else str(key), inner)
        return found
    if isinstance(value, list | tuple):
        if any(isinstance(inner, Mapping | list | tuple) for inner in value):
            return _flat(prefix, {str(place): inner for place, inner in enumerate(value)})
        return {prefix: ", ".join(value_words(inner) for inner in value)}
    if value is None or isinstance(value, str | bool | int | float):
        return {prefix: value}
    return {prefix: str(value)}
