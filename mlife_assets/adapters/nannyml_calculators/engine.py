"""The engine of drift statistics: NannyML, or our own calculators where it is not installed.

Concept: both give the same numbers to the bit, so only speed and provenance differ. Daily reports are NannyML's where
it is installed, and say so. Limits and replays, which ask a hundred times as often, use ours: NannyML also judges the
reference itself at each fit and takes the exact p-value of each distance.

NannyML reports its usage to the internet unless a switch is set before the import: the one place outside `settings`
that writes the environment. Fitting is nearly all of the cost, so fitted calculators are kept in this process, keyed by
their data; they are never stored.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from mlife_assets.adapters.own_calculators import OwnEngine
from mlife_assets.core.monitoring.outcomes import METRICS
from mlife_assets.core.monitoring.reference import MonitoringReference, tidy
from mlife_assets.core.threads import one_thread

if TYPE_CHECKING:
    import pandas as pd


Fitted = Any
"""A fitted calculator or a tuple of them; NannyML ships no types."""

CACHED_FITS = 16
_cache: OrderedDict[tuple[Any, ...], Fitted] = OrderedDict()
NUMERIC_METHOD = "kolmogorov_smirnov"
CATEGORICAL_METHOD = "jensen_shannon"


class Reconstruction(Protocol):
    """PCA fitted on usual rows; `sampling_error` is that of their mean error."""

    sampling_error: float

    def error(self, rows: pd.DataFrame) -> float:
        """Return the mean reconstruction error of rows."""


class Engine(Protocol):
    """Calculators; frames hold float64 or strings. The returned functions take frames of the same columns."""

    def columns(self, usual: pd.DataFrame) -> Callable[[pd.DataFrame], Mapping[str, float]]:
        """Return a function from rows to each column's distance from `usual`; NaN for a column without a value."""

    def classifier(
        self, usual: pd.DataFrame, *, folds: int, settings: Mapping[str, Any]
    ) -> Callable[[pd.DataFrame], float]:
        """Return a function from rows of a day to the AUC of a classifier between them and `usual`."""

    def reconstruction(self, usual: pd.DataFrame, *, variance_share: float) -> Reconstruction:
        """Return PCA fitted on `usual`."""

    def performance(self, examples: pd.DataFrame) -> Callable[[pd.DataFrame], Mapping[tuple[str, str], float]]:
        """Return a function from rows to performance by (method, metric): `estimated` and `realised`."""


def has_nannyml() -> bool:
    return find_spec("nannyml") is not None


def computed_by() -> str:
    """Return the name of the engine for reports."""
    if has_nannyml():
        return f"NannyML {version('nannyml')}"
    return "mlife's own calculators: NannyML is not installed (pip install 'mlife[nannyml]', Python below 3.13)"


@contextmanager
def calculating(engine: Engine | None = None) -> Iterator[Engine]:
    """Yield who computes: `engine` if given, else NannyML, whose log and warnings are silent inside the block."""
    if engine is not None or not has_nannyml():
        yield engine or OwnEngine()
        return
    with quiet_nannyml() as nml, one_thread():
        yield NannyMLEngine(nml)


class NannyMLEngine:
    """The calculators of NannyML, each with one chunk."""

    def __init__(self, nml: Any) -> None:
        self._nml = nml

    def columns(self, usual: pd.DataFrame) -> Callable[[pd.DataFrame], Mapping[str, float]]:
        nml, names = self._nml, list(usual.columns)
        methods = {name: NUMERIC_METHOD if usual[name].dtype == float else CATEGORICAL_METHOD for name in names}
        fitted = nml.UnivariateDriftCalculator(
            column_names=names,
            continuous_methods=[NUMERIC_METHOD],
            categorical_methods=[CATEGORICAL_METHOD],
            chunk_number=1,
        ).fit(usual)

        def distances(today: pd.DataFrame) -> dict[str, float]:
            result = _analysis(fitted.calculate(today))
            return {name: float(result[(name, method, "value")]) for name, method in methods.items()}

        return distances

    def classifier(
        self, usual: pd.DataFrame, *, folds: int, settings: Mapping[str, Any]
    ) -> Callable[[pd.DataFrame], float]:
        nml = self._nml
        fitted = nml.DomainClassifierCalculator(
            feature_column_names=list(usual.columns),
            chunk_number=1,
            cv_folds_num=folds,
            hyperparameters=dict(settings),
        ).fit(usual)
        return lambda today: float(_analysis(fitted.calculate(today))[("domain_classifier_auroc", "value")])

    def reconstruction(self, usual: pd.DataFrame, *, variance_share: float) -> Reconstruction:
        nml = self._nml
        return _Reconstruction(
            nml.DataReconstructionDriftCalculator(
                column_names=list(usual.columns), n_components=variance_share, chunk_number=1
            ).fit(usual)
        )

    def performance(self, examples: pd.DataFrame) -> Callable[[pd.DataFrame], Mapping[tuple[str, str], float]]:
        nml = self._nml
        shared = {
            "y_pred_proba": "probability",
            "y_true": "is_positive",
            "problem_type": "classification_binary",
            "metrics": list(METRICS),
            "chunk_number": 1,
        }
        estimator, calculator = nml.CBPE(**shared).fit(examples), nml.PerformanceCalculator(**shared).fit(examples)

        def performance(asked: pd.DataFrame) -> dict[tuple[str, str], float]:
            results = {"estimated": estimator.estimate(asked), "realised": calculator.calculate(asked)}
            return {
                (method, metric): float(_analysis(result)[(metric, "value")])
                for method, result in results.items()
                for metric in METRICS
            }

        return performance


class _Reconstruction:
    """NannyML's calculator as `Reconstruction`."""

    def __init__(self, fitted: Fitted) -> None:
        self._fitted = fitted
        reference = fitted.result.filter(period="reference").to_df().iloc[0]
        self.sampling_error = float(reference[("reconstruction_error", "sampling_error")])

    def error(self, rows: pd.DataFrame) -> float:
        return float(_analysis(self._fitted.calculate(rows))[("reconstruction_error", "value")])


def _analysis(result: Any) -> Any:
    return result.filter(period="analysis").to_df().iloc[0]


@contextmanager
def quiet_nannyml() -> Iterator[Any]:
    """Yield NannyML, imported with telemetry off; its log and third-party warnings are silent inside the block."""
    os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
    logger = logging.getLogger("nannyml")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import nannyml

        logger.setLevel(logging.CRITICAL + 1)
        try:
            yield nannyml
        finally:
            logger.setLevel(level)


def cached(reference: MonitoringReference, kind: object, fit: Callable[[], Fitted]) -> Fitted:
    """Return what `fit` gives for this reference and kind, fitted at most once while it stays among the latest."""
    key = (reference.model_version, reference.content_hash, kind)
    if key not in _cache:
        _cache[key] = fit()
        while len(_cache) > CACHED_FITS:
            _cache.popitem(last=False)
    _cache.move_to_end(key)
    return _cache[key]


def forget_fitted() -> None:
    _cache.clear()


def frame(reference: MonitoringReference, table: pa.Table, names: Sequence[str]) -> pd.DataFrame:
    """Return `names` of a table as NannyML wants them: float64, or Python strings with `missing` for null."""
    result: pd.DataFrame = tidy(table, reference.columns, names).select(list(names)).to_pandas()
    for name in names:
        if result[name].dtype != np.float64:
            result[name] = result[name].astype(object).fillna("missing")
    return result
