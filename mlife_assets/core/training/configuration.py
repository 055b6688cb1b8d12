"""The configuration of a model: people's decisions about its fit. Another fit of the same one is a refit."""

from __future__ import annotations

import json
from typing import Any

from mlife_assets.core.model import DECLARATION
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.training.manifest_facts import OWN_ESTIMATOR

_SET_IN_A_DRIFT = ("half_life_days", "recipes")
_FOLLOWS_DATA = (*_SET_IN_A_DRIFT, "threads", "validation_days")
"""Policy fields that follow an open drift, the machine or the length of a history."""


def changed_configuration(challenger: ModelArtifact, champion: ModelArtifact) -> tuple[str, ...]:
    """Return the differences between the configurations of two models, in words; empty for a refit.

    Compared are the features, the label, the estimator with its parameters and the training policy. A field unknown to
    one of them, because another release fitted it, is not compared.
    """
    ours, theirs = _facts(challenger), _facts(champion)
    return tuple(
        f"{name} was {theirs[name]} and is {ours[name]}"
        for name in ours
        if name in theirs and ours[name] != theirs[name]
    )


def _facts(artifact: ModelArtifact) -> dict[str, Any]:
    manifest = artifact.manifest
    fitted = {name: said for name, said in manifest.get("policy", {}).items() if name not in _FOLLOWS_DATA}
    declared = manifest.get(DECLARATION, {}).get("training", {})
    stated = {name: declared[name] for name in _SET_IN_A_DRIFT if name in declared}
    facts = {
        "features": ", ".join(sorted(artifact.feature_spec.names)),
        "label": manifest.get("label"),
        "estimator": manifest.get(OWN_ESTIMATOR) or "LightGBM",
        **{f"training.{name}": said for name, said in {**fitted, **stated}.items()},
    }
    found: dict[str, Any] = json.loads(json.dumps(facts))  # a fresh manifest has tuples, a stored one lists
    return found
