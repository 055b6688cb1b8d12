"""Instances: what a file states is put onto a record, or the error names file, instance, attribute and remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import PromotionPolicy, RetrainPolicy
from mlife_assets.recruiting.application import Audience, Channel
from mlife_assets.recruiting.churn_risk import churn_risk
from mlife_assets.recruiting.instances import (
    Declaration,
    Declared,
    DeclaredApplication,
    DeclaredModel,
    Instance,
    declared_application,
    declared_model,
    declared_together,
    model_named,
    models_of,
)
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.policies import Policies

DECLARED = (job_applications, churn_risk)
KNOWN: Mapping[str, Declaration] = {"jobs": job_applications, "churn": churn_risk}


def find(name: str) -> Declaration:
    if name not in KNOWN:
        raise InvalidInputError(f"it is {name!r}, which is not there")
    return KNOWN[name]


def model(**changes: Any) -> DeclaredModel:
    attributes = {"name": "churn_risk", "declaration": "churn", **changes}
    return declared_model(Instance("churn/defs.yaml", attributes), find)


def application(**changes: Any) -> DeclaredApplication:
    attributes = {"name": "letters", "title": "Letters", "model_name": "job_applications", **changes}
    return declared_application(Instance("letters/defs.yaml", attributes))


def test_what_is_stated_is_changed_and_the_rest_is_as_declared() -> None:
    found = model(promotion={"gate_weeks": 2}, retrain={"cooldown_days": 14}, training={"rising": ["tenure_days"]})
    bare, stated = churn_risk(Policies()), found(Policies())
    assert stated == replace(
        bare,
        promotion=replace(bare.promotion, gate_weeks=2),
        retrain=replace(bare.retrain, cooldown_days=14),
        training=replace(bare.training, rising=("tenure_days",)),
    )


def test_one_declaration_may_have_two_instances() -> None:
    assert model(name="churn_of_nurses")(Policies()).name == "churn_of_nurses"


def test_text_is_stated_as_text() -> None:
    assert model(promotion={"judged_by": "holdout"})(Policies()).promotion.judged_by == "holdout"


def test_what_the_deployment_decides_comes_before_the_file_and_the_file_before_defaults() -> None:
    stated = model(promotion={"gate_weeks": 2, "minimum_users_with_positives": 70})
    assert stated(Policies()).promotion.minimum_users_with_positives == 70
    decided = Policies(promotion=PromotionPolicy(minimum_users_with_positives=40))
    assert stated(decided).promotion == PromotionPolicy(minimum_users_with_positives=40, gate_weeks=2)
    as_by_default = Policies(decided=("promotion.minimum_users_with_positives",))
    default = Policies().promotion.minimum_users_with_positives
    assert stated(as_by_default).promotion.minimum_users_with_positives == default


def test_a_policy_that_a_model_has_for_itself_is_the_files_to_change() -> None:
    """Churn is not fitted as applications are, so what a deployment decides of that is not about it."""
    deployment = Policies(training=replace(Policies().training, trees_maximum=7))
    assert model(training={"trees_maximum": 50})(deployment).training.trees_maximum == 50


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"trainning": {}}, ": 'trainning' is unknown; known are name, declaration, training, promotion"),
        ({"declaration": ""}, ".declaration: it is ''; state it in words"),
        ({"declaration": "gone"}, ".declaration: it is 'gone', which is not there"),
        ({"training": {"leaves": 1}}, ".training: TrainingPolicy.leaves is 1; set it between 2 and 4096"),
        ({"training": {"leafs": 9}}, ".training: the attribute training has an unknown key 'leafs'; known are "),
        ({"training": 9}, ".training: the attribute training is 9; write fields and their values"),
        ({"promotion": {"gate_weeks": "two"}}, ".promotion: the attribute promotion.gate_weeks is 'two'; the default"),
        ({"promotion": {"judged_by": "dice"}}, ".promotion: PromotionPolicy.judged_by is 'dice'; write folds or"),
        ({"monitoring": {"sample_rows_per_day": 9}}, ".monitoring: MonitoringPolicy.sample_rows_per_day is 9; set"),
        ({"retrain": {"cooldown_days": True}}, ".retrain: the attribute retrain.cooldown_days is True; the default"),
        ({"retrain": {"fits_per_year": 90}}, ": RetrainPolicy.fits_per_year and fits_for_drift of churn_risk are 96"),
        ({"training": {"seed": "{{ env.SEED }}"}}, ".training: it holds a template; the command line reads the file"),
    ],
)
def test_a_value_that_cannot_be_names_file_instance_attribute_bound_and_remedy(
    changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidInputError, match=re.escape(f"churn/defs.yaml, churn_risk, attributes{says}")):
        model(**changes)(Policies())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (None, "churn/defs.yaml, attributes.name: it is None; name the instance"),
        ("Churn!", "churn/defs.yaml, Churn!, attributes.name: it is 'Churn!'; use lower-case words"),
    ],
)
def test_a_name_is_a_name(name: Any, says: str) -> None:
    with pytest.raises(InvalidInputError, match=re.escape(says)):
        model(name=name)


def test_what_a_declaration_returns_is_a_model() -> None:
    def nothing(policies: Policies) -> None: ...

    with pytest.raises(InvalidInputError, match=r"attributes\.declaration: 'x' returns a NoneType; name a function"):
        declared_model(Instance("a", {"name": "b", "declaration": "x"}), lambda _: nothing)(Policies())  # type: ignore[arg-type,return-value]


def test_an_application_is_what_is_stated_and_its_policy_the_deployments_but_for_that() -> None:
    found = application(
        channel="email", items=5, weekdays=[1], holdout_share=0.1,
        audience={"model_name": "churn_risk", "minimum_probability": 0.5}, policy={"maximum_messages_per_7_days": 1},
    )(Policies(messaging=MessagingPolicy(brand="Other Jobs")))  # fmt: skip
    assert (found.name, found.channel, found.items, found.weekdays) == ("letters", Channel.EMAIL, 5, (1,))
    assert (found.holdout_share, found.audience) == (0.1, Audience("churn_risk", 0.5))
    policy = MessagingPolicy(brand="Other Jobs", maximum_messages_per_7_days=1)
    assert found.policy == policy


def test_who_approves_is_decided_by_the_environment_first() -> None:
    stated = application(policy={"auto_approve_within_limits": True})
    assert stated(Policies()).policy.auto_approve_within_limits
    decided = Policies(decided=("messaging.auto_approve_within_limits",))
    assert not stated(decided).policy.auto_approve_within_limits


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"chanel": "sms"}, ": 'chanel' is unknown; known are name, title"),
        ({"title": None}, ".title: it is None; state it in words"),
        ({"channel": "pigeon"}, ": Application.channel of letters is 'pigeon'; use one of sms, email, call"),
        ({"items": "two"}, ".items: it is 'two'; the default is 1"),
        ({"items": 3}, ": Application.items of letters is 3; a text holds 1"),
        ({"weekdays": 3}, ".weekdays: it is 3; the default is"),
        ({"weekdays": [7]}, ": Application.weekdays of letters is (7,); list days from 0 (Monday) to 6"),
        ({"holdout_share": 0.9}, ": Application.holdout_share is 0.9; set it between 0.0 and 0.5"),
        ({"audience": {"minimum_probability": 0.5}}, ".audience: Audience.minimum_probability is 0.5 and"),
        ({"policy": {"quiet_hour": 9}}, ".policy: the attribute policy has an unknown key 'quiet_hour'"),
        ({"policy": {"quiet_before_local_hour": 3}}, ".policy: MessagingPolicy.quiet_before_local_hour is 3; set it"),
        ({"title": "{{ context.title }}"}, ".title: it holds a template"),
    ],
)
def test_an_application_that_cannot_be_names_file_instance_attribute_bound_and_remedy(
    changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidInputError, match=re.escape(f"letters/defs.yaml, letters, attributes{says}")):
        application(**changes)(Policies())


def together(*instances: DeclaredModel | DeclaredApplication) -> Declared:
    models = [one for one in instances if isinstance(one, DeclaredModel)]
    return declared_together(models, [one for one in instances if isinstance(one, DeclaredApplication)])


JOBS = declared_model(Instance("jobs/defs.yaml", {"name": "job_applications", "declaration": "jobs"}), find)


def test_what_was_there_first_comes_first_and_the_rest_by_name() -> None:
    found = together(model(name="a_model"), JOBS, application(), application(name="job_of_the_day"))
    assert [one.name for one in found.models] == ["job_applications", "a_model"]
    assert [one.name for one in found.applications] == ["job_of_the_day", "letters"]


def test_two_instances_of_one_name_are_refused_and_both_files_named() -> None:
    with pytest.raises(InvalidInputError, match=r"churn_risk, attributes\.name: churn/defs\.yaml declares a model of"):
        together(JOBS, model(), model())
    with pytest.raises(InvalidInputError, match=r"letters, attributes\.name: letters/defs\.yaml declares an"):
        together(JOBS, application(), application())


def test_a_deployment_has_the_model_that_its_texts_need() -> None:
    with pytest.raises(InvalidInputError, match="no file declares the model job_applications"):
        together(model())


@pytest.mark.parametrize(
    ("changes", "attribute"),
    [({"model_name": "lost"}, "model_name"), ({"audience": {"model_name": "lost"}}, "audience.model_name")],
)
def test_an_application_names_a_model_that_is_declared(changes: dict[str, Any], attribute: str) -> None:
    says = (
        f"letters/defs.yaml, letters, attributes.{attribute}: no model is called 'lost'; declared are job_applications"
    )
    with pytest.raises(InvalidInputError, match=re.escape(says)):
        together(JOBS, application(**changes))


def test_the_limits_of_the_tests_are_those_of_the_records() -> None:
    assert RetrainPolicy().fits_for_drift == 6, "96 fits above"


def test_a_model_is_found_by_name_and_an_unknown_one_names_the_known() -> None:
    assert model_named(Policies(), "job_applications", DECLARED).name == "job_applications"
    with pytest.raises(InvalidInputError, match="no model is called 'churn'; known are job_applications, churn_risk"):
        model_named(Policies(), "churn", DECLARED)


def test_two_models_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="two models are called job_applications"):
        models_of(Policies(), (job_applications, job_applications))
