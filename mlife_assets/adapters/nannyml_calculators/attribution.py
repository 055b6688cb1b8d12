"""By which columns a day differs from the reference: what a domain classifier splits on.

Belongs here: naming the columns of a block that moved. Does not belong here: whether it moved (`drift`).

Concept: NannyML keeps none of its classifiers, so one of the same kind is fitted once more, on all rows, and its gain
is read. Trees find gain in noise too, more in columns of many values; what the same rows give with shuffled labels is
therefore taken off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]
GAIN_SHARE = 0.8
"""Columns are named, largest gain first, until they explain this share of it; the rest is hardly more than noise."""
SHUFFLES = 3


def most_moved(usual: pd.DataFrame, today: pd.DataFrame, settings: dict[str, Any], seed: int) -> tuple[str, ...]:
    """Return the columns that separate today's rows from usual ones, the strongest first; none when by chance.

    Both frames have the same columns, numbers or strings; `settings` are those of the domain classifier.
    """
    names = list(usual.columns)
    matrix = np.column_stack([_codes(usual[name], today[name]) for name in names])
    is_today = np.repeat([0.0, 1.0], [len(usual), len(today)])
    rng = np.random.default_rng(seed)
    by_chance = np.mean([_gain(matrix, rng.permutation(is_today), settings) for _ in range(SHUFFLES)], axis=0)
    excess = np.maximum(_gain(matrix, is_today, settings) - by_chance, 0.0)
    if not excess.sum() > 0:
        return ()
    order = np.argsort(-excess, kind="stable")
    reached = np.cumsum(excess[order]) / excess.sum()
    count = int(np.searchsorted(reached, GAIN_SHARE)) + 1
    return tuple(names[place] for place in order[:count] if excess[place] > 0)


def _codes(usual: pd.Series[Any], today: pd.Series[Any]) -> Array:
    values = np.concatenate([usual.to_numpy(), today.to_numpy()])
    if values.dtype.kind == "f":
        return values.astype(np.float64)
    return np.unique(values.astype(str), return_inverse=True)[1].astype(np.float64)


def _gain(matrix: Array, labels: Array, settings: dict[str, Any]) -> Array:
    import lightgbm

    parameters = {name: value for name, value in settings.items() if name != "n_estimators"} | {"objective": "binary"}
    data = lightgbm.Dataset(matrix, labels, params=parameters)
    booster = lightgbm.train(parameters, data, num_boost_round=settings["n_estimators"])
    return np.asarray(booster.feature_importance("gain"), dtype=np.float64)
