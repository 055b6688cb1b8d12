"""Inputs of the reports: rows of a day, their quality, and the history of performance."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from PIL import Image

from mlife_assets.adapters.model_registry import ModelRegistry
from mlife_assets.components.graph.partitions import DAILY
from mlife_assets.components.metrics import map_history
from mlife_assets.components.metrics.map_history import MapDay, user_rankings
from mlife_assets.components.model.out_of_sample import folds_of
from mlife_assets.components.monitoring import inputs as monitoring_inputs
from mlife_assets.components.monitoring import performance_history
from mlife_assets.components.monitoring.inputs import (
    REFERENCE_REPORT,
    explained_pairs,
    is_funnel,
    landed_counts,
    landed_history,
    read_reference,
    reference_source,
    sampled_examples,
    sampled_pairs,
    scored_examples,
)
from mlife_assets.components.monitoring.performance_history import performance_picture, write_performance
from mlife_assets.components.monitoring.quality_gate import quality_check, quarantined_days, require_sound_day
from mlife_assets.core.errors import GateClosedError, InvalidInputError, NotFoundError, UpstreamMismatchError
from mlife_assets.core.monitoring.columns import LABEL, MonitoringColumns
from mlife_assets.core.monitoring.quality import REPORT
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport, conclude
from mlife_assets.core.monitoring.thresholds import Statistic, sizes_of
from mlife_assets.core.windows import add_days
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.deployments.landed_days import INGEST_REPORT
from mlife_assets.recruiting.features import feature_matrix
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings

DAY = date(2026, 6, 2)
METRICS = ("roc_auc", "average_precision")
FIRST = date(2026, 6, 2)
DAYS = 40
FAULTY = {3, 4, 30}


def ingested(platform: BoardPorts, day: date, **accepted: int) -> None:
    types = [{"event_type": name, "accepted": count} for name, count in accepted.items()]
    platform.tables.write_report(INGEST_REPORT, day, {"types": types})


def test_a_type_that_did_not_land_landed_nothing(platform) -> None:
    """Once taken as absent: a city's 150 sign-ups of one day were 'usual', and their end blocked the next day."""
    for back, counts in enumerate(({"click": 5}, {"click": 7, "consent": 150}, {"click": 6}), 1):
        ingested(platform, add_days(DAY, -back), **counts)
    assert landed_history(platform, DAY, 14) == {"click": [5, 7, 6], "consent": [0, 150, 0]}
    assert landed_history(platform, DAY, 2) == {"click": [5, 7], "consent": [0, 150]}
    assert landed_history(platform, add_days(DAY, 5), 14) == {}
    assert landed_counts(platform, add_days(DAY, -1)) == {"click": 5}
    with pytest.raises(NotFoundError, match="ingest of 2026-06-02 does not exist"):
        landed_counts(platform, DAY)


def test_the_sample_of_a_day_is_fixed_in_size_and_the_same_again(lived) -> None:
    platform, day = lived.home.platform, lived.home.day(1)
    first, again = sampled_pairs(platform.of_model(), day), sampled_pairs(platform.of_model(), day)
    assert first.pairs.equals(again.pairs)
    assert first.pairs.num_rows == platform.policies.monitoring.sample_rows_per_day
    assert first.population_rows > 10 * first.pairs.num_rows
    assert first.duplicate_pairs == 0


def test_outcomes_are_judged_where_no_policy_of_ours_exploited(lived) -> None:
    platform = lived.home.platform
    version = platform.of_model().scorers.champion_version(lived.home.day(1))
    scored = scored_examples(platform.of_model(), version, add_days(lived.home.day(1), -20), lived.home.day(4))
    assert set(scored["slice"].to_pylist()) <= {"organic", "explore"}
    assert scored.num_rows > 1_000
    assert 0 < min(scored["probability"].to_pylist()) < max(scored["probability"].to_pylist()) < 1


def test_outcomes_of_days_with_faulty_features_are_not_judged(lived, monkeypatch) -> None:
    platform = lived.home.platform
    version, last = platform.of_model().scorers.champion_version(lived.home.day(1)), add_days(lived.home.day(1), -9)
    faulty = add_days(last, -3)
    before = scored_examples(platform.of_model(), version, add_days(last, -6), last)
    assert faulty in before["exposure_date"].to_pylist()
    monkeypatch.setattr(monitoring_inputs, "quarantined_days", lambda *_: [faulty])
    after = scored_examples(platform.of_model(), version, add_days(last, -6), last)
    assert set(before["exposure_date"].to_pylist()) - set(after["exposure_date"].to_pylist()) == {faulty}


@pytest.mark.parametrize("further", [(), ("distance_km", "job_age_days")])
def test_contributions_beside_a_pair_are_those_of_its_score_without_what_never_alarms(lived, further) -> None:
    platform, day = lived.home.platform, lived.home.day(1)
    version = platform.of_model().scorers.champion_version(day)
    pairs = sampled_pairs(platform.of_model(), day).pairs
    columns = MonitoringColumns(unalarmed=(*PAIR_COLUMNS.unalarmed, *further))
    explained = explained_pairs(platform.of_model(), version, pairs, columns)
    scorer = platform.of_model().scorers.of(version)
    few = platform.policies.monitoring.explained_rows_per_day
    matrix = feature_matrix(pairs.slice(0, few), scorer.feature_spec, exposure_kind="message")
    names = scorer.feature_spec.names
    silent = [place for place, name in enumerate(names) if name in columns.unalarmed]
    matrix[:, silent] = np.nan
    assert names.index("user_clicks_7d") in silent
    expected = scorer.contributions(matrix)
    for place, name in enumerate(scorer.model_names):
        assert np.array_equal(explained[f"shap_{name}"].to_numpy()[:few], expected[:, place])
        assert explained[f"shap_{name}"].null_count == pairs.num_rows - few > 0
    assert explained.num_rows == pairs.num_rows


def test_the_reference_holds_what_the_reports_need_of_it(lived) -> None:
    reference = read_reference(lived.home.platform.of_model(), lived.home.day(1))
    assert "shap_taste_match" in reference.columns.contribution
    assert not {"shap_user_click_rate", "shap_tenure_days"} & set(reference.columns.contribution)
    assert {t.column for t in reference.thresholds if t.method == "domain_classifier"} == {
        "features", "taste_embeddings", "text_embeddings", "shap",
    }  # fmt: skip
    last = {outcome: max(reference.scored(outcome)["exposure_date"].to_pylist()) for outcome in (LABEL, "click")}
    policy = lived.home.platform.policies.label
    assert (last["click"] - last[LABEL]).days == policy.apply_window_days - policy.click_window_days
    assert any(t.method == "click_calibration_level" for t in reference.thresholds)
    assert reference.sizes == sizes_of(lived.home.platform.policies.monitoring)
    assert reference.columns.unalarmed == PAIR_COLUMNS.unalarmed
    for outcome in (LABEL, "click"):
        assert sum(reference.scored_by[outcome].values()) == reference.scored(outcome).num_rows, "who scored is known"
    folds = {fold.model_version for fold in folds_of(lived.home.platform.of_model(), reference.model_version)}
    assert set(reference.scored_by[LABEL]) <= folds - {reference.model_version}


def test_a_reference_that_cannot_be_read_says_why_and_names_its_partition(lived, tmp_path) -> None:
    home, day = lived.home.copy_to(tmp_path / "home"), lived.home.day(1)
    platform = home.platform
    _, partition, facts = reference_source(platform.of_model(), platform.of_model().scorers.champion_version(day))
    remedy = f"materialize the asset monitoring_reference for partition {partition}, then this day again"
    for change, why in (
        ({"form": 1}, "was written by another version of mlife"),
        ({"tables": ["examples"]}, "is not whole"),
        ({"profiles": [{}]}, "is not whole"),
    ):
        platform.tables.write_report(REFERENCE_REPORT, partition, facts | change)
        with pytest.raises(UpstreamMismatchError, match=f"{why}.*; {remedy}"):
            read_reference(platform.of_model(), day)
    platform.tables.write_report(REFERENCE_REPORT, partition, facts | {"model_version": "mdl_another"})
    with pytest.raises(NotFoundError, match="has no reference; materialize monitoring_reference for the day it was"):
        read_reference(platform.of_model(), day)


def test_a_reference_of_0_1_0_is_read_as_what_it_was(lived, tmp_path) -> None:
    home, day = lived.home.copy_to(tmp_path / "home"), lived.home.day(1)
    known = read_reference(home.platform.of_model(), day)
    _, partition, facts = reference_source(home.platform.of_model(), known.model_version)
    assert (known.ids, list(known.steps)) == (("user_id", "job_id"), ["click"])
    old = {name: value for name, value in facts.items() if name not in ("ids", "steps")}
    sizes = dict(facts["sizes"])
    sizes["domain_classifier_user_reference_rows"] = sizes.pop("domain_classifier_entity_reference_rows")
    home.platform.tables.write_report(REFERENCE_REPORT, partition, old | {"sizes": sizes})
    found = read_reference(home.platform.of_model(), day)
    assert (found.content_hash, found.outcomes, found.ids) == (known.content_hash, known.outcomes, known.ids)
    assert (found.sizes, found.thresholds) == (known.sizes, known.thresholds)


def test_clicks_are_scored_by_the_first_step_and_known_sooner(lived) -> None:
    platform = lived.home.platform
    day = lived.home.day(2)
    version = platform.of_model().scorers.champion_version(day)
    first, last = add_days(day, -12), add_days(day, -3)
    assert is_funnel(platform.of_model(), version)
    clicks = scored_examples(platform.of_model(), version, first, last, outcome="click")
    applies = scored_examples(platform.of_model(), version, first, last)
    assert max(clicks["exposure_date"].to_pylist()) == last > max(applies["exposure_date"].to_pylist())
    assert max(clicks["label_mature_date"].to_pylist()) == day
    assert clicks["is_positive"].equals(clicks["is_clicked"])
    level = pc.sum(clicks["is_positive"]).as_py() / pc.sum(clicks["probability"]).as_py()
    assert 0.6 < level < 1.6
    assert pc.mean(clicks["probability"]).as_py() > 2 * pc.mean(applies["probability"]).as_py()


def test_each_row_is_scored_by_one_of_several_models_in_their_shares(platform, monkeypatch) -> None:
    rows = pa.table({"row": np.arange(80), platform.of_model().model.outcomes[LABEL].label: np.zeros(80, dtype=bool)})
    monkeypatch.setattr(monitoring_inputs, "mature_exposures", lambda *_, **__: rows)
    said = {"fold_1": 0.1, "fold_2": 0.2, "nobody": 0.3}
    asked = []

    def probability(_: BoardPorts, version: str, own: pa.Table, outcome: str) -> np.ndarray:
        asked.append(version)
        return own["row"].to_numpy() + said[version]

    monkeypatch.setattr(monitoring_inputs, "_probability", probability)
    shares = {"fold_1": 30, "fold_2": 10, "nobody": 0}
    found = scored_examples(platform.of_model(), shares, date(2026, 6, 1), date(2026, 6, 7))
    assert found["row"].equals(rows["row"])
    who = np.round(found["probability"].to_numpy() - np.arange(80), 6)
    assert {share: int((who == share).sum()) for share in (0.1, 0.2)} == {0.1: 60, 0.2: 20}
    assert asked == ["fold_1", "fold_2"]


def test_a_sample_is_bounded_and_the_same_again(lived) -> None:
    platform, last = lived.home.platform, add_days(lived.home.day(1), -9)
    version, first = platform.of_model().scorers.champion_version(lived.home.day(1)), add_days(last, -6)
    whole = scored_examples(platform.of_model(), version, first, last)
    few = scored_examples(platform.of_model(), version, first, last, rows=200)
    assert few.num_rows == 200 < whole.num_rows
    assert few.equals(scored_examples(platform.of_model(), version, first, last, rows=200))
    places = pc.index_in(few["exposure_id"], value_set=whole["exposure_id"].combine_chunks())
    assert places.to_pylist() == sorted(places.to_pylist())
    assert whole.take(places)["probability"].equals(few["probability"])
    assert (
        sampled_examples(platform.of_model(), version, first, last).num_rows
        <= platform.policies.monitoring.reference_examples
    )


def test_no_exposure_is_no_example_and_a_model_of_one_step_has_no_clicks_to_judge(lived, monkeypatch) -> None:
    """Once an error: a day without a single mature exposure since the reference had no examples to sample."""
    day = lived.home.day(1)
    version = lived.home.platform.of_model().scorers.champion_version(day)
    for outcome in (LABEL, "click"):
        none = sampled_examples(lived.home.platform.of_model(), version, day, add_days(day, -1), outcome=outcome)
        assert none.num_rows == 0
        assert {"probability", "is_positive", "label_mature_date"} <= set(none.column_names)
    monkeypatch.setattr(monitoring_inputs, "is_funnel", lambda *_: False)
    with pytest.raises(InvalidInputError, match="says nothing of click; judge its label alone"):
        scored_examples(lived.home.platform.of_model(), "mdl_x", day, day, outcome="click")


def written(platform: BoardPorts, day: date, realised: float | None, *, clicks: bool = True) -> None:
    """Keep a day of both outcomes, or one without enough labels."""
    window = pa.table({"is_positive": [True, False, False]})
    outcomes = (LABEL, "click") if clicks else (LABEL,)
    found = [Statistic("estimated", m, 0.8) for m in METRICS] + [
        Statistic("realised", m, realised or 0.0) for m in METRICS
    ]
    findings = [
        Finding("concept", metric, f"{prefix}performance_shortfall", 0.0, 0.05, False, "fine.")
        for prefix in ("", "click_")
        for metric in METRICS
    ]
    report = conclude(
        "concept_drift_report", as_of=day, model_version="m", sample_rows=3,
        findings=findings if realised is not None else [], ok="fine", alarm="",
    )  # fmt: skip
    statistics = {outcome: found if realised is not None else [] for outcome in outcomes}
    write_performance(platform.of_model(), day, report, dict.fromkeys(outcomes, window), statistics)


def test_history_tells_both_outcomes_with_their_limits_and_nothing_where_there_is_nothing(platform) -> None:
    written(platform, DAY, None)
    written(platform, add_days(DAY, 1), 0.7)
    written(platform, add_days(DAY, 2), 0.79, clicks=False)
    written(platform, add_days(DAY, 9), 0.1)
    history = performance_history.performance_history(platform.of_model(), add_days(DAY, 2))
    assert [(one.as_of_date, one.outcome, one.metric) for one in history] == [
        *((add_days(DAY, 1), outcome, metric) for outcome in (LABEL, "click") for metric in METRICS),
        *((add_days(DAY, 2), LABEL, metric) for metric in METRICS),
    ]
    assert {(one.estimated, one.realised, one.allowed) for one in history[:4]} == {(0.8, 0.7, 0.05)}
    assert [one.is_alarm for one in history] == [True] * 4 + [False] * 2
    stored = platform.tables.read_report("realised_performance", add_days(DAY, 1))
    assert stored["click_allowed_shortfall_roc_auc"] == stored["allowed_shortfall_roc_auc"] == 0.05
    assert (stored["exposures"], stored["positives"], stored["click_positives"]) == (3, 1, 1)


def test_reports_of_before_limits_were_kept_are_drawn_without(platform) -> None:
    old = {"as_of_date": DAY, "exposures": 9} | {
        f"{how}_{m}": 0.7 for how in ("realised", "estimated") for m in METRICS
    }
    platform.tables.write_report("realised_performance", DAY, old)
    history = performance_history.performance_history(platform.of_model(), DAY)
    assert {(one.outcome, one.allowed, one.is_alarm) for one in history} == {(LABEL, None, False)}


def test_the_picture_of_a_day_knows_no_later_one_and_ranks_mature_days_only(platform, monkeypatch) -> None:
    asked: list[list[date]] = []

    def ranked(_, days):
        asked.append(list(days))
        return [MapDay(day, "m", 0.45, 0.3, 0.1, 40) for day in days]

    monkeypatch.setattr(map_history, "map_by_day", ranked)
    for offset in range(12):
        written(platform, add_days(DAY, offset), 0.79)
    now = add_days(DAY, 10)
    before = performance_picture(platform.of_model(), now, user_rankings)
    written(platform, add_days(DAY, 11), 0.1)
    assert performance_picture(platform.of_model(), now, user_rankings) == before
    assert asked == [[DAY, add_days(DAY, 1), add_days(DAY, 2)]] * 2
    pixels = np.asarray(Image.open(io.BytesIO(before)).convert("RGB"))
    assert pixels.shape[0] > 500, "four metrics and the ranking"


@pytest.fixture
def gated(tmp_path: Path) -> BoardPorts:
    """A platform with a quality report of each of 40 days, three of which failed."""
    platform = board_ports(Settings(home=tmp_path), policies=Policies())
    for number in range(DAYS):
        day, is_faulty = add_days(FIRST, number), number in FAULTY
        finding = Finding("quality", "latitude", "m", 1.0, 0.5, is_faulty, "latitude: moved.")
        report = MonitoringReport(REPORT, day, "mdl", 1, "alarm" if is_faulty else "ok", (finding,), "s")
        platform.of_model().reports.write(REPORT, day, report)
    return platform


def test_a_day_whose_quality_is_unknown_is_not_acted_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    platform = board_ports(Settings(home=tmp_path), policies=Policies())
    require_sound_day(platform.of_model(), FIRST)  # no model serves yet
    monkeypatch.setattr(ModelRegistry, "champion_at", lambda *_: "mdl")
    with pytest.raises(GateClosedError, match="is unknown"):
        require_sound_day(platform.of_model(), FIRST)


def test_faulty_days_are_found_among_those_that_are_asked_for(gated) -> None:
    def found(*numbers: int) -> list[int]:
        return [(day - FIRST).days for day in quarantined_days(gated.of_model(), (add_days(FIRST, n) for n in numbers))]

    assert found(*range(-10, DAYS + 10)) == [3, 4, 30]
    assert found(30, 4, 4, 29) == [4, 30]
    assert found(5, 6) == []
    assert found() == []
    assert found(DAYS) == [], "a day without a report is not known to be faulty"


def test_only_the_reports_of_these_days_are_read(gated, monkeypatch) -> None:
    read, asked = gated.tables.read_report, list[date]()
    monkeypatch.setattr(gated.tables, "read_report", lambda name, day: (asked.append(day), read(name, day))[1])
    assert quarantined_days(gated.of_model(), [add_days(FIRST, 4), add_days(FIRST, 9)]) == [add_days(FIRST, 4)]
    assert asked == [add_days(FIRST, 4), add_days(FIRST, 9)]


def run_of(platform: BoardPorts, day: date) -> dg.ExecuteInProcessResult:
    """Materialize an asset, its check and what follows it, as a run of one day does."""

    @dg.asset(partitions_def=DAILY)
    def pairs() -> None: ...

    @dg.asset(partitions_def=DAILY, deps=[pairs])
    def scores() -> None: ...

    check = quality_check(pairs.key, "pairs_come_from_a_sound_day", "Green when the day is sound.")
    definitions = dg.Definitions(
        assets=[pairs, scores],
        asset_checks=[check],
        jobs=[dg.define_asset_job("day", "*")],
        resources={"platform": platform},
    )
    with dg.DagsterInstance.ephemeral() as instance:
        return definitions.resolve_job_def("day").execute_in_process(
            instance=instance, partition_key=day.isoformat(), raise_on_error=False
        )


def test_a_blocked_run_says_why_before_it_says_where(gated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelRegistry, "champion_at", lambda *_: "mdl")
    result = run_of(gated, add_days(FIRST, 4))
    (evaluation,) = result.get_asset_check_evaluations()
    assert (evaluation.passed, evaluation.blocking, evaluation.description) == (False, True, "s")
    assert evaluation.metadata["runbook"].value == "http://127.0.0.1:3001/runbooks/data_quality_fault"
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_key == "pairs_pairs_come_from_a_sound_day"
    assert failure.step_failure_data.error.message.strip().endswith("Failure: s")
    assert failure.step_failure_data.user_failure_data.metadata == evaluation.metadata
    assert result.asset_materializations_for_node("scores") == [], "what follows did not run"
    assert not result.success


def test_a_sound_day_goes_on(gated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelRegistry, "champion_at", lambda *_: "mdl")
    result = run_of(gated, add_days(FIRST, 5))
    assert result.success
    (evaluation,) = result.get_asset_check_evaluations()
    assert (evaluation.passed, evaluation.description) == (True, None)


def test_without_a_model_there_is_nothing_to_judge_a_day_against(gated) -> None:
    result = run_of(gated, add_days(FIRST, 4))
    assert result.success
    (evaluation,) = result.get_asset_check_evaluations()
    assert evaluation.description.startswith("No model serves yet")
