"""Drift of columns: which are watched, statistics and thresholds, latent blocks, contributions, and the report."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError, UpstreamMismatchError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.monitoring import contributions
from mlife_assets.core.monitoring import thresholds as limits
from mlife_assets.core.monitoring.columns import LABEL, MonitoringColumns, capitalised, examples_of, prefix_of
from mlife_assets.core.monitoring.contributions import contributing, importance_shares, share_of, with_contributions
from mlife_assets.core.monitoring.drift import data_drift_report, describe
from mlife_assets.core.monitoring.latent import DOMAIN_CLASSIFIER, RECONSTRUCTION, latent_drift_report
from mlife_assets.core.monitoring.outcomes import keys_of
from mlife_assets.core.monitoring.reference import tidy
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport, conclude
from mlife_assets.core.monitoring.thresholds import Statistic, Threshold
from mlife_assets.recruiting.features import JOB_EXAMPLES
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS

LOANS = ExampleSpec("client", "day", "repaid", "known_on", ("amount",))
ROWS = pa.table(
    {"client": ["a", "b"], "day": [date(2026, 1, 1)] * 2, "known_on": [date(2026, 1, 8)] * 2, "amount": [1.0, 2.0]}
)
PAIRS = pa.table({"user_id": ["a", "b", "c"], "distance_km": [1.0, 2.0, 3.0]})
NAMES = ("distance_km", "openings")
DAY = date(2026, 6, 11)


def test_every_restricted_kind_of_column_follows() -> None:
    columns = PAIR_COLUMNS.restricted_to(["distance_km", "metro_code", "text_1", "tenure_days"])
    assert columns.watched == ("distance_km", "tenure_days", "metro_code")
    assert (columns.embedding, columns.ranged, columns.never_zero) == (("text_1",), ("distance_km",), ("distance_km",))
    assert (columns.alarming, columns.closed) == (("distance_km", "metro_code"), {})
    assert columns.unalarmed == PAIR_COLUMNS.unalarmed, "also what a sample lacks stays hidden from SHAP values"


def test_blocks_statistics_and_sentences_are_named_after_columns_steps_and_words() -> None:
    columns = MonitoringColumns(embedding=("taste_1", "taste_2", "job_text_1"))
    blocks = {"taste_embeddings": ("taste_1", "taste_2"), "job_text_embeddings": ("job_text_1",)}
    assert columns.embedding_blocks == blocks
    assert (prefix_of(LABEL), prefix_of("quote")) == ("", "quote_")
    plain, of_quotes = keys_of(["size"]), keys_of(["size"], "quote")
    assert of_quotes == [(f"quote_{method}", column) for method, column in plain]
    assert [capitalised(words) for words in ("SMS replies", "quotes", "")] == ["SMS replies", "Quotes", ""]


def test_days_have_the_names_of_monitoring_and_nothing_else_changes(job_pairs) -> None:
    found = examples_of(ROWS, LOANS)
    assert found["exposure_date"].equals(ROWS["day"])
    assert found["label_mature_date"].equals(ROWS["known_on"])
    assert found.select(ROWS.column_names).equals(ROWS)
    rows = job_pairs.labelled_examples(20)
    assert examples_of(rows, JOB_EXAMPLES) is rows
    with pytest.raises(InvalidInputError, match="a column exposure_date beside day"):
        examples_of(ROWS.append_column("exposure_date", ROWS["day"]), LOANS)
    with pytest.raises(InvalidInputError, match="lack column known_on"):
        examples_of(ROWS.drop_columns(["known_on"]), LOANS)


@pytest.fixture
def limited(reference):
    return reference.with_thresholds(
        [Threshold("ks", name, 0.02, 0.01, 0.1, 14, 0.01) for name in reference.columns.watched]
    )


def values(reference, **changes: float) -> list[Statistic]:
    return [Statistic("ks", name, changes.get(name, 0.05)) for name in reference.columns.watched]


def report(reference, day, statistics, **settings):
    as_of = reference.as_of_date + timedelta(days=3)
    return data_drift_report(as_of=as_of, reference=reference, pairs=day, statistics=statistics, **settings)


def test_a_column_alarms_when_it_exceeds_its_limit_and_not_at_it(limited, world) -> None:
    day = world.day(20, 600)
    quiet = report(limited, day, values(limited, distance_km=0.1))
    assert quiet.status == "ok"
    assert "None of" in quiet.sentence
    moved = report(limited, day, values(limited, distance_km=0.1000001, metro_code=0.3))
    assert [finding.column for finding in moved.alarms] == ["metro_code", "distance_km"]
    assert moved.sentence.startswith("2 of ")


def test_columns_of_the_calendar_are_shown_and_never_alarm(limited, world) -> None:
    result = report(limited, world.day(20, 600), values(limited, tenure_days=0.9))
    assert result.status == "ok"
    assert "no evidence of drift" in next(f.sentence for f in result.findings if f.column == "tenure_days")


def test_importance_orders_but_does_not_silence(limited, world) -> None:
    statistics = values(limited, job_seniority=0.5, distance_km=0.2)
    result = report(limited, world.day(20, 600), statistics, importance={"distance_km": 0.9, "job_seniority": 0.01})
    assert [finding.column for finding in result.findings[:2]] == ["distance_km", "job_seniority"]
    assert len(result.alarms) == 2
    assert result.findings[0].importance_share == pytest.approx(0.9 / 0.91)
    assert result.sentence.startswith("2 of 20 columns moved, which carry 100.0% of the model's importance.")
    assert "98.9% of importance" in result.findings[0].sentence


def test_without_importance_nothing_is_said_of_it(limited, world) -> None:
    result = report(limited, world.day(20, 600), values(limited, job_seniority=0.5))
    assert {finding.importance_share for finding in result.findings} == {None}
    assert result.sentence.startswith("1 of 20 columns moved. job_seniority: ")


def test_values_that_the_model_never_saw_weigh_their_rows(limited, world) -> None:
    """A new city is no unimportant one because the known ones hardly matter to the model."""
    importance = {"distance_km": 0.99, "metro_code": 0.01}
    day = world.day(20, 600, new_city=0.15)
    share = day["metro_code"].to_pylist().count("47900") / 600
    found = {
        f.column: f.importance_share for f in report(limited, day, values(limited), importance=importance).findings
    }
    assert found["metro_code"] == pytest.approx(share)
    assert found["distance_km"] == pytest.approx(0.99)
    known = report(limited, world.day(20, 600), values(limited), importance=importance).findings
    assert {f.column: f.importance_share for f in known}["metro_code"] == pytest.approx(0.01)


def test_the_report_states_how_often_it_alarms_without_drift(reference, world) -> None:
    limits = [Threshold("ks", name, 0.02, 0.01, 0.1, 14, 0.001) for name in reference.columns.watched]
    limited = reference.with_thresholds(limits)
    alarming = len(limited.columns.alarming)
    assert alarming < len(limited.columns.watched)
    sentence = report(limited, world.day(20, 600), values(limited)).sentence
    assert f"(by design {alarming / 1000:.1%} of drift-free days alarm; Bonferroni over {alarming})" in sentence


def test_a_statistic_without_a_limit_names_what_to_refresh(limited, world) -> None:
    with pytest.raises(UpstreamMismatchError, match="materialize monitoring_reference again"):
        report(limited, world.day(20, 600), [Statistic("wasserstein", "distance_km", 0.1)])


def test_words_say_what_moved_and_where_to(reference, world, pairs_world) -> None:
    plain = world.day(20, 600, new_city=0.15)
    columns = reference.columns
    day = tidy(pairs_world.replaced(plain, distance_km=plain["distance_km"].to_numpy() + 10), columns, columns.watched)
    assert describe(reference, day, "metro_code").startswith("47900 is new with 1")
    assert describe(reference, day, "distance_km").startswith("up to ")
    wider = np.nanmean(reference.sample["taste_match"].to_numpy()) + np.tile([-5.0, 5.0], 300)
    day = tidy(pairs_world.replaced(plain, taste_match=wider), columns, columns.watched)
    assert describe(reference, day, "taste_match").startswith("same mean")
    empty = tidy(pairs_world.replaced(plain, openings=np.full(600, np.nan)), columns, columns.watched)
    assert describe(reference, empty, "openings") == "no values"


def latent_report(reference, auc: float, error: float):
    limited = reference.with_thresholds(
        [
            Threshold(DOMAIN_CLASSIFIER, "features", 0.5, 0.01, 0.55, 14, 0.001),
            Threshold(RECONSTRUCTION, "features", 2.3, 0.02, 2.5, 14, 0.001),
        ]
    )
    statistics = [Statistic(DOMAIN_CLASSIFIER, "features", auc), Statistic(RECONSTRUCTION, "features", error)]
    return latent_drift_report(as_of=reference.as_of_date, reference=limited, sample_rows=600, statistics=statistics)


def test_each_detector_alarms_alone(reference) -> None:
    assert latent_report(reference, 0.55, 2.5).status == "ok"
    classifier = latent_report(reference, 0.61, 2.3)
    assert [finding.method for finding in classifier.alarms] == [DOMAIN_CLASSIFIER]
    assert "can tell today's pairs from the reference (AUC 0.610, limit 0.550" in classifier.sentence
    reconstruction = latent_report(reference, 0.5, 3.0)
    assert [finding.method for finding in reconstruction.alarms] == [RECONSTRUCTION]
    assert "leave the linear structure" in reconstruction.sentence


def of_blocks(reference, *statistics: Statistic, **settings):
    limits = [
        Threshold(method, block, 0.5, 0.01, 0.55, 14, 0.001)
        for method in (DOMAIN_CLASSIFIER, RECONSTRUCTION)
        for block in ("features", "text_embeddings", "shap")
    ]
    limited = reference.with_thresholds(limits)
    return latent_drift_report(
        as_of=limited.as_of_date, reference=limited, sample_rows=600, statistics=statistics, **settings
    )


def test_a_block_names_the_columns_by_which_it_moved_and_what_they_carry(reference) -> None:
    names = ("distance_km", "openings", "user_seniority", "job_seniority", "job_age_days")
    moved = tuple(f"shap_{name}" for name in names)
    importance = {"distance_km": 0.3, "openings": 0.1, "taste_match": 0.6}
    result = of_blocks(reference, Statistic(DOMAIN_CLASSIFIER, "shap", 0.7, moved), importance=importance)
    (finding,) = result.alarms
    assert finding.moved_columns == names == result.moved_columns
    assert finding.importance_share == pytest.approx(0.4)
    assert "A classifier on the SHAP values can tell" in result.sentence
    told = "distance_km, openings, user_seniority, job_seniority and 1 more (40.0% of importance)."
    assert result.sentence.endswith(f"mostly by {told}")


def test_an_embedding_matters_by_what_the_model_makes_of_it(reference) -> None:
    importance = {"distance_km": 0.4, "taste_match": 0.6}
    moved = ("text_1", "text_2")
    result = of_blocks(reference, Statistic(DOMAIN_CLASSIFIER, "text_embeddings", 0.7, moved), importance=importance)
    assert result.alarms[0].importance_share == pytest.approx(0.6)
    features = of_blocks(reference, Statistic(DOMAIN_CLASSIFIER, "features", 0.7, moved), importance=importance)
    assert features.alarms[0].importance_share == 0.0


def test_rows_of_a_value_never_seen_count_in_full(reference, world) -> None:
    day = world.day(20, 600, new_city=0.2)
    share = day["metro_code"].to_pylist().count("47900") / 600
    statistic = Statistic(DOMAIN_CLASSIFIER, "features", 0.7, ("metro_code",))
    result = of_blocks(reference, statistic, importance={"metro_code": 0.01, "distance_km": 0.99}, pairs=day)
    assert result.alarms[0].importance_share == pytest.approx(share)


def test_what_did_not_move_or_is_not_known_has_no_share(reference) -> None:
    importance = {"distance_km": 1.0}
    quiet = of_blocks(
        reference, Statistic(DOMAIN_CLASSIFIER, "shap", 0.5, ("shap_distance_km",)), importance=importance
    )
    assert (quiet.findings[0].importance_share, quiet.findings[0].moved_columns) == (None, ())
    unnamed = of_blocks(reference, Statistic(DOMAIN_CLASSIFIER, "shap", 0.7), importance=importance)
    assert unnamed.alarms[0].importance_share is None
    unweighed = of_blocks(reference, Statistic(DOMAIN_CLASSIFIER, "features", 0.7, ("distance_km",)))
    assert (unweighed.alarms[0].importance_share, unweighed.moved_columns) == (None, ("distance_km",))


def test_the_limit_is_the_prediction_bound_of_student_or_the_sampling_bound() -> None:
    threshold = limits.learn_threshold("m", "c", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], error_rate=0.05, sampling_bound=0.0)
    # t with 3 degrees of freedom at 95 % is 2.3534; the sample sd of 1..6 is 1.8708.
    assert threshold.upper == pytest.approx(3.5 + 2.3534 * 1.8708 * np.sqrt(7 / 6), rel=1e-3)
    assert (threshold.mean, threshold.days, threshold.error_rate) == (3.5, 6, 0.05)
    threshold = limits.learn_threshold("m", "c", [0.0] * 14, error_rate=0.001, sampling_bound=0.05)
    assert threshold.upper == 0.05
    with pytest.raises(NotEnoughEvidenceError, match="3 A/A days, 4 needed"):
        limits.learn_threshold("m", "c", [0.1] * 3, error_rate=0.01, sampling_bound=0.0)
    with pytest.raises(InvalidInputError, match="not finite"):
        limits.learn_threshold("m", "c", [0.1, np.nan, 0.1, 0.1], error_rate=0.01, sampling_bound=0.0)


def test_sampling_bounds_hold_their_error_rate() -> None:
    rng = np.random.default_rng(5)
    rate, rows, total, trials = 0.05, 400, 1_600, 400
    ks = [ks_2samp(rng.random(rows), rng.random(total)).statistic for _ in range(trials)]
    assert np.mean(np.array(ks) > limits.kolmogorov_bound(rows, total, rate)) < 0.08
    from scipy.spatial.distance import jensenshannon

    shares = np.array([0.4, 0.3, 0.2, 0.1])
    distances = [
        jensenshannon(rng.multinomial(rows, shares) / rows, rng.multinomial(total, shares) / total, base=2)
        for _ in range(trials)
    ]
    over = np.mean(np.array(distances) > limits.jensen_shannon_bound(rows, total, 4, rate))
    assert 0.015 < over < 0.09
    assert limits.auc_bound(rows, total, 0.5) == pytest.approx(0.5)
    assert limits.mean_bound(2.0, 1.0, 100, 100, 0.025) == pytest.approx(2 + 1.96 * np.sqrt(0.02), rel=1e-3)


def test_rows_of_one_job_are_worth_one_row() -> None:
    rng = np.random.default_rng(1)
    jobs = np.repeat(np.arange(100), 20)
    alone = np.arange(2_000)
    constant_within_job = rng.standard_normal(100)[jobs]
    assert limits.effective_rows(constant_within_job, [alone, jobs], is_category=False) == pytest.approx(100, rel=0.05)
    assert limits.effective_rows(rng.standard_normal(2_000), [alone, jobs], is_category=False) > 1_200
    codes = rng.integers(0, 4, 100)[jobs]
    assert limits.effective_rows(codes, [jobs], is_category=True) == pytest.approx(100, rel=0.05)
    assert limits.effective_rows(np.full(2_000, np.nan), [jobs], is_category=False) == 2_000


def test_every_day_is_compared_once_with_days_of_the_other_half() -> None:
    design = limits.halves(9)
    assert sorted(day for analysed, _ in design for day in analysed) == list(range(9))
    assert all(not set(analysed) & set(compared) for analysed, compared in design)


def test_contributions_lie_beside_the_features_without_the_expected_value() -> None:
    values = np.array([[0.1, 0.0, 9.0], [0.2, 0.0, 9.0], [0.3, 0.0, 9.0]])
    explained = with_contributions(PAIRS, values, NAMES)
    assert explained.column_names == ["user_id", "distance_km", "shap_distance_km", "shap_openings"]
    assert explained["shap_distance_km"].to_pylist() == [0.1, 0.2, 0.3]
    again = with_contributions(explained, 2 * values, NAMES)
    assert again.column_names == explained.column_names
    assert again["shap_distance_km"].to_pylist() == [0.2, 0.4, 0.6]


def test_rows_that_were_not_explained_have_none() -> None:
    few = with_contributions(PAIRS, np.array([[0.1, 0.5, 9.0]]), NAMES)
    assert few["shap_distance_km"].to_pylist() == [0.1, None, None]
    assert contributing(few, ()) == ()


@pytest.mark.parametrize("shape", [(3, 2), (4, 3), (3,)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInputError, match="contributions have shape"):
        with_contributions(PAIRS, np.zeros(shape), NAMES)


def test_what_is_constant_or_never_alarms_is_not_watched() -> None:
    values = np.array([[0.1, 0.0, 1.0, 9.0], [0.2, 0.0, 2.0, 9.0], [0.3, 0.0, 3.0, 9.0]])
    explained = with_contributions(PAIRS, values, (*NAMES, "user_clicks_7d"))
    assert contributing(explained, ["user_clicks_7d", "tenure_days"]) == ("shap_distance_km",)


def test_shares_add_up_and_count_a_feature_once() -> None:
    shares = importance_shares({"distance_km": 3.0, "openings": 1.0})
    assert shares == {"distance_km": 0.75, "openings": 0.25}
    assert share_of(["openings", "shap_openings", "not_a_feature"], shares) == 0.25
    assert share_of(["distance_km", "openings"], shares) == 1.0
    assert share_of([], shares) == 0.0
    assert (contributions.feature_of("shap_openings"), contributions.feature_of("openings")) == ("openings", "openings")


def test_importance_that_is_not_known_has_no_share() -> None:
    assert importance_shares(None) is None
    assert importance_shares({"openings": 0.0}) is None
    assert share_of(["openings"], None) is None
    with pytest.raises(InvalidInputError, match="importance of openings is -1"):
        importance_shares({"openings": -1.0})


def test_what_never_alarms_is_missing_from_what_is_explained() -> None:
    matrix = np.arange(6.0).reshape(2, 3)
    blind = contributions.explained_matrix(
        matrix, ["distance_km", "user_clicks_7d", "openings"], ["user_clicks_7d", "tenure_days"]
    )
    assert np.isnan(blind[:, 1]).all()
    assert blind[:, [0, 2]].tolist() == [[0.0, 2.0], [3.0, 5.0]]
    assert matrix[0, 1] == 1.0


def finding(is_alarm: bool, statistic: float = 0.5, column: str = "pay") -> Finding:
    return Finding("data", column, "ks", statistic, 0.1, is_alarm, f"{column} moved — “über” 15 %.")


@given(
    statistics=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=5),
    flags=st.lists(st.booleans(), min_size=5, max_size=5),
    text=st.text(max_size=30),
)
def test_json_gives_back_the_same_report_to_the_bit(statistics: list[float], flags: list[bool], text: str) -> None:
    findings = [
        replace(finding(flag, value, text), importance_share=1 / 3 if flag else None, moved_columns=(text, "pay"))
        for value, flag in zip(statistics, flags, strict=False)
    ]
    report = conclude("r", as_of=DAY, model_version=None, sample_rows=7, findings=findings, ok=text, alarm="bad")
    again = MonitoringReport.from_json(report.to_json())
    assert again == report
    assert again.to_json() == report.to_json()


def test_conclusion_follows_from_findings_and_puts_the_largest_excess_first() -> None:
    findings = [finding(False, 0.05, "a"), finding(True, 0.2, "b"), finding(True, 0.9, "c")]
    report = conclude("r", as_of=DAY, model_version="m", sample_rows=7, findings=findings, ok="fine", alarm="bad")
    assert (report.status, report.sentence) == ("alarm", "bad")
    assert [f.column for f in report.findings] == ["c", "b", "a"]
    assert [f.column for f in report.alarms] == ["c", "b"]


@pytest.mark.parametrize("status", ["ok", "not_enough_evidence", "green"])
def test_a_report_cannot_hide_an_alarm(status: str) -> None:
    with pytest.raises(InvalidInputError, match="status"):
        MonitoringReport("r", DAY, None, 1, status, (finding(True),), "fine")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_finding_is_a_finite_number(value: float) -> None:
    with pytest.raises(InvalidInputError, match=r"Finding\.statistic of ks on pay"):
        finding(False, value)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"findings":[],"as_of_date":"x"}', '{"findings":[{"a":1}]}'])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="not a monitoring report"):
        MonitoringReport.from_json(text)


def test_a_report_of_before_importance_was_known_is_readable() -> None:
    report = conclude(
        "r", as_of=DAY, model_version="m", sample_rows=7, findings=[finding(True)], ok="fine", alarm="bad"
    )
    record = json.loads(report.to_json())
    for entry in record["findings"]:
        del entry["importance_share"], entry["moved_columns"]
    assert MonitoringReport.from_json(json.dumps(record)) == report


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_importance_is_a_share(share: float) -> None:
    with pytest.raises(InvalidInputError, match=r"Finding\.importance_share of ks on pay"):
        replace(finding(True), importance_share=share)


def test_what_moved_is_named_once_and_a_row_by_its_method() -> None:
    findings = [
        replace(finding(True, 0.9, "features"), moved_columns=("distance_km", "pay")),
        finding(True, 0.5, "pay"),
        finding(True, 0.4, ""),
        finding(False, 0.05, "quiet"),
    ]
    report = conclude("r", as_of=DAY, model_version="m", sample_rows=7, findings=findings, ok="fine", alarm="bad")
    assert report.moved_columns == ("distance_km", "pay", "ks")


@pytest.mark.parametrize(
    ("statistic", "threshold", "is_alarm", "ratio"),
    [
        (0.5, 0.25, True, 2.0),
        (0.1, 0.2, False, 0.5),
        (-0.3, 0.2, False, 0.0),  # better than expected
        (0.5, 0.25, False, None),  # beyond the limit, but it moves with the calendar
        (3.0, 0.0, True, None),  # nothing is allowed, so there is no unit
    ],
)
def test_a_ratio_is_the_statistic_in_units_of_its_limit(
    statistic: float, threshold: float, is_alarm: bool, ratio: float | None
) -> None:
    assert Finding("data", "pay", "ks", statistic, threshold, is_alarm, "x").ratio == ratio


def test_findings_are_ordered_by_their_ratio_and_those_without_one_left_out() -> None:
    findings = [
        Finding("data", "near", "ks", 0.18, 0.2, False, "x"),
        Finding("data", "calendar", "ks", 0.9, 0.2, False, "x"),
        Finding("data", "far", "ks", 0.6, 0.2, True, "x"),
    ]
    report = conclude("r", as_of=date(2026, 6, 2), model_version="m", sample_rows=1, findings=findings, ok="", alarm="")
    assert [(finding.column, round(ratio, 6)) for finding, ratio in report.by_ratio] == [("far", 3.0), ("near", 0.9)]
