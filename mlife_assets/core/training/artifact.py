"""The artifact: everything that turns a feature row into a score, addressed by its content.

Belongs here: what an artifact consists of, its version, its files. Does not belong here: storage
(`adapters.model_registry`).

Concept: all fitted preprocessing is inside, as text and JSON that a person can read; nothing is pickled. The version
hashes what decides scores and what they were learned from. The manifest (when, by which code, how good) is hashed
apart, so a commit alone makes no new model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.inference.features import FeatureSpec
from mlife_assets.core.training.calibrate import Calibrator

MODEL_FILE, CALIBRATOR_FILE, SPEC_FILE, MANIFEST_FILE = (
    "model.txt",
    "calibrator.json",
    "feature_spec.json",
    "manifest.json",
)


@dataclass(frozen=True)
class ModelArtifact:
    """A trained model.

    Attributes:
        model_text: LightGBM's text format.
        calibrator: raw score to probability.
        feature_spec: columns and vocabularies.
        training_data_hash: of the rows that it was fitted, tuned and calibrated on.
        manifest: JSON-able facts: training window, counts, policies, metrics, importance.
    """

    model_text: str
    calibrator: Calibrator
    feature_spec: FeatureSpec
    training_data_hash: str
    manifest: Mapping[str, Any]

    @property
    def model_version(self) -> str:
        """Content hash of model, calibrator, spec and training data."""
        digest = hashlib.sha256()
        for text in (self.model_text, self.calibrator.to_json(), self.feature_spec.to_json(), self.training_data_hash):
            part = text.encode()
            digest.update(len(part).to_bytes(8, "big") + part)
        return "mdl_" + digest.hexdigest()[:20]

    def files(self) -> dict[str, bytes]:
        """Return the content of each file; the manifest names the version that hashes the others, and seals itself."""
        manifest = {
            **self.manifest,
            "model_version": self.model_version,
            "training_data_hash": self.training_data_hash,
        }
        body = json.dumps(manifest, sort_keys=True, indent=1, ensure_ascii=False)
        sealed = {"manifest": json.loads(body), "manifest_sha256": hashlib.sha256(body.encode()).hexdigest()}
        return {
            MODEL_FILE: self.model_text.encode(),
            CALIBRATOR_FILE: self.calibrator.to_json().encode(),
            SPEC_FILE: self.feature_spec.to_json().encode(),
            MANIFEST_FILE: json.dumps(sealed, sort_keys=True, indent=1, ensure_ascii=False).encode(),
        }

    @classmethod
    def from_files(cls, model_version: str, files: Mapping[str, bytes]) -> ModelArtifact:
        """Return the artifact that `files` hold.

        Raises:
            IntegrityError: a file was changed: the content no longer hashes to `model_version`, the manifest to its
                seal, or a file is not, byte for byte, what its content is written as.
        """
        try:
            sealed = json.loads(files[MANIFEST_FILE])
            manifest = sealed["manifest"]
            artifact = cls(
                model_text=files[MODEL_FILE].decode(),
                calibrator=Calibrator.from_json(files[CALIBRATOR_FILE].decode()),
                feature_spec=FeatureSpec.from_json(files[SPEC_FILE].decode()),
                training_data_hash=manifest["training_data_hash"],
                manifest={k: v for k, v in manifest.items() if k not in ("model_version", "training_data_hash")},
            )
            body = json.dumps(manifest, sort_keys=True, indent=1, ensure_ascii=False)
            is_sealed = hashlib.sha256(body.encode()).hexdigest() == sealed["manifest_sha256"]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
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
