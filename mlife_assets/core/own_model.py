"""A model of two user tables: from their declaration to the record of the model.

Concept: the owner of a table of examples and of one of rows to score declares the roles of the columns and the days
until a label is final. Policies default to mlife's and are checked by the same records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlife_assets.core.entity_rows import EntityColumn, find_entities
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.model import Baseline, Model, RowSource, Step
from mlife_assets.core.monitoring.columns import MonitoringColumns
from mlife_assets.core.own_rows import DAY, EXAMPLES, ROWS, TERMS, OwnRows
from mlife_assets.core.policies import MonitoringPolicy, PromotionPolicy, RetrainPolicy, TrainingPolicy
from mlife_assets.core.quoting import quoted, require_name
from mlife_assets.core.stated_policies import is_said, named, stated_attribute

LABEL_TIME = "label_mature_date"
"""Name of the label time if the table has no such column."""
WATCHED = ("unalarmed", "ranged", "residual", "never_zero")
TAKEN = (DAY, "exposure_date", "model_version", "raw_score", "probability", "prediction_id", "feature_hash", TERMS)
"""Names of columns that mlife adds beside those of the tables."""


@dataclass(frozen=True)
class OwnColumns:
    """Roles of the columns of the tables.

    Attributes:
        entity: subject of a row.
        time: day of the example, in the table of examples.
        label: whether the outcome happened.
        features: numeric inputs of a model.
        categoricals: text inputs of a model.
        label_time: first day as of which the label is final; empty if every label is after `maturity_days`.
        row_id: column that no two examples of a day share; empty for the entity's.
        rule: feature of today's decision rule, higher first; empty without one.
    """

    entity: str
    time: str
    label: str
    features: tuple[str, ...] = ()
    categoricals: tuple[str, ...] = ()
    label_time: str = ""
    row_id: str = ""
    rule: str = ""


@dataclass(frozen=True)
class OwnModel:
    """A model of two tables.

    Attributes:
        model: the record.
        rows: contents of the tables.
        start_date: first day with a partition.
    """

    model: Model
    rows: OwnRows
    start_date: date


@dataclass(frozen=True)
class Stated:
    """Optional parts of a declaration: fields of policies, monitoring of columns, words."""

    training: Mapping[str, Any] = field(default_factory=dict)
    promotion: Mapping[str, Any] = field(default_factory=dict)
    monitoring: Mapping[str, Any] = field(default_factory=dict)
    retrain: Mapping[str, Any] = field(default_factory=dict)
    watched: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)


def own_model(
    *,
    name: str,
    title: str,
    outcome: str,
    source: str,
    columns: OwnColumns,
    maturity_days: int,
    start_date: date,
    stated: Stated,
) -> OwnModel:
    """Return the declared model.

    Raises:
        InvalidInputError: something contradicts itself or is out of bounds; names the attribute and the remedy.
    """
    for attribute, value in (("title", title), ("outcome", outcome)):
        if not is_said(value):
            raise InvalidInputError(f"{attribute}: it is {quoted(value)}; say it in words")
    require_name("name", name)
    roles = named("columns", lambda: _roles(columns))
    if columns.rule and columns.rule not in roles.features:
        raise InvalidInputError(f"columns.rule names {quoted(columns.rule)}; list it under columns.features")
    if columns.row_id and columns.row_id in {*roles.columns} - {roles.entity}:
        raise InvalidInputError(f"columns.row_id names {columns.row_id}, which has another role; name another column")
    if unknown := [key for key in stated.watched if key not in WATCHED]:
        raise InvalidInputError(f"watched has an unknown key {quoted(unknown[0])}; known are {', '.join(WATCHED)}")
    _require_features(roles, stated)
    step = named("maturity_days", lambda: Step("outcome", roles.label, EXAMPLES, maturity_days, verb="has the outcome"))
    row_id = columns.row_id or columns.entity
    model = Model(
        name=name,
        title=title,
        outcome=outcome,
        source=source,
        roles=roles,
        steps=(step,),
        row_id=row_id,
        rows=RowSource((ROWS,), find_entities, EntityColumn(roles.entity)),
        baseline=Baseline(columns.rule, column_scores(columns.rule)) if columns.rule else None,
        watched=MonitoringColumns(
            numeric=roles.features,
            categorical=roles.categoricals,
            unalarmed=stated.watched.get("unalarmed", ()),
            ranged=stated.watched.get("ranged", ()),
            residual=stated.watched.get("residual", ()),
            never_zero=stated.watched.get("never_zero", ()),
        ),
        words=stated.words,
        training=stated_attribute("training", TrainingPolicy(formulations=("binary",)), stated.training),
        promotion=stated_attribute("promotion", PromotionPolicy(), stated.promotion),
        monitoring=stated_attribute("monitoring", MonitoringPolicy(), stated.monitoring),
        retrain=stated_attribute("retrain", RetrainPolicy(), stated.retrain),
    )
    return OwnModel(model, OwnRows(roles, row_id, maturity_days, bool(columns.label_time)), start_date)


def column_scores(column: str) -> Callable[[pa.Table], npt.NDArray[np.float64]]:
    """Return the rule that ranks by a column, highest first, rows without a value last."""

    def scores(rows: pa.Table) -> npt.NDArray[np.float64]:
        values = np.asarray(rows[column].to_numpy(), dtype=np.float64)
        known = values[~np.isnan(values)]
        return np.where(np.isnan(values), (known.min() if len(known) else 0.0) - 1.0, values)

    scores.__name__ = f"by_{column}"
    return scores


def _require_features(roles: ExampleSpec, stated: Stated) -> None:
    """Refuse statements about a column that is no feature."""
    features = (*roles.features, *roles.categoricals)
    for key, names in stated.watched.items():
        known = roles.features if key in ("ranged", "never_zero") else features
        if unknown := [name for name in names if name not in known]:
            where = "columns.features" if known is roles.features else "columns.features or columns.categoricals"
            raise InvalidInputError(f"watched.{key} names {quoted(unknown[0])}; list it under {where}, or correct it")
    if unknown := [name for name in stated.words if name not in (*features, *roles.columns)]:
        raise InvalidInputError(f"words names {quoted(unknown[0])}, which is none of columns; correct it")


def _roles(columns: OwnColumns) -> ExampleSpec:
    roles = ExampleSpec(
        entity=columns.entity,
        time=columns.time,
        label=columns.label,
        label_time=columns.label_time or LABEL_TIME,
        features=columns.features,
        categoricals=columns.categoricals,
    )
    allowed = {DAY: columns.time, "exposure_date": columns.time}
    for name in (*roles.columns, columns.row_id):
        if name in TAKEN and allowed.get(name) != name:
            raise InvalidInputError(f"the column {name} has a name that mlife adds to the tables; rename it")
    return roles
