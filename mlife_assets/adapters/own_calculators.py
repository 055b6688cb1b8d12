"""The numbers of NannyML's calculators, where NannyML is not installed.

Concept: NannyML has no release for Python 3.13, and monitoring that is silent there would look green. Each calculator
here follows the same method to the same number, so a limit that was learned with NannyML holds without it, and the
other way round; a test compares the two. It needs no package that the model does not need.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlife_assets.core.monitoring.outcomes import METRICS
from mlife_assets.core.threads import one_thread

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
KOLMOGOROV_BINS = KOLMOGOROV_EXACT_BELOW = KOLMOGOROV_STEPS_UP_TO = 10_000
CALIBRATION_BINS = CALIBRATION_SPLITS = 10
PCA_STATE, SPLIT_STATE = 16, 42
PERFECT_AUC, PROBABILITY_FLOOR = 0.999, 1e-6


class OwnEngine:
    """Calculators by scipy, scikit-learn and LightGBM (`nannyml_calculators.engine.Engine`)."""

    def columns(self, usual: pd.DataFrame) -> Callable[[pd.DataFrame], Mapping[str, float]]:
        """Return a function to each column's distance from `usual` (Kolmogorov-Smirnov, Jensen-Shannon); NaN: empty."""
        distances = {
            name: _kolmogorov_smirnov(_present(usual[name]))
            if usual[name].dtype == np.float64
            else _jensen_shannon(_present(usual[name]))
            for name in usual.columns
        }
        return lambda today: {name: distance(_present(today[name])) for name, distance in distances.items()}

    def classifier(
        self, usual: pd.DataFrame, *, folds: int, settings: Mapping[str, Any]
    ) -> Callable[[pd.DataFrame], float]:
        """Return a function to the out-of-fold AUC of a day's rows against `usual`; folds are unshuffled blocks."""
        names = sorted(usual.columns)
        words = [name for name in names if usual[name].dtype != np.float64]
        parameters = {key: value for key, value in settings.items() if key != "n_estimators"} | {"objective": "binary"}

        def auc(today: pd.DataFrame) -> float:
            import lightgbm
            from sklearn.metrics import roc_auc_score
            from sklearn.model_selection import StratifiedKFold

            columns = [*words, *(name for name in names if name not in words)]
            matrix = np.column_stack([codes(usual[name], today[name]) for name in columns])
            is_today = np.repeat([0.0, 1.0], [len(usual), len(today)])
            scores, truth = [], []
            for train, test in StratifiedKFold(n_splits=folds).split(matrix, is_today):
                rows = lightgbm.Dataset(
                    matrix[train], is_today[train], categorical_feature=list(range(len(words))), params=parameters
                )
                # kept as it was trained: else LightGBM writes it as text and reads it again
                booster = lightgbm.train(
                    parameters, rows, num_boost_round=settings["n_estimators"], keep_training_booster=True
                )
                scores.append(booster.predict(matrix[test], num_threads=1))
                truth.append(is_today[test])
            return float(roc_auc_score(np.concatenate(truth), np.concatenate(scores)))

        return auc

    def reconstruction(self, usual: pd.DataFrame, *, variance_share: float) -> OwnReconstruction:
        return OwnReconstruction(usual, variance_share)

    def performance(self, examples: pd.DataFrame) -> Callable[[pd.DataFrame], Mapping[tuple[str, str], float]]:
        estimated = self.estimated(examples["probability"].to_numpy(), examples["is_positive"].to_numpy())

        def performance(asked: pd.DataFrame) -> dict[tuple[str, str], float]:
            scores, truth = asked["probability"].to_numpy(), asked["is_positive"].to_numpy()
            found = {"estimated": estimated(scores), "realised": realised(scores, truth)}
            return {(kind, metric): values[metric] for kind, values in found.items() for metric in METRICS}

        return performance

    def estimated(self, scores: Floats, truth: npt.NDArray[Any]) -> Callable[[Floats], Mapping[str, float]]:
        """Return a function from scores to the expected `realised` (CBPE), fitted on n scores and `truth` (n,)."""
        calibrated = _calibration(scores, truth)

        def estimated(asked: Floats) -> dict[str, float]:
            share = calibrated(asked)
            auc, precision = _expected(share, asked)
            return {"roc_auc": auc, "average_precision": precision, **_said(asked, share)}

        return estimated


def realised(scores: Floats, truth: npt.NDArray[Any]) -> dict[str, float]:
    """Return ROC AUC, average precision, log loss and the share of positives of rows of both classes."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    auc, precision = roc_auc_score(truth, scores), average_precision_score(truth, scores)
    return {"roc_auc": float(auc), "average_precision": float(precision), **_said(scores, truth)}


def _said(scores: Floats, truth: npt.NDArray[Any]) -> dict[str, float]:
    """Return log loss and share of positives of scores whose outcomes have these probabilities, or are known."""
    inside = np.clip(scores, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    loss = -np.mean(truth * np.log(inside) + (1 - truth) * np.log1p(-inside))
    return {"log_loss": float(loss), "positive_share": float(np.mean(truth))}


class OwnReconstruction:
    """How far rows lie from the subspace that usual rows span; `sampling_error` is that of the mean error."""

    def __init__(self, usual: pd.DataFrame, variance_share: float) -> None:
        """Fit on rows: words as their shares, missing numbers as the mean, everything standardised."""
        from sklearn.decomposition import PCA
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        self._shares = {
            name: usual[name].value_counts(normalize=True) for name in usual.columns if usual[name].dtype != np.float64
        }
        self._standard = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
        matrix = self._standard.fit_transform(self._numbers(usual))
        with one_thread():
            self._pca = PCA(n_components=variance_share, random_state=PCA_STATE).fit(matrix)
        self.sampling_error = float(np.std(self._errors(matrix), ddof=1) / np.sqrt(len(matrix)))

    def error(self, rows: pd.DataFrame) -> float:
        return float(np.mean(self._errors(self._standard.transform(self._numbers(rows)))))

    def _numbers(self, rows: pd.DataFrame) -> Floats:
        shares = self._shares
        columns = [rows[name].map(shares[name]).fillna(0.0) if name in shares else rows[name] for name in rows.columns]
        return np.asfortranarray(np.column_stack([column.to_numpy(np.float64) for column in columns]))

    def _errors(self, matrix: Floats) -> Floats:
        with one_thread():
            rebuilt = self._pca.inverse_transform(self._pca.transform(matrix))
        return np.asarray(np.linalg.norm(matrix - rebuilt, axis=1), dtype=np.float64)


def codes(usual: pd.Series[Any], today: pd.Series[Any]) -> Floats:
    """Return the values of both as numbers: words by their place among all words of both, sorted."""
    values = np.concatenate([usual.to_numpy(), today.to_numpy()])
    if values.dtype.kind == "f":
        return values.astype(np.float64)
    return np.unique(values.astype(str), return_inverse=True)[1].astype(np.float64)


def _present(column: pd.Series[Any]) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] = column.dropna().to_numpy()
    return values if column.dtype == np.float64 else values.astype(str)


def _kolmogorov_smirnov(usual: Floats) -> Callable[[Floats], float]:
    """Return the largest distance of two distributions, of a large reference at the edges of equal bins."""
    if 0 < len(usual) < KOLMOGOROV_EXACT_BELOW:
        ordered = np.sort(usual)

        def exact(today: Floats) -> float:
            places, counted = np.concatenate([ordered, today]), np.sort(today)
            below = [np.searchsorted(rows, places, side="right") / len(rows) for rows in (ordered, counted)]
            distance = float(np.abs(below[0] - below[1]).max())
            if max(len(ordered), len(counted)) > KOLMOGOROV_STEPS_UP_TO:
                return distance
            steps = math.lcm(len(ordered), len(counted))
            return int(np.round(distance * steps)) / steps

        return lambda today: exact(today) if len(today) else float("nan")
    if not len(usual):
        return lambda _: float("nan")
    edges = np.linspace(usual.min(), usual.max(), KOLMOGOROV_BINS + 1)
    known = np.cumsum(np.histogram(usual, edges)[0] / len(usual))

    def binned(today: Floats) -> float:
        lower = float((today < edges[0]).sum()) / len(today)
        return float(np.abs(known - (lower + np.cumsum(np.histogram(today, edges)[0] / len(today)))).max())

    return lambda today: binned(today) if len(today) else float("nan")


def _jensen_shannon(usual: npt.NDArray[Any]) -> Callable[[npt.NDArray[Any]], float]:
    """Return the distance of two distributions of words, to base 2; words that are new count as one."""
    from scipy.spatial.distance import jensenshannon

    words, counts = np.unique(usual, return_counts=True)
    known = counts / len(usual)

    def distance(today: npt.NDArray[Any]) -> float:
        if not len(today):
            return float("nan")
        found = dict(zip(*np.unique(today, return_counts=True), strict=True))
        shares = np.array([found.get(word, 0) for word in words]) / len(today)
        new = 1 - shares.sum()
        if new > 0:
            return float(jensenshannon(np.append(known, 0), np.append(shares, new), base=2))
        return float(jensenshannon(known, shares, base=2))

    return distance


def _calibration(scores: Floats, truth: npt.NDArray[Any]) -> Callable[[Floats], Floats]:
    """Return a calibrator of scores: isotonic if that lowers the calibration error out of sample, else identity."""
    from sklearn.isotonic import IsotonicRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedShuffleSplit

    def as_they_are(asked: Floats) -> Floats:
        return asked

    if len(np.unique(truth)) == 1 or roc_auc_score(truth, scores) > PERFECT_AUC:
        return as_they_are
    isotonic = IsotonicRegression(out_of_bounds="clip", increasing=True)
    splits = StratifiedShuffleSplit(n_splits=CALIBRATION_SPLITS, test_size=0.1, random_state=SPLIT_STATE)
    tested, improved = [], []
    for train, test in splits.split(scores, truth):
        tested.append(test)
        improved.append(isotonic.fit(scores[train], truth[train]).predict(scores[test]))
    places = np.concatenate(tested)
    before, after = (_calibration_error(truth[places], one) for one in (scores[places], np.concatenate(improved)))
    if before <= after:
        return as_they_are
    fitted = isotonic.fit(scores, truth)
    return lambda asked: np.asarray(fitted.predict(asked), dtype=np.float64)


def _calibration_error(truth: npt.NDArray[Any], scores: Floats) -> float:
    """Return the mean distance of score and outcome in bins of equally many rows."""
    bins = CALIBRATION_BINS if len(scores) > 2 * CALIBRATION_BINS else len(scores) // 2
    edges = np.arange(0, len(scores) + 1, len(scores) // bins)
    edges[-1] = len(scores)
    order = scores.argsort()
    scores, truth = scores[order], truth[order]
    return sum(
        (end - start) / len(scores) * abs(float(scores[start:end].mean() - truth[start:end].mean()))
        for start, end in pairwise(edges)
    )


def _expected(probabilities: Floats, scores: Floats) -> tuple[float, float]:
    """Return ROC AUC and average precision to be expected if `probabilities` are true; NaN if one class is sure."""
    from sklearn.metrics import auc

    probabilities = probabilities[np.argsort(scores)[::-1]]
    counted, hits = np.arange(1, len(scores) + 1), np.cumsum(probabilities)
    hits, misses = np.round(hits, 5), np.round(counted - hits, 5)
    if not (hits[-1] and misses[-1]):
        return math.nan, math.nan
    area = auc(np.append(0, misses) / misses[-1], np.append(0, hits) / hits[-1])
    recall, precision = np.append(0, hits)[::-1] / hits[-1], np.append(1, hits / counted)[::-1]
    return float(area), float(-np.sum(np.diff(recall) * precision[:-1]))
