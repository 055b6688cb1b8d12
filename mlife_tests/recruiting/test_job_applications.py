"""The declaration of job applications."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from mlife_assets.core.scoring.reasons import words_of
from mlife_assets.recruiting.candidates import find_candidates
from mlife_assets.recruiting.features import JOB_EXAMPLES
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS, job_applications, unexploited
from mlife_assets.recruiting.policies import CandidatePolicy, LabelPolicy, Policies
from mlife_assets.recruiting.recruiter_rule import recruiter_scores


def test_each_step_matures_by_its_own_window() -> None:
    model = job_applications(Policies(label=LabelPolicy(click_window_days=3, apply_window_days=9)))
    assert [(step.name, step.maturity_days) for step in model.steps] == [("click", 3), ("apply", 9)]
    assert model.maturity_days == 9


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
