"""Scoring: a loaded artifact behind the `Scorer` port.

Concept: one row alone, in a batch or at the endpoint gives the same bits, so every computation is row by row, with sums
in the model's own order. LightGBM's Python package imports pandas, scikit-learn and matplotlib, which takes seconds. So
predictions call its C library directly, the same functions as `lightgbm.Booster`, with the same bits.
"""

from __future__ import annotations

import ctypes
import importlib.util
import runpy
import weakref
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError, PermanentError
from mlife_assets.core.ports import Scores
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.compiled import CompiledModels
from mlife_assets.core.scoring.estimators import StoredEstimator
from mlife_assets.core.scoring.feature_spec import FeatureSpec, examples_matrix
from mlife_assets.core.scoring.forest import UnsupportedTreesError

RAW, CONTRIBUTIONS = 1, 3
_FLOAT64, _ROW_MAJOR, _FIRST, _ALL = 1, 1, 0, -1

Array = npt.NDArray[np.float64]

ROWS_WORTH_THREADS = 1_000
"""Fewer rows are scored before a second thread wakes."""
ROWS_WORTH_COMPILING = 20_000
"""Fewer rows are scored by LightGBM before the machine code of its trees is loaded, where nobody asked for it."""
ROWS_AT_ONCE = 50_000
"""Rows of a table that are scored at once: memory holds their matrix, and not that of a gate's weeks."""


class Trees:
    """A booster, read from LightGBM's text format."""

    def __init__(self, model_text: str) -> None:
        """Parse the text.

        Raises:
            PermanentError: LightGBM cannot read it; carries its own message.
        """
        handle, count = ctypes.c_void_p(), ctypes.c_int()
        text = ctypes.c_char_p(model_text.encode())
        _require(_library().LGBM_BoosterLoadModelFromString(text, ctypes.byref(count), ctypes.byref(handle)))
        self._handle = handle
        weakref.finalize(self, _library().LGBM_BoosterFree, handle)

    def raw(self, matrix: Array, *, threads: int) -> Array:
        """Return the raw score of each row, shape (n,)."""
        return self._predicted(matrix, RAW, threads)

    def contributions(self, matrix: Array, *, threads: int) -> Array:
        """Return SHAP values and the expected value of each row, shape (n, columns + 1)."""
        return self._predicted(matrix, CONTRIBUTIONS, threads).reshape(len(matrix), -1)

    def _predicted(self, matrix: Array, kind: int, threads: int) -> Array:
        data = np.ascontiguousarray(matrix, dtype=np.float64)
        rows, columns = (ctypes.c_int32(size) for size in data.shape)
        asked = (ctypes.c_int(kind), ctypes.c_int(_FIRST), ctypes.c_int(_ALL))
        wanted, written = ctypes.c_int64(), ctypes.c_int64()
        _require(_library().LGBM_BoosterCalcNumPredict(self._handle, rows, *asked, ctypes.byref(wanted)))
        predicted = np.empty(wanted.value, dtype=np.float64)
        _require(
            _library().LGBM_BoosterPredictForMat(
                self._handle,
                data.ctypes.data_as(ctypes.c_void_p),
                ctypes.c_int(_FLOAT64),
                rows,
                columns,
                ctypes.c_int(_ROW_MAJOR),
                *asked,
                ctypes.c_char_p(f"num_threads={threads}".encode()),
                ctypes.byref(written),
                predicted.ctypes.data_as(ctypes.c_void_p),
            )
        )
        return predicted


@cache
def _library() -> ctypes.CDLL:
    """Return LightGBM's C library, found without importing the package."""
    package = importlib.util.find_spec("lightgbm")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'lightgbm'", name="lightgbm")
    find = runpy.run_path(f"{package.submodule_search_locations[0]}/libpath.py")["find_lib_path"]
    library = ctypes.CDLL(find()[0])
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library


def _require(code: int) -> None:
    if code != 0:
        raise PermanentError(f"LightGBM cannot score: {_library().LGBM_GetLastError().decode()}")


class StagedScorer(ABC):
    """Scores with the models of an artifact, one in all or one per step, and their calibrators.

    One stage: `raw` is its log-odds. A funnel: `raw` is the uncalibrated log-probability that all steps happen;
    `probability` is the product of the calibrated steps.
    """

    def __init__(self, artifact: ModelArtifact, *, threads: int) -> None:
        """Keep the artifact; the models are parsed at the first score."""
        self._artifact = artifact
        self._threads = threads
        self._model_version = artifact.model_version

    @property
    def model_version(self) -> str:
        """Content hash of the artifact."""
        return self._model_version

    @property
    def feature_spec(self) -> FeatureSpec:
        """Columns, vocabularies and priors of the matrix."""
        return self._artifact.feature_spec

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of the matrix that `score` takes."""
        return self._artifact.feature_spec.names

    @property
    def model_names(self) -> tuple[str, ...]:
        """Names for `contributions`: the columns of the matrix, then the smoothed rates."""
        return self._artifact.feature_spec.model_names

    @property
    def is_quick(self) -> bool:
        """Whether a few rows take microseconds, so that nobody minds waiting for them."""
        return False

    def warm(self) -> None:
        """Read the models, so that no row waits for them."""
        self._raws(np.zeros((0, len(self.model_names))))

    @abstractmethod
    def _raws(self, matrix: Array) -> list[Array]:
        """Return the log-odds of each stage for n rows of model inputs, each (n,)."""

    @abstractmethod
    def _parts(self, matrix: Array) -> list[Array]:
        """Return the contributions to them and the expected value, each (n, model_names + 1)."""

    def score(self, features: np.ndarray) -> Scores:
        """Score n rows: raw score, calibrated probability and that of each step, all of shape (n,)."""
        matrix = self._expanded(features)
        raws = self._raws(matrix)
        steps = {
            stage.step: stage.calibrator.probabilities(raw)
            for stage, raw in zip(self._artifact.stages, raws, strict=True)
        }
        probability = np.ones(len(matrix))
        for given_before in steps.values():
            probability = probability * given_before
        raw = raws[0] if len(raws) == 1 else np.add.reduce([log_probability(one) for one in raws])
        return Scores(raw, probability, steps)

    def contributions(self, features: np.ndarray) -> np.ndarray:
        """Return SHAP values of the raw score, shape (n, model_names + 1), the last column being the expected value.

        The log-odds of a step are turned into its log-probability by scaling their contributions, so that they still
        sum to it (the rescale rule for a series of models: Chen, Lundberg and Lee, Nature Communications 2022).
        """
        matrix = self._expanded(features)
        parts = self._parts(matrix)
        if len(parts) == 1:
            return parts[0]
        return np.asarray(np.add.reduce([_rescaled(part) for part in parts]))

    def _expanded(self, features: np.ndarray) -> np.ndarray:
        wanted = len(self.feature_names)
        if features.ndim != 2 or features.shape[1] != wanted:
            raise InvalidInputError(
                f"features have shape {features.shape}; pass (rows, {wanted}) in the order of feature_names"
            )
        return self.feature_spec.expanded(np.ascontiguousarray(features, dtype=np.float64))


class LightGBMScorer(StagedScorer):
    """Scores with LightGBM's trees, on a linear base where a stage has one; contributions are its own and the base's.

    LightGBM's library scores a few rows. Once warm, or for many rows, machine code does, if it has the same bits.
    """

    uncompiled: str | None = None
    """Why LightGBM scores though the scorer is warm."""
    _is_warm = False

    @property
    def is_quick(self) -> bool:
        """Whether it is warm, and machine code scores."""
        return self._is_warm and self._compiled is not None

    def warm(self) -> None:
        """Read the models, and have their machine code ready."""
        if not self._is_warm:
            self._is_warm = self._compiled is not None or bool(self._trees)

    def _raws(self, matrix: Array) -> list[Array]:
        if not len(matrix):
            return [np.zeros(0) for _ in self._trees]
        if (self._is_warm or len(matrix) >= ROWS_WORTH_COMPILING) and self._compiled is not None:
            return self._compiled.raws(matrix)
        return self._raws_of_lightgbm(matrix)

    def _raws_of_lightgbm(self, matrix: Array) -> list[Array]:
        scored = [one.raw(matrix, threads=self._threads_for(matrix)) for one in self._trees]
        return [
            raw if stage.base is None else stage.base.raw(matrix, self.model_names) + raw
            for stage, raw in zip(self._artifact.stages, scored, strict=True)
        ]

    @cached_property
    def _compiled(self) -> CompiledModels | None:
        try:
            return CompiledModels(self._artifact, self._raws_of_lightgbm)
        except UnsupportedTreesError as error:
            self.uncompiled = str(error)
            return None

    def _parts(self, matrix: Array) -> list[Array]:
        if not len(matrix):
            return [np.zeros((0, len(self.model_names) + 1)) for _ in self._trees]
        parts = [one.contributions(matrix, threads=self._threads_for(matrix)) for one in self._trees]
        return [
            part if stage.base is None else stage.base.contributions(matrix, self.model_names) + part
            for stage, part in zip(self._artifact.stages, parts, strict=True)
        ]

    @cached_property
    def _trees(self) -> tuple[Trees, ...]:
        return tuple(Trees(stage.model_text) for stage in self._artifact.stages)

    def _threads_for(self, matrix: Array) -> int:
        return self._threads if len(matrix) >= ROWS_WORTH_THREADS else 1


class SklearnScorer(StagedScorer):
    """Scores with estimators of scikit-learn; contributions are shap's."""

    @cached_property
    def _estimators(self) -> tuple[StoredEstimator, ...]:
        return tuple(StoredEstimator.from_bytes(stage.content) for stage in self._artifact.stages)

    def _raws(self, matrix: Array) -> list[Array]:
        return [one.raw(matrix) if len(matrix) else np.zeros(0) for one in self._estimators]

    def _parts(self, matrix: Array) -> list[Array]:
        none = np.zeros((0, len(self.model_names) + 1))
        return [one.contributions(matrix) if len(matrix) else none for one in self._estimators]


def scorer_of(artifact: ModelArtifact, *, threads: int) -> StagedScorer:
    """Return the scorer for an artifact's kind of models."""
    kind = SklearnScorer if artifact.is_estimator else LightGBMScorer
    return kind(artifact, threads=threads)


def score_table(scorer: StagedScorer, rows: pa.Table, constants: Mapping[str, str] | None = None) -> Scores:
    """Return the scores of n rows with features; `constants` as of `examples_matrix`."""
    parts = [
        scorer.score(examples_matrix(rows.slice(start, ROWS_AT_ONCE), scorer.feature_spec, constants))
        for start in range(0, max(rows.num_rows, 1), ROWS_AT_ONCE)
    ]
    raw, probability = (np.concatenate(of) for of in zip(*((one.raw, one.probability) for one in parts), strict=True))
    steps = {step: np.concatenate([one.steps[step] for one in parts]) for step in parts[0].steps}
    return Scores(raw, probability, steps)


def log_probability(log_odds: np.ndarray) -> np.ndarray:
    """Return log(1 / (1 + exp(-log_odds))), element by element."""
    return np.asarray(-np.logaddexp(0.0, -log_odds))


def _rescaled(contributions: np.ndarray) -> np.ndarray:
    """Return contributions to the log-probability of contributions to log-odds, both (n, features + 1)."""
    expected = contributions[:, -1]
    moved = np.sum(contributions[:, :-1], axis=1)
    change = log_probability(expected + moved) - log_probability(expected)
    flat = np.exp(log_probability(-expected))
    scale = np.where(np.abs(moved) > _SMALL, change / np.where(np.abs(moved) > _SMALL, moved, 1.0), flat)
    return np.column_stack([contributions[:, :-1] * scale[:, None], log_probability(expected)])


_SMALL = 1e-9
"""Below this, the slope of the curve approximates the change."""
