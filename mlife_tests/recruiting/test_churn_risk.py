"""The declaration of churn: its roles fit its mart, its rule ties by day, its gate fits 60 days of history."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import yaml

from mlife_assets.adapters.instance_files import read_declared
from mlife_assets.core.training.training_set import least_history_days
from mlife_assets.recruiting.churn_risk import ABSENCE_DAYS, CHURN_COLUMNS, CHURN_EXAMPLES, recency_scores
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import DEFS_FOLDER

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
(MODEL,) = (model(Policies()) for model in read_declared(DEFS_FOLDER).models if model.name == "churn_risk")
DAY = date(2026, 5, 4)
ARROW = {
    "varchar": pa.string(), "bigint": pa.int64(), "double": pa.float64(), "boolean": pa.bool_(), "date": pa.date32(),
}  # fmt: skip


def declared(mart: str) -> dict[str, pa.DataType]:
    record = yaml.safe_load((PROJECT / "models" / "marts" / "features" / f"{mart}.yml").read_text())
    return {column["name"]: ARROW[column["data_type"]] for column in record["models"][0]["columns"]}


def people(*user_ids: str, day: date = DAY) -> pa.Table:
    return pa.table({"as_of_date": [day] * len(user_ids), "user_id": list(user_ids)})


def test_the_roles_fit_the_marts() -> None:
    schema = pa.schema(list(declared(MODEL.label_step.examples).items()))
    CHURN_EXAMPLES.validated(schema.empty_table())
    assert MODEL.row_id in schema.names
    features = {*CHURN_EXAMPLES.features, *CHURN_EXAMPLES.categoricals}
    assert features | {"as_of_date", "user_id"} == set(declared(*MODEL.rows.tables)), "all that is made is used"


def test_the_marts_wait_as_long_as_the_model_says() -> None:
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())
    assert project["vars"]["absence_days"] == ABSENCE_DAYS == MODEL.maturity_days


def test_sixty_days_of_history_suffice_with_a_gate_of_two_weeks() -> None:
    assert MODEL.promotion.gate_weeks == 2
    assert least_history_days(MODEL) <= 60


def test_people_seen_on_the_same_day_tie() -> None:
    scores = recency_scores(pa.table({"days_since_last_seen": [3, 1, 28, 3], "active_days_28d": [1, 9, 1, 20]}))
    assert scores.tolist() == [3.0, 1.0, 28.0, 3.0]
    assert scores.dtype == np.float64


def test_rows_to_score_are_people_of_the_day() -> None:
    found = MODEL.row_source.find((people("b", "a"),), DAY, MODEL.row_source.policy)
    assert found.rows()["user_id"].to_pylist() == ["a", "b"]


def test_what_we_do_ourselves_raises_no_alarm() -> None:
    assert set(CHURN_COLUMNS.watched) == {*CHURN_EXAMPLES.features, *CHURN_EXAMPLES.categoricals}
    assert "user_messages_28d" not in CHURN_COLUMNS.alarming
    assert {"days_since_last_seen", "active_days_28d"} <= set(CHURN_COLUMNS.alarming)
