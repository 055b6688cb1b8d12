"""Whatever turns red names a page, and each page says what it means, what to do and when it is over."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from mlife_assets.components.shown import runbooks
from mlife_assets.core.monitoring import concept, drift, latent, quality
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport
from mlife_assets.recruiting.recompute.compare import METHOD

DAY = date(2026, 6, 2)
MONITORING = {"no_quality_fault", "no_column_drifted", "no_joint_drift", "outcomes_are_as_expected"}
GATES = {"candidate_pairs_come_from_a_sound_day", "training_set_comes_from_a_sound_day"}
INDEX = f"{runbooks.FOLDER}/drift_alert.md"


def report(name: str, status: str, method: str = "m") -> MonitoringReport:
    findings = (Finding("k", "x", method, 2.0, 1.0, True, "x moved."),) if status == "alarm" else ()
    return MonitoringReport(name, DAY, None, 1, status, findings, "s")


@pytest.mark.parametrize("page", [*runbooks.PAGES, INDEX])
def test_each_page_exists_and_has_its_parts(repository: Path, page: str) -> None:
    text = (repository / page).read_text(encoding="utf-8")
    assert text.startswith("# Runbook: ")
    meaning = [] if page == INDEX else ["**What it means.**"]
    parts = ["**You are here because**", *meaning, "```console\n", "**Done when**"]
    assert [text.find(part) for part in parts] == sorted(text.find(part) for part in parts)
    assert all(part in text for part in parts)


def test_the_index_leads_to_every_page(repository: Path) -> None:
    linked = set(re.findall(r"\]\((\w+\.md)\)", (repository / INDEX).read_text(encoding="utf-8")))
    assert linked >= {Path(page).name for page in runbooks.PAGES}


def test_every_quality_rule_has_its_line_on_the_page(repository: Path) -> None:
    package = repository / "mlife_assets"
    rules = [package / "core" / "monitoring" / "quality.py", package / "recruiting" / "overnight.py"]
    source = "".join(path.read_text(encoding="utf-8") for path in rules)
    methods = set(re.findall(r'"(\w+_share|schema|freshness|volume|unit_ratio)"', source))
    methods |= {"duplicate_events", "duplicate_pairs", METHOD}
    assert len(methods) > 12
    page = (repository / runbooks.DATA_QUALITY_FAULT).read_text(encoding="utf-8")
    table = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`[^|]*) \|", page, re.M))))
    assert table == methods


def test_checks_name_their_page(definitions, repository: Path) -> None:
    graph = definitions.get_repository_def().asset_graph
    named = {}
    for key in graph.asset_check_keys:
        found = re.search(r"Runbook: ([\w/]+\.md)\.", graph.get(key).description or "")
        if found:
            named[key.name] = found.group(1)
    assert set(named) == MONITORING | GATES
    assert all((repository / page).exists() for page in named.values())
    assert len({named[name] for name in MONITORING}) == 4, "each kind of alarm has a page of its own"
    assert {named[name] for name in GATES} == {runbooks.DATA_QUALITY_FAULT}


@pytest.mark.parametrize(
    ("name", "page"),
    [
        (quality.REPORT, runbooks.DATA_QUALITY_FAULT),
        (drift.REPORT, runbooks.DATA_DRIFT),
        (latent.REPORT, runbooks.LATENT_DRIFT),
        (concept.REPORT, runbooks.CONCEPT_DRIFT),
    ],
)
def test_a_report_leads_to_the_page_of_its_worst_day(name: str, page: str) -> None:
    alarm, ok, unknown = report(name, "alarm"), report(name, "ok"), report(name, "not_enough_evidence")
    assert runbooks.runbook_of(name, [ok]) == page
    assert runbooks.runbook_of(name, [ok, alarm]) == page
    assert runbooks.runbook_of(name, [unknown, alarm]) == page
    assert runbooks.runbook_of(name, [ok, unknown]) == runbooks.NOT_ENOUGH_EVIDENCE


def test_a_row_mismatch_and_a_failed_retraining_have_pages_of_their_own() -> None:
    mismatch = report(quality.REPORT, "alarm", METHOD)
    assert runbooks.runbook_of(quality.REPORT, [report(quality.REPORT, "alarm"), mismatch]) == (
        runbooks.ROW_RECOMPUTE_MISMATCH
    )
    assert runbooks.runbook_of_job("retraining_job") == runbooks.RETRAINING_FAILED
    assert runbooks.runbook_of_job("daily_lifecycle_job") == runbooks.FAILED_RUN
