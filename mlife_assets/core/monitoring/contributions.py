"""SHAP values of the champion beside a pair's features, and the importance of columns.

Concept: SHAP values are the model's own latent space: how far each feature moved a pair's score. A region that the
model treats alike is one point in it, and a changed treatment moves it. Samples of the reference and of the day both
hold them beside the features.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError

PREFIX = "shap_"


def with_contributions(pairs: pa.Table, contributions: npt.NDArray[np.float64], model_names: Sequence[str]) -> pa.Table:
    """Return `pairs` with one column of SHAP values per feature of the model, replacing existing ones.

    `contributions` of the first n rows have shape (n, model_names + 1), as from `Scorer.contributions`; the last
    column, the expected value, is dropped. Later rows are null: SHAP values are expensive, and the sample is ordered by
    a hash, so its first rows are a sample too. Raises InvalidInputError on another shape.
    """
    rows, width = contributions.shape if contributions.ndim == 2 else (-1, -1)
    if not 0 <= rows <= pairs.num_rows or width != len(model_names) + 1:
        raise InvalidInputError(
            f"contributions have shape {contributions.shape}; pass at most {pairs.num_rows} rows of "
            f"{len(model_names) + 1} columns, as the scorer does"
        )
    without = pa.nulls(pairs.num_rows - rows, pa.float64())
    kept = pairs.select([name for name in pairs.column_names if not name.startswith(PREFIX)])
    for place, name in enumerate(model_names):
        known = pa.array(np.ascontiguousarray(contributions[:, place], dtype=np.float64))
        kept = kept.append_column(PREFIX + name, pa.chunked_array([known, without]))
    return kept


def explained_matrix(
    matrix: npt.NDArray[np.float64], names: Sequence[str], unalarmed: Iterable[str]
) -> npt.NDArray[np.float64]:
    """Return a feature matrix of shape (n, len(names)) with NaN in the columns that never alarm.

    In a tree one feature changes the contribution of another, so dropping the contributions of a late count would not
    keep its delay out of the others.
    """
    silent = set(unalarmed)
    blind = matrix.copy()
    blind[:, [place for place, name in enumerate(names) if name in silent]] = np.nan
    return blind


def contributing(sample: pa.Table, unalarmed: Iterable[str]) -> tuple[str, ...]:
    """Return the monitored SHAP columns: not constant, and not of a column that never alarms."""
    silent = {PREFIX + name for name in unalarmed}
    return tuple(
        name
        for name in sample.column_names
        if name.startswith(PREFIX) and name not in silent and len(pc.unique(sample[name].drop_null())) > 1
    )


def feature_of(name: str) -> str:
    """Return the feature of a SHAP column; any other column itself."""
    return name.removeprefix(PREFIX)


def importance_shares(importance: Mapping[str, float] | None) -> Mapping[str, float] | None:
    """Return mean |SHAP| per feature as shares of its sum; None if the sum is 0 or unknown.

    Raises InvalidInputError on a value that is negative or not finite.
    """
    if importance is None:
        return None
    for name, value in importance.items():
        if not 0 <= value < float("inf"):
            raise InvalidInputError(f"the importance of {name} is {value}; pass mean |SHAP| of each feature")
    total = float(sum(importance.values()))
    return {name: value / total for name, value in importance.items()} if total > 0 else None


def share_of(columns: Iterable[str], shares: Mapping[str, float] | None) -> float | None:
    """Return the summed share of importance of the features of `columns`; None if unknown."""
    if shares is None:
        return None
    features = dict.fromkeys(feature_of(column) for column in columns)
    return min(1.0, float(sum(shares.get(name, 0.0) for name in features)))
