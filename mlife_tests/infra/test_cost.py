"""The page of costs is what the model says today, and the model counts what the templates hold."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from infra import cost
from infra.cost import PAGE, SIZES, Data, Run, Texts, given, month, page, to_be_confirmed
from infra.gate.environments import ENVIRONMENTS, Environment, Sources, rendered
from mlife_assets.core.errors import InvalidInputError

SIZED = {
    "IsMultiAz": "true", "DatabaseClass": "db.m7g.large", "DatabaseStorageGb": 100, "NatPerZone": "true",
    "RunCpu": "4096", "RunMemory": "16384", "TextsPerDay": 2500,
}  # fmt: skip
"""Sizes of prod by which lines are counted here by hand, whatever a reader wrote into `parameters/`."""


@pytest.fixture(scope="module")
def sources() -> Sources:
    read = Sources.read()
    return replace(read, parameters={**read.parameters, "prod": {**read.parameters["prod"], **SIZED}})


@pytest.fixture(scope="module")
def environments(sources: Sources) -> dict[str, Environment]:
    return {name: rendered(sources, name) for name in ENVIRONMENTS}


def changed(sources: Sources, name: str, **parameters: Any) -> Environment:
    """Return prod with other parameters."""
    other = copy.deepcopy(dict(sources.parameters))
    other[name] = {**other[name], **parameters}
    return rendered(replace(sources, parameters=other), name)


def test_the_page_is_what_the_model_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m infra.cost"


@pytest.mark.parametrize(
    ("parameters", "lines"),
    [
        ({"IsMultiAz": "false"}, {"database"}),
        ({"DatabaseStorageGb": 200}, {"database", "its copies"}),
        ({"DatabaseClass": "db.t4g.medium"}, {"database"}),
        ({"NatPerZone": "false"}, {"network"}),
        ({"RunCpu": "2048", "RunMemory": "8192"}, {"runs"}),
    ],
)
def test_a_changed_parameter_changes_its_lines_and_no_other(sources, environments, parameters, lines: set[str]) -> None:
    before, after = month(environments["prod"], 10_000), month(changed(sources, "prod", **parameters), 10_000)
    assert {name for name in before if before[name] != after[name]} == lines


def test_a_changed_template_changes_its_lines(sources: Sources, environments) -> None:
    templates = copy.deepcopy(dict(sources.templates))
    templates["45-dagster"]["Resources"]["WebserverService"]["Properties"]["DesiredCount"] = 4
    del templates["80-observability"]["Resources"]["UiIsDown"]
    other = rendered(replace(sources, templates=templates), "prod")
    before, after = month(environments["prod"], 10_000), month(other, 10_000)
    assert after["services"] > before["services"]
    assert after["watching"] == pytest.approx(before["watching"] - cost.price("alarm"))


def test_a_class_of_database_without_a_price_is_no_guess(sources: Sources) -> None:
    said = (
        r"infra/parameters/prod\.yaml: DatabaseClass is db\.x9\.huge, which has no price; .*infra/cost\.yaml.*db\.m7g"
    )
    with pytest.raises(InvalidInputError, match=said):
        month(changed(sources, "prod", DatabaseClass="db.x9.huge"), 10_000)
    with pytest.raises(InvalidInputError, match=r"infra/cost\.yaml has no price fargate_gpu_hour; add it under prices"):
        cost.price("fargate_gpu_hour")


def test_the_command_says_so_and_leaves_the_page_alone(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cost, "environment", lambda name: changed(sources, name, DatabaseClass="db.x9.huge"))
    monkeypatch.setattr(cost, "PAGE", tmp_path / "COST.md")
    assert cost.main() == 1
    assert "DatabaseClass is db.x9.huge" in capsys.readouterr().err
    assert not (tmp_path / "COST.md").exists()


def test_each_line_by_hand(environments) -> None:
    """Prod's fixed lines, from what the templates say at these sizes."""
    found = month(environments["prod"], 10_000)
    assert found["database"] == pytest.approx(2 * (730 * 0.168 + 100 * 0.115))
    assert found["network"] == pytest.approx(730 * (2 * 0.045 + 2 * 0.005 + 4 * 0.01) + 20 * 0.045)
    code, daemon, webserver = (1.0, 4.0), (0.5, 2.0), (0.5, 2.0)
    hour = sum(vcpu * 0.04048 + gb * 0.004445 for vcpu, gb in (code, daemon, webserver, webserver))
    assert found["services"] == pytest.approx(730 * hour)
    assert found["dashboard"] == 3 * 24 + 20 * 5
    data_sets = 7
    assert found["Athena"] == pytest.approx(data_sets * 30.4 * 0.00001 * 5)
    alarms, insights = 13, 11 + 3 * 13 + 4 * 8
    assert found["watching"] == pytest.approx(alarms * 0.1 + (20 + insights) * 0.3 + 10 * 0.5)


def test_what_grows_with_people_does_and_the_rest_does_not(environments) -> None:
    small, large = (month(environments["prod"], people) for people in (10_000, 1_000_000))
    growing = {name for name in small if large[name] > small[name]}
    assert growing == {"S3, kept", "runs"}
    assert large["S3, kept"] == pytest.approx(100 * small["S3, kept"])
    assert all(value > 0 for value in small.values())


def test_quantities_are_those_of_the_records() -> None:
    run = Run.measured()
    assert run.runs == pytest.approx(51 / 21)
    assert run.hours_of_month(20_000) < 2 * run.hours_of_month(10_000)
    day = cost.measured("data_of_a_day")
    assert Data(1_000).lake_bytes_of_day == pytest.approx(1_000 * day["lake_bytes_of_person_and_day"])
    assert Data(10).files_of_day == Data(1_000_000).files_of_day
    log, lake = Data(1).log_bytes_of_day, Data(1).lake_bytes_of_day
    assert Data(1).stored_bytes == pytest.approx(365 * (log + lake + 4 * (400 + 26)))


def test_texts_dominate_and_the_cap_holds_them(environments, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "environment", environments.get)
    cap = cost.environment("prod").stack("45-dagster").parameters["TextsPerDay"]
    for people in SIZES:
        texts = Texts.of(people)
        assert texts.allowed_of_day == cap
        assert texts.capped_usd == pytest.approx(min(texts.wanted_of_day, cap) * texts.usd_of_text * 30.4)
    million = Texts.of(1_000_000)
    assert million.capped_usd < million.wanted_usd / 10
    assert million.wanted_usd > sum(month(cost.environment("prod"), 1_000_000).values())


def test_every_price_has_a_source_and_old_ones_are_marked() -> None:
    prices, sources = given()["prices"], given()["sources"]
    assert {one["source"] for one in prices.values()} == sources.keys()
    assert all(one["usd"] > 0 and one["per"] for one in prices.values())
    for source in sources.values():
        assert source["url"].startswith("https://")
        assert date.fromisoformat(source.get("date", "2026-01-01")) <= date.fromisoformat(given()["as_of"])
    assert to_be_confirmed("athena")
    assert to_be_confirmed("secrets")
    assert not to_be_confirmed("fargate")
    marked = [line for line in page().splitlines() if line.endswith("| yes |")]
    assert len(marked) == sum(to_be_confirmed(one["source"]) for one in prices.values())
