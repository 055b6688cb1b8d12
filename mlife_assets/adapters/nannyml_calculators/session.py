"""How NannyML is imported and what is kept between calls.

Concept: NannyML reports its usage to the internet unless a switch is set before the import: the one place outside
`settings` that writes the environment. Fitting is nearly all of the cost, so fitted calculators are kept in this
process, keyed by what they were fitted on; they are never stored.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mlife_assets.core.monitoring.reference import MonitoringReference, tidy

if TYPE_CHECKING:
    import pandas as pd

Fitted = Any
"""A fitted calculator or a tuple of them; NannyML ships no types."""

CACHED_FITS = 16
_cache: OrderedDict[tuple[Any, ...], Fitted] = OrderedDict()


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
    """Drop every fitted calculator of this process."""
    _cache.clear()


def frame(reference: MonitoringReference, table: pa.Table, names: Sequence[str]) -> pd.DataFrame:
    """Return `names` of a table as NannyML wants them: float64, or Python strings with `missing` for null."""
    result: pd.DataFrame = tidy(table, reference.columns, names).select(list(names)).to_pandas()
    for name in names:
        if result[name].dtype != np.float64:
            result[name] = result[name].astype(object).fillna("missing")
    return result
