"""Declared instances and applications: a file is put onto a record, or the error names file, attribute and remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml

from mlife_assets.adapters.instance_files import read_declared
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.scoring.reasons import words_of
from mlife_assets.core.training.training_set import least_history_days
from mlife_assets.recruiting.application import Application, Audience, Channel
from mlife_assets.recruiting.candidates import find_candidates
from mlife_assets.recruiting.churn_risk import ABSENCE_DAYS, CHURN_COLUMNS, CHURN_EXAMPLES, churn_risk, recency_scores
from mlife_assets.recruiting.cohort import recruiter_scores
from mlife_assets.recruiting.features import JOB_EXAMPLES
from mlife_assets.recruiting.instances import (
    Declaration,
    Declared,
    DeclaredApplication,
    DeclaredModel,
    Instance,
    application_named,
    applications_of,
    declared_application,
    declared_model,
    declared_together,
    job_of_the_day,
    model_named,
    models_of,
    within_budget,
)
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS, job_applications, unexploited
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.policies import CandidatePolicy, LabelPolicy, Policies
from mlife_assets.settings import DEFS_FOLDER

DECLARED = (job_applications, churn_risk)
KNOWN: Mapping[str, Declaration] = {"jobs": job_applications, "churn": churn_risk}
PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
(MODEL,) = (model(Policies()) for model in read_declared(DEFS_FOLDER).models if model.name == "churn_risk")
DAY = date(2026, 5, 4)
ARROW = {
    "varchar": pa.string(), "bigint": pa.int64(), "double": pa.float64(), "boolean": pa.bool_(), "date": pa.date32(),
}  # fmt: skip


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
    found = model(promotion={"gate_weeks": 2}, retrain={"days_between_fits": 14}, training={"rising": ["tenure_days"]})
    bare, stated = churn_risk(Policies()), found(Policies())
    assert stated == replace(
        bare,
        promotion=replace(bare.promotion, gate_weeks=2),
        retrain=replace(bare.retrain, days_between_fits=14),
        training=replace(bare.training, rising=("tenure_days",)),
    )


def test_one_declaration_may_have_two_instances() -> None:
    assert model(name="churn_of_nurses")(Policies()).name == "churn_of_nurses"


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
        ({"training": {"leaves": 1}}, ".training.leaves is 1; set it between 2 and 4096"),
        ({"training": {"leafs": 9}}, ": training has an unknown key 'leafs'; did you mean leaves?"),
        ({"training": 9}, ": training is 9; write fields and their values"),
        ({"promotion": {"gate_weeks": "two"}}, ".promotion.gate_weeks is 'two'; the default"),
        ({"promotion": {"judged_by": "dice"}}, ".promotion.judged_by is 'dice'; write folds or"),
        ({"monitoring": {"sample_rows_per_day": 9}}, ".monitoring.sample_rows_per_day is 9; set"),
        ({"retrain": {"drift_open_days": True}}, ".retrain.drift_open_days is True; the default"),
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
        ({"audience": {"minimum_probability": 0.5}}, ".audience.minimum_probability is 0.5 and"),
        ({"policy": {"quiet_hour": 9}}, ": policy has an unknown key 'quiet_hour'"),
        (
            {"policy": {"quiet_before_local_hour": 3}},
            ".policy.quiet_before_local_hour is 3; set it",
        ),
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


def test_a_model_is_found_by_name_and_an_unknown_one_names_the_known() -> None:
    assert model_named(Policies(), "job_applications", DECLARED).name == "job_applications"
    with pytest.raises(InvalidInputError, match="no model is called 'churn'; known are job_applications, churn_risk"):
        model_named(Policies(), "churn", DECLARED)
    with pytest.raises(InvalidInputError, match="two models are called job_applications"):
        models_of(Policies(), (job_applications, job_applications))


def test_an_application_is_found_by_name_and_an_unknown_one_names_the_known() -> None:
    assert application_named([job_of_the_day(Policies())], "job_of_the_day").channel == "sms"
    with pytest.raises(InvalidInputError, match="no application is called 'letters'; known are job_of_the_day"):
        application_named([job_of_the_day(Policies())], "letters")
    with pytest.raises(InvalidInputError, match="two applications are called job_of_the_day"):
        applications_of(Policies(), (job_of_the_day, job_of_the_day))


def test_no_application_plans_more_texts_than_all_may_send() -> None:
    texts = job_of_the_day(Policies())
    assert within_budget(texts, None) is texts
    assert within_budget(texts, 40).policy == replace(texts.policy, maximum_messages_per_day=40)
    assert within_budget(texts, 1_000_000) == texts
    mails = replace(texts, name="mails", channel=Channel.EMAIL)
    assert within_budget(mails, 40) is mails


def application_of(**changes: Any) -> Application:
    return Application(**{"name": "digest", "title": "Digest", "model_name": "job_applications", **changes})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "Digest!"}, "Application.name is 'Digest!'; use lower-case words"),
        ({"title": " "}, "Application.title of digest is empty"),
        ({"model_name": ""}, "Application.model_name of digest is empty"),
        ({"channel": "email", "items": 11}, "Application.items is 11; set it between 1 and 10"),
        ({"items": 0}, "Application.items is 0; set it between 1 and 10"),
        ({"weekdays": ()}, "Application.weekdays of digest is .*; list days from 0"),
        ({"weekdays": (1, 1)}, "once each"),
    ],
)
def test_an_impossible_value_names_field_bound_and_remedy(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        application_of(**changes)


def test_a_probability_needs_the_model_whose_it_is() -> None:
    assert Audience("churn_risk", 0.5).minimum_probability == 0.5
    with pytest.raises(InvalidInputError, match=r"Audience\.model_name is empty"):
        Audience(minimum_probability=0.5)
    with pytest.raises(InvalidInputError, match=r"Audience\.minimum_probability is 1.5"):
        Audience("churn_risk", 1.5)


def test_a_channel_may_be_given_by_its_name() -> None:
    assert application_of(channel="email", items=5).channel is Channel.EMAIL
    assert [channel for channel in Channel if channel.is_sent] == [Channel.SMS, Channel.EMAIL]


def test_each_application_draws_its_own_holdout_by_another_salt() -> None:
    one, other = application_of(), application_of(name="other")
    assert len({one.holdout_salt, other.holdout_salt, one.policy.assignment_salt}) == 3


def declared(mart: str) -> dict[str, pa.DataType]:
    record = yaml.safe_load((PROJECT / "models" / "marts" / "features" / f"{mart}.yml").read_text())
    return {column["name"]: ARROW[column["data_type"]] for column in record["models"][0]["columns"]}


def people(*user_ids: str, day: date = DAY) -> pa.Table:
    return pa.table({"as_of_date": [day] * len(user_ids), "user_id": list(user_ids)})


def test_the_roles_fit_the_marts() -> None:
    schema = pa.schema(list(declared(MODEL.label_step.examples).items()))
    assert list(CHURN_EXAMPLES.faults(schema.empty_table())) == []
    assert MODEL.row_id in schema.names
    features = {*CHURN_EXAMPLES.features, *CHURN_EXAMPLES.categoricals}
    assert features | {"as_of_date", "user_id"} == set(declared(*MODEL.rows.tables)), "all that is made is used"


def test_the_marts_wait_as_long_as_the_model_says() -> None:
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())
    assert project["vars"]["absence_days"] == ABSENCE_DAYS == MODEL.label_step.maturity_days


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


def test_each_step_matures_by_its_own_window() -> None:
    model = job_applications(Policies(label=LabelPolicy(click_window_days=3, apply_window_days=9)))
    assert [(step.name, step.maturity_days) for step in model.steps] == [("click", 3), ("apply", 9)]
    assert model.label_step.maturity_days == 9


def test_the_rows_to_score_are_the_candidates_under_the_policy(job_pairs) -> None:
    tables = job_pairs.user_features(40), job_pairs.job_features(30)
    few = Policies(candidates=CandidatePolicy(candidates_per_user=4))
    source = job_applications(few).rows
    found = source.find(tables, job_pairs.DAY, source.policy)
    assert found.rows().equals(find_candidates(*tables, job_pairs.DAY, few.candidates).rows())
    assert found.repeated == 0
    assert replace(found, job_places=found.job_places * 0).repeated == len(found.user_places) - len(
        set(found.user_places.tolist())
    )


def test_no_exposure_that_a_policy_chose_by_score_counts() -> None:
    rows = pa.table({"slice": ["organic", "exploit", "explore", "recruiter_rule", None]})
    assert unexploited(rows)["slice"].to_pylist() == ["organic", "explore"]


def test_its_features_keep_the_words_of_reasons_that_were_logged() -> None:
    words = job_applications(Policies()).words
    assert words_of("job_apply_rate", words) == "how often clicks on the job become applications"
    assert words_of("log_pay_ratio", words) == "pay against expected pay (log ratio)"
    assert words_of("tenure_days", words) == "tenure days"


def test_the_baseline_is_the_recruiter_rule(job_pairs) -> None:
    model = job_applications(Policies())
    pairs = model.derive(job_pairs.labelled_examples(50))
    assert (model.baseline.score(pairs) == recruiter_scores(pairs)).all()


def test_every_feature_is_watched_but_for_how_a_pair_would_be_shown() -> None:
    unwatched = {*JOB_EXAMPLES.features, *JOB_EXAMPLES.categoricals} - set(PAIR_COLUMNS.watched)
    assert unwatched == {"exposure_kind"}


def test_what_is_said_of_a_column_is_said_of_one_that_there_is(job_pairs) -> None:
    pairs = job_pairs.labelled_examples(50).column_names
    rates = {rate.name for rate in JOB_EXAMPLES.rates}
    named = {*PAIR_COLUMNS.unalarmed, *PAIR_COLUMNS.ranged, *PAIR_COLUMNS.residual, *PAIR_COLUMNS.never_zero}
    assert named | set(PAIR_COLUMNS.closed) | set(PAIR_COLUMNS.embedding) <= {*pairs, *JOB_EXAMPLES.features, *rates}
    assert set(PAIR_COLUMNS.entity_blocks) <= set(PAIR_COLUMNS.embedding_blocks)
