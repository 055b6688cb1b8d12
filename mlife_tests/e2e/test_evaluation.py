"""The gate's asset in a lived world: panels of recruiters, planted faults, the card and the explanation beside it."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlsplit

import dagster as dg
import numpy as np
import pytest

from mlife_assets.components.graph import keys
from mlife_assets.components.model.challengers import CHALLENGER_REPORT, PROMOTION_REPORT
from mlife_assets.components.model.contenders import cohort_days
from mlife_assets.components.model.out_of_sample import fit_days_of_served
from mlife_assets.components.monitoring.inputs import mature_exposures
from mlife_assets.core.training.folds import fold_starts
from mlife_assets.core.training.training_set import gate_days
from mlife_assets.core.windows import add_days, day_start
from mlife_assets.recruiting.cohort import RULE_NAME
from mlife_assets.recruiting.panel.ballots import PANEL_COLUMNS
from mlife_assets.recruiting.panel.baseline import panel_name

OTHERS, FEW = 40, 6


def filled(as_of: date, jobs_of: dict[str, list[str]], seed: int) -> bytes:
    """Return the file of two recruiters who rank all candidates of some users, one of them at random."""
    rng = np.random.default_rng(seed)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(PANEL_COLUMNS)
    for user, jobs in jobs_of.items():
        for recruiter, ranked in (("ann", sorted(jobs)), ("bob", rng.permutation(sorted(jobs)).tolist())):
            writer.writerows([as_of, recruiter, user, job, rank] for rank, job in enumerate(ranked, 1))
    return text.getvalue().encode()


def evaluated(home: Any, day: date) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the asset; return its metadata and its report."""
    result = home.run_assets(day, keys.EVALUATION)
    (made,) = result.asset_materializations_for_node("model__evaluation")
    return dict(made.metadata), home.platform.tables.read_report(PROMOTION_REPORT, day)


def human_side(report: dict[str, Any]) -> str:
    (version,) = {one["model_version"] for one in report["comparisons"] if one["against"] == "human"}
    return version


@dataclass(frozen=True)
class Panelled:
    """A home whose gate days were ranked by recruiters: the first for a few users only, then the last for many."""

    home: Any
    day: date
    cohorts: list[Any]
    jobs_of: dict[date, dict[str, list[str]]]
    too_few: tuple[dict[str, Any], dict[str, Any]]
    enough: tuple[dict[str, Any], dict[str, Any]]


def record(home: Any, jobs_of: dict[date, dict[str, list[str]]], cohorts: list[Any], seed: int) -> None:
    """Record one panel per gate day, at noon of that day."""
    candidates = {cohort.as_of_date: cohort.pairs for cohort in cohorts}
    for as_of, jobs in sorted(jobs_of.items()):
        home.platform.panels.record(
            filled(as_of, jobs, seed), as_of=as_of, candidates=lambda _, as_of=as_of: candidates[as_of], actor="ann",
            now=day_start(as_of) + timedelta(hours=12),
        )  # fmt: skip


@pytest.fixture(scope="module")
def panelled(lived, lived_world, tmp_path_factory) -> Panelled:
    home = lived.home.copy_to(tmp_path_factory.mktemp("panelled") / "home")
    day, policies = home.day(lived_world.RETRAIN_DAY), lived_world.POLICIES
    cohorts = cohort_days(home.platform, gate_days(day, policies.label.apply_window_days, policies.promotion))
    jobs_of: dict[date, dict[str, list[str]]] = {}
    for cohort in cohorts:
        users, jobs = cohort.pairs["user_id"].to_pylist(), cohort.pairs["job_id"].to_pylist()
        applied = {user for user, is_relevant in zip(users, cohort.is_relevant, strict=True) if is_relevant}
        chosen = sorted(applied) + [user for user in sorted(set(users)) if user not in applied][:OTHERS]
        ranked: dict[str, list[str]] = {user: [] for user in chosen}
        for user, job in zip(users, jobs, strict=True):
            if user in ranked:
                ranked[user].append(job)
        jobs_of[cohort.as_of_date] = ranked
    first, last = (cohort.as_of_date for cohort in cohorts)
    jobs_of[first] = dict(list(jobs_of[first].items())[:FEW])
    record(home, {first: jobs_of[first]}, cohorts, seed=1)
    too_few = evaluated(home, day)
    record(home, {last: jobs_of[last]}, cohorts, seed=2)
    return Panelled(home, day, cohorts, jobs_of, too_few, evaluated(home, day))


def test_a_recorded_panel_is_the_human_side_on_its_own_users(panelled) -> None:
    metadata, report = panelled.enough
    panels = panelled.home.platform.panels.panels_of(list(panelled.jobs_of))
    name = panel_name(panels)
    assert name.startswith("panel:")
    assert human_side(report) == name
    ranked = sum(len(jobs) for by_user in panelled.jobs_of.values() for jobs in by_user.values())
    assert metadata["dagster/row_count"].value == ranked
    assert ranked < sum(cohort.pairs.num_rows for cohort in panelled.cohorts)
    assert report["users"] == len({user for by_user in panelled.jobs_of.values() for user in by_user})
    sentence = metadata["human_baseline"].value
    assert sentence.startswith(f"{name}: 2 recruiters ranked ")
    assert "before their outcomes" in sentence
    assert metadata["agreement_of_recruiters"].value.startswith("2 recruiters ranked for ")
    assert "Kendall's W" in metadata["agreement_of_recruiters"].value


def test_a_panel_of_too_few_users_leaves_the_rule_as_a_named_proxy(panelled) -> None:
    metadata, report = panelled.too_few
    assert human_side(report) == RULE_NAME == "recruiter_rule_v1"
    sentence = metadata["human_baseline"].value
    assert sentence.startswith("panel:")
    assert sentence.endswith(f"{RULE_NAME} stands in as a proxy.")
    assert f"ranked for {FEW} users with positives, 30 needed" in sentence
    assert metadata["dagster/row_count"].value == sum(cohort.pairs.num_rows for cohort in panelled.cohorts)
    assert metadata["agreement_of_recruiters"].value == "A rule stands in for people, so there is nothing to agree on."


def test_a_verdict_on_another_model_promotes_nobody(panelled, lived_world) -> None:
    """A challenger was fitted after the gate had judged: the verdict is not about it."""
    home = lived_world.open_home(panelled.home.folder)
    day, tables = home.day(1), home.platform.tables
    verdict = tables.read_report(PROMOTION_REPORT, panelled.day)
    tables.write_report(PROMOTION_REPORT, day, {**verdict, "outcome": "promoted"})
    versions = [row["model_version"] for row in home.platform.of_model().registry.versions()]
    other = next(one for one in versions if one != verdict["model_version"])
    tables.write_report(CHALLENGER_REPORT, day, {"model_version": other})
    history = home.platform.of_model().registry.history()
    result = home.run_assets(day, keys.CHAMPION_MODEL, raise_on_error=False)
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    said = failure.event_specific_data.user_failure_data.description
    assert "materialize fairness_audit and evaluation of that day again" in said
    assert home.platform.of_model().registry.history() == history
    assert home.platform.event_log.read("promotion_decided", start=day, end=day).num_rows == 0


@pytest.fixture(scope="module")
def shown(lived) -> dict[dg.AssetKey, dict[str, Any]]:
    """Return the newest metadata of the assets that are looked at when a model is judged."""
    with lived.home.instance() as instance:
        return {
            key: dict(instance.get_latest_materialization_event(key).asset_materialization.metadata)
            for key in (keys.EVALUATION, keys.EXPLANATION)
        }


def test_an_explanation_is_the_score_taken_apart(lived, shown) -> None:
    explanation = shown[keys.EXPLANATION]
    assert 0 <= explanation["largest_gap_to_raw_score"].value < 1e-9
    scorer = lived.home.platform.of_model().scorers.of(explanation["model_version"].value)
    plots = [name.removeprefix("dependence_on_") for name in explanation if name.startswith("dependence_on_")]
    assert len(plots) == 4
    assert set(plots) <= set(scorer.model_names)
    for name in plots:
        assert "data:image/png;base64,iVBOR" in explanation[f"dependence_on_{name}"].value


def test_the_platform_requires_what_every_gate_requires(lived, lived_world) -> None:
    platform, day = lived.home.platform, lived.home.day(lived_world.RETRAIN_DAY)
    report = platform.tables.read_report(PROMOTION_REPORT, day)
    sentences = {one["name"]: one["sentence"] for one in report["conditions"] if one["is_met"]}
    own = ["impact_ratios_not_proven_low", "impact_ratios_not_proven_low_by_folds", "no_feature_tells_the_outcome"]
    required = [
        "label_time_does_not_tell_the_outcome",
        "fold_trained_before_its_rows",
        "gate_rows_are_not_training_rows",
        "scoring_parity",
    ]
    fit = [
        "serving_probabilities_are_finite",
        "serving_probabilities_vary",
        "serving_scoring_parity",
        "serving_scores_follow_the_newest_fold",
        "refits_are_not_rolled_back",
    ]
    assert list(sentences)[-len([*own, *required, *fit]) :] == [*own, *required, *fit]
    assert "does not predict is_applied (0.500)" in sentences[required[0]]
    starts = [date.fromisoformat(fold["first_day"]) for fold in report["folds"]]
    weeks, fitted = platform.of_model().model.promotion.gate_weeks, fit_days_of_served(platform.of_model(), day)
    assert starts == fold_starts(day, platform.of_model().model.label_step.maturity_days, weeks, fitted)
    ends = [*(add_days(one, -1) for one in starts[1:]), date.fromisoformat(report["last_gate_day"])]
    shown = [mature_exposures(platform.of_model(), *fold).num_rows for fold in zip(starts, ends, strict=True)]
    found = re.match(
        rf"In each of {len(starts)} folds: 0 of ([\d,]+) gate rows \(0.00%\) repeat",
        sentences["gate_rows_are_not_training_rows"],
    )
    assert found is not None
    assert int(found[1].replace(",", "")) in shown, "exposures of a fold, not candidates"
    assert min(shown) > 1_000


def test_what_is_not_mature_after_four_days_has_no_number(lived) -> None:
    """Applies are complete after a week, and lift is claimed from the declared minimum on."""
    with lived.home.instance() as instance:
        made = {
            key: instance.get_latest_materialization_event(key).asset_materialization.metadata
            for key in (keys.KPI_DAILY, keys.DASHBOARD, keys.MESSAGE_DELIVERIES)
        }
    assert not {"revenue_usd", "sends", "mature_day"} & set(made[keys.KPI_DAILY])
    assert "lift" not in made[keys.DASHBOARD]
    assert made[keys.DASHBOARD]["claim"].value.startswith("not known yet; by ")
    sends = made[keys.MESSAGE_DELIVERIES]["sends"].value
    price = lived.home.platform.policies.price.text_segment_usd
    assert sends > 0
    assert made[keys.MESSAGE_DELIVERIES]["spend_usd"].value == pytest.approx(price * sends, rel=1e-5)


def test_the_card_lies_where_the_evaluation_says(lived, shown) -> None:
    evaluation = shown[keys.EVALUATION]
    address = re.fullmatch(r"\[the card of this challenger\]\((.+)\)", evaluation["card"].value)[1]
    path = lived.home.settings.places.lake / urlsplit(address).path.lstrip("/")
    page = path.read_text(encoding="utf-8")
    titles = re.findall(r'<img src="[^"]+" alt="([^"]+)"', page)
    assert len(titles) == 5
    assert titles[0] == "SHAP values", "the swarm is open, what the strongest features do is folded below it"
    assert evaluation["model_version"].value in page
    assert evaluation["human_baseline"].value.endswith(f"{RULE_NAME} stands in as a proxy.")
