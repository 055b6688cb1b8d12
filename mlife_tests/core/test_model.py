"""The record of a model: what contradicts itself is refused, and the hash names the content."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.model import Baseline, Model, RowSource, ScorableRows, Step
from mlife_assets.core.monitoring.columns import LABEL, MonitoringColumns, Wording
from mlife_assets.core.policies import PromotionPolicy, RetrainPolicy, TrainingPolicy
from mlife_assets.core.study import Study
from mlife_assets.core.training.manifest_facts import manifest_facts

ROLES = ExampleSpec("client", "day", "repaid", "known_on", ("amount", "age"), funnel=("accepted",))


def everybody(tables: tuple[pa.Table, ...], day: date, policy: object) -> ScorableRows:
    raise AssertionError("nothing is scored here")


def by_amount(rows: pa.Table) -> np.ndarray:
    return -rows["amount"].to_numpy()


def logistic(strength: float = 1.0) -> LogisticRegression:
    return LogisticRegression(C=strength)


LOANS = Model(
    name="loan_risk",
    title="Who repays",
    outcome="a loan is repaid",
    source="the books",
    roles=ROLES,
    steps=(Step("accept", "accepted", "offers", 3), Step("repay", "repaid", "loans", 30)),
    row_id="loan_id",
    rows=RowSource(("clients",), everybody, constants=(("channel", "web"),)),
    baseline=Baseline("smallest_first", by_amount),
    watched=MonitoringColumns(numeric=("amount", "age"), residual=("age",)),
)


def test_the_label_is_the_last_step_and_matures_in_its_own_time() -> None:
    assert LOANS.label_step.name == "repay"
    assert LOANS.maturity_days == 30
    assert LOANS.step("accept").maturity_days == 3
    with pytest.raises(InvalidInputError, match="has no step 'default'; it has accept, repay"):
        LOANS.step("default")


def test_outcomes_are_the_label_and_what_comes_before_it_with_words_for_people() -> None:
    assert {outcome: step.name for outcome, step in LOANS.outcomes.items()} == {LABEL: "repay", "accept": "accept"}
    assert LOANS.wording["accept"] == Wording("accepts", "leads to accepts")
    spoken = replace(LOANS.steps[0], plural="offers accepted", verb="accepts")
    assert spoken.wording == Wording("offers accepted", "accepts")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: replace(LOANS, name="Loan risk"), "Model.name is 'Loan risk'"),
        (lambda: replace(LOANS, name="../etc"), "Model.name"),
        (lambda: replace(LOANS, name="a" * 41), "at most 40"),
        (lambda: replace(LOANS, steps=LOANS.steps[::-1]), "labels repaid, accepted"),
        (lambda: replace(LOANS, steps=LOANS.steps[1:]), "list the funnel in order"),
        (lambda: replace(LOANS, steps=tuple(replace(one, name="pay") for one in LOANS.steps)), "repeat pay"),
        (lambda: replace(LOANS, rows=None), "some of steps, row_id and rows"),
        (lambda: replace(LOANS, row_id=None), "some of steps, row_id and rows"),
        (lambda: replace(LOANS, watched=MonitoringColumns(numeric=("income",))), "names income"),
        (lambda: replace(LOANS, watched=MonitoringColumns(residual=("income",))), "names income"),
        (lambda: replace(LOANS, words={"income": "what they earn"}), "Model.words of loan_risk names income"),
        (lambda: replace(LOANS, derive=lambda rows: rows), "instead of a lambda"),
        (lambda: replace(LOANS, estimator=lambda: logistic()), "instead of a lambda"),
        (lambda: replace(LOANS, estimator=partial(logistic)), "estimator of loan_risk is a partial; name a function"),
        (
            lambda: replace(LOANS, estimator=logistic, training=TrainingPolicy(rising=("amount",), search_trials=3)),
            "TrainingPolicy.rising is amount, which LightGBM alone keeps; leave rising out, or the estimator",
        ),
        (lambda: replace(LOANS.steps[0], maturity_days=0), "maturity_days of accept is 0"),
        (lambda: replace(LOANS.steps[0], name="example"), "Step.name is example"),
        (lambda: replace(LOANS.steps[0], examples=""), "examples of accept is empty"),
        (lambda: RowSource((), everybody), "tables is empty"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(change: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        change()


def test_more_fits_than_gates_would_overspend_the_error_of_a_win() -> None:
    daily = RetrainPolicy(fits_per_year=365, days_between_fits=1)
    with pytest.raises(InvalidInputError, match=r"of loan_risk are 371 together, .* is 58; set it alike"):
        replace(LOANS, retrain=daily)
    assert replace(LOANS, retrain=daily, promotion=PromotionPolicy(gates_per_year=371)).retrain == daily
    with pytest.raises(InvalidInputError, match="59 together"):
        replace(LOANS, retrain=RetrainPolicy(fits_for_drift=7))


def test_the_record_is_json_and_names_functions() -> None:
    record = LOANS.to_record()
    assert json.loads(json.dumps(record)) == record
    assert record["baseline"] == {"name": "smallest_first", "score": "by_amount"}
    assert record["rows"]["find"] == "everybody"
    assert record["training"]["leaves"] == 7
    assert record["words"] == {}


def test_the_hash_moves_with_every_part_and_with_nothing_else() -> None:
    assert replace(LOANS).content_hash == LOANS.content_hash
    others = [
        replace(LOANS, name="loan_risks"),
        replace(LOANS, training=TrainingPolicy(leaves=8)),
        replace(LOANS, words={"age": "age in years"}),
        replace(LOANS, roles=replace(ROLES, features=("age", "amount"))),
        replace(LOANS, steps=(LOANS.steps[0], replace(LOANS.steps[1], maturity_days=31))),
        replace(LOANS, baseline=None),
    ]
    assert len({one.content_hash for one in (LOANS, *others)}) == len(others) + 1


def test_an_estimator_is_named_with_its_parameters_which_the_hash_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LOANS.to_record()["estimator"] is None
    own = replace(LOANS, estimator=logistic)
    record = own.to_record()["estimator"]
    assert record["make"] == f"{__name__}.logistic"
    assert record["steps"]["LogisticRegression"]["C"] == 1.0
    before = own.content_hash
    assert before != LOANS.content_hash
    monkeypatch.setattr(logistic, "__defaults__", (2.0,))
    assert own.content_hash != before


def test_a_declaration_makes_no_estimator() -> None:
    """Declaring takes no import of scikit-learn and no time; naming the content does."""
    made = []

    def counted() -> LogisticRegression:
        made.append(None)
        return logistic()

    own = replace(LOANS, estimator=counted)
    assert not made
    assert own.content_hash
    assert made


def test_a_model_of_a_file_has_no_marts() -> None:
    text = json.dumps({"roles": {"entity": "c", "time": "t", "label": "y", "label_time": "k", "features": ["x"]}})
    model = Study.from_json(text).model
    assert model.baseline is None
    with pytest.raises(InvalidInputError, match="study has no steps"):
        _ = model.maturity_days


def test_a_manifest_names_model_and_hash_and_people_are_spared_the_record() -> None:
    declared = LOANS.declared
    assert declared["declaration"]["name"] == declared["model_name"] == "loan_risk"
    assert manifest_facts(declared) == {"declaration_hash": LOANS.content_hash, "model_name": "loan_risk"}
