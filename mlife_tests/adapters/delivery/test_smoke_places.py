"""Where a smoke test looks is what files and stacks say, and an older image takes what a newer release hands it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mlife_assets.adapters.clock import SystemClock
from mlife_assets.adapters.delivery.smoke import SmokePlaces, handed_over, places_of
from mlife_assets.adapters.delivery.stacks import read_infra

PEOPLE_KEY = "arn:aws:kms:us-east-1:111111111111:key/people"


@pytest.mark.aws
def test_places_are_those_of_the_stacks(repository: Path, account: Callable[[str], Any]) -> None:
    of = account("700000009998")
    of("ssm").put_parameter(Name="/mlife/event-log/bucket", Value="log", Type="String")
    of("ssm").put_parameter(Name="/mlife/lake/bucket", Value="lake", Type="String")
    of("ssm").put_parameter(Name="/mlife/people/bucket", Value="people", Type="String")
    of("ssm").put_parameter(Name="/mlife/people/key-arn", Value=PEOPLE_KEY, Type="String")
    of("ssm").put_parameter(Name="/mlife/catalog/workgroup", Value="mlife", Type="String")
    files = read_infra(repository / "infra")
    found, given = places_of(files, "prod", of), files.parameters["prod"]
    assert timedelta(0) < SystemClock().now() - datetime.fromisoformat(found.made) < timedelta(hours=1)
    said = (found.event_log, found.lake, found.people, found.people_key, found.workgroup)
    assert said == ("log", "lake", "people", PEOPLE_KEY, "mlife")
    assert found.runs_days is (given["DaysRunByThemselves"] == "true")
    assert (found.ui, found.log_in) == (given["DomainName"], given["OidcAuthorizationEndpoint"])
    region, accounts = files.accounts["region"], files.accounts["accounts"]
    assert found.log_heads == f"mlife-log-heads-prod-{accounts['witness']}"
    assert found.alerts == f"arn:aws:sns:{region}:{accounts['prod']}:mlife-alerts"


def test_an_older_image_takes_what_a_newer_release_hands_over() -> None:
    places = SmokePlaces(
        "dev", "us-east-1", "ui", "log-in", "2026-06-01", "lake", "log", "heads", "people", PEOPLE_KEY, "mlife",
        "alerts", True,
    )  # fmt: skip
    assert handed_over({**asdict(places), "of_tomorrow": 1}) == places
