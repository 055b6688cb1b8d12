"""The artifact: everything that turns a feature row into a score, addressed by its content.

Concept: all fitted preprocessing is inside, as text and JSON that a person can read; nothing is pickled. The version
hashes everything that determines scores, and the training data. The manifest (time, code, quality) is hashed
separately, so a commit alone makes no new model.

A base adds the values of its curves to the log-odds: one curve per number, straight between a few knots and flat beyond
its ends, or per category, with a knot at each code. A logistic regression is a base with no trees. Columns are summed
one by one: a matrix product would round a single row differently.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import IntegrityError, InvalidInputError, NewerVersionError
from mlife_assets.core.scoring.calibrator import Calibrator
from mlife_assets.core.scoring.feature_spec import FeatureSpec

Array = npt.NDArray[np.float64]
SPEC_FILE, MANIFEST_FILE = "feature_spec.json", "manifest.json"
ESTIMATOR = "is_estimator"
"""Key of a manifest whose models are scikit-learn estimators."""
ESTIMATOR_FILE = "estimator.skops"
"""Suffix of such an estimator's file: the only binary file of an artifact."""
BASED = "steps_with_base"
"""Key of a manifest that lists the steps whose trees stand on a linear base; missing without one."""


@dataclass(frozen=True)
class BaseCurve:
    """The curve of one column.

    Attributes:
        name: of the column, as the model sees it.
        knots: values of the number, or codes of the category, ascending.
        log_odds: values at the knots, interpolated in between and constant beyond the ends.
        missing: value for a missing number.
    """

    name: str
    knots: tuple[float, ...]
    log_odds: tuple[float, ...]
    missing: float = 0.0

    def of(self, values: Array) -> Array:
        """Return the curve at n values, both (n,)."""
        added: Array = np.interp(values, *self._points)
        added[np.isnan(values)] = self.missing
        return added

    @cached_property
    def _points(self) -> tuple[Array, Array]:
        return np.array(self.knots), np.array(self.log_odds)


@dataclass(frozen=True)
class LinearBase:
    """A linear base: an intercept in log-odds, and a curve per number."""

    intercept: float
    curves: tuple[BaseCurve, ...]

    def raw(self, matrix: Array, names: Sequence[str]) -> Array:
        """Return log-odds of n rows, (n,); a row has the same bits alone and among others.

        Args:
            matrix: model inputs, (n, names).
            names: of its columns.
        """
        places = {name: place for place, name in enumerate(names)}
        total = np.full(len(matrix), self.intercept)
        for curve in self.curves:
            total += curve.of(matrix[:, places[curve.name]])
        return total

    def contributions(self, matrix: Array, names: Sequence[str]) -> Array:
        """Return the value of each column's curve, (n, names + 1), the last being the intercept; rows sum to `raw`.

        As curves have a mean of 0, these are the SHAP values of an additive model (Lundberg and Lee 2017).
        """
        parts = np.zeros((len(matrix), len(names) + 1))
        parts[:, -1] = self.intercept
        places = {name: place for place, name in enumerate(names)}
        for curve in self.curves:
            place = places[curve.name]
            parts[:, place] = curve.of(matrix[:, place])
        return parts

    def to_json(self) -> str:
        """Return canonical JSON; floats survive to the bit. `missing` is written unless it is 0."""
        record = asdict(self)
        record["curves"] = [{k: v for k, v in one.items() if k != "missing" or v} for one in record["curves"]]
        return json.dumps(record, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> LinearBase:
        """Return the base that `to_json` wrote."""
        record = json.loads(text)
        curves = (
            BaseCurve(one["name"], tuple(one["knots"]), tuple(one["log_odds"]), one.get("missing", 0.0))
            for one in record["curves"]
        )
        return cls(record["intercept"], tuple(curves))


@dataclass(frozen=True)
class ModelStage:
    """The model of one step of the funnel, given the step before.

    Attributes:
        step: name of the outcome that it predicts.
        model_text: LightGBM's text format; empty if an estimator replaces it.
        calibrator: raw score to probability.
        estimator: file of a scikit-learn estimator (`estimators`); None for LightGBM.
        base: linear base of the trees; None without one.
    """

    step: str
    model_text: str
    calibrator: Calibrator
    estimator: bytes | None = None
    base: LinearBase | None = None

    @property
    def content(self) -> bytes:
        """The file of the model."""
        return self.model_text.encode() if self.estimator is None else self.estimator


@dataclass(frozen=True)
class ModelArtifact:
    """A trained model.

    Attributes:
        stages: one model of the outcome, or one of each step of the funnel in order.
        feature_spec: columns, vocabularies and priors.
        training_data_hash: of the rows that it was fitted, tuned and calibrated on.
        manifest: JSON-able facts: training window, counts, policies, metrics, importance.
    """

    stages: tuple[ModelStage, ...]
    feature_spec: FeatureSpec
    training_data_hash: str
    manifest: Mapping[str, Any]

    @property
    def is_estimator(self) -> bool:
        """Whether a scikit-learn estimator replaces LightGBM."""
        return any(stage.estimator is not None for stage in self.stages)

    @cached_property
    def model_version(self) -> str:
        """Content hash of models, calibrators, bases, spec and training data."""
        digest = hashlib.sha256()
        stages = [
            part
            for stage in self.stages
            for part in (
                stage.step.encode(),
                stage.content,
                stage.calibrator.to_json().encode(),
                *(() if stage.base is None else (BASED.encode(), stage.base.to_json().encode())),
            )
        ]
        for part in (*stages, self.feature_spec.to_json().encode(), self.training_data_hash.encode()):
            digest.update(len(part).to_bytes(8, "big") + part)
        return "mdl_" + digest.hexdigest()[:20]

    def files(self) -> dict[str, bytes]:
        """Return the content of each file; the manifest holds the version, which hashes the others, and its seal."""
        manifest = {
            **self.manifest,
            "model_version": self.model_version,
            "training_data_hash": self.training_data_hash,
            "steps": [stage.step for stage in self.stages],
            **({ESTIMATOR: True} if self.is_estimator else {}),
            **({BASED: based} if (based := [stage.step for stage in self.stages if stage.base is not None]) else {}),
        }
        body = json.dumps(manifest, sort_keys=True, indent=1, ensure_ascii=False)
        sealed = {"manifest": json.loads(body), "manifest_sha256": hashlib.sha256(body.encode()).hexdigest()}
        files = {}
        for place, stage in enumerate(self.stages):
            model_file, calibrator_file = _stage_files(place, is_estimator=self.is_estimator)
            files[model_file] = stage.content
            files[calibrator_file] = stage.calibrator.to_json().encode()
            if stage.base is not None:
                files[_base_file(place)] = stage.base.to_json().encode()
        return files | {
            SPEC_FILE: self.feature_spec.to_json().encode(),
            MANIFEST_FILE: json.dumps(sealed, sort_keys=True, indent=1, ensure_ascii=False).encode(),
        }

    @classmethod
    def from_files(cls, model_version: str, files: Mapping[str, bytes]) -> ModelArtifact:
        """Return the artifact that `files` hold.

        Raises:
            IntegrityError: a file was changed: the content no longer hashes to `model_version`, the manifest to its
                seal, or a file is not in canonical form, byte for byte.
        """
        try:
            sealed = json.loads(files[MANIFEST_FILE])
            manifest = sealed["manifest"]
            artifact = cls(
                stages=tuple(
                    _read_stage(
                        place,
                        step,
                        files,
                        is_estimator=manifest.get(ESTIMATOR, False),
                        has_base=step in manifest.get(BASED, ()),
                    )
                    for place, step in enumerate(manifest["steps"])
                ),
                feature_spec=FeatureSpec.from_json(files[SPEC_FILE].decode()),
                training_data_hash=manifest["training_data_hash"],
                manifest={k: v for k, v in manifest.items() if k not in _DERIVED},
            )
            body = json.dumps(manifest, sort_keys=True, indent=1, ensure_ascii=False)
            is_sealed = hashlib.sha256(body.encode()).hexdigest() == sealed["manifest_sha256"]
        except (AttributeError, InvalidInputError, KeyError, NewerVersionError, TypeError, ValueError) as error:
            raise IntegrityError(f"the artifact of {model_version} cannot be read ({error}); restore it") from error
        if artifact.model_version != model_version:
            raise IntegrityError(
                f"the artifact stored as {model_version} hashes to {artifact.model_version}: a file was changed; "
                "restore it or roll back to another version"
            )
        if not is_sealed:
            raise IntegrityError(f"the manifest of {model_version} was changed; restore it")
        for name, data in artifact.files().items():
            if files[name] != data:
                raise IntegrityError(f"{name} of {model_version} was changed; restore it")
        return artifact


_DERIVED = ("model_version", "training_data_hash", "steps", ESTIMATOR, BASED)


def file_names(manifest_file: bytes) -> tuple[str, ...]:
    """Return the names of the files of an artifact, from its manifest file.

    Raises:
        IntegrityError: the manifest cannot be read.
    """
    try:
        manifest = json.loads(manifest_file)["manifest"]
        is_estimator = bool(manifest.get(ESTIMATOR, False))
        based = manifest.get(BASED, ())
        stages = [
            name
            for place, step in enumerate(manifest["steps"])
            for name in (
                *_stage_files(place, is_estimator=is_estimator),
                *((_base_file(place),) if step in based else ()),
            )
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"a manifest cannot be read ({error}); restore it") from error
    return (*stages, SPEC_FILE, MANIFEST_FILE)


def _stage_files(place: int, *, is_estimator: bool) -> tuple[str, str]:
    model = ESTIMATOR_FILE if is_estimator else "model.txt"
    return f"stage_{place + 1}.{model}", f"stage_{place + 1}.calibrator.json"


def _base_file(place: int) -> str:
    return f"stage_{place + 1}.base.json"


def _read_stage(place: int, step: str, files: Mapping[str, bytes], *, is_estimator: bool, has_base: bool) -> ModelStage:
    model_file, calibrator_file = _stage_files(place, is_estimator=is_estimator)
    calibrator = Calibrator.from_json(files[calibrator_file].decode())
    if is_estimator:
        return ModelStage(step, "", calibrator, files[model_file])
    base = LinearBase.from_json(files[_base_file(place)].decode()) if has_base else None
    return ModelStage(step, files[model_file].decode(), calibrator, base=base)
