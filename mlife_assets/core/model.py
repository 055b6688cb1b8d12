"""A model: its target, training data, rows to score and policies.

Concept: all code takes a model as an argument, so a second model is a second record and no second code path. The record
is pure: the graph, the command line and the endpoint read the same one. Each artifact holds its hash, so the
declaration behind a model can be found later.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, is_dataclass
from datetime import date
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.monitoring.columns import LABEL, MonitoringColumns, Wording
from mlife_assets.core.policies import (
    BacktestPolicy,
    MonitoringPolicy,
    PromotionPolicy,
    RetrainPolicy,
    TrainingPolicy,
    require_no_boosting,
)
from mlife_assets.core.quoting import require_name
from mlife_assets.core.scoring.estimators import MakeEstimator, parameters

DECLARATION = "declaration"
"""Key of the record in a manifest."""


@dataclass(frozen=True)
class Step:
    """One outcome of a model, in order of time; the label is the last.

    Attributes:
        name: "quote", "sale".
        label: boolean column.
        examples: mart with one row per exposure, with this outcome and earlier mature ones.
        maturity_days: days after the exposure until the outcome is complete; its label is mature a day later, when that
            day has been observed (`windows.mature_day`).
        plural: plural for sentences; empty for the name with an s.
        verb: phrase for a row with the outcome ("is sold"); empty for "leads to" and the plural.
    """

    name: str
    label: str
    examples: str
    maturity_days: int
    plural: str = ""
    verb: str = ""

    def __post_init__(self) -> None:
        require_name("Step.name", self.name)
        for name in ("label", "examples"):
            if not getattr(self, name):
                raise InvalidInputError(f"Step.{name} of {self.name} is empty; name it")
        if self.name == "example":
            raise InvalidInputError("Step.name is example, as rows of any step are called; name what happens")
        if not 1 <= self.maturity_days <= 366:
            raise InvalidInputError(f"Step.maturity_days of {self.name} is {self.maturity_days}; use 1 to 366")

    @property
    def wording(self) -> Wording:
        """The step's name in sentences."""
        plural = self.plural or f"{self.name.replace('_', ' ')}s"
        return Wording(plural, self.verb or f"leads to {plural}")


@dataclass(frozen=True)
class Baseline:
    """The rule in use today, which a model must beat; `score` takes rows of features, higher ranks first."""

    name: str
    score: Callable[[pa.Table], npt.NDArray[np.float64]]


class ScorableRows(Protocol):
    """The rows that a model scores on a day; columns are built on demand."""

    @property
    def ids(self) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        """Entity and item (without an item the entity again) of each row."""

    @property
    def repeated(self) -> int:
        """Number of rows that repeat the ids of another."""

    def rows(self, chosen: npt.NDArray[np.int64] | slice = ...) -> pa.Table:
        """Return all columns of the chosen rows, by default of all."""


@dataclass(frozen=True)
class RowSource:
    """Source of the rows to score on a day.

    Attributes:
        tables: marts to read the day's rows from.
        find: function of those tables in order, the day and `policy`.
        policy: frozen record of criteria for `find`; None for none.
        constants: values of text columns that are the same for all rows to score, such as the way of display.
    """

    tables: tuple[str, ...]
    find: Callable[[tuple[pa.Table, ...], date, Any], ScorableRows]
    policy: Any = None
    constants: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.tables:
            raise InvalidInputError("RowSource.tables is empty; name at least one mart")


def unchanged(rows: pa.Table) -> pa.Table:
    """Return `rows`: the default if marts already hold all features and all examples count."""
    return rows


@dataclass(frozen=True)
class Model:
    """A model of an outcome. The platform needs `steps`, `row_id` and `rows`; a file of examples does not.

    Attributes:
        name: identifier, in events, keys and paths.
        title: the model's question, for people.
        outcome: the predicted event, in words that finish "the chance that".
        source: origin of the data.
        roles: roles of the columns of examples.
        steps: outcomes in order, the label last.
        row_id: column that no two exposures of a day share.
        rows: rows to score on a day.
        derive: adds features to rows of a mart or to rows to score, row by row.
        unbiased: selects the examples that no decision of the model itself influenced.
        baseline: the rule in use today; None without one.
        simple_columns: inputs of the simple rule; empty for the most important columns.
        estimator: factory of another estimator; None for LightGBM.
        watched: monitored columns.
        words: description of features by name; the default is the name.
        training: policy of fitting.
        promotion: policy of the gate.
        monitoring: policy of monitoring.
        retrain: policy of retraining.
        backtest: policy of replaying its history.
    """

    name: str
    title: str
    outcome: str
    source: str
    roles: ExampleSpec
    steps: tuple[Step, ...] = ()
    row_id: str | None = None
    rows: RowSource | None = None
    derive: Callable[[pa.Table], pa.Table] = unchanged
    unbiased: Callable[[pa.Table], pa.Table] = unchanged
    baseline: Baseline | None = None
    simple_columns: tuple[str, ...] = ()
    estimator: MakeEstimator | None = None
    watched: MonitoringColumns = field(default_factory=MonitoringColumns)
    words: Mapping[str, str] = field(default_factory=dict)
    training: TrainingPolicy = field(default_factory=TrainingPolicy)
    promotion: PromotionPolicy = field(default_factory=PromotionPolicy)
    monitoring: MonitoringPolicy = field(default_factory=MonitoringPolicy)
    retrain: RetrainPolicy = field(default_factory=RetrainPolicy)
    backtest: BacktestPolicy = field(default_factory=BacktestPolicy)

    def __post_init__(self) -> None:
        """Refuse a model whose parts contradict each other, and functions without an importable name."""
        require_name("Model.name", self.name)
        labels = tuple(step.label for step in self.steps)
        if self.steps and labels != self.roles.steps:
            raise InvalidInputError(
                f"Model.steps of {self.name} have the labels {', '.join(labels)}, its roles "
                f"{', '.join(self.roles.steps)}; "
                "list the funnel in order, the label last"
            )
        names = [step.name for step in self.steps]
        if repeated := [name for name in names if names.count(name) > 1]:
            raise InvalidInputError(f"Model.steps of {self.name} repeat {repeated[0]}; give each a name of its own")
        if len({bool(self.steps), self.row_id is not None, self.rows is not None}) > 1:
            raise InvalidInputError(
                f"Model {self.name} has some of steps, row_id and rows; a model of the platform needs all of them, a "
                "model of a file none"
            )
        known = {*self.roles.columns, *(rate.name for rate in self.roles.rates)}
        named_columns = {
            "watched": (*self.watched.watched, *self.watched.residual),
            "words": self.words,
            "simple_columns": self.simple_columns,
        }
        for part, named in named_columns.items():
            if unknown := [name for name in named if name not in known]:
                raise InvalidInputError(
                    f"Model.{part} of {self.name} names {unknown[0]}, which is no column of its roles"
                )
        if self.estimator is not None:
            require_no_boosting(self.training)
            if not inspect.isfunction(self.estimator):
                raise InvalidInputError(
                    f"Model.estimator of {self.name} is a {type(self.estimator).__name__}; name a function of a module"
                )
        _plain(self)

    @property
    def label_step(self) -> Step:
        """The step that the model predicts. Raises InvalidInputError for a model of a file."""
        if not self.steps:
            raise InvalidInputError(f"model {self.name} has no steps; a model of the platform names its marts")
        return self.steps[-1]

    @property
    def outcomes(self) -> dict[str, Step]:
        """Steps by the name of their outcome: the label's (`LABEL`), then earlier ones."""
        return {LABEL: self.label_step, **{step.name: step for step in self.steps[:-1]}}

    @property
    def row_source(self) -> RowSource:
        """Source of the rows to score. Raises InvalidInputError for a model of a file."""
        if self.rows is None:
            raise InvalidInputError(f"model {self.name} has no rows; a model of the platform names its marts")
        return self.rows

    def to_record(self) -> dict[str, Any]:
        """Return the model as JSON-able values: functions by their names, an estimator with its parameters too."""
        record: dict[str, Any] = json.loads(json.dumps(_plain(self), sort_keys=True))
        if (make := self.estimator) is not None:
            record["estimator"] = {"make": f"{make.__module__}.{make.__qualname__}", "steps": parameters(make())}
        return record

    @property
    def content_hash(self) -> str:
        """Hash of the record."""
        return "dcl_" + hashlib.sha256(json.dumps(self.to_record(), sort_keys=True).encode()).hexdigest()[:12]


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    if callable(value):
        name = getattr(value, "__name__", "<lambda>")
        if name == "<lambda>":
            raise InvalidInputError("a function of the model has no name; define it in a module instead of a lambda")
        return name
    return value
