"""Estimated (CBPE) and realised performance of scored examples.

Concept: CBPE says what performance the scores promise, without labels; realised says what came. Only their difference
speaks of the concept: both move together when the mix of inputs does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.adapters.nannyml_calculators.engine import Engine, cached, calculating
from mlife_assets.adapters.own_calculators import OwnEngine
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.columns import LABEL
from mlife_assets.core.monitoring.outcomes import METRICS, positives_of
from mlife_assets.core.monitoring.reference import MonitoringReference
from mlife_assets.core.monitoring.thresholds import Statistic

if TYPE_CHECKING:
    import pandas as pd


def performance_statistics(
    reference: MonitoringReference, examples: pa.Table, *, outcome: str = LABEL, engine: Engine | None = None
) -> tuple[Statistic, ...]:
    """Return methods `estimated` and `realised` on columns `roc_auc` and `average_precision` of scored `examples`.

    CBPE is fitted on the reference's mature examples of the same outcome. Raises InvalidInputError when a table has
    only one class.
    """
    for name, table in (("reference", reference.scored(outcome)), ("analysed", examples)):
        positives = int(table["is_positive"].to_numpy().sum()) if table.num_rows else 0
        if not 0 < positives < table.num_rows:
            raise InvalidInputError(
                f"the {name} examples have {positives} positives in {table.num_rows} rows; pass both classes"
            )
    with calculating(engine) as by:
        kind = (type(by), "performance", outcome)
        fitted = cached(reference, kind, lambda: by.performance(_frame(reference.scored(outcome))))
        return tuple(Statistic(method, metric, value) for (method, metric), value in fitted(_frame(examples)).items())


def usual_shortfalls(reference: MonitoringReference, outcome: str) -> dict[str, float]:
    """Return metric -> estimated minus realised performance where nothing changed, the mean of two halves.

    CBPE is fitted on the earlier half of the reference's exposure days and asked about the later one, and the reverse:
    what it promises of its own days says nothing of others. Nothing is returned where a half has one class only.
    """
    examples = reference.scored(outcome)
    days = sorted(set(examples["exposure_date"].to_pylist()))
    is_early = pc.is_in(examples["exposure_date"], value_set=pa.array(days[: len(days) // 2], pa.date32()))
    halves = [examples.filter(is_early), examples.filter(pc.invert(is_early))]
    if any(not 0 < positives_of(half) < half.num_rows for half in halves):
        return {}
    gaps: dict[str, list[float]] = {metric: [] for metric in METRICS}
    for known, asked in (halves, halves[::-1]):
        found = OwnEngine().performance(_frame(known))(_frame(asked))
        for metric in METRICS:
            gaps[metric].append(found["estimated", metric] - found["realised", metric])
    return {metric: float(np.mean(values)) for metric, values in gaps.items()}


def _frame(examples: pa.Table) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "probability": examples["probability"].to_numpy().astype(np.float64),
            "is_positive": examples["is_positive"].to_numpy().astype(np.int64),
        }
    )
