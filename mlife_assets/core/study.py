"""A study: a file of examples, the way to read it, and its model.

Concept: one JSON file turns any table with an entity, a time, a label and the time at which the label was complete into
examples. SQL expressions derive missing columns, so existing files can be used as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.examples import HUMAN_COLUMN, LISTS, ExampleSpec
from mlife_assets.core.model import Baseline, Model
from mlife_assets.core.policies import (
    BOOSTING_FIELDS,
    BacktestPolicy,
    MonitoringPolicy,
    PromotionPolicy,
    RetrainPolicy,
    TrainingPolicy,
)
from mlife_assets.core.quoting import quoted
from mlife_assets.core.stated_policies import is_said, stated_policy
from mlife_assets.core.training.ready_estimators import ready_estimator

POLICIES = ("training", "promotion", "monitoring", "retrain", "backtest")
KEYS = ("title", "outcome", "source", "where", "derive", "roles", "human", "gate_share", "estimator", *POLICIES)
STUDY = "study"
"""Name of the model of a spec file."""
GATE_SHARE = 0.2
VALIDATION_SHARE = 0.25
"""Share of the days before the gate for validation, by default: as many days as the gate, for calibration."""


@dataclass(frozen=True)
class Study:
    """Contents of a spec file.

    Attributes:
        model: model of the file; its examples are the file's, so it names no marts.
        derive: (column, SQL expression) in order; later ones may use earlier ones.
        where: SQL condition on the rows; None for all.
        human_score: SQL expression of the score of the human rule, higher first; None without a rule.
        gate_share: share of the days, the last ones, on which the gate judges.
        validation_share: share of the days before the gate that validate; None if the spec states a number of days.
        stated: fields of policies that the spec or a policy file states, as `policy.field`; other fields may follow the
            size of a replayed history.
    """

    model: Model
    derive: tuple[tuple[str, str], ...]
    where: str | None
    human_score: str | None
    gate_share: float
    validation_share: float | None
    stated: frozenset[str]

    @classmethod
    def from_json(cls, text: str, renamed: Mapping[str, str] = MappingProxyType({})) -> Study:
        """Return the study of a spec file. `renamed` has earlier names of policy fields.

        Raises:
            InvalidInputError: it is not JSON, a key is unknown or missing, or a value is out of bounds; names the key.
        """
        record = _record(text)
        for name in record:
            if name not in KEYS:
                raise InvalidInputError(f"the spec has an unknown key {quoted(name)}; known are {', '.join(KEYS)}")
        if "roles" not in record:
            raise InvalidInputError("the spec lacks roles; say which column is entity, time, label and label_time")
        human = _object(record, "human")
        if "human" in record and (set(human) != {"name", "score"} or not all(map(is_said, human.values()))):
            raise InvalidInputError("the spec's human needs name and score, an SQL expression; higher ranks first")
        roles = ExampleSpec.from_record(_object(record, "roles"))
        if human and HUMAN_COLUMN in roles.columns:
            raise InvalidInputError(f"the spec's roles name {HUMAN_COLUMN}, which holds the human's score; rename it")
        share = record.get("gate_share", GATE_SHARE)
        if not isinstance(share, int | float) or not 0.02 <= share <= 0.8:
            raise InvalidInputError(f"the spec's gate_share is {quoted(share)}; set it between 0.02 and 0.8")
        training = _object(record, "training")
        if "estimator" in record:
            _require_nothing_of_lightgbm(training, "spec")
        model = Model(
            name=STUDY,
            title=_text(record, "title", "A conversion model"),
            outcome=_text(record, "outcome", "the outcome happens"),
            source=_text(record, "source", "not said"),
            roles=roles,
            baseline=Baseline(human["name"], human_scores) if human else None,
            estimator=ready_estimator(record["estimator"]) if "estimator" in record else None,
            training=stated_policy(TrainingPolicy(), "training", training, renamed),
            promotion=stated_policy(PromotionPolicy(), "promotion", _object(record, "promotion"), renamed),
            monitoring=stated_policy(MonitoringPolicy(), "monitoring", _object(record, "monitoring"), renamed),
            retrain=stated_policy(RetrainPolicy(), "retrain", _object(record, "retrain"), renamed),
            backtest=stated_policy(BacktestPolicy(), "backtest", _object(record, "backtest"), renamed),
        )
        return cls(
            model=model,
            derive=tuple((name, _expression(name, value)) for name, value in _object(record, "derive").items()),
            where=_text(record, "where", None),
            human_score=human.get("score"),
            gate_share=float(share),
            validation_share=None if "validation_days" in training else VALIDATION_SHARE,
            stated=_stated(record, renamed),
        )

    def with_policies(self, text: str, renamed: Mapping[str, str] = MappingProxyType({})) -> Study:
        """Return this study with the changes of a policy file: an object of the spec's policies and their fields.

        Raises:
            InvalidInputError: it is not JSON, a key is unknown, or a value is out of bounds; names the key.
        """
        record = _record(text, "policy")
        for name in record:
            if name not in POLICIES:
                raise InvalidInputError(
                    f"the policy has an unknown key {quoted(name)}; known are {', '.join(POLICIES)}"
                )
        if self.model.estimator is not None:
            _require_nothing_of_lightgbm(_object(record, "training"), "policy")
        changed = {
            name: stated_policy(getattr(self.model, name), name, _object(record, name), renamed) for name in record
        }
        is_given = "validation_days" in record.get("training", {})
        return replace(
            self,
            model=replace(self.model, **changed),
            validation_share=None if is_given else self.validation_share,
            stated=self.stated | _stated(record, renamed),
        )


def study_schema() -> dict[str, Any]:
    """Return the JSON Schema of a spec file, by which editors complete it; bounds of numbers are not in it."""
    text, strings = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
    lists = dict.fromkeys(LISTS, strings) | {"rates": {"type": "array", "items": {"type": "object"}}}
    roles = {one.name: lists.get(one.name, text) for one in fields(ExampleSpec)} | {"vocabularies": {"type": "object"}}
    defaults: tuple[Any, ...] = (
        TrainingPolicy(),
        PromotionPolicy(),
        MonitoringPolicy(),
        RetrainPolicy(),
        BacktestPolicy(),
    )
    known = {
        "derive": {"type": "object", "additionalProperties": text},
        "roles": _object_schema(roles, ["entity", "time", "label", "label_time"]),
        "human": _object_schema({"name": text, "score": text}, ["name", "score"]),
        "gate_share": {"type": "number", "minimum": 0.02, "maximum": 0.8},
        **{
            name: _object_schema({one.name: _schema_of(getattr(default, one.name)) for one in fields(default)})
            for name, default in zip(POLICIES, defaults, strict=True)
        },
    }
    schema = _object_schema({name: known.get(name, text) for name in KEYS}, ["roles"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "spec of mlife", **schema}


def _object_schema(properties: Mapping[str, Any], required: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _schema_of(default: Any) -> dict[str, Any]:
    if isinstance(default, tuple):
        return {"type": "array", "default": list(default)}
    kinds = {bool: "boolean", int: "integer", float: "number"}
    return {"type": kinds.get(type(default), "string"), "default": default}


def human_scores(rows: pa.Table) -> npt.NDArray[np.float64]:
    """Return the human rule's score, a column made by the spec's expression."""
    scores: npt.NDArray[np.float64] = rows[HUMAN_COLUMN].to_numpy()
    return scores


def _record(text: str, what: str = "spec") -> dict[str, Any]:
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInputError(f"the {what} is not JSON: {error}; see the files in examples/") from error
    if not isinstance(record, dict):
        raise InvalidInputError(f"the {what} is not a JSON object; see the files in examples/")
    return record


def _object(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = record.get(name, {})
    if not isinstance(value, dict):
        raise InvalidInputError(f"the spec's {name} is {quoted(value)}; write an object")
    return value


def _text(record: Mapping[str, Any], name: str, default: Any) -> Any:
    value = record.get(name, default)
    if value is not default and not isinstance(value, str):
        raise InvalidInputError(f"the spec's {name} is {quoted(value)}; write a text")
    return value


def _stated(record: Mapping[str, Any], renamed: Mapping[str, str]) -> frozenset[str]:
    return frozenset(f"{name}.{renamed.get(key, key)}" for name in POLICIES for key in record.get(name, {}))


def _expression(name: str, value: Any) -> str:
    if not is_said(value):
        raise InvalidInputError(f"the spec derives {name} from {quoted(value)}; write an SQL expression")
    return str(value)


def _require_nothing_of_lightgbm(training: Mapping[str, Any], file: str) -> None:
    """Refuse LightGBM's options beside an estimator, which would ignore them."""
    if given := [name for name in training if name in BOOSTING_FIELDS]:
        raise InvalidInputError(
            f"the {file}'s training has {', '.join(given)}, which LightGBM alone reads; leave it out, or the estimator"
        )
