"""Scikit-learn estimators in place of LightGBM: stored as bytes without pickle, scored and explained.

Concept: a file of `skops` names its types; they are checked against a list before any is created, on writing and on
reading. `skops` writes memory addresses and the time; addresses are replaced by their order and the time is dropped, so
the same estimator gives the same bytes. Scores are log-odds; contributions are shap's and sum to them. A linear model
is summed column by column: a matrix product would round a single row differently.
"""

from __future__ import annotations

import io
import json
import math
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import IntegrityError, InvalidInputError

Array = npt.NDArray[np.float64]
MakeEstimator: TypeAlias = Callable[[], Any]
"""Factory of a new, unfitted estimator or pipeline of scikit-learn."""
TRUSTED = ("numpy.dtype", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor")
"""Types allowed in a file besides those of scikit-learn and numpy that `skops` trusts."""
FINAL_STEPS = ("LogisticRegression", "HistGradientBoostingClassifier")
THREADS = "n_threads"
SCHEMA = "schema.json"
LARGEST = 1e30
"""Larger numbers count as missing, so that no sum overflows."""


@dataclass(frozen=True, eq=False)
class StoredEstimator:
    """A fitted estimator.

    Attributes:
        estimator: scikit-learn estimator or pipeline whose last step is one of `FINAL_STEPS`.
        background: mean of the training rows as input of the last step, float64 (columns,): the baseline of
            contributions if the last step is linear.
    """

    estimator: Any
    background: Array

    @classmethod
    def fitted_on(cls, estimator: Any, matrix: Array) -> StoredEstimator:
        """Return a fitted estimator with the mean of its training rows as background.

        Raises:
            InvalidInputError: its steps change the number of columns, so contributions would have no names.
        """
        seen = transformed(estimator, matrix)
        if seen.shape[1] != matrix.shape[1]:
            raise InvalidInputError(
                f"the steps before the last make {seen.shape[1]} columns of {matrix.shape[1]}; keep each column in its "
                "place (SimpleImputer needs keep_empty_features=True), so that reasons can name it"
            )
        return cls(estimator, np.asarray(np.add.reduce(seen, axis=0) / len(seen), dtype=np.float64))

    def raw(self, matrix: Array) -> Array:
        """Return log-odds of n rows, (n,); a row has the same bits alone and among others."""
        final = last_step(self.estimator)
        seen = transformed(self.estimator, matrix)
        if _is_linear(final):
            total = np.full(len(seen), float(final.intercept_[0]))
            for place, weight in enumerate(final.coef_[0]):
                total = total + float(weight) * seen[:, place]
            return total
        # One thread: each tree has a thread pool, and on a busy machine threads would wait for each other at each tree.
        with _threads().limit(limits=1, user_api="openmp"):
            return np.asarray(final.decision_function(seen), dtype=np.float64)

    def contributions(self, matrix: Array) -> Array:
        """Return SHAP values of n rows, (n, columns + 1), the last being the expected value; rows sum to `raw`."""
        shap = import_shap()
        final = last_step(self.estimator)
        seen = transformed(self.estimator, matrix)
        if _is_linear(final):
            masker = shap.maskers.Independent(self.background[None, :], max_samples=1)
            explainer = shap.LinearExplainer((final.coef_[0], float(final.intercept_[0])), masker)
        else:
            explainer = shap.TreeExplainer(final, feature_perturbation="tree_path_dependent")
        values = np.asarray(explainer.shap_values(seen), dtype=np.float64)
        expected = float(np.ravel(explainer.expected_value)[0])
        return np.column_stack([values, np.full(len(values), expected)])

    def to_bytes(self) -> bytes:
        """Return the file; equal estimators give equal bytes.

        Raises:
            InvalidInputError: it holds a type that is not trusted.
        """
        import skops.io

        data = skops.io.dumps({"estimator": self.estimator, "background": self.background})
        if unknown := _untrusted(data):
            raise InvalidInputError(
                f"the estimator holds {unknown[0]}, which is stored by no trusted type; use steps of scikit-learn "
                "itself, without functions of your own"
            )
        return _canonical(data)

    @classmethod
    def from_bytes(cls, data: bytes) -> StoredEstimator:
        """Return the estimator of a file. Raises IntegrityError when it cannot be read or holds an untrusted type."""
        import skops.io

        try:
            if unknown := _untrusted(data):
                raise IntegrityError(f"an estimator's file holds {unknown[0]}, which is not trusted; restore it")
            record = skops.io.loads(data, trusted=list(TRUSTED))
            return cls(record["estimator"], record["background"])
        except IntegrityError:
            raise
        except Exception as error:  # a damaged file makes skops, numpy and zipfile raise errors of a dozen types
            raise IntegrityError(f"an estimator's file cannot be read ({error}); restore it") from error


def steps_of_estimator(estimator: Any) -> list[Any]:
    """Return the steps of a pipeline in order, or the estimator alone."""
    steps = getattr(estimator, "steps", None)
    return [estimator] if steps is None else [step for _, step in steps if step not in (None, "passthrough")]


def parameters(estimator: Any) -> dict[str, Any]:
    """Return the parameters of an estimator, step -> parameter -> value: JSON-able, equal for equal estimators."""
    found: dict[str, Any] = {}
    for step in steps_of_estimator(estimator):
        name = type(step).__name__
        if name in found:
            name = f"{name}_{len(found) + 1}"
        found[name] = {key: _plain(value) for key, value in sorted(step.get_params(deep=False).items())}
    return found


def last_step(estimator: Any) -> Any:
    """Return the last step, which scores."""
    return steps_of_estimator(estimator)[-1]


def usable(matrix: Array) -> Array:
    """Return a matrix with numbers beyond `LARGEST` as missing: scikit-learn refuses infinity."""
    return np.where(np.abs(matrix) <= LARGEST, matrix, np.nan)


def transformed(estimator: Any, matrix: Array) -> Array:
    """Return the rows as inputs of the last step."""
    seen = usable(matrix)
    for step in steps_of_estimator(estimator)[:-1]:
        seen = step.transform(seen)
    return np.asarray(seen, dtype=np.float64)


def require_usable(estimator: Any) -> None:
    """Refuse an estimator before it is fitted.

    Raises:
        InvalidInputError: its scores cannot be explained, or it cannot take a missing value.
    """
    from sklearn.utils import get_tags

    steps = steps_of_estimator(estimator)
    kind = type(steps[-1]).__name__
    if kind not in FINAL_STEPS or not type(steps[-1]).__module__.startswith("sklearn."):
        raise InvalidInputError(
            f"the estimator ends with {kind}, whose log-odds cannot be taken apart; end with {' or '.join(FINAL_STEPS)}"
        )
    if getattr(steps[-1], "categorical_features", None) not in (None, "from_dtype"):
        raise InvalidInputError(
            f"{kind} splits categories, which shap cannot take apart; leave categorical_features out"
        )
    for step in steps:
        if not get_tags(step).input_tags.allow_nan:
            raise InvalidInputError(
                f"{type(step).__name__} takes no missing value, and rows have some; make a pipeline that begins with "
                "SimpleImputer(keep_empty_features=True)"
            )
        if type(step).__module__.startswith("sklearn.impute"):
            return


def _plain(value: Any) -> Any:
    """Return a parameter as JSON; the name of a value that JSON cannot hold."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if hasattr(value, "get_params") and not isinstance(value, type):
        return parameters(value)
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


@cache
def _threads() -> Any:
    """Return the thread controller; finding the libraries takes longer than scoring a row."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def import_shap() -> Any:
    """Return shap; its import uses deprecated parts of matplotlib."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        import shap
    return shap


def _is_linear(final: Any) -> bool:
    return hasattr(final, "coef_")


def _untrusted(data: bytes) -> list[str]:
    import skops.io

    return sorted(set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED))


def _canonical(data: bytes) -> bytes:
    """Return a file of `skops` in a fixed order, with addresses numbered and without time."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    ids: dict[str, int] = {}

    def number(address: object) -> int:
        return ids.setdefault(str(address), len(ids) + 1)

    def renamed(value: Any) -> Any:
        if isinstance(value, list):
            return [renamed(one) for one in value]
        if not isinstance(value, dict):
            return value
        if isinstance(threads := value.get(THREADS), dict) and "content" in threads:
            # Addresses are the fitting machine's; scores do not depend on them. Equal numbers share an address.
            value = {**value, THREADS: {**threads, "content": "1", "__id__": THREADS}}
        found = {key: renamed(inner) for key, inner in value.items()}
        if "__id__" in found:
            found["__id__"] = number(found["__id__"])
        if isinstance(found.get("file"), str) and "__loader__" in found:
            stem, _, ending = found["file"].partition(".")
            found["file"] = files.setdefault(found["file"], f"{number(stem)}.{ending}")
        return found

    files: dict[str, str] = {}
    schema = renamed(json.loads(parts.pop(SCHEMA)))
    written = {files[name]: content for name, content in parts.items()}
    written[SCHEMA] = json.dumps(schema, indent=1).encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(written):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), written[name])
    return target.getvalue()
